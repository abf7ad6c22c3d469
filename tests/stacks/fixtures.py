"""The fixtures: private servers, the three stacks, and Downbeat on each of them.

Servers start when the first test asks and live for the session; their guards end them even when
pytest is killed. Under xdist each worker process has its own, and a stack's tests share one
worker (`--dist loadgroup`), so that no server starts twice.
"""

import secrets
from collections.abc import Iterator

import pytest
from _pytest.mark import ParameterSet

from tests.stacks import postgres as postgres_server
from tests.stacks import rabbitmq as rabbitmq_server
from tests.stacks import redis_server
from tests.stacks.server import Server
from tests.stacks.service import Service, Stack, running

NAMES = ("embedded", "postgres-redis", "postgres-rabbitmq")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Server]:
    with redis_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[rabbitmq_server.RabbitServer]:
    with rabbitmq_server.running() as server:
        yield server


def on(*names: str) -> list[ParameterSet]:
    """These stacks as parameters, each in the group that shares its servers."""
    return [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names]


def make_stack(request: pytest.FixtureRequest, name: str) -> Stack:
    """One stack by its name, sharing neither database nor broker with any other."""
    if name == "embedded":
        return Stack(name)
    server = request.getfixturevalue("postgres")
    env = {
        "DATABASE_URL": postgres_server.new_database(server),
        "SECRET_KEY": secrets.token_urlsafe(40),
        "REDIS_URL": redis_server.new_database(request.getfixturevalue("redis")),
    }
    if name == "postgres-rabbitmq":
        env["BROKER_URL"] = request.getfixturevalue("rabbitmq").new_vhost()
    return Stack(name, env)


@pytest.fixture(params=on(*NAMES))
def own_stack(request: pytest.FixtureRequest) -> Stack:
    """Each of the three stacks in turn, for one test that does harm to it."""
    return make_stack(request, request.param)


@pytest.fixture(scope="session")
def embedded_service() -> Iterator[Service]:
    """Downbeat as `make up` runs it, for what is the same on every stack."""
    with running(Stack("embedded")) as service:
        yield service


@pytest.fixture(scope="session", params=on(*NAMES))
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Downbeat on each of the three stacks in turn, shared by all tests that do no harm to it."""
    with running(make_stack(request, request.param)) as service:
        yield service

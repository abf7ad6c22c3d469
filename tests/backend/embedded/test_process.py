"""A guarded command: its exit code, and whose its id is after that."""

import os
import sys
from pathlib import Path

import pytest

from backend.embedded.process import Process
from tests.stacks.machine import Log, wait_until


def ended(command: list[str]) -> Process:
    process = Process("short", command, Log().say)
    assert wait_until(lambda: process.exit_code() is not None, 10)
    return process


@pytest.mark.parametrize(
    ("command", "code"), [(["true"], 0), (["false"], 1), (["sh", "-c", "kill -9 $$"], 128 + 9)]
)
def test_the_exit_code_is_the_commands_before_and_after_the_end(
    command: list[str], code: int
) -> None:
    process = ended(command)
    assert process.exit_code() == code
    process.terminate()  # says nothing to whoever has ended
    process.kill()
    assert process.exit_code() == code


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux looks without counting out")
def test_the_id_is_not_given_to_another_process_before_the_group_is_killed() -> None:
    process = ended(["true"])
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0]
    assert state == "Z"  # kept for us, and so is the group's id
    process.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)

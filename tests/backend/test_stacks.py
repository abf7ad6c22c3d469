"""Where a server is missing its tests skip with the reason; in CI they fail."""

import pytest

from tests.stacks import postgres, rabbitmq
from tests.stacks.machine import absent


def test_a_missing_server_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_STACKS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such server"):
        absent("no such server")


@pytest.mark.parametrize("server", [postgres, rabbitmq])
def test_a_missing_server_fails_where_all_are_required(
    monkeypatch: pytest.MonkeyPatch, server: object
) -> None:
    monkeypatch.setenv("REQUIRE_STACKS", "1")
    monkeypatch.setattr(server, "find", lambda name, folders: None)
    with pytest.raises(pytest.fail.Exception, match="not installed"), server.running():  # type: ignore[attr-defined]
        pytest.fail("it started")

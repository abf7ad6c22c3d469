"""Watches /readyz from outside and tells when the service can be used."""

import http.client
import time
from collections.abc import Callable

POLL_SECONDS = 0.2
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # nosec B104 # noqa: S104 - compared, not listened on


def address(host: str) -> str:
    """Where a client on this machine reaches a service that listens on `host`."""
    return ANYWHERE.get(host, host)


def base_url(host: str, port: int) -> str:
    name = address(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def is_ready(host: str, port: int, name: str) -> bool:
    """Whether /readyz answers 200 to a request that names the host `name`."""
    connection = http.client.HTTPConnection(address(host), port, timeout=3)
    try:
        connection.request("GET", "/readyz", headers={"Host": name})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False  # not there yet
    finally:
        connection.close()


def wait(check: Callable[[], bool], give_up: Callable[[], bool]) -> bool:
    """Poll until the check holds; false when there is no more reason to wait."""
    while not give_up():
        if check():
            return True
        time.sleep(POLL_SECONDS)
    return False

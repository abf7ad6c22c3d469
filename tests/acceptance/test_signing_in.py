"""Sessions of people on a running service: throttled by all its processes, ended everywhere."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import unquote

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from backend.embedded import ready
from backend.embedded.home import spare_port
from backend.embedded.process import Process
from tests.acceptance.spa import PASSWORD, Spa, ask, make_user, watch
from tests.stacks.machine import wait_until
from tests.stacks.service import Service, Stack, running

CLOSED_SECONDS = 10  # five are promised, on a machine that has nothing else to do
NEW = "staple battery horse"


Browse = Callable[..., Spa]


@pytest.fixture
def browse() -> Iterator[Browse]:
    """`browse(service, port)`: a new browser, closed when the test ends."""
    with ExitStack() as browsers:

        def browse(service: Service, port: int | None = None) -> Spa:
            spa = Spa(service, port)
            browsers.callback(spa.http.close)
            return spa

        yield browse


def closed(socket: ClientConnection) -> int | None:
    """The code with which the server closes now; operations are told before."""
    deadline = time.monotonic() + CLOSED_SECONDS
    try:
        while True:
            socket.recv(deadline - time.monotonic())
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def test_sign_out_closes_the_sockets_of_the_session(service: Service, browse: Browse) -> None:
    make_user(service, "olga")
    here, elsewhere = browse(service), browse(service)
    for spa in (here, elsewhere):
        assert spa.sign_in("olga").status_code == 200
    with here.socket() as socket, here.socket() as idle, elsewhere.socket() as other:
        watch(socket)
        assert here.send("DELETE", "auth/session").status_code == 401
        assert closed(socket) == 4403
        assert closed(idle) == 4403
        viewer = ask(other, "{ viewer { displayName } }")["data"]["viewer"]
        assert viewer == {"displayName": "olga"}


def test_another_password_closes_the_sockets_of_every_session(
    service: Service, browse: Browse
) -> None:
    make_user(service, "petra")
    here, elsewhere = browse(service), browse(service)
    for spa in (here, elsewhere):
        assert spa.sign_in("petra").status_code == 200
    with elsewhere.socket() as socket:
        watch(socket)
        change = {"current_password": PASSWORD, "new_password": NEW}
        assert here.send("POST", "account/password/change", **change).status_code == 200
        assert closed(socket) == 4403
    assert here.send("GET", "auth/session").status_code == 200
    assert elsewhere.send("GET", "auth/session").status_code == 401


@contextmanager
def second_web(service: Service) -> Iterator[int]:
    """One more web process of the service, as on another host; its port."""
    port = spare_port()
    command = (sys.executable, "-m", "backend.web")
    process = Process("web", command, service.log.say, {**service.env, "PORT": str(port)})
    try:
        assert wait_until(lambda: ready.is_ready("127.0.0.1", port, "localhost"), 30)
        yield port
    finally:
        process.kill()


def test_attempts_are_counted_by_all_processes_together(service: Service, browse: Browse) -> None:
    with second_web(service) as port:
        browsers = [browse(service, each) for each in (service.port, port) * 6]

        def attempt(number: int) -> int:
            return browsers[number].sign_in("nobody", "wrong").status_code

        with ThreadPoolExecutor(len(browsers)) as threads:
            statuses = list(threads.map(attempt, range(len(browsers))))
    assert set(statuses) <= {400, 429}
    assert 1 <= statuses.count(400) <= 5
    answer = browse(service).sign_in("nobody", "wrong")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 60


@pytest.mark.xdist_group("embedded")
def test_a_mail_is_printed_where_the_operator_says_so(browse: Browse) -> None:
    env = {
        "EMAIL_URL": "console:",
        "EMAIL_FROM": "downbeat@app.example",
        "APP_URL": "https://app.example",
        "SIGN_UP": "true",
    }
    with running(Stack("embedded"), **env) as service:
        spa = browse(service)
        made = spa.send("POST", "auth/signup", email="eve@example.org", password=PASSWORD)
        assert made.status_code == 401
        link = r"https://app\.example/account/verify-email/(\S+)"
        assert wait_until(lambda: re.search(link, "\n".join(service.log.lines)) is not None, 10)
        found = re.search(link, "\n".join(service.log.lines))
        assert found
        assert spa.sign_in("eve").status_code == 401
        spa.send("POST", "auth/email/verify", key=unquote(found[1]))
        assert spa.sign_in("eve").status_code == 200

"""SQLite has one writer at a time: who comes meanwhile waits, and nobody is refused."""

import threading
import time

import pytest

from tests.faults.matrix import Matrix
from tests.faults.scene import Scale
from tests.faults.stage import Stage
from tests.faults.starts import codes
from tests.faults.workers import another_worker
from tests.stacks.fixtures import on

CLIENTS = 4
PAUSE_SECONDS = 0.2  # of each client: the runs are to be performed meanwhile
WRITERS = 8  # children, beside the main processes, the conductor and the web


class Client(threading.Thread):
    """Starts runs until it is over; keeps every code of a refusal, and the slowest answer."""

    def __init__(self, stage: Stage, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.over = threading.Event()
        self.refusals = list[str]()
        self.slowest = 0.0
        self.starts = 0
        self._scene = stage.scene

    def run(self) -> None:
        while not self.over.wait(PAUSE_SECONDS):
            asked = time.monotonic()
            self.refusals += codes(self._scene, f"{self.name} {self.starts}")
            self.slowest = max(self.slowest, time.monotonic() - asked)
            self.starts += 1


@pytest.mark.parametrize("stage", on("embedded"), indirect=True)
def test_no_user_hears_that_sqlite_is_locked(stage: Stage, matrix: Matrix, scale: Scale) -> None:
    scene = stage.scene
    own = int(scene.service.env.get("WORKER_PROCESSES", "2"))
    clients = [Client(stage, f"writer {number}") for number in range(CLIENTS)]
    with another_worker(scene.service, WORKER_PROCESSES=str(WRITERS - own)):
        over = time.monotonic() + (600 if scale.part >= 1 else 15)
        for client in clients:
            client.start()
        while time.monotonic() < over and all(client.is_alive() for client in clients):
            scene.start("long_work", tenths=5)  # with progress, which is written too
            scene.start("counted_work", number=1)
            time.sleep(PAUSE_SECONDS)
        for client in clients:
            client.over.set()
            client.join(60)
        scene.settle(120)
    assert [client.refusals for client in clients] == [[]] * CLIENTS
    assert all(client.starts > 10 for client in clients)
    slowest = max(client.slowest for client in clients)
    expected = "no start is refused (the slowest answer)"
    matrix.record("8 processes write to SQLite for 10 min", expected, slowest)

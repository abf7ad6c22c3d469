"""The conductor tells a disturbance from an ordinary day."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
import redis as client
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import broker, runs, signs
from tasks.models import Run, Worker
from tasks.runs import Vitals
from tasks.signs import Memory, Silence, Storm
from tests.stacks.redis_server import new_database
from tests.stacks.server import Server
from tests.tasks.holding import hold, start


class TestStorm:
    """Recovery waits for one lease."""

    @pytest.fixture(autouse=True)
    def _quick(self, settings: Settings) -> None:
        settings.LEASE_SECONDS = 0.2
        settings.HEARTBEAT_SECONDS = -1.0  # a silence of less than 0.9 s is none

    def looks(self, monkeypatch: pytest.MonkeyPatch, *vitals: Vitals) -> None:
        seen = iter(vitals)
        monkeypatch.setattr(runs, "vitals", lambda: next(seen))

    def calm(self, monkeypatch: pytest.MonkeyPatch) -> Storm:
        """One that has seen the database for a whole lease."""
        storm = Storm()
        time.sleep(0.25)
        self.looks(monkeypatch, Vitals(1_000, 100, 0))
        assert storm.is_over()
        return storm

    def test_after_a_start_it_lasts_a_lease(self, monkeypatch: pytest.MonkeyPatch) -> None:
        storm = Storm()
        self.looks(monkeypatch, Vitals(1_000, 0, 0))
        assert not storm.is_over()

    @pytest.mark.parametrize("jump", [-3_600, 3_600])
    def test_a_jump_of_the_databases_clock_begins_one(
        self, monkeypatch: pytest.MonkeyPatch, jump: float
    ) -> None:
        storm = self.calm(monkeypatch)
        later = 1_000 + jump
        self.looks(monkeypatch, Vitals(later, 9, 1), Vitals(later + 0.3, 9, 1))
        assert not storm.is_over()
        time.sleep(0.25)
        assert storm.is_over()

    def test_a_long_silence_of_the_database_begins_one_and_a_short_one_does_not(
        self, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        storm = self.calm(monkeypatch)
        time.sleep(0.1)
        self.looks(monkeypatch, Vitals(1_000.1, 9, 1))
        assert storm.is_over(), "a living worker's lease outlasts that"
        settings.HEARTBEAT_SECONDS = 0.1
        storm = self.calm(monkeypatch)
        time.sleep(0.1)
        self.looks(monkeypatch, *[Vitals(1_000.1, 9, 1)] * 2)
        assert not storm.is_over(), "0.1 s is left when the silence begins, less than 0.1 s after"
        time.sleep(0.06)
        assert not storm.is_over()

    def test_many_leases_that_pass_at_once_begin_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        storm = self.calm(monkeypatch)
        self.looks(monkeypatch, *[Vitals(1_000, 20, 11)] * 3)
        assert not storm.is_over()
        assert not storm.is_over()
        time.sleep(0.25)
        assert storm.is_over()  # who is still silent is dead

    @pytest.mark.parametrize(("running", "expired"), [(19, 19), (20, 10), (1_000, 500)])
    def test_some_dead_workers_are_no_storm(
        self, monkeypatch: pytest.MonkeyPatch, running: int, expired: int
    ) -> None:
        storm = self.calm(monkeypatch)
        self.looks(monkeypatch, Vitals(1_000, running, expired))
        assert storm.is_over()


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_the_vitals_are_those_of_the_rows(viewer: Viewer) -> None:
    for _ in range(3):
        hold(start(viewer))
    start(viewer)
    one = Run.objects.filter(status="RUNNING").first()
    assert one is not None
    past = timezone.now() - timedelta(seconds=1)
    Run.objects.filter(pk=one.pk).update(lease_until=past)
    vitals = runs.vitals()
    assert (vitals.running, vitals.expired) == (3, 1)
    assert abs(vitals.clock - time.time()) < 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
class TestSilence:
    """Knocks reach nobody though a free worker knows the task."""

    def silent(self, monkeypatch: pytest.MonkeyPatch) -> Silence:
        monkeypatch.setattr(signs, "SILENCE_SECONDS", 0.0)
        return Silence()

    def worker(self, busy: int = 0, claimed: float = 60, *tasks: str) -> None:
        ago = timezone.now() - timedelta(seconds=claimed)
        known = list(tasks or ("count_words",))
        Worker.objects.create(name="w", tasks=known, slots=2, busy=busy, claimed_at=ago)

    def test_it_is_heard(self, viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
        silence = self.silent(monkeypatch)
        start(viewer)
        self.worker()
        time.sleep(0.01)
        assert silence.tasks() == ["count_words"]

    @pytest.mark.parametrize(
        ("busy", "claimed", "task"),
        [(2, 60, "count_words"), (0, -60, "count_words"), (0, 60, "profile_dataset")],
        ids=["no free slot", "something was claimed", "nobody knows the task"],
    )
    def test_it_has_other_reasons(
        self,
        viewer: Viewer,
        monkeypatch: pytest.MonkeyPatch,
        busy: int,
        claimed: float,
        task: str,
    ) -> None:
        silence = self.silent(monkeypatch)
        start(viewer)
        self.worker(busy, claimed, task)
        time.sleep(0.01)
        assert silence.tasks() == []

    def test_no_work_is_no_silence(self, viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
        silence = self.silent(monkeypatch)
        hold(start(viewer))
        self.worker()
        assert silence.tasks() == []

    def test_it_is_asked_for_later_and_later(
        self, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        silence = self.silent(monkeypatch)
        monkeypatch.setattr(silence, "_pause", 10.0)
        start(viewer)
        self.worker()
        time.sleep(0.01)
        assert silence.tasks() == ["count_words"]
        assert silence.tasks() == []
        assert silence._pause == 20


def test_a_flushed_redis_is_noticed_once(redis: Server) -> None:
    url = new_database(redis)
    memory = Memory(url)
    assert memory.is_lost()  # nobody has been here before
    assert not memory.is_lost()
    assert not Memory(url).is_lost()  # another conductor
    client.Redis.from_url(url).flushdb()
    assert [memory.is_lost(), memory.is_lost()] == [True, False]


def test_a_redis_that_is_away_is_told(redis: Server) -> None:
    with pytest.raises(client.ConnectionError):
        Memory("redis://127.0.0.1:1/0").is_lost()


def test_rabbitmq_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    pings: list[object] = []
    monkeypatch.setattr(signs, "MEMORY_SECONDS", 0.05)
    monkeypatch.setattr(broker, "ping", lambda: pings.append(uuid4()))
    memory = Memory("amqp://nowhere//")
    assert [memory.is_lost() for _ in range(3)] == [False] * 3
    assert pings == []
    time.sleep(0.06)
    assert not memory.is_lost()
    assert len(pings) == 1

"""A scene on servers that nobody else uses, and what can be hurt of it, by test after test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.soak.__main__ import RATES
from tests.faults.brokers import Broker, EmbeddedRedis, ServedBroker, ServedRedis
from tests.faults.scene import Scale, Scene, played
from tests.stacks.private import Private, private_stack

# As published whatever the scale: what the broker forgot is to be noticed, not rung for by and by.
RING = {"RING_SECONDS": "60"}


@dataclass(frozen=True)
class Stage:
    """The scene, its broker, and the servers and links that are no parts of the service."""

    scene: Scene
    broker: Broker
    private: Private


@contextmanager
def set_up(name: str, folder: Path, scale: Scale) -> Iterator[Stage]:
    """A stage on the stack of this name."""
    env = {**scale.times(), **RATES, **RING}
    with (
        private_stack(name, links=True) as private,
        played(private.stack, folder, **env) as scene,
    ):
        yield Stage(scene, _broker(name, private, scene), private)


def _broker(name: str, private: Private, scene: Scene) -> Broker:
    if name == "embedded":
        return EmbeddedRedis(scene.service)
    kind = ServedRedis if name == "postgres-redis" else ServedBroker
    return kind(private.servers["broker"], private.links["broker"])

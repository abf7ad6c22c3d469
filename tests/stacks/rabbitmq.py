"""A private RabbitMQ server, with an Erlang port mapper of its own."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amqp

from backend.embedded.home import spare_port
from backend.embedded.process import Process
from tests.stacks.machine import Log, absent, as_user, find, folder, plain_user
from tests.stacks.server import Program, Server

PLACES = (  # before PATH: Debian's own /usr/sbin script insists on the system's user and folders
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)
WATERMARK = "0.6"  # RabbitMQ's own


_numbers = itertools.count(1)


class RabbitServer(Server):
    """A RabbitMQ server, and how its control program reaches it."""

    def __init__(self, url: str, program: Program, control: tuple[str, ...]) -> None:
        super().__init__(url, program, _answers)
        self._control = control

    def new_vhost(self) -> str:
        """The URL of a new virtual host: a broker of its own, as far as its users can tell."""
        name = f"downbeat_{next(_numbers)}"
        self._ask("add_vhost", name)
        self._ask("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        return f"{self.url}{name}"

    @contextmanager
    def alarmed(self) -> Iterator[None]:
        """Out of memory, it says meanwhile: it reads from no connection that publishes."""
        self._ask("set_vm_memory_high_watermark", "0")
        try:
            yield
        finally:
            self._ask("set_vm_memory_high_watermark", WATERMARK)

    def _ask(self, *words: str) -> None:
        env, place = self._program.env, self._program.cwd
        command = (*self._control, *words)
        subprocess.run(command, env=env, cwd=place, check=True, capture_output=True, timeout=60)


@contextmanager
def running() -> Iterator[RabbitServer]:
    """A server and port mapper that a standard RabbitMQ of this machine never meets."""
    program = find("rabbitmq-server", PLACES)
    epmd = find("epmd", ("/usr/lib/erlang/erts-*/bin",))
    if program is None or epmd is None:
        absent("RabbitMQ is not installed (rabbitmq-server, epmd)")
    user = plain_user("rabbitmq")
    with folder("rabbitmq", user) as place:
        env = _environment(place, spare_port())
        mapper = Process("epmd", (*as_user(user), epmd), Log().say, env, place)
        server = RabbitServer(
            f"amqp://guest:guest@127.0.0.1:{env['RABBITMQ_NODE_PORT']}/",
            Program("rabbitmq", (*as_user(user), program), place, env),
            (*as_user(user), str(Path(program).with_name("rabbitmqctl"))),
        )
        try:
            server.start()
            yield server
        finally:
            server.kill()
            mapper.kill()


def _environment(place: Path, port: int) -> dict[str, str]:
    config = place / "rabbitmq.conf"
    config.write_text("disk_free_limit.absolute = 1MB\n", encoding="ascii")
    plugins = place / "enabled_plugins"
    plugins.write_text("[].\n", encoding="ascii")
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(place),  # the Erlang cookie
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(spare_port()),
        "RABBITMQ_NODENAME": f"downbeat{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(spare_port()),
        "RABBITMQ_CONF_ENV_FILE": str(place / "no-such-file"),
        "RABBITMQ_CONFIG_FILE": str(config),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_MNESIA_BASE": str(place / "mnesia"),
        "RABBITMQ_LOG_BASE": str(place / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(place / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }


def _answers(url: str) -> bool:
    host = url.rpartition("@")[2].rstrip("/")
    try:
        with amqp.Connection(host, connect_timeout=2, read_timeout=5, write_timeout=5):
            return True
    except (OSError, amqp.AMQPError):
        return False

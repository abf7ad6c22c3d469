"""Serves the one port: `python -m backend.web [--grace SECONDS]`, on HOST and PORT."""

import argparse
import resource
import socket

import uvicorn

from backend import config
from backend.front.protocol import BoundedHttp, BoundedWebSocket
from schema.limits import MESSAGE_BYTES

CONNECTIONS = 10_000
OTHER_FILES = 124  # that a process has open beside its connections
GRACE_SECONDS = 10
PING_SECONDS = 20.0  # between two looks whether a WebSocket's client lives; and for its answer


class Server(uvicorn.Server):
    """Ends the streams first: uvicorn would wait for them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.loaded_app.leave()
        await super().shutdown(sockets)


def make_server(application: str, host: str, port: int, *, grace: int) -> Server:
    """A server for the application at this place (`module:name`), with our bounds."""
    options = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=BoundedHttp,
        ws=BoundedWebSocket,
        ws_max_size=MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,  # it costs each socket memory, and small messages gain little
        limit_concurrency=_connections(),
        timeout_graceful_shutdown=grace,
        proxy_headers=False,  # anybody can send them: the front believes TRUSTED_PROXIES of them
        server_header=False,  # what serves is nobody's business
        access_log=False,  # it would print the signatures of uploads
        log_config=None,  # Django's settings configure logging for all
    )
    return Server(options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--grace", type=int, default=GRACE_SECONDS, help="seconds for open requests at the end"
    )
    grace, settings = parser.parse_args().grace, config.load()
    make_server("backend.asgi:application", settings.host, settings.port, grace=grace).run()


def _connections() -> int:
    """How many may be open at once, after raising the limit of open files as far as needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted - OTHER_FILES


if __name__ == "__main__":
    main()

"""Serves the one port: `python -m backend.web [--grace SECONDS]`, on HOST and PORT."""

import argparse

import uvicorn

from backend import config
from backend.front.protocol import BoundedHttp

CONNECTIONS = 900  # below the usual limit of 1,024 open files
GRACE_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--grace", type=int, default=GRACE_SECONDS, help="seconds for open requests at the end"
    )
    settings, grace = config.load(), parser.parse_args().grace
    uvicorn.run(
        "backend.asgi:application",
        host=settings.host,
        port=settings.port,
        http=BoundedHttp,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=grace,
        proxy_headers=False,  # anybody can send them: PUBLIC_URL says what clients see
        access_log=False,  # it would print the signatures of uploads
        log_level=settings.log_level.lower(),
    )


if __name__ == "__main__":
    main()

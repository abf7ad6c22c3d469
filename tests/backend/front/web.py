"""A running web process of its own, a client for it, and a token."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

THREADS = 2
START_SECONDS = 30


def _manage(env: dict[str, str], *words: str) -> str:
    command = (sys.executable, "manage.py", *words)
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"uvicorn did not start:\n{log.read_text()}")


class Server:
    """A running uvicorn, a client for it, and a token."""

    def __init__(self, home: Path, **settings: str) -> None:
        with socket.socket() as spare:
            spare.bind(("127.0.0.1", 0))
            self.port = spare.getsockname()[1]
        keep = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        env = keep | {"DOWNBEAT_HOME": str(home), "WEB_THREADS": str(THREADS)}
        env |= {"CORS_ORIGINS": "https://app.example", "PYTHONWARNINGS": "ignore"}
        env |= settings
        _manage(env, "migrate", "-v0")
        self.token = _manage(env, "api_token", "ada").split()[-1]
        self.home = home
        self.log = home / "log"
        module = "tests.backend.front.served:application"
        made = f"make_server({module!r}, '127.0.0.1', {self.port}, grace=15)"
        serve = f"from backend.web import make_server; {made}.run()"
        command = (sys.executable, "-c", serve)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        _wait_for(self.port, self.process, self.log)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    def graphql(self, query: str, **variables: Any) -> Any:
        response = self.http.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert response.status_code == 200, response.text
        assert "errors" not in response.json(), response.text
        return response.json()["data"]

    def stop(self) -> int:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

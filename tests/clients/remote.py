"""A client library in a process of its own, worked by lines of JSON (see src/remote.ts)."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.clients.blocks import HERE

SECONDS = 30  # that anything may take which has no limit of its own

Item = dict[str, Any] | None


class Watch:
    """What a client has said of one subscription."""

    def __init__(self, *, repeats: bool) -> None:
        self.seen: list[Item] = []
        self.error: Any = None
        self.is_complete = False
        self._repeats = repeats
        self._news = asyncio.Event()

    def hear(self, said: dict[str, Any]) -> None:
        """One line of the client's."""
        if "next" in said and not (self._repeats and self.seen and self.seen[-1] == said["next"]):
            self.seen.append(said["next"])
        self.error = said.get("error", self.error)
        self.is_complete |= "complete" in said
        self._news.set()

    @property
    def last(self) -> dict[str, Any]:
        return (self.seen[-1] if self.seen else None) or {}

    @property
    def is_over(self) -> bool:
        return self.is_complete or self.error is not None

    async def until(self, holds: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait for it."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"nothing came of it in {seconds} s: {self}") from None

    async def to_progress(self, steps: int = 2) -> None:
        """Wait until the run has gone so many steps."""
        await self.until(lambda: ((self.last.get("progress") or {}).get("done") or 0) >= steps)

    async def to_end(self, seconds: float = SECONDS) -> None:
        await self.until(lambda: self.is_over, seconds)

    def __repr__(self) -> str:
        end = "complete" if self.is_complete else self.error
        return f"{len(self.seen)} items, the last {self.seen[-2:]}, the end {end!r}"


class Client:
    """One user's client of one service."""

    def __init__(self, remote: "Remote", name: str) -> None:
        self._remote = remote
        self._name = name

    async def start(self, text: str) -> str:
        """Start countWords; the run's id."""
        payload = await self._remote.ask(client=self._name, do="start", text=text)
        assert payload["errors"] == [], payload
        return str(payload["run"]["id"])

    async def cancel(self, run: str) -> None:
        await self._remote.ask(client=self._name, do="cancel", run=run)

    async def watch(self, run: str, after: int | None = None) -> Watch:
        return await self._remote.send(client=self._name, do="watch", run=run, after=after)

    async def misspell(self, run: str) -> Watch:
        return await self._remote.send(client=self._name, do="misspell", run=run)


class Remote:
    """The process."""

    def __init__(self, command: Sequence[str], *, repeats: bool) -> None:
        self._command = command
        self._repeats = repeats
        self._numbers = itertools.count()
        self._watches: dict[int, Watch] = {}

    async def __aenter__(self) -> "Remote":
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=HERE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=10_000_000,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            self._watches[said["id"]].hear(said)
        for watch in self._watches.values():
            if not watch.is_over:
                watch.hear({"error": "the client's process has ended"})

    async def open(self, url: str, token: str | None) -> Client:
        """A client of its own."""
        client = Client(self, f"client-{next(self._numbers)}")
        await self.ask(client=client._name, do="open", url=f"{url}/graphql", token=token)
        return client

    async def send(self, **command: Any) -> Watch:
        """What the client says of the command."""
        number = next(self._numbers)
        watch = self._watches[number] = Watch(repeats=self._repeats)
        said = {key: value for key, value in command.items() if value is not None or key == "token"}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, **said}).encode() + b"\n")
        await self._process.stdin.drain()
        return watch

    async def ask(self, **command: Any) -> Any:
        """The client's one answer to the command."""
        done = asyncio.get_running_loop().create_future()
        watch = await self.send(**command)

        def hear(said: dict[str, Any]) -> None:
            if not done.done():
                done.set_result(said)

        watch.hear = hear  # type: ignore[method-assign]
        async with asyncio.timeout(SECONDS):
            said = await done
        assert "done" in said, said
        return said["done"]

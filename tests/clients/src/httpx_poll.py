"""httpx, by long poll."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

from remote import MISSPELT, serve

import poll  # isort: skip


class Client:
    """httpx as the page sets it up."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.http = poll.connect(url.removesuffix("/graphql"), headers)

    def start(self, text: str) -> Any:
        options = {"idempotencyKey": str(uuid.uuid4())}
        return poll.ask(self.http, poll.COUNT, input={"text": text}, options=options)["countWords"]

    def cancel(self, run: str) -> Any:
        return poll.ask(self.http, poll.CANCEL, id=run)["cancelRun"]

    async def watch(self, run: str, after: int | None) -> AsyncIterator[Any]:
        runs = poll.watch(self.http, run, after or 0)
        while (found := await asyncio.to_thread(next, runs, runs)) is not runs:
            yield found

    async def misspell(self, run: str) -> AsyncIterator[Any]:
        query = MISSPELT.replace("subscription", "query")
        yield await asyncio.to_thread(poll.ask, self.http, query, id=run)


def describe(error: Exception) -> Any:
    return error.args[0] if isinstance(error, poll.Refused) else None


if __name__ == "__main__":
    serve(Client, describe)

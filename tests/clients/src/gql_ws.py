"""gql, over a WebSocket; starts and cancels by httpx."""

from collections.abc import AsyncIterator
from typing import Any

import httpx_poll
from gql.transport.exceptions import TransportQueryError
from remote import MISSPELT, serve

import watch_gql  # isort: skip


class Client(httpx_poll.Client):
    """gql as the page sets it up."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        super().__init__(url, headers)
        self._url, self._headers = url, headers

    async def watch(self, run: str, after: int | None) -> AsyncIterator[Any]:
        async for found in watch_gql.watch(self._url, self._headers, run, after):
            yield found

    async def misspell(self, run: str) -> AsyncIterator[Any]:
        transport = watch_gql.transport(self._url, self._headers)
        async with watch_gql.Client(transport=transport) as session:
            request = watch_gql.GraphQLRequest(MISSPELT, variable_values={"id": run})
            async for data in session.subscribe(request):
                yield data


def describe(error: Exception) -> Any:
    if isinstance(error, TransportQueryError):
        return error.errors
    if watch_gql.is_refusal(error.__cause__):
        return [{"extensions": {"code": "UNAUTHENTICATED"}}]
    return httpx_poll.describe(error)


if __name__ == "__main__":
    serve(Client, describe)

"""A live part that has nothing to say, for tests of the rest of the front."""

from typing import Any

from backend.front.answer import Answer
from backend.front.asgi import Receive, Scope, Send


class Still:
    """Serves nothing."""

    def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def leave(self) -> None:
        pass

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    async def send(
        self, later: Any, answer: Answer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        raise NotImplementedError

"""The live part of the edge, as the front uses it."""

from backend.door.execute import Door
from backend.door.reply import Later
from backend.front.answer import Answer
from backend.front.asgi import Receive, Scope, Send
from backend.live.hub import Hub
from backend.live.looking import InPool
from backend.live.seats import Seats
from backend.live.streams import Streams
from backend.live.websocket import Sockets


class Live:
    """WebSockets, streams and waits over one hub."""

    def __init__(self, door: Door, in_pool: InPool, *, per_user: int) -> None:
        self._hub = Hub(in_pool, per_user=per_user)
        self._streams = Streams(self._hub)
        self._sockets = Sockets(door, self._hub, in_pool, Seats(per_user=per_user))

    def start(self) -> None:
        self._hub.start()

    async def stop(self) -> None:
        await self._hub.stop()

    def leave(self) -> None:
        """The server will stop: end what is open."""
        self._hub.leave()

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._sockets.serve(scope, receive, send)

    async def send(
        self, later: Later, answer: Answer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        await self._streams.send(later, answer, scope, receive, send)

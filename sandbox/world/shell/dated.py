"""Answers that bear the world's own time in ``Date``, as a server's do in the real one."""

from collections.abc import Callable
from email.utils import formatdate

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Dated:
    """An application whose answers are dated by the world's clock, in Unix seconds."""

    def __init__(self, app: ASGIApp, now: Callable[[], int]) -> None:
        self._app = app
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the time at which the answer begins."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["date"] = formatdate(self._now(), usegmt=True)
            await send(message)

        await self._app(scope, receive, dated)

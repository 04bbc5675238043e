"""An ASGI wrapper that makes an API misbehave as its knobs say."""

import asyncio
import time
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.world.faults import FaultGate, Mishap
from sandbox.world.jsons import JsonObject

Excuse = Callable[[int], JsonObject]
"""The API's own error body for a status."""


class Faulty:
    """Lets a request through, or answers it with a mishap; the control face is never touched."""

    def __init__(self, app: ASGIApp, gate: FaultGate, excuse: Excuse) -> None:
        self._app = app
        self._gate = gate
        self._excuse = excuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or str(scope["path"]).startswith("/sim/"):
            await self._app(scope, receive, send)
            return
        match self._gate.mishap(int(time.time())):
            case Mishap.NONE:
                await self._app(scope, receive, send)
                return
            case Mishap.RATE_LIMITED:
                status = 429
            case Mishap.SERVER_ERROR:
                status = 500
            case Mishap.TIMEOUT:
                pause = self._gate.knobs.timeout_seconds
                await asyncio.sleep(pause)  # the mishap that was asked for
                status = 504
        answer = JSONResponse(self._excuse(status), status_code=status)
        await answer(scope, receive, send)

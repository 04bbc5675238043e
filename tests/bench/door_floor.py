"""The floor that the door is held against: its server, answering 200 without any work."""

import asyncio
import sys

import uvloop
from starlette.types import Receive, Scope, Send

from shared.runtime.metrics import serve


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and say 200."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body", False):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"17")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"received":true}'})


if __name__ == "__main__":
    uvloop.run(
        serve(
            answer,
            port=int(sys.argv[1]),
            stop=asyncio.Event(),
            proxy_headers=False,
            server_header=False,
            http="httptools",
        )
    )

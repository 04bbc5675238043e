"""A transport that sends once a turn of the loop what was written in it.

uvicorn writes the head of an answer and its body apart, and each write is a call to the system:
for an answer of seventeen bytes the second costs as much as reading the request.
"""

import asyncio
from typing import Any


class GatheringTransport:
    """A socket's transport whose writes of one turn go out together; all else is the socket's own.

    Order is kept, and closing sends first what was written before it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send with what else is written in this turn."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        """Send what was written and close."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what was not sent yet is left."""
        self._written.clear()
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that have not left yet."""
        return self._transport.get_write_buffer_size() + sum(map(len, self._written))

    def _send(self) -> None:
        if not self._written:
            return
        data = b"".join(self._written)
        self._written.clear()
        if not self._transport.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:  # Any: whatever the transport has
        return getattr(self._transport, name)

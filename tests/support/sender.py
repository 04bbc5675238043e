"""What sends webhooks as Stripe does: at a steady rate, and again until they are answered 2xx."""

import asyncio
import time
from collections import deque
from typing import Final

import httpx

from tests.support.ingest import HOOK, event_body, id_of, signed
from tests.support.plain_http import TRUSTS_NOBODY

_BEHIND_SECONDS_MAX: Final = 0.1
_CONNECTIONS_MAX: Final = 100


class Sender:
    """A steady load on whichever door stands at ``url`` now.

    ``promised`` are the ids of the events that were answered 2xx; ``broken`` counts deliveries
    whose connection broke, each of which is sent again.
    """

    def __init__(self, *, a_second: int) -> None:
        self.url = ""
        self.promised: set[str] = set()
        self.broken = 0
        self._gap = 1 / a_second
        self._again: deque[bytes] = deque()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; then wait for the answers that are still to come."""
        limits = httpx.Limits(max_connections=_CONNECTIONS_MAX)
        sending: set[asyncio.Task[None]] = set()
        async with httpx.AsyncClient(timeout=5, limits=limits, verify=TRUSTS_NOBODY) as client:
            due = time.monotonic()
            while not stop.is_set():
                body = self._again.popleft() if self._again else event_body()
                task = asyncio.create_task(self._send(client, body))
                sending.add(task)
                task.add_done_callback(sending.discard)
                due = max(due + self._gap, time.monotonic() - _BEHIND_SECONDS_MAX)
                await asyncio.sleep(max(0.0, due - time.monotonic()))  # the rate asked for
            await asyncio.gather(*sending)

    async def _send(self, client: httpx.AsyncClient, body: bytes) -> None:
        try:
            answer = await client.post(self.url + HOOK, content=body, headers=signed(body))
        except httpx.TransportError:
            self.broken += 1
            self._again.append(body)
            return
        if answer.status_code == 200:
            self.promised.add(id_of(body))
            return
        assert answer.status_code == 503, answer.text
        self._again.append(body)

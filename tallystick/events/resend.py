"""Stored deliveries sent through the door once more, byte for byte, signed anew."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx

from services.ingest.endpoints import Endpoint
from services.ingest.shell.webhook import RESENT_HEADER
from services.ingest.signature import header_of
from shared.runtime.kafka import Record

ATTEMPTS_MAX: Final = 6
TIMEOUT_SECONDS: Final = 15.0
PAUSE_SECONDS_MAX: Final = 10.0
UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True)
class Sent:
    """What the door answered to one delivery; status 0: it did not answer."""

    record: Record
    endpoint: str
    status: int
    detail: str

    @property
    def is_accepted(self) -> bool:
        """Whether the door has taken it."""
        return httpx.codes.is_success(self.status)


async def resent(
    deliveries: Iterable[tuple[Record, Endpoint, str]],
) -> AsyncGenerator[Sent, None]:
    """Send deliveries one after the other to their addresses, and tell each answer.

    A 503 is tried again after the pause that the door asks for. The signature is fresh: the
    stored one is too old by now.
    """
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        for record, endpoint, url in deliveries:
            yield await _sent(client, record, endpoint, url)


async def _sent(client: httpx.AsyncClient, record: Record, endpoint: Endpoint, url: str) -> Sent:
    # Of many, the last may be due when the secret that the first was signed with has ended.
    in_force = endpoint.secrets_in_force(datetime.now(UTC))
    if not in_force:
        return Sent(record, endpoint.name, 0, "no signing secret is in force any more")
    secret = in_force[0].text
    detail = ""
    status = 0
    for attempt in range(1, ATTEMPTS_MAX + 1):
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": header_of(record.value, secret, int(time.time())),
            RESENT_HEADER.decode(): record.position,
        }
        pause = min(float(attempt), PAUSE_SECONDS_MAX)
        try:
            answer = await client.post(url, content=record.value, headers=headers)
        except httpx.TransportError as error:
            status, detail = 0, f"{type(error).__name__}: {error}"
        else:
            status, detail = answer.status_code, answer.text[:300]
            if status != UNAVAILABLE:
                break
            told = answer.headers.get("retry-after", "")
            pause = min(float(told) if told.isdigit() else pause, PAUSE_SECONDS_MAX)
        if attempt < ATTEMPTS_MAX:
            await asyncio.sleep(pause)  # the door asks for it, and the attempts are bounded
    return Sent(record, endpoint.name, status, detail)

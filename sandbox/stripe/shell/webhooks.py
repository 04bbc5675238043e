"""The webhook sender: signs, sends, tries again, and remembers what was answered 2xx."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import httpx

from sandbox.world.deliveries import Delivery
from sandbox.world.jsons import JsonObject

WAITS_FOR_SECONDS: Final = 0.1
"""How often a sending that waits for another one looks whether that one was answered."""

RETRY_SECONDS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderSettings:
    """Where webhooks go and how persistently.

    ``retry_seconds`` is the wait after the first failure; it doubles up to a cap. After
    ``attempts_max`` the event is left to the event list, as at Stripe after three days.
    """

    url: str
    secret: str
    concurrency: int = 8
    timeout_seconds: float = 10.0
    retry_seconds: float = 0.25
    attempts_max: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One sending that was answered 2xx: which, when, at which attempt."""

    delivery_id: str
    event_id: str
    status: int
    attempt: int
    at: str


@dataclass(frozen=True, slots=True)
class _Job:
    delivery: Delivery
    attempt: int


def signature(secret: str, body: bytes, *, at: int) -> str:
    """The ``Stripe-Signature`` header of a body that is sent at a second of the wall clock."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def encoded(body: JsonObject) -> bytes:
    """An event as Stripe sends it: indented, in the order of its fields."""
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


class WebhookSender:
    """Sends what it is offered, several at once, until each is answered 2xx or given up."""

    def __init__(
        self,
        settings: SenderSettings,
        *,
        body_of: Callable[[Delivery], JsonObject],
        on_answer: Callable[[Answered], None],
    ) -> None:
        self._settings = settings
        self._body_of = body_of
        self._on_answer = on_answer
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._open = 0
        self._answered_events: set[str] = set()
        self.is_paused = False
        self.is_disabled = False
        self.attempts = 0
        self.failures = 0
        self.given_up: list[str] = []

    @property
    def open_count(self) -> int:
        """How many sendings are neither answered nor given up."""
        return self._open

    def knows_answered(self, event_id: str) -> None:
        """Take it that an event was answered 2xx in an earlier life."""
        self._answered_events.add(event_id)

    def is_delivered(self, event_id: str) -> bool:
        """Whether any sending of an event was answered 2xx."""
        return event_id in self._answered_events

    def offer(self, delivery: Delivery) -> None:
        """Take a sending; the queue holds at most what the world has told.

        What falls due while the endpoint is disabled is never sent, as at Stripe.
        """
        if self.is_disabled:
            self.given_up.append(delivery.id)
            return
        self._open += 1
        self._jobs.put_nowait(_Job(delivery, 1))

    async def run(self) -> None:
        """Send until cancelled."""
        limits = httpx.Limits(max_connections=self._settings.concurrency)
        timeout = httpx.Timeout(self._settings.timeout_seconds)
        async with (
            httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self._settings.concurrency):
                group.create_task(self._work(client))

    async def _work(self, client: httpx.AsyncClient) -> None:
        while True:
            job = await self._jobs.get()
            waits_for = job.delivery.after
            if self.is_paused or (waits_for is not None and not self.is_delivered(waits_for)):
                self._again(job, WAITS_FOR_SECONDS)
                continue
            status = await self._send(client, job.delivery)
            if status is not None and httpx.codes.is_success(status):
                self._answer(job, status)
            else:
                self._fail(job)

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> int | None:
        """The status of one attempt, or ``None`` if there was no answer."""
        self.attempts += 1
        body = encoded(self._body_of(delivery))
        # The receiver measures age on the wall clock, whatever second the world has.
        header = signature(self._settings.secret, body, at=int(time.time()))
        try:
            answer = await client.post(
                self._settings.url,
                content=body,
                headers={
                    "Content-Type": "application/json; charset=utf-8",
                    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
                    "Accept": "*/*; q=0.5, application/json",
                    "Stripe-Signature": header,
                },
            )
        except httpx.HTTPError:
            return None
        return answer.status_code

    def _answer(self, job: _Job, status: int) -> None:
        self._open -= 1
        self._answered_events.add(job.delivery.event_id)
        self._on_answer(
            Answered(
                delivery_id=job.delivery.id,
                event_id=job.delivery.event_id,
                status=status,
                attempt=job.attempt,
                at=datetime.now(UTC).isoformat(),
            )
        )

    def _fail(self, job: _Job) -> None:
        self.failures += 1
        limit = job.delivery.attempts_max or self._settings.attempts_max
        if job.attempt >= limit:
            self._open -= 1
            self.given_up.append(job.delivery.id)
            return
        wait = min(
            self._settings.retry_seconds * 2.0 ** min(job.attempt - 1, 20), RETRY_SECONDS_MAX
        )
        self._again(replace(job, attempt=job.attempt + 1), wait)

    def _again(self, job: _Job, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._jobs.put_nowait, job)

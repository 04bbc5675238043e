"""A small world for tests: served on loopback, asked by the real ``stripe`` library, heard by a door."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.stripe.shell.webhooks import SenderSettings
from sandbox.world.shell.runner import Runner
from sandbox.world.shell.servers import SignallessServer, address, apps, bound
from sandbox.world.shell.statefile import StateFile, Wanted
from tests.support.plain_http import TRUSTS_NOBODY

KEY = "sk_test_simulated"
SECRET = "whsec_test"
END = date(2026, 11, 21)


LIBRARY: Any = stripe  # Any: parts of the library have no types


async def until(fact: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait for a fact, with a bound."""
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 - a fact of plain state, with a bound
            await asyncio.sleep(0.005)  # bounded poll: the timeout above


@asynccontextmanager
async def serving(*served: ASGIApp) -> AsyncGenerator[list[str], None]:
    """The applications on free ports of loopback; gives their addresses."""
    sockets = [bound(0) for _ in served]
    servers = [
        SignallessServer(
            uvicorn.Config(app, log_level="error", lifespan="off", ws="none", date_header=False)
        )
        for app in served
    ]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, sockets, strict=True)
    ]
    try:
        await until(lambda: all(server.started for server in servers))
        yield [address(listener) for listener in sockets]
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


@dataclass(slots=True)
class Door:
    """A receiver of webhooks that verifies each one, and refuses when it is told to."""

    refuse_next: int = 0
    is_away: bool = False
    received: list[str] = field(default_factory=list[str])
    bodies: dict[str, set[bytes]] = field(default_factory=dict[str, set[bytes]])

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        header = request.headers["Stripe-Signature"]
        LIBRARY.WebhookSignature.verify_header(body.decode(), header, SECRET, 300)
        if self.is_away or self.refuse_next > 0:
            self.refuse_next -= 1
            return Response(status_code=503)
        event_id = json.loads(body)["id"]
        self.received.append(event_id)
        self.bodies.setdefault(event_id, set()).add(body)
        return Response()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self.receive, methods=["POST"])])


def runner_of(
    scenario: str,
    *,
    url: str = "",
    thin_url: str = "",
    path: Path | None = None,
    is_held: bool = True,
    payments: int | None = None,
    seed: int | None = None,
    end: date = END,
) -> Runner:
    """A world, held or as fast as it goes."""
    file = StateFile(path)
    wanted = Wanted(scenario=scenario, seed=seed, payments=payments, end=end)
    sender, thin_sender = (
        SenderSettings(url=each, secret=SECRET, retry_seconds=0.01) if each else None
        for each in (url, thin_url)
    )
    return Runner(
        file.open(wanted),
        file=file,
        sender=sender,
        hours_per_second=0,
        is_held=is_held,
        report=lambda _: None,
        thin_sender=thin_sender,
    )


@dataclass(frozen=True, slots=True)
class Served:
    runner: Runner
    client: stripe.StripeClient
    http: httpx.AsyncClient
    stripe_url: str
    bank_url: str

    async def do(self, command: str, **fields: object) -> dict[str, str]:
        """A command through the control face."""
        answer = await self.http.post(f"{self.stripe_url}/sim/do", json={"do": command, **fields})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def knobs(self, api: str, **fields: object) -> None:
        answer = await self.http.post(f"{self.stripe_url}/sim/knobs", json={"api": api, **fields})
        assert answer.status_code == 200, answer.text

    async def bank(self, path: str, **query: str | int) -> httpx.Response:
        return await self.http.get(
            f"{self.bank_url}{path}",
            params=query,
            headers={"Authorization": f"Bearer {KEY}"},
        )


@asynccontextmanager
async def served(runner: Runner, *, webhook_url: str = "") -> AsyncGenerator[Served, None]:
    stripe_app, bank_app = apps(runner, api_keys=frozenset({KEY}), webhook_url=webhook_url)
    async with (
        serving(stripe_app, bank_app) as (stripe_url, bank_url),
        httpx.AsyncClient(trust_env=False, verify=TRUSTS_NOBODY) as http,
    ):
        library = LIBRARY.HTTPXClient()
        client = stripe.StripeClient(
            KEY, base_addresses={"api": stripe_url}, http_client=library, max_network_retries=2
        )
        try:
            yield Served(runner, client, http, stripe_url, bank_url)
        finally:
            await library.close_async()


@asynccontextmanager
async def played(name: str) -> AsyncGenerator[Served, None]:
    """A world that has been played to its end."""
    runner = runner_of(name)
    runner.advance(10**9)
    async with served(runner) as one:
        yield one


@asynccontextmanager
async def living(runner: Runner) -> AsyncGenerator[None, None]:
    """The world's own tasks, until the block ends."""
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        runner.close()

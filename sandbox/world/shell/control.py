"""The control face under ``/sim/``: read the truth, turn the knobs, make things happen."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.world.books import Books
from sandbox.world.commands import CommandRefused
from sandbox.world.export import exported
from sandbox.world.faults import FaultGate, Mishap
from sandbox.world.jsons import JsonObject, Misshapen, as_int, as_list, as_object, as_text
from sandbox.world.shell.runner import Runner

_NUMBERS: Final = (
    "rate_limited_every",
    "server_error_every",
    "timeout_every",
    "requests_per_second_max",
)

Handler = Callable[[Request], Awaitable[JsonObject]]


class Control:
    """What a test or a demo asks of a running world."""

    def __init__(self, runner: Runner, *, gates: dict[str, FaultGate]) -> None:
        self._runner = runner
        self._gates = gates

    def routes(self) -> list[BaseRoute]:
        """The routes, for each of the servers."""
        get, post = ["GET"], ["POST"]
        return [
            Route("/sim/health", _answering(self._health), methods=get),
            Route("/sim/truth", _answering(self._truth), methods=get),
            Route("/sim/progress", _answering(self._progress), methods=get),
            Route("/sim/deliveries", _answering(self._deliveries), methods=get),
            Route("/sim/books", _answering(self._books), methods=get),
            Route("/sim/export", self._export, methods=get),
            Route("/sim/advance", _answering(self._advance), methods=post),
            Route("/sim/do", _answering(self._do), methods=post),
            Route("/sim/knobs", _answering(self._knobs), methods=post),
            Route("/sim/webhooks", _answering(self._webhooks), methods=post),
        ]

    async def _health(self, _request: Request) -> JsonObject:
        return {"status": "ok", **self._runner.clock()}

    async def _truth(self, _request: Request) -> JsonObject:
        return self._runner.truth()

    async def _progress(self, _request: Request) -> JsonObject:
        return self._runner.progress()

    async def _deliveries(self, _request: Request) -> JsonObject:
        return self._runner.deliveries()

    async def _books(self, _request: Request) -> JsonObject:
        """Both parties' own records: every fact with its amounts."""
        state = self._runner.world.state
        return {"stripe": _told(state.stripe.store.books), "bank": _told(state.bank.books)}

    async def _export(self, _request: Request) -> Response:
        lines = (json.dumps(line) for line in exported(self._runner.world.state))
        return PlainTextResponse("\n".join(lines) + "\n", media_type="application/x-ndjson")

    async def _advance(self, request: Request) -> JsonObject:
        body = await _body(request)
        self._runner.advance(as_int(body["seconds"]))
        return self._runner.clock()

    async def _do(self, request: Request) -> JsonObject:
        return self._runner.command(await _body(request))

    async def _webhooks(self, request: Request) -> JsonObject:
        sender = self._runner.sender
        if sender is None:
            raise CommandRefused("this world sends no webhooks")
        body = await _body(request)
        if not body.keys() & {"paused", "disabled"}:
            raise CommandRefused("say paused or disabled, true or false")
        for each in (sender, self._runner.thin_sender):
            if each is not None:
                each.is_paused = bool(body.get("paused", each.is_paused))
        # A thin destination has a state of its own, which nobody turns here.
        sender.is_disabled = bool(body.get("disabled", sender.is_disabled))
        return {"paused": sender.is_paused, "disabled": sender.is_disabled}

    async def _knobs(self, request: Request) -> JsonObject:
        body = await _body(request)
        gate = self._gates[as_text(body["api"])]
        knobs = gate.knobs
        numbers = {name: as_int(body[name]) for name in _NUMBERS if name in body}
        knobs = replace(
            knobs,
            rate_limited_every=numbers.get("rate_limited_every", knobs.rate_limited_every),
            server_error_every=numbers.get("server_error_every", knobs.server_error_every),
            timeout_every=numbers.get("timeout_every", knobs.timeout_every),
            requests_per_second_max=numbers.get(
                "requests_per_second_max", knobs.requests_per_second_max
            ),
        )
        if "timeout_milliseconds" in body:
            knobs = replace(knobs, timeout_seconds=as_int(body["timeout_milliseconds"]) / 1000)
        if "next_requests" in body:
            mishaps = tuple(Mishap(as_text(word)) for word in as_list(body["next_requests"]))
            knobs = replace(knobs, next_requests=mishaps)
        gate.knobs = knobs
        return {"requests": gate.requests}


def _answering(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await handler(request))
        except (CommandRefused, KeyError, ValueError) as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=400)

    return answer


async def _body(request: Request) -> JsonObject:
    text = await request.body()
    try:
        return as_object(json.loads(text))
    except ValueError as error:
        raise Misshapen(f"the body is not a JSON object: {error}") from error


def _told(books: Books) -> JsonObject:
    return {
        "records": [
            {
                "at": record.at,
                "fact": record.fact,
                "text": record.text,
                "legs": [
                    {"account": leg.account, "currency": leg.currency, "minor": str(leg.minor)}
                    for leg in record.legs
                ],
            }
            for record in books.records
        ],
        "balances": [
            {"account": account, "currency": currency, "minor": str(minor)}
            for (account, currency), minor in books.balances().items()
        ],
    }

"""The simulated bank's HTTP face, in the shape of Increase's API."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.bank.core import SimulatedBank
from sandbox.bank.facts import Line
from sandbox.bank.paging import LIMIT_MAX, Cursor, CursorRefused, Ordered, page
from sandbox.bank.shapes import (
    account_object,
    balance_object,
    line_object,
    pending_object,
)
from sandbox.world.jsons import JsonObject, Misshapen, as_object

Item = TypeVar("Item", bound=Ordered)
Handler = Callable[[Request], Awaitable[JsonObject]]
Command = Callable[[JsonObject], JsonObject]


class BankRefusal(Exception):
    """A request that the bank answers with a problem object."""

    def __init__(self, status: int, error_type: str, title: str, detail: str | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.error_type = error_type
        self.title = title
        self.detail = detail

    def body(self) -> JsonObject:
        """The problem as it goes over the wire."""
        return {
            "status": self.status,
            "type": self.error_type,
            "title": self.title,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BankSource:
    """Where the face looks, and how it has things done to the world."""

    bank: SimulatedBank
    api_keys: frozenset[str]
    now: Callable[[], int]
    command: Command


class BankApi:
    """Answers as the bank would."""

    def __init__(self, source: BankSource) -> None:
        self._source = source

    def app(self, *more: BaseRoute) -> Starlette:
        """The ASGI application, with the routes of the control face beside it."""
        get, post = ["GET"], ["POST"]
        routes: list[BaseRoute] = [
            *more,
            Route("/accounts", self._answering(self._accounts), methods=get),
            Route("/accounts/{id}", self._answering(self._account), methods=get),
            Route("/accounts/{id}/balance", self._answering(self._balance), methods=get),
            Route("/transactions", self._answering(self._lines), methods=get),
            Route("/transactions/{id}", self._answering(self._line), methods=get),
            Route("/pending_transactions", self._answering(self._pending), methods=get),
            Route("/pending_transactions/{id}", self._answering(self._one_pending), methods=get),
            Route(
                "/simulations/inbound_ach_transfers",
                self._answering(self._simulate_ach),
                methods=post,
            ),
            Route(
                "/simulations/inbound_wire_transfers",
                self._answering(self._simulate_wire),
                methods=post,
            ),
        ]
        return Starlette(routes=routes)

    def _answering(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                self._admit(request)
                body, status = await handler(request), 200
            except BankRefusal as refusal:
                body, status = refusal.body(), refusal.status
            return Response(json.dumps(body), status_code=status, media_type="application/json")

        return answer

    def _admit(self, request: Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or key not in self._source.api_keys:
            raise BankRefusal(
                401, "invalid_api_key_error", "The API key you provided is not valid."
            )

    async def _accounts(self, request: Request) -> JsonObject:
        _limit(request)
        shown = [account_object(account) for account in self._source.bank.accounts()]
        return {"data": shown, "next_cursor": None}

    async def _account(self, request: Request) -> JsonObject:
        return account_object(self._source.bank.account(self._known_account(request)))

    async def _balance(self, request: Request) -> JsonObject:
        account = self._source.bank.account(self._known_account(request))
        posted, available = self._source.bank.told_balance(account.id, self._source.now())
        return balance_object(account, posted=posted, available=available)

    async def _lines(self, request: Request) -> JsonObject:
        bank = self._source.bank
        lines = bank.lines(self._source.now(), self._asked_account(request))
        lines = [line for line in lines if _is_within(line.created, request)]
        shown, cursor = self._page(request, lines)
        return {
            "data": [
                line_object(line, bank.account(line.account_id))
                for line in shown
                for _ in range(line.tellings)
            ],
            "next_cursor": cursor,
        }

    async def _line(self, request: Request) -> JsonObject:
        bank, line_id = self._source.bank, str(request.path_params["id"])
        try:
            line: Line = bank.line(line_id)
        except KeyError:
            raise _not_found(line_id) from None
        if line.visible_from > self._source.now():
            raise _not_found(line_id)
        return line_object(line, bank.account(line.account_id))

    async def _pending(self, request: Request) -> JsonObject:
        bank = self._source.bank
        found = bank.pending(self._asked_account(request))
        status = request.query_params.get("status.in")
        if status is not None:
            found = [p for p in found if (p.completed is None) == (status == "pending")]
        shown, cursor = self._page(request, found)
        return {
            "data": [pending_object(p, bank.account(p.account_id)) for p in shown],
            "next_cursor": cursor,
        }

    async def _one_pending(self, request: Request) -> JsonObject:
        bank, pending_id = self._source.bank, str(request.path_params["id"])
        for pending in bank.pending():
            if pending.id == pending_id:
                return pending_object(pending, bank.account(pending.account_id))
        raise _not_found(pending_id)

    async def _simulate_ach(self, request: Request) -> JsonObject:
        given = await _body(request)
        return await self._simulate(
            given,
            {
                "rail": "inbound_ach_transfer",
                "description": given.get("company_entry_description", ""),
                "entry": given.get("company_entry_description", ""),
                "payer": given.get("company_name", ""),
            },
        )

    async def _simulate_wire(self, request: Request) -> JsonObject:
        given = await _body(request)
        return await self._simulate(
            given,
            {
                "rail": "inbound_wire_transfer",
                "description": given.get("unstructured_remittance_information", ""),
                "payer": given.get("debtor_name", ""),
            },
        )

    async def _simulate(self, given: JsonObject, more: JsonObject) -> JsonObject:
        number = given.get("account_number_id")
        for account in self._source.bank.accounts():
            if account.number_id == number:
                command: JsonObject = {
                    "do": "bank_line",
                    "account": account.name,
                    "amount": given.get("amount"),
                    **more,
                }
                made = self._source.command(command)
                line = self._source.bank.line(str(made["line"]))
                return line_object(line, account)
        raise _not_found(str(number))

    def _known_account(self, request: Request) -> str:
        account_id = str(request.path_params["id"])
        if account_id not in {account.id for account in self._source.bank.accounts()}:
            raise _not_found(account_id)
        return account_id

    def _asked_account(self, request: Request) -> str | None:
        return request.query_params.get("account_id")

    def _page(self, request: Request, found: Sequence[Item]) -> tuple[list[Item], str | None]:
        generation = self._source.bank.cursor_generation
        text = request.query_params.get("cursor")
        try:
            cursor = None if not text else Cursor.read(text, generation=generation)
        except CursorRefused as refusal:
            raise BankRefusal(
                400, "invalid_parameters_error", "The cursor is not valid.", str(refusal)
            ) from refusal
        return page(found, cursor=cursor, limit=_limit(request), generation=generation)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(LIMIT_MAX))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LIMIT_MAX:
        raise BankRefusal(
            400, "invalid_parameters_error", "The limit must be a number from 1 to 100."
        )
    return int(text)


def _is_within(created: int, request: Request) -> bool:
    """Whether a second passes the ``created_at`` filters of a request."""
    after = _moment(request, "created_at.after")
    on_or_after = _moment(request, "created_at.on_or_after")
    before = _moment(request, "created_at.before")
    on_or_before = _moment(request, "created_at.on_or_before")
    return (
        (after is None or created > after)
        and (on_or_after is None or created >= on_or_after)
        and (before is None or created < before)
        and (on_or_before is None or created <= on_or_before)
    )


def _moment(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BankRefusal(
            400, "invalid_parameters_error", f"{name} is not an ISO 8601 time."
        ) from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


async def _body(request: Request) -> JsonObject:
    try:
        return as_object(json.loads(await request.body()))
    except (Misshapen, ValueError):
        raise BankRefusal(
            400, "malformed_request_error", "The body is not a JSON object."
        ) from None


def _not_found(thing: str) -> BankRefusal:
    title = "Could not find the specified object. No objects were returned."
    return BankRefusal(404, "object_not_found_error", title, f"Could not find {thing!r}.")


def excuse(status: int) -> JsonObject:
    """The bank's problem body for a mishap."""
    if status == 429:
        return BankRefusal(429, "rate_limited_error", "You have exceeded the rate limit.").body()
    return BankRefusal(status, "internal_server_error", "An internal error occurred.").body()

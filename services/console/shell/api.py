"""The HTTP API: reads answer from one snapshot and say as of which positions; commands go out."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from services.console import views
from services.console.intake import Answer, asked
from services.console.openapi import document
from services.console.permissions import Scope, Token, token_of
from services.console.shell import index
from services.console.shell.act_desk import ActDesk
from services.console.shell.command_desk import CommandDesk
from services.console.shell.credits_api import CreditsApi
from services.console.shell.legs import legs_of
from services.console.shell.readers import Snapshot, Views
from services.console.shell.reconciling_api import ReconcilingApi
from services.console.shell.statements_api import StatementsApi
from services.console.statements.query import UnknownAccount
from services.console.statements.report import Kind
from services.console.views import BadRequest, EntryPlace, Json
from shared.contracts.books import BookMap
from shared.contracts.commands import command_key, is_of_all_books
from shared.contracts.discrepancies import DiscrepancyState
from shared.contracts.errors import Unavailable
from shared.runtime.metrics import Health, health_routes

Handler = Callable[[Request], Awaitable[Response]]
RETRY_AFTER: Final = {"Retry-After": "1"}
_PRIVATE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the API stands on."""

    books: BookMap
    tokens: tuple[Token, ...]
    ledger: Views
    reconciler: Views
    commands: CommandDesk
    body_bytes_max: int
    hosts_allowed: tuple[str, ...]
    clock: Callable[[], datetime] = _now
    acts: ActDesk | None = None


def application(desk: Desk, health: Health) -> Starlette:
    """The console's application."""
    api = Api(desk)
    statements = StatementsApi(desk.books, api.reading, desk.clock)
    credits_ = CreditsApi(api.reading)
    reconciling = ReconcilingApi(desk.acts, desk.books, desk.ledger, desk.reconciler, api)

    def get(path: str, handler: Handler) -> Route:
        return Route(f"/v1/books/{{book}}/{path}", handler, methods=["GET"])

    return Starlette(
        routes=[
            *health_routes(health),
            Route("/", api.index, methods=["GET"]),
            Route("/openapi.json", api.openapi, methods=["GET"]),
            get("trial-balance", api.trial_balance),
            get("balances", api.balances),
            get("open-items", api.open_items),
            get("entries", api.entries),
            get("credits", credits_.customers),
            get("credits/{customer:path}", credits_.customer),
            get("discrepancies", api.discrepancies),
            get("discrepancies/{id}", reconciling.discrepancy),
            get("payouts/{id}/certificate", reconciling.certificate),
            get("reconciliation/sign-offs", reconciling.sign_offs),
            get("reconciliation/reports/{name}", reconciling.report),
            get("reconciliation/acts/{key:path}", reconciling.act),
            Route("/v1/books/{book}/reconciliation/acts", reconciling.take_act, methods=["POST"]),
            get("commands/{key:path}", api.command),
            get("statements/accounts/{account}", statements.account),
            get("statements/general-ledger", statements.general_ledger),
            get("statements/roll-up", statements.roll_up),
            *(get(f"statements/{kind}", statements.of(kind)) for kind in Kind),
            Route("/v1/books/{book}/commands", api.take_command, methods=["POST"]),
        ],
        # A page from elsewhere that is led to this address by a name of its own is turned away.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(desk.hosts_allowed))],
        exception_handlers={
            UnknownAccount: _not_there,
            BadRequest: _bad_request,
            Unavailable: _unavailable,
            HTTPException: _refused,
        },
    )


class Api:
    """The handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def index(self, request: Request) -> Response:
        """What is here: a page for a browser, else JSON."""
        books, needs_token = [book.name for book in self._desk.books.books], bool(self._desk.tokens)
        headers = _PRIVATE | {"Vary": "Accept"}
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse(index.told(books, needs_token=needs_token), headers=headers)
        headers["Content-Security-Policy"] = index.CONTENT_SECURITY_POLICY
        return HTMLResponse(index.page(books, needs_token=needs_token), headers=headers)

    async def openapi(self, _: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(document())

    async def trial_balance(self, request: Request) -> Response:
        """Totals by account and currency."""
        async with self.reading(request) as (book, moment):
            rows = await moment.rows("trial_balance", book)
            return await _answer(book, moment, views.trial_balance(rows))

    async def balances(self, request: Request) -> Response:
        """Balances by account and currency."""
        async with self.reading(request) as (book, moment):
            account = request.query_params.get("account", "")
            rows = await moment.rows("balances", book, account)
            return await _answer(book, moment, {"balances": views.balances(rows)})

    async def open_items(self, request: Request) -> Response:
        """What waits for its other half."""
        async with self.reading(request) as (book, moment):
            count = views.limit(request.query_params.get("limit", ""))
            after = request.query_params.get("after", "")
            start = views.place(after, str, str, str) if after else ("", "", "")
            rows = await moment.rows("open_items", book, *start, count + 1)
            page, last = rows[:count], rows[count - 1 : count]
            following = (
                views.cursor(last[0]["account"], last[0]["key"], last[0]["currency"])
                if len(rows) > count
                else None
            )
            return await _answer(
                book, moment, {"open_items": views.open_items(page), "next": following}
            )

    async def entries(self, request: Request) -> Response:
        """Entries with their postings."""
        async with self.reading(request) as (book, moment):
            count = views.limit(request.query_params.get("limit", ""))
            after = request.query_params.get("after", "")
            start = EntryPlace(*views.place(after, str, int, int)) if after else EntryPlace()
            found, last = await _entries(moment, book, start, count)
            following = views.cursor(last.topic, last.partition, last.sequence) if last else None
            return await _answer(book, moment, {"entries": found, "next": following})

    async def discrepancies(self, request: Request) -> Response:
        """Discrepancies in their full state."""
        state = request.query_params.get("state", "")
        if state and state not in set(DiscrepancyState):
            raise BadRequest(f"state: one of {', '.join(DiscrepancyState)}")
        async with self.reading(request, self._desk.reconciler) as (book, moment):
            count = views.limit(request.query_params.get("limit", ""))
            after = request.query_params.get("after", "")
            start = views.place(after, str)[0] if after else ""
            rows = await moment.rows("discrepancies", book, state, start, count + 1)
            following = views.cursor(rows[count - 1]["id"]) if len(rows) > count else None
            told = [views.discrepancy(row) for row in rows[:count]]
            return await _answer(
                book,
                moment,
                {"discrepancies": told, "next": following},
                positions="reconciler_positions",
            )

    async def command(self, request: Request) -> Response:
        """What became of a command, by its name or by the asker's own key."""
        token = self.allowed(request, Scope.READ)
        async with self.reading(request) as (book, moment):
            key = request.path_params["key"]
            own = command_key(token.name if token else "", key)
            rows = await moment.rows("command_outcomes", book, own)
            rows = rows or await moment.rows("command_outcomes", book, key)
            told = [
                {
                    "outcome": row["outcome"],
                    "reason": row["detail"],
                    "reference": row["reference"],
                    "decided": row["decided"],
                    "message_id": row["message_id"],
                }
                for row in rows
            ]
            return await _answer(book, moment, {"idempotency_key": key, "outcomes": told})

    async def take_command(self, request: Request) -> Response:
        """A command: published, and its outcome awaited for a while."""
        token = self.allowed(request, Scope.COMMAND)
        book = self.book_of(request)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HTTPException(415, "the body is application/json")
        key = request.headers.get("idempotency-key", "")
        request_for = asked(
            await self.body_of(request),
            book=book,
            idempotency_key=key,
            actor=token.name if token else "",
        )
        if token is not None and token.books and is_of_all_books(request_for.command):
            raise HTTPException(403, f"{token.name} may not change what holds for all books")
        status, told = await self._desk.commands.take(request_for)
        headers = dict(_PRIVATE)
        if status is Answer.PENDING:
            headers["Location"] = f"/v1/books/{book}/commands/{quote(request_for.id, safe='')}"
        async with self._desk.ledger.snapshot() as moment:
            positions = views.as_of(await moment.rows("positions"))
        head = {
            "book": book,
            "idempotency_key": key,
            "command": request_for.id,
            "message_id": request_for.message_id,
        }
        return JSONResponse(
            head | {"status": status.name.lower()} | told | {"as_of": positions},
            int(status),
            headers,
        )

    async def body_of(self, request: Request) -> bytes:
        """The body, never more than its bound in memory."""
        taken = bytearray()
        async for chunk in request.stream():
            taken += chunk
            if len(taken) > self._desk.body_bytes_max:
                raise HTTPException(413, f"at most {self._desk.body_bytes_max} bytes")
        return bytes(taken)

    def allowed(self, request: Request, scope: Scope) -> Token | None:
        """The token that opens this; none is needed to read where no token is set up."""
        tokens = self._desk.tokens
        if not tokens:
            if scope is Scope.READ:
                return None
            raise HTTPException(403, "no token is set up: commands are closed")
        token = token_of(tokens, request.headers.get("authorization", ""))
        if token is None:
            raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
        if not token.opens(scope, str(request.path_params["book"])):
            raise HTTPException(403, f"{token.name} may not {scope} here")
        return token

    def book_of(self, request: Request) -> str:
        """The book that the address names."""
        name = str(request.path_params["book"])
        if self._desk.books.named(name) is None:
            raise HTTPException(404, "no such book")
        return name

    @asynccontextmanager
    async def reading(
        self, request: Request, of: Views | None = None
    ) -> AsyncGenerator[tuple[str, Snapshot]]:
        """The book that may be read, and a moment of the views."""
        self.allowed(request, Scope.READ)
        book = self.book_of(request)
        said = [*request.path_params.values(), *request.query_params.values()]
        if any("\x00" in str(value) for value in said):
            raise BadRequest("a NUL is in no name")
        async with (of or self._desk.ledger).snapshot() as moment:
            yield book, moment


async def _entries(
    moment: Snapshot, book: str, start: EntryPlace, count: int
) -> tuple[list[Json], EntryPlace | None]:
    """A page of entries, and the place of its last one when there are more."""
    found: list[Json] = []
    last = start
    for position in await moment.rows("positions"):
        origin = (position["topic"], position["partition"])
        if origin < (start.topic, start.partition):
            continue
        after = start.sequence if origin == (start.topic, start.partition) else 0
        rows = await moment.rows("entries_of_origin", book, *origin, after, count + 1 - len(found))
        page = rows[: count - len(found)]
        legs = await legs_of(moment, page)
        found += [
            views.entry(row, [leg for leg in legs if leg["sequence"] == row["sequence"]])
            for row in page
        ]
        if page:
            last = EntryPlace(*origin, page[-1]["sequence"])
        if len(rows) > len(page):
            return found, last
    return found, None


async def _answer(
    book: str, moment: Snapshot, told: Json, *, positions: str = "positions"
) -> Response:
    as_of = views.as_of(await moment.rows(positions))
    return JSONResponse({"book": book} | told | {"as_of": as_of}, headers=_PRIVATE)


_FORMS_ARE_AT: Final = "mend it and ask again; /openapi.json has the form of every request"


def _problem(
    status: int, error: str, detail: str, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse({"error": error, "detail": detail}, status, (headers or {}) | _PRIVATE)


async def _bad_request(_: Request, error: Exception) -> Response:
    told = {"error": "bad_request", "detail": str(error), "way_out": _FORMS_ARE_AT}
    return JSONResponse(told, 400, _PRIVATE)


async def _not_there(_: Request, error: Exception) -> Response:
    return _problem(404, "not_found", str(error))


async def _unavailable(_: Request, error: Exception) -> Response:
    return _problem(503, "unavailable", str(error), RETRY_AFTER)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _problem(error.status_code, "refused", error.detail, dict(error.headers or {}))

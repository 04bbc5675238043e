"""Reconciliation over HTTP: acts, certificates, reports, sign-offs."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from services.console import views
from services.console.intake import Answer
from services.console.permissions import Scope, Token
from services.console.reconciling.acts import asked_act
from services.console.reconciling.certificate import paper_of
from services.console.reconciling.chain import broken_link
from services.console.reconciling.paper import (
    CONTENT_SECURITY_POLICY,
    Paper,
    paper_csv,
    paper_html,
    paper_json,
)
from services.console.shell.act_desk import ActDesk
from services.console.shell.certificates import NoSuchPayout, certified
from services.console.shell.readers import Snapshot, Views
from services.console.shell.reconciling_reports import ReportName, asked, paper
from services.console.views import BadRequest, Json
from shared.contracts.books import BookData, BookMap

_PRIVATE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Door(Protocol):
    """What the API checks for every request."""

    def allowed(self, request: Request, scope: Scope) -> Token | None:
        """The token that opens this."""
        ...

    def book_of(self, request: Request) -> str:
        """The book that the address names."""
        ...

    async def body_of(self, request: Request) -> bytes:
        """The body, bounded."""
        ...

    def reading(
        self, request: Request, of: Views | None = None
    ) -> AbstractAsyncContextManager[tuple[str, Snapshot]]:
        """The book that may be read, and a moment of the views."""
        ...


class ReconcilingApi:
    """The handlers."""

    def __init__(
        self, acts: ActDesk | None, books: BookMap, ledger: Views, reconciler: Views, door: Door
    ) -> None:
        self._acts = acts
        self._books = books
        self._ledger = ledger
        self._reconciler = reconciler
        self._door = door

    async def take_act(self, request: Request) -> Response:
        """An act: published, and its decision awaited for a while."""
        token = self._door.allowed(request, Scope.RECONCILE)
        book = self._door.book_of(request)
        if self._acts is None:
            raise HTTPException(503, "acts are not taken here")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HTTPException(415, "the body is application/json")
        key = request.headers.get("idempotency-key", "")
        wanted = asked_act(
            await self._door.body_of(request),
            book=book,
            idempotency_key=key,
            actor=token.name if token else "",
        )
        status, told = await self._acts.take(wanted)
        headers = dict(_PRIVATE)
        if status is Answer.PENDING:
            where = quote(wanted.id, safe="")
            headers["Location"] = f"/v1/books/{book}/reconciliation/acts/{where}"
        head = {
            "book": book,
            "idempotency_key": key,
            "act": wanted.id,
            "message_id": wanted.message_id,
            "status": status.name.lower(),
        }
        async with self._reconciler.snapshot() as moment:
            positions = views.as_of(await moment.rows("reconciler_positions"))
        return JSONResponse(head | told | {"as_of": positions}, int(status), headers)

    async def act(self, request: Request) -> Response:
        """What became of an act, by its name."""
        async with self._door.reading(request, self._reconciler) as (book, moment):
            key = str(request.path_params["key"])
            rows = await moment.rows("decisions_under", book, key)
            names = ("outcome", "detail", "message_id", "decided")
            told = [{name: row[name] for name in names} for row in rows]
            return await _answer(book, moment, {"act": key, "decisions": told})

    async def discrepancy(self, request: Request) -> Response:
        """One discrepancy with all that is told of it."""
        async with self._door.reading(request, self._reconciler) as (book, moment):
            ids = [str(request.path_params["id"])]
            rows = await moment.rows("discrepancies_in_full", book, ids, 1)
            if not rows:
                raise HTTPException(404, "no such discrepancy")
            return await _answer(book, moment, {"discrepancy": rows[0]["record"]})

    async def sign_offs(self, request: Request) -> Response:
        """The sign-offs of a book, and whether their chain holds."""
        async with self._door.reading(request, self._reconciler) as (book, moment):
            told = [row["decided"] for row in await moment.rows("sign_offs", book)]
            broken = broken_link(told)
            page = {"sign_offs": told, "is_chained": not broken, "broken": broken or None}
            return await _answer(book, moment, page)

    async def certificate(self, request: Request) -> Response:
        """A payout's certificate, as JSON, CSV or a page."""
        async with (
            self._door.reading(request) as (book, ledger),
            self._reconciler.snapshot() as reconciler,
        ):
            payout = str(request.path_params["id"])
            try:
                told = await certified(ledger, reconciler, book, payout, now=datetime.now(UTC))
            except NoSuchPayout as error:
                raise HTTPException(404, str(error)) from None
        return _shown(paper_of(told), request)

    async def report(self, request: Request) -> Response:
        """A report, as JSON, CSV or a page."""
        try:
            name = ReportName(str(request.path_params["name"]))
        except ValueError:
            raise HTTPException(404, f"the reports are {', '.join(ReportName)}") from None
        async with (
            self._door.reading(request) as (book, ledger),
            self._reconciler.snapshot() as reconciler,
        ):
            data = self._books.named(book) or BookData(name=book)
            told = asked(name, data, dict(request.query_params), datetime.now(UTC))
            made = await paper(name, told, ledger, reconciler)
        return _shown(made, request)


def _shown(made: Paper, request: Request) -> Response:
    """A paper in the form that is asked for: by ``format``, else by what is accepted."""
    accepted = "html" if "text/html" in request.headers.get("accept", "") else "json"
    match request.query_params.get("format", accepted):
        case "json":
            return JSONResponse(paper_json(made), headers=_PRIVATE | {"Vary": "Accept"})
        case "csv":
            return PlainTextResponse(paper_csv(made), headers=_PRIVATE, media_type="text/csv")
        case "html":
            safe = _PRIVATE | {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
            return HTMLResponse(paper_html(made), headers=safe | {"Vary": "Accept"})
        case _:
            raise BadRequest("format: json, csv or html")


async def _answer(book: str, moment: Snapshot, told: Json) -> Response:
    as_of = views.as_of(await moment.rows("reconciler_positions"))
    return JSONResponse({"book": book} | told | {"as_of": as_of}, headers=_PRIVATE)

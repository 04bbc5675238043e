"""Statements over HTTP: the same words as on the command line, answers tagged by what they tell.

An answer is JSON, CSV or a page: the same figures, laid out by the same core.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from services.console import views
from services.console.shell.account_pages import AccountPages
from services.console.shell.readers import Snapshot
from services.console.shell.reports import ACCOUNT, basis_of, names_of, report, rolled_up
from services.console.statements.account import Place
from services.console.statements.as_json import (
    account_json,
    basis_json,
    place_parts,
    report_json,
    roll_up_json,
)
from services.console.statements.layout import (
    Styled,
    account_csv,
    account_lines,
    foot,
    report_csv,
    report_lines,
    roll_up_csv,
    roll_up_lines,
)
from services.console.statements.names import Names, with_displays
from services.console.statements.page import CONTENT_SECURITY_POLICY, Form, form_of, page
from services.console.statements.query import (
    OF_A_PERIOD,
    STANDING,
    Asked,
    asked_of,
    depth_of,
    tags_of,
)
from services.console.statements.report import Basis, Kind
from services.console.views import BadRequest, Json
from shared.contracts.books import BookMap
from shared.contracts.envelope import instant_of
from shared.contracts.errors import Unreadable

Reading = Callable[[Request], AbstractAsyncContextManager[tuple[str, Snapshot]]]
_PAGED: Final = frozenset({"after", "limit"})
_LIST: Final = OF_A_PERIOD - {"currency", "reporting"}
_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept",
}


@dataclass(frozen=True, slots=True)
class _Told:
    """One answer in every form."""

    title: str
    basis: Basis
    json: Callable[[], Json]
    csv: Callable[[], str]
    lines: Callable[[], list[Styled]]


class StatementsApi:
    """The handlers of statements.

    Args:
        books: For time zones and reporting currencies.
        reading: Gives the book that may be read and a moment of the views.
        clock: For days that end today.
    """

    def __init__(self, books: BookMap, reading: Reading, clock: Callable[[], datetime]) -> None:
        self._books = books
        self._reading = reading
        self._clock = clock

    def of(self, kind: Kind) -> Callable[[Request], Awaitable[Response]]:
        """The handler of a statement: in each currency, and in one."""
        known = OF_A_PERIOD if kind.is_of_a_period else STANDING

        async def statement(request: Request) -> Response:
            async with self._reading(request) as (book, moment):
                asked, now = self._asked(book, request, known), self._clock()
                tag = await self._tag(moment, request, asked, now)
                if (same := _unchanged(request, tag)) is not None:
                    return same
                made = await report(moment, kind, asked, now)
                names = await _names(moment, asked)
                told = _Told(
                    kind.value.replace("-", " ").capitalize(),
                    made.basis,
                    lambda: with_displays(report_json(made), names),
                    lambda: report_csv(made, names),
                    lambda: report_lines(made, names),
                )
                return _answer(told, request, tag)

        return statement

    async def account(self, request: Request) -> Response:
        """A page of an account's statement."""
        name = str(request.path_params["account"])
        async with self._reading(request) as (book, moment):
            asked, now = self._asked(book, request, _LIST | _PAGED), self._clock()
            tag = await self._tag(moment, request, asked, now)
            if (same := _unchanged(request, tag)) is not None:
                return same
            after = request.query_params.get("after", "")
            found = await AccountPages(moment, asked).page(
                name, after=_place(after)[1] if after else None, count=_limit(request)
            )
            following = _cursor(name, found.after) if found.after is not None else None
            basis, names = await basis_of(moment, asked, now), await _names(moment, asked)
            told = _Told(
                f"Statement of {name}",
                basis,
                lambda: with_displays(
                    basis_json(basis) | account_json(found) | {"next": following}, names
                ),
                lambda: account_csv([found], names),
                lambda: account_lines([found], basis, names),
            )
            return _answer(told, request, tag, following)

    async def general_ledger(self, request: Request) -> Response:
        """A page of the general ledger: accounts in order, each with its postings by time."""
        async with self._reading(request) as (book, moment):
            asked = self._asked(book, request, _LIST | _PAGED | {ACCOUNT})
            now = self._clock()
            tag = await self._tag(moment, request, asked, now)
            if (same := _unchanged(request, tag)) is not None:
                return same
            after = request.query_params.get("after", "")
            found = await AccountPages(moment, asked).ledger(
                under=request.query_params.get(ACCOUNT, ""),
                after=_place(after) if after else None,
                count=_limit(request),
            )
            following = _cursor(*found.next) if found.next is not None else None
            basis, names = await basis_of(moment, asked, now), await _names(moment, asked)
            accounts = found.accounts
            told = _Told(
                "General ledger",
                basis,
                lambda: with_displays(
                    basis_json(basis)
                    | {"accounts": [account_json(each) for each in accounts], "next": following},
                    names,
                ),
                lambda: account_csv(accounts, names),
                lambda: account_lines(accounts, basis, names),
            )
            return _answer(told, request, tag, following)

    async def roll_up(self, request: Request) -> Response:
        """Turnover by account prefix, by key, by tag, or by span of time."""
        async with self._reading(request) as (book, moment):
            asked = self._asked(book, request, _LIST | {ACCOUNT, "by", "depth", "tags"})
            now = self._clock()
            tag = await self._tag(moment, request, asked, now)
            if (same := _unchanged(request, tag)) is not None:
                return same
            words = request.query_params
            lines = await rolled_up(
                moment,
                asked,
                by=words.get("by", ACCOUNT),
                under=words.get(ACCOUNT, ""),
                depth=depth_of(words.get("depth", "")),
                tags=tags_of(words.get("tags", "")),
            )
            by, basis = words.get("by", ACCOUNT), await basis_of(moment, asked, now)
            names = await _names(moment, asked)
            told = _Told(
                f"Roll-up by {by}",
                basis,
                lambda: with_displays(
                    basis_json(basis) | {"by": by, "lines": roll_up_json(lines)}, names
                ),
                lambda: roll_up_csv(lines, names),
                lambda: roll_up_lines(lines, basis, f"Roll-up by {by}", names),
            )
            return _answer(told, request, tag)

    def _asked(self, book: str, request: Request, known: frozenset[str]) -> Asked:
        named = self._books.named(book)
        if named is None:
            raise BadRequest("book: no such book")
        form_of(request.query_params, "")
        words = {name: value for name, value in request.query_params.items() if name != "format"}
        return asked_of(named, words, known)

    async def _tag(self, moment: Snapshot, request: Request, asked: Asked, now: datetime) -> str:
        """What an answer is a function of: what is asked, the book, the day, and what was told."""
        rows = await moment.rows("what_was_told")
        told = [
            request.url.path,
            _form(request),
            sorted(request.query_params.items()),
            asked.book.model_dump_json(),
            now.astimezone(asked.book.zone).date().isoformat(),
            [[row["topic"], row["partition"], row["told"]] for row in rows],
        ]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        return f'W/"{digest[:32]}"'


async def _names(moment: Snapshot, asked: Asked) -> Names:
    """What accounts were called at the moment that is asked for."""
    return (await names_of(moment, asked.book.name)).at(asked.end)


def _limit(request: Request) -> int:
    return views.limit(request.query_params.get("limit", ""))


def _cursor(account: str, place: Place | None) -> str:
    return views.cursor(account, *place_parts(place))


def _place(text: str) -> tuple[str, Place | None]:
    account, at, topic, partition, sequence, ordinal = views.place(
        text, str, str, str, int, int, int
    )
    if not at:
        return account, None
    try:
        return account, Place(instant_of(at), topic, partition, sequence, ordinal)
    except Unreadable:
        raise BadRequest("after: not a cursor of this list") from None


def _unchanged(request: Request, tag: str) -> Response | None:
    """Nothing but the tag, where the asker has that answer already."""
    known = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
    return Response(None, 304, {"ETag": tag, **_HEADERS}) if tag in known else None


def _form(request: Request) -> Form:
    return form_of(request.query_params, request.headers.get("accept", ""))


def _answer(told: _Told, request: Request, tag: str, following: str | None = None) -> Response:
    """The answer in the form that is asked for, with its tag and the link to the next page."""
    headers = {"ETag": tag, **_HEADERS}
    if following is not None:
        headers["Link"] = f'<{request.url.include_query_params(after=following)}>; rel="next"'
    match _form(request):
        case Form.JSON:
            return JSONResponse(told.json(), headers=headers)
        case Form.CSV:
            return PlainTextResponse(told.csv(), headers=headers, media_type="text/csv")
        case Form.HTML:
            headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
            notes, links = foot(told.basis), _links(request, following)
            shown = page(told.title, told.lines()[: -len(notes)], notes, links)
            return HTMLResponse(shown, headers=headers)


def _links(request: Request, following: str | None) -> dict[str, str]:
    """From a page: the same in the other forms, and the next page."""
    found = {
        f"as {form.value.upper()}": f"?{request.url.include_query_params(format=form.value).query}"
        for form in Form
        if form is not Form.HTML
    }
    if following is not None:
        found["next page"] = f"?{request.url.include_query_params(after=following).query}"
    return found

"""Customers' credits over HTTP: what each has, and what it moved by."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.console import credits as told
from services.console import views
from services.console.shell.readers import Snapshot
from services.console.views import Json

Reading = Callable[[Request], AbstractAsyncContextManager[tuple[str, Snapshot]]]
_HEADERS: Final = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}


class CreditsApi:
    """The handlers of credits; ``reading`` gives the book that may be read and its views."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def customers(self, request: Request) -> Response:
        """The customers that have credits, a page of them."""
        async with self._reading(request) as (book, moment):
            count = views.limit(request.query_params.get("limit", ""))
            after = request.query_params.get("after", "")
            start = views.place(after, str, str) if after else ("", "")
            rows = await moment.rows("credits", book, *start, count + 1)
            last = rows[count - 1] if len(rows) > count else None
            following = views.cursor(last["customer"], last["currency"]) if last else None
            return await _answer(
                book, moment, {"credits": told.balances(rows[:count]), "next": following}
            )

    async def customer(self, request: Request) -> Response:
        """What one customer has in each currency, and the last movements."""
        async with self._reading(request) as (book, moment):
            customer = str(request.path_params["customer"])
            count = views.limit(request.query_params.get("limit", ""))
            start = told.place(request.query_params.get("after", ""))
            held = await moment.rows("credits_of_customer", book, customer)
            rows = await moment.rows("credit_movements", book, customer, *start, count + 1)
            page: Json = {
                "customer": customer,
                "credits": told.balances(held),
                "movements": told.movements(rows[:count]),
                "next": told.cursor(rows[count - 1]) if len(rows) > count else None,
            }
            return await _answer(book, moment, page)


async def _answer(book: str, moment: Snapshot, page: Json) -> Response:
    as_of = views.as_of(await moment.rows("positions"))
    return JSONResponse({"book": book} | page | {"as_of": as_of}, headers=_HEADERS)

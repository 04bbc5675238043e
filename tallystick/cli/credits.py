"""`tallystick credits`: what customers have, given and spent."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from services.console import credits as told
from services.console.shell.readers import Row, Views
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.money import decimal_text
from shared.runtime import log
from tallystick.amounts import Json
from tallystick.cli.ask import AsJson, Because, InBook, UnderKey, amount_told, ask, require_book
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here

ROWS_MAX: Final = 1_000
MOVEMENTS_SHOWN: Final = 20


def customer_credits(
    customer: Annotated[
        str, typer.Argument(metavar="[CUSTOMER]", help="cus_…, an email address, or a payment.")
    ] = "",
    *,
    grant: Annotated[str, typer.Option("--grant", help="Give some, such as '5.00 usd'.")] = "",
    spend: Annotated[str, typer.Option("--spend", help="Take some, as far as there are.")] = "",
    allow_below_zero: Annotated[
        bool, typer.Option("--allow-below-zero", help="Spend more than there are.")
    ] = False,
    reason: Because = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Show what customers have, or one of them with its movements; give some, or spend some."""
    if grant and spend:
        raise Problem(
            "Both --grant and --spend are given",
            fix="do one, then the other",
            code=ExitCode.USAGE,
        )
    if grant or spend:
        command: Json = {
            "kind": "grant_credits" if grant else "spend_credits",
            "customer": _named(customer),
            "amount": amount_told(grant or spend),
            "reason": reason,
        }
        if spend:
            command["allow_below_zero"] = allow_below_zero
        ask(command, book=book, key=key, as_json=as_json)
        return
    settings = settings_here()
    log.set_up(level="error")
    require_book(settings, book)
    views = Views(require_database(settings), "ledger")
    balances, movements = asyncio.run(_read(views, book, customer))
    if as_json:
        shown: dict[str, Any] = {"credits": told.balances(balances)}  # Any: JSON
        if customer:
            shown |= {"customer": customer, "movements": told.movements(movements)}
        print(json.dumps(shown, indent=2))
        return
    print("\n".join(_lines(customer, balances, movements)))


async def _read(views: Views, book: str, customer: str) -> tuple[list[Row], list[Row]]:
    try:
        async with views.snapshot() as moment:
            if not customer:
                return await moment.rows("credits", book, "", "", ROWS_MAX), []
            held = await moment.rows("credits_of_customer", book, customer)
            moved = await moment.rows(
                "credit_movements", book, customer, *told.LAST, MOVEMENTS_SHOWN
            )
            return held, moved
    finally:
        await views.close()


def _lines(customer: str, balances: Sequence[Row], movements: Sequence[Row]) -> list[str]:
    if not balances and not movements:
        return [f"{customer} has no credits" if customer else "nobody has credits"]
    lines = [f"{customer}  {_money(row['minor'], row)}{_held(row)}" for row in balances]
    if not customer:
        return [f"{row['customer']}  {_money(row['minor'], row)}{_held(row)}" for row in balances]
    lines = lines or [f"{customer} has no credits"]
    for row in movements:
        day = row["effective_at"].date().isoformat()
        lines.append(f"  {day}  {_money(row['minor'], row):>20}  {row['kind']}  {row['reference']}")
    return lines


def _money(minor: int, row: Row) -> str:
    return f"{decimal_text(int(minor), row['exponent'])} {row['currency'].upper()}"


def _held(row: Row) -> str:
    if not row["held_minor"]:
        return ""
    held, available = row["held_minor"], row["available_minor"]
    return f" ({_money(held, row)} held, {_money(available, row)} available)"


def _named(customer: str) -> str:
    if not customer:
        raise Problem(
            "Whose credits?", fix="name the customer: `tallystick credits CUSTOMER …`",
            code=ExitCode.USAGE,
        )  # fmt: skip
    return customer

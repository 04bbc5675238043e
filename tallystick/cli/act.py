"""An act about discrepancies or matches: published, its decision awaited and shown.

It goes the same way as one over HTTP, and is idempotent as that is.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.console.intake import Answer
from services.console.reconciling.acts import AskedAct, asked_act
from services.console.shell.act_desk import ActDesk
from services.console.shell.readers import Snapshot, Views
from services.console.views import BadRequest, Json
from shared.contracts.journal import DEFAULT_BOOK
from shared.runtime.settings import Settings
from tallystick.cli.answered import AWAIT_SECONDS, show_answer
from tallystick.cli.ask import actor_here, body_of, new_key, settings_for, way_in
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database

Forced = Annotated[bool, typer.Option("--force", help="Against the rules; takes a --reason.")]
Line = Annotated[str, typer.Argument(metavar="LINE", help="ACCOUNT/LINE, such as main/tx_1.")]


def act(
    told: Mapping[str, object],
    *,
    book: str = DEFAULT_BOOK,
    key: str = "",
    as_json: bool = False,
) -> None:
    """Ask the reconciler for one thing and show what became of it.

    Raises:
        Problem: Refused, contradicted, or not decided in time; each says what to do.
    """
    settings = settings_for(book)
    key = key or new_key()
    try:
        asked = asked_act(body_of(told), book=book, idempotency_key=key, actor=actor_here())
    except BadRequest as error:
        raise Problem(
            f"That cannot be asked: {error}",
            fix="see `--help`, or docs/howto/work-discrepancies.md",
            code=ExitCode.USAGE,
        ) from None
    found = asyncio.run(_send(settings, asked))
    show_answer(found, key, actor=actor_here(), as_json=as_json, what="act", judge="reconciler")


def line_named(text: str) -> dict[str, str]:
    """``ACCOUNT/LINE`` as a line's name.

    Raises:
        Problem: Not of that form.
    """
    account, _, line_id = text.partition("/")
    if not account or not line_id:
        raise Problem(
            f"{text[:60]!r} names no bank line",
            why="a line's id is unique in its bank account alone",
            fix="write ACCOUNT/LINE, as `tallystick report lines` shows it",
            code=ExitCode.USAGE,
        )
    return {"account": account, "id": line_id}


async def _send(settings: Settings, asked: AskedAct) -> tuple[Answer, Json]:
    ledger = Views(require_database(settings), "ledger")
    try:
        async with way_in(settings, "reconciler") as (publisher, views):
            desk = ActDesk(
                publisher,
                views,
                ledger,
                await_seconds=AWAIT_SECONDS,
                clock=lambda: datetime.now(UTC),
            )
            return await desk.take(asked)
    finally:
        await ledger.close()


async def rows_here(settings: Settings, query: str, *arguments: object) -> list[Json]:
    """The rows of a named query on the reconciler's views."""
    views = Views(require_database(settings), "reconciler")
    try:
        async with views.snapshot() as moment:
            return [dict(row) for row in await _rows(moment, query, *arguments)]
    finally:
        await views.close()


async def _rows(moment: Snapshot, query: str, *arguments: object) -> list[Json]:
    return [dict(row) for row in await moment.rows(query, *arguments)]

"""An act about discrepancies or matches: published, its decision awaited and shown.

It goes the same way as one over HTTP, and is idempotent as that is.
"""

import asyncio
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, cast

import typer

from services.console.intake import Answer
from services.console.reconciling.acts import AskedAct, asked_act
from services.console.shell.act_desk import ActDesk
from services.console.shell.readers import Snapshot, Views
from services.console.views import BadRequest, Json
from shared.contracts.commands import command_key
from shared.contracts.journal import DEFAULT_BOOK
from shared.runtime import log
from shared.runtime.kafka import Publisher
from shared.runtime.settings import Settings
from tallystick.cli.ask import actor_here, refused, require_book
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here

AWAIT_SECONDS: Final = 20.0
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
    settings = settings_here()
    log.set_up(level="error")
    require_book(settings, book)
    key = key or uuid.uuid4().hex[:16]
    body = {name: value for name, value in told.items() if value is not None}
    try:
        asked = asked_act(
            json.dumps(body).encode(), book=book, idempotency_key=key, actor=actor_here()
        )
    except BadRequest as error:
        raise Problem(
            f"That cannot be asked: {error}",
            fix="see `--help`, or docs/howto/work-discrepancies.md",
            code=ExitCode.USAGE,
        ) from None
    _show(asyncio.run(_send(settings, asked)), key, as_json=as_json)


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
    publisher = Publisher(settings.kafka, client_id="tallystick-cli")
    views = Views(require_database(settings), "reconciler")
    desk = ActDesk(publisher, views, await_seconds=AWAIT_SECONDS, clock=lambda: datetime.now(UTC))
    try:
        await publisher.start()
        return await desk.take(asked)
    finally:
        await publisher.stop()
        await views.close()


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


def _show(found: tuple[Answer, Json], key: str, *, as_json: bool) -> None:
    status, told = found
    if as_json:
        print(json.dumps({"status": status.name.lower(), "key": key, **told}, indent=2))
    match status:
        case Answer.BOOKED | Answer.REPLAYED:
            if as_json:
                return
            before = " (asked before under this key)" if status is Answer.REPLAYED else ""
            print(f"{told.get('reason') or 'done'}{before}")
            print(f"  act        {command_key(actor_here(), key)}")
            decided = cast("Mapping[str, object]", told.get("decided") or {})
            for name, value in decided.items():
                shown = value if isinstance(value, str) else json.dumps(value)
                print(f"  {name.replace('_', ' '):<16} {shown}")
        case Answer.PENDING:
            raise Problem(
                "It was sent, and the reconciler has not decided on it yet",
                why=f"no decision within {AWAIT_SECONDS:g} seconds",
                fix=f"look with `tallystick status`; ask again with --key {key}: it is done once",
                code=ExitCode.UNREACHABLE,
            )
        case Answer.REFUSED:
            raise refused(told)
        case Answer.CONFLICT:
            raise Problem(
                "This key was used for another act",
                why=str(told.get("reason")),
                fix="choose another --key; the first act stands",
                code=ExitCode.REFUSED,
            )

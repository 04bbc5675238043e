"""A command to the ledger from the command line: published, awaited, and its outcome shown.

It goes the same way as one over HTTP, and is idempotent as that is: asked again under its key, the
same command is carried out once.
"""

import asyncio
import getpass
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, cast

import typer

from services.console.intake import Answer, Asked, asked
from services.console.shell.command_desk import CommandDesk
from services.console.shell.readers import Views
from services.console.statements.moments import midnight
from services.console.views import BadRequest
from shared.contracts.books import BookData
from shared.contracts.commands import command_key
from shared.contracts.envelope import instant_of, rfc3339
from shared.contracts.errors import Unreadable
from shared.contracts.journal import DEFAULT_BOOK
from shared.runtime import log
from shared.runtime.kafka import Publisher
from shared.runtime.settings import Settings
from tallystick.amounts import AmountInvalid, Json, amount_on_wire
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here

AWAIT_SECONDS: Final = 20.0

InBook = Annotated[str, typer.Option("--book", help="The book.")]
UnderKey = Annotated[
    str, typer.Option("--key", help="The idempotency key; one of its own where none is given.")
]
Because = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
AsJson = Annotated[bool, typer.Option("--json", help="The outcome as JSON.")]
Takes = Annotated[
    str,
    typer.Option(
        "--on", help="The day, or the time with its zone, when it took effect; else when recorded."
    ),
]


def ask(
    told: Mapping[str, object],
    *,
    book: str = DEFAULT_BOOK,
    key: str = "",
    as_json: bool = False,
) -> None:
    """Ask the ledger for one thing and show what became of it.

    Raises:
        Problem: Refused, contradicted, or not decided in time; each says what to do.
    """
    key = key or uuid.uuid4().hex[:16]
    found = ask_all([told], book=book, keys=[key])[0]
    show_answer(found, key, as_json=as_json, what="command", judge="ledger")


def ask_all(
    commands: Sequence[Mapping[str, object]], *, book: str, keys: Sequence[str]
) -> list[tuple[Answer, Json]]:
    """Ask for several things, one after the other, up to the first that is not booked.

    Raises:
        Problem: A command is none.
        Unavailable: Kafka or Postgres is away.
    """
    settings = settings_here()
    log.set_up(level="error")
    require_book(settings, book)
    wanted = [_asked(told, book, key) for told, key in zip(commands, keys, strict=True)]
    return asyncio.run(_send(settings, wanted))


def require_book(settings: Settings, name: str) -> BookData:
    """The book of that name.

    Raises:
        Problem: There is none.
    """
    books = settings.books()
    found = books.named(name)
    if found is None:
        raise Problem(
            f"There is no book {name!r}",
            why=f"the books are {', '.join(sorted(b.name for b in books.books))}",
            fix="name one of them with --book",
            code=ExitCode.USAGE,
        )
    return found


def taking_effect(text: str, book: str) -> str | None:
    """When something took effect: a day's beginning in the book's time zone, or a time.

    Without one it is left to the record: asked again later, the same is asked.

    Raises:
        Problem: Not of these forms.
    """
    if not text:
        return None
    zone = require_book(settings_here(), book).zone
    try:
        if len(text) == len("2026-11-30"):
            return rfc3339(midnight(datetime.fromisoformat(text).date(), zone))
        return rfc3339(instant_of(text))
    except (ValueError, Unreadable):
        raise Problem(
            f"--on: {text[:40]!r} is no time",
            fix="write a day such as 2026-11-30, or a time such as 2026-11-30T12:00:00Z",
            code=ExitCode.USAGE,
        ) from None


def actor_here() -> str:
    """Who asks, as it stands in every record: the user of this machine."""
    return f"{getpass.getuser()}@cli"


def amount_told(text: str) -> Json:
    """An amount of a command.

    Raises:
        Problem: It is none.
    """
    try:
        return amount_on_wire(text)
    except AmountInvalid as error:
        raise no_amount(error) from None


def no_amount(error: AmountInvalid) -> Problem:
    """What is said of text that is no amount."""
    return Problem(str(error), fix="write it as '12.50 usd'; nothing was sent", code=ExitCode.USAGE)


def _asked(told: Mapping[str, object], book: str, key: str) -> Asked:
    body = {name: value for name, value in told.items() if value is not None}
    try:
        return asked(json.dumps(body).encode(), book=book, idempotency_key=key, actor=actor_here())
    except BadRequest as error:
        raise Problem(
            f"That is no command: {error}",
            fix="see `--help`, or docs/howto/book-by-hand.md",
            code=ExitCode.USAGE,
        ) from None


async def _send(settings: Settings, wanted: Sequence[Asked]) -> list[tuple[Answer, Json]]:
    publisher = Publisher(settings.kafka, client_id="tallystick-cli")
    views = Views(require_database(settings), "ledger")
    desk = CommandDesk(
        publisher, views, await_seconds=AWAIT_SECONDS, clock=lambda: datetime.now(UTC)
    )
    found: list[tuple[Answer, Json]] = []
    try:
        await publisher.start()
        for each in wanted:
            found.append(await desk.take(each))
            if found[-1][0] not in (Answer.BOOKED, Answer.REPLAYED):
                break
    finally:
        await publisher.stop()
        await views.close()
    return found


def show_answer(
    found: tuple[Answer, Json], key: str, *, as_json: bool, what: str, judge: str
) -> None:
    """Show what became of what was asked for, whoever judges it.

    Raises:
        Problem: Refused, contradicted, or not decided in time; each says what to do.
    """
    status, told = found
    if as_json:
        print(json.dumps({"status": status.name.lower(), "key": key, **told}, indent=2))
    match status:
        case Answer.BOOKED | Answer.REPLAYED:
            if not as_json:
                print("\n".join(_lines(status, told, key, what)))
        case Answer.PENDING:
            raise Problem(
                f"It was sent, and the {judge} has not decided on it yet",
                why=f"no decision within {AWAIT_SECONDS:g} seconds",
                fix=f"look with `tallystick status`; ask again with --key {key}: it is done once",
                code=ExitCode.UNREACHABLE,
            )
        case Answer.REFUSED:
            raise refused(told)
        case Answer.CONFLICT:
            raise Problem(
                f"This key was used for another {what}",
                why=str(told.get("reason")),
                fix=f"choose another --key; the first {what} stands",
                code=ExitCode.REFUSED,
            )


def refused(told: Json) -> Problem:
    """A refusal, in the rule's own words."""
    why = str(told.get("reason") or "")
    decided = cast("Mapping[str, object]", told.get("decided") or {})
    way_out = str(decided.get("way_out") or "")
    return Problem(
        "Refused",
        why=why.removesuffix(f"; {way_out}") if way_out else why,
        fix=way_out,
        code=ExitCode.REFUSED,
    )


def _lines(status: Answer, told: Json, key: str, what: str) -> list[str]:
    said = str(told.get("reason") or "done")
    lines = [said if status is Answer.BOOKED else f"{said} (asked before under this key)"]
    if told.get("reference"):
        lines.append(f"  reference  {told['reference']}")
    lines.append(f"  {what:<10} {command_key(actor_here(), key)}")
    decided = cast("Mapping[str, object]", told.get("decided") or {})
    for name, value in decided.items():
        shown = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"  {name.replace('_', ' '):<10} {shown}")
    return lines

"""A command to the ledger from the command line: published, awaited, and its outcome shown.

It goes the same way as one over HTTP, and is idempotent as that is: asked again under its key, the
same command is carried out once.
"""

import asyncio
import getpass
import json
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.console.intake import Answer, Asked, asked
from services.console.shell.command_desk import CommandDesk
from services.console.shell.readers import Views
from services.console.statements.moments import midnight
from services.console.views import BadRequest
from shared.contracts.books import BookData
from shared.contracts.envelope import instant_of, rfc3339
from shared.contracts.errors import Unreadable
from shared.contracts.journal import DEFAULT_BOOK
from shared.runtime import log
from shared.runtime.kafka import Publisher
from shared.runtime.settings import Settings
from tallystick.amounts import AmountInvalid, Json, amount_on_wire
from tallystick.cli.answered import AWAIT_SECONDS, show_answer
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here

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
    key = key or new_key()
    found = ask_all([told], book=book, keys=[key])[0]
    show_answer(found, key, actor=actor_here(), as_json=as_json, what="command", judge="ledger")


def new_key() -> str:
    """An idempotency key for what is asked without one."""
    return uuid.uuid4().hex[:16]


def ask_all(
    commands: Sequence[Mapping[str, object]], *, book: str, keys: Sequence[str]
) -> list[tuple[Answer, Json]]:
    """Ask for several things, one after the other, up to the first that is not booked.

    Raises:
        Problem: A command is none.
        Unavailable: Kafka or Postgres is away.
    """
    settings = settings_for(book)
    wanted = [_asked(told, book, key) for told, key in zip(commands, keys, strict=True)]
    return asyncio.run(_send(settings, wanted))


def settings_for(book: str) -> Settings:
    """The settings here, where something is to be asked of a book; the log stays quiet.

    Raises:
        Problem: There is no such book.
    """
    settings = settings_here()
    log.set_up(level="error")
    require_book(settings, book)
    return settings


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
    return Problem(str(error), fix=f"{error.way_out}; nothing was sent", code=ExitCode.USAGE)


def body_of(told: Mapping[str, object]) -> bytes:
    """What is asked for as a request says it; what was left out is not in it."""
    return json.dumps({name: value for name, value in told.items() if value is not None}).encode()


@asynccontextmanager
async def way_in(settings: Settings, schema: str) -> AsyncGenerator[tuple[Publisher, Views]]:
    """What a desk needs: somebody who publishes, and the views in which answers are found.

    Raises:
        Unavailable: Kafka is away.
    """
    publisher = Publisher(settings.kafka, client_id="tallystick-cli")
    views = Views(require_database(settings), schema)
    try:
        await publisher.start()
        yield publisher, views
    finally:
        await publisher.stop()
        await views.close()


def _asked(told: Mapping[str, object], book: str, key: str) -> Asked:
    try:
        return asked(body_of(told), book=book, idempotency_key=key, actor=actor_here())
    except BadRequest as error:
        raise Problem(
            f"That is no command: {error}",
            fix="see `--help`, or docs/howto/book-by-hand.md",
            code=ExitCode.USAGE,
        ) from None


async def _send(settings: Settings, wanted: Sequence[Asked]) -> list[tuple[Answer, Json]]:
    found: list[tuple[Answer, Json]] = []
    async with way_in(settings, "ledger") as (publisher, views):
        desk = CommandDesk(
            publisher, views, await_seconds=AWAIT_SECONDS, clock=lambda: datetime.now(UTC)
        )
        for each in wanted:
            found.append(await desk.take(each))
            if found[-1][0] not in (Answer.BOOKED, Answer.REPLAYED):
                break
    return found

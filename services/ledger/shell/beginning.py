"""What the ledger decides by when it starts: what is in force, at the very first what files say.

Files tell what books begin with. The first ledger that ever starts over a log says so itself, in a
command of its own (``genesis``), so that the log has it and a file that is edited later changes
nothing that was booked. From then on only commands change what is in force; a file that says
something else stops the next start, with the way out.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.ledger.activation.activating import Difference, differences, genesis
from services.ledger.activation.activations import (
    FROM_THE_BEGINNING,
    Activation,
    ActivationRecord,
    ActivationRefused,
    Activations,
    Value,
    genesis_value,
    value_of,
)
from services.ledger.activation.in_force import InForce
from services.ledger.activation.rule_versions import ONE
from services.ledger.chart import DEFAULT_CHART, chart_of
from services.ledger.shell.booking.activated import Kept, keep_activations, read_activations
from services.ledger.shell.booking.books import Books
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.booking.decision_records import contradicting_on_record
from services.ledger.shell.queries import SQL
from shared.contracts.books import BookMap
from shared.contracts.commands import LEDGER_COMMAND, Activate, Activated
from shared.contracts.envelope import Envelope
from shared.contracts.errors import InvariantBroken, Refused
from shared.contracts.journal import Book
from shared.contracts.schemas import type_of
from shared.contracts.topics import LEDGER_COMMANDS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds, producer, scan
from shared.runtime.positions import Log, read_positions
from shared.runtime.postgres import Database, Tx
from shared.runtime.settings import SettingsInvalid

GENESIS_KEY: Final = "genesis"
_SOURCE: Final = "tallystick/ledger"
_WHY: Final = "what the files said when the books began"
_PUBLISH_SECONDS_MAX: Final = 30.0
_MARK: Final = b'"activate"'
_logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Files:
    """What an installation's files say of its books, and the texts of their charts."""

    in_force: InForce
    charts: Mapping[Book, str]

    def chart_text(self, book: Book) -> str:
        """The text of a book's chart: its file's, else that of the default chart."""
        return self.charts.get(book) or DEFAULT_CHART.read_text("utf-8")


def files_of(book_map: BookMap) -> Files:
    """What a book map says, with the charts that it names read from their files.

    Raises:
        SettingsInvalid: A file cannot be read or is no chart.
    """
    texts: dict[Book, str] = {}
    for book in book_map.books:
        if book.chart is None:
            continue
        try:
            texts[book.book] = Path(book.chart).read_text("utf-8")
            chart_of(texts[book.book])
        except (OSError, ValueError, Refused) as error:
            raise SettingsInvalid(f"book {book.name}: chart {book.chart}: {error}") from error
    charts = {book: chart_of(text) for book, text in texts.items()}
    return Files(InForce(book_map, charts), texts)


async def begin_books(database: Database, kafka: KafkaAddress, files: Files) -> bool:
    """Record what the books begin with, where nothing was ever put in force; whether it was so.

    Several processes take turns, and the first that said it stands.

    Raises:
        Unavailable: Kafka or Postgres is away.
    """
    async with database.transaction() as tx:
        await tx.execute(SQL["hold_seeding"])
        if await read_activations(tx):
            return False
        said = await _first_genesis(kafka)
        if said is None:
            await _say_genesis(kafka, files, has_history=await _has_history(tx))
            said = await _first_genesis(kafka)
        if said is None:
            raise InvariantBroken(f"{LEDGER_COMMANDS} does not have what was just written to it")
        await _keep(tx, said)
    _logger.info("books.began", position=said.record.position)
    return True


async def learn_what_is_in_force(database: Database, decider: Decider, books: Books) -> None:
    """Decide and sum by what the journal says was put in force, and which events came first.

    Raises:
        InvariantBroken: It was put in force by a later program than this.
        Unavailable: The database is away.
    """
    async with database.transaction() as tx:
        decider.learn(await read_activations(tx))
        later = await contradicting_on_record(tx)
    books.learn(decider.activations().book_maps(), later)


async def require_files_in_force(
    database: Database, kafka: KafkaAddress, ids: Log, known: Activations, files: Files
) -> None:
    """Refuse files that say something else than what is in force, or is about to be.

    A command that was sent and not decided yet counts, so that what a file says can be put in force
    while no ledger runs.

    Raises:
        SettingsInvalid: They differ; says where, and what to do.
        Unavailable: Kafka or Postgres is away.
    """
    if not differences(known.last(), files.in_force):
        return
    async with database.transaction() as tx:
        booked = await read_positions(tx, ids)
    coming = await _undecided(kafka, booked)
    last = Activations(known.first, (*known.made, *coming)).last()
    found = differences(last, files.in_force)
    if found:
        raise SettingsInvalid(told_apart(found))


def told_apart(found: list[Difference]) -> str:
    """What to say of files that differ from what is in force."""
    where = "; ".join(
        f"{f'book {each.book}, ' if each.book else ''}{each.what.replace('_', ' ')}: {each.detail}"
        for each in found
    )
    return (
        f"the files say something else than what is in force: {where}. Nothing is booked by a file"
        " alone: put it in force from now on with `tallystick activate book-map FILE` and start"
        " again, or put the file back (`tallystick activate show` tells what is in force)"
    )


async def _has_history(tx: Tx) -> bool:
    """Whether anything was booked before, by this journal or by one that was lost."""
    (row,) = await tx.fetch(SQL["has_history"])
    return bool(row["has_history"])


async def _say_genesis(kafka: KafkaAddress, files: Files, *, has_history: bool) -> None:
    first = files.in_force
    if has_history:
        # What was booked before rules had a number in force was booked by the first.
        first = replace(first, rules_version=ONE.version)
    command = Activate(
        idempotency_key=GENESIS_KEY,
        book=first.book_map.books[0].name,
        actor="ledger",
        reason=_WHY,
        what=Activated.GENESIS,
        value=genesis_value(first, files.charts, DEFAULT_CHART.read_text("utf-8")),
    )
    envelope = Envelope(
        id=f"cmd_{GENESIS_KEY}",
        source=_SOURCE,
        type=type_of(Activate),
        time=datetime.now(UTC),
        data=command.model_dump_json().encode(),
        extensions={"book": command.book},
    )
    async with producer(kafka, client_id="ledger") as publisher:
        key = f"{command.book}|{command.idempotency_key}".encode()
        await publisher.publish(LEDGER_COMMANDS, key, envelope, _PUBLISH_SECONDS_MAX)


async def _first_genesis(kafka: KafkaAddress) -> "_Sent | None":
    """The first command on the log that says what the books began with."""
    first, end = await offset_bounds(kafka, (LEDGER_COMMANDS,))
    sent = await _sent(kafka, {p: (first[p], end[p]) for p in end})
    return next((each for each in sent if each.command.what is Activated.GENESIS), None)


async def _keep(tx: Tx, said: "_Sent") -> None:
    record, command = said.record, said.command
    made = genesis(command.value, Book(command.book))
    told = ActivationRecord.of(made, actor=command.actor, reason=command.reason)
    origins = {
        Partition(row["topic"], row["partition"]): row["origin_id"]
        for row in await tx.fetch(SQL["read_origins"])
    }
    origin_id = origins[Partition(record.topic, record.partition)]
    await keep_activations(tx, [Kept(told, origin_id, record.offset, record.appended_at)])


@dataclass(frozen=True, slots=True)
class _Sent:
    """A command on the log that puts something in force, and what that is."""

    record: Record
    command: Activate
    value: Value


async def _undecided(
    kafka: KafkaAddress, booked: Mapping[Partition, int]
) -> tuple[Activation, ...]:
    """What was asked to be put in force and is not decided yet."""
    _, end = await offset_bounds(kafka, (LEDGER_COMMANDS,))
    sent = await _sent(kafka, {p: (booked.get(p, 0), before) for p, before in end.items()})
    return tuple(
        Activation(0, asked.what, Book(asked.book), asked.value, each.value, FROM_THE_BEGINNING)
        for each in sent
        for asked in (each.command,)
        if asked.what is not Activated.GENESIS
    )


async def _sent(kafka: KafkaAddress, spans: Mapping[Partition, tuple[int, int]]) -> list[_Sent]:
    """The commands that put something in force, by when they were recorded.

    What is not one, or asks for nothing that means anything, is refused by whoever books it.
    """
    found: list[_Sent] = []
    async for batch in scan(kafka, spans):
        for record in batch:
            if _MARK not in record.value:
                continue
            with suppress(ValidationError, ActivationRefused):
                command = LEDGER_COMMAND.validate_json(record.value)
                if isinstance(command, Activate):
                    found.append(_Sent(record, command, value_of(command.what, command.value)))
    return sorted(found, key=lambda s: (s.record.timestamp_ms, s.record.partition, s.record.offset))

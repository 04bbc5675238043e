"""The ledger as a process: wait for what it needs, then projector, publisher and health."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from services.ledger.chart import Chart
from services.ledger.config import LedgerSettings
from services.ledger.shell.beginning import (
    Files,
    begin_books,
    files_of,
    learn_what_is_in_force,
    require_files_in_force,
)
from services.ledger.shell.booking.booker import BatchBooker
from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.failpoints import Failpoints
from services.ledger.shell.projector import Projector
from services.ledger.shell.proof.head_tails import learn_heads
from services.ledger.shell.proof.signing import KeyInvalid, SigningKey
from services.ledger.shell.proof.trees import Pace, TreeKeeper
from services.ledger.shell.publisher import JournalPublisher
from services.ledger.shell.rebuilding.standing_check import CheckWatch
from services.ledger.shell.store import bring_up_to_date, open_journal
from services.ledger.shell.tails import learn_from_tails
from shared.contracts.books import BookMap
from shared.contracts.journal import Book
from shared.contracts.topics import (
    LEDGER_DEAD_LETTERS,
    LEDGER_ENTRIES,
    LEDGER_OUTCOMES,
    LEDGER_TREE_HEADS,
    TOPICS,
)
from shared.runtime import log
from shared.runtime.dead_letter_watch import DeadLetterWatch
from shared.runtime.kafka import Partition, Publisher, check_topics, patiently
from shared.runtime.kafka_group import BatchBounds, GroupReader
from shared.runtime.lifecycle import collect_seldom, together, unless_stopped
from shared.runtime.metrics import Health, health_app, serve
from shared.runtime.positions import Log, read_positions
from shared.runtime.postgres import Database
from shared.runtime.settings import SettingsInvalid

OUTPUT_TOPICS: Final = (LEDGER_ENTRIES, LEDGER_OUTCOMES, LEDGER_TREE_HEADS, LEDGER_DEAD_LETTERS)
STARTING: Final = "start"
Part = Callable[[asyncio.Event], Awaitable[None]]
_logger = log.get(__name__)


def charts_of(book_map: BookMap) -> dict[Book, Chart]:
    """The charts that books name, read from their files: for what people read.

    What is booked by is what was put in force, which files say at the very first only.

    Raises:
        SettingsInvalid: A file cannot be read or is no chart.
    """
    return dict(files_of(book_map).in_force.charts)


def signing_key_of(settings: LedgerSettings) -> SigningKey | None:
    """The key that tree heads are signed with; ``None``: they are not.

    Raises:
        SettingsInvalid: It is none.
    """
    text = settings.ledger_tree_head_key.get_secret_value()
    try:
        return SigningKey.of(text) if text else None
    except KeyInvalid as error:
        raise SettingsInvalid(f"TALLYSTICK_LEDGER_TREE_HEAD_KEY: {error}") from None


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal in use, with the log that it is a projection of."""

    database: Database
    books: Books
    log: Log

    async def positions(self, wanted: frozenset[Partition]) -> Mapping[Partition, int]:
        """Where partitions are read on; rows are made for those that have none."""
        async with self.database.transaction() as tx:
            await self.books.begin(tx, wanted)
            return await read_positions(tx, self.log)


def input_partitions() -> Iterable[Partition]:
    """Every partition of every input, as the registry has them."""
    for topic in INPUT_TOPICS:
        for number in range(TOPICS[topic].partitions):
            yield Partition(topic, number)


async def run_ledger(settings: LedgerSettings, stop: asyncio.Event) -> None:
    """Run until ``stop``; health is served from the first moment, with the reason of each wait.

    Raises:
        SettingsInvalid: Books, chart or failpoint are wrong, or the files say something else than
            what is in force.
        TopicsInvalid: A topic is missing or configured otherwise.
        Unavailable: Kafka or Postgres did not come up in time.
        InvariantBroken: The journal, the log or what was published contradict one another.
    """
    health = Health()
    health.not_ready(STARTING, "starting")
    failpoints = Failpoints(settings.ledger_failpoint, is_live=settings.is_live())
    signing_key_of(settings)  # wrong, it is told before anything is waited for
    files = files_of(settings.books())

    async def serve_health(until: asyncio.Event) -> None:
        await serve(
            health_app(health),
            host=settings.ledger_host,
            port=settings.ledger_port,
            stop=until,
        )

    async def work(until: asyncio.Event) -> None:
        async with AsyncExitStack() as held:
            parts = await unless_stopped(until, _prepare(settings, files, failpoints, health, held))
            collect_seldom()
            health.ready(STARTING)
            _logger.info("ledger.started", group=settings.ledger_group, part=settings.ledger_part)
            await together(until, *parts)

    await together(stop, work, serve_health)


async def _prepare(
    settings: LedgerSettings,
    files: Files,
    failpoints: Failpoints,
    health: Health,
    held: AsyncExitStack,
) -> list[Part]:
    """Everything that the parts need, and the parts that this process is to run."""
    kafka, wait = settings.kafka, settings.ledger_start_wait_seconds
    dsn = settings.postgres_dsn.get_secret_value()
    if not dsn:
        raise SettingsInvalid("TALLYSTICK_POSTGRES_DSN: say where the database is")
    health.not_ready(STARTING, "waiting for Kafka and its topics")
    topics = [*INPUT_TOPICS, *OUTPUT_TOPICS]
    await patiently(
        lambda: check_topics(kafka, topics),
        what="the topics",
        give_up_after_seconds=wait,
    )
    health.not_ready(STARTING, "waiting for Postgres and its migrations")
    await bring_up_to_date(dsn, wait_seconds=wait)
    database = await open_journal(
        dsn, connections_max=settings.ledger_connections_max, wait_seconds=wait
    )
    held.push_async_callback(database.close)
    log_ids = await Log.ask(kafka, INPUT_TOPICS)
    decider = Decider(files.in_force)
    books = Books(log_ids, files.in_force.book_map, reached=failpoints.reached)
    journal = Journal(database, books, log_ids)
    await journal.positions(frozenset(input_partitions()))
    health.not_ready(STARTING, "reading the tails of its own topics")
    await learn_from_tails(database, kafka)
    await begin_books(database, kafka, files)
    await learn_what_is_in_force(database, decider, books)
    await require_files_in_force(database, kafka, log_ids, decider.activations(), files)
    booked = asyncio.Event()
    parts: list[Part] = []
    if settings.ledger_part != "publisher":
        reader = _reader(settings, journal)
        held.push_async_callback(reader.stop)
        await patiently(reader.start, what="Kafka", give_up_after_seconds=wait)
        booker = BatchBooker(database, books)
        parts.append(Projector(booker, reader, decider, health, failpoints, booked).run)
    if settings.ledger_part != "projector":
        publisher = Publisher(kafka, client_id="ledger")
        held.push_async_callback(publisher.stop)
        await patiently(publisher.start, what="Kafka", give_up_after_seconds=wait)
        await learn_heads(database, kafka)
        parts += _publishing(
            settings, database, publisher, health=health, failpoints=failpoints, booked=booked
        )
    return parts


def _publishing(
    settings: LedgerSettings,
    database: Database,
    publisher: Publisher,
    *,
    health: Health,
    failpoints: Failpoints,
    booked: asyncio.Event,
) -> list[Part]:
    """The parts of whoever publishes."""
    outbox = JournalPublisher(
        database,
        publisher,
        health,
        failpoints,
        booked,
        records_max=settings.ledger_publish_records_max,
        interval_seconds=settings.ledger_publish_interval_seconds,
        timeout_seconds=settings.ledger_publish_timeout_seconds,
    )
    trees = TreeKeeper(
        database,
        settings.kafka,
        publisher,
        health,
        failpoints,
        Pace(settings.ledger_tree_head_entries, settings.ledger_tree_head_seconds),
        signing_key_of(settings),
        interval_seconds=settings.ledger_publish_interval_seconds,
        timeout_seconds=settings.ledger_publish_timeout_seconds,
    )
    letters = DeadLetterWatch(settings.kafka, LEDGER_DEAD_LETTERS)
    checks = CheckWatch(settings.kafka)
    return [outbox.run, trees.run, letters.run, checks.run]


def _reader(settings: LedgerSettings, journal: Journal) -> GroupReader:
    return GroupReader(
        settings.kafka,
        group=settings.ledger_group,
        topics=INPUT_TOPICS,
        positions=journal.positions,
        bounds=BatchBounds(
            records_max=settings.ledger_batch_messages_max,
            bytes_max=settings.ledger_batch_bytes_max,
            wait_seconds=settings.ledger_batch_wait_seconds,
            gather_seconds=settings.ledger_batch_gather_seconds,
        ),
        client_id="ledger",
        instance=settings.ledger_instance,
    )

"""What every batch asks first, in one question to the database.

move the positions        fenced
read the heads            and the number of the last activation, the positions being ours
hold the books            alone where a period changes, and read how far they are closed
    remember the messages     of a batch without commands, whose decisions are looked for before
claim the references      of a few messages; of many, who takes each is found out here first
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.ledger.periods import Closing, Closings
from services.ledger.shell.booking.batch import Batch, Claim, Moves, Name, Seen
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.rows import Columns, Head
from services.ledger.shell.queries import SQL
from shared.contracts.commands import ClosePeriod, LockPeriod, ReopenPeriod
from shared.contracts.journal import Book
from shared.contracts.topics import LEDGER_COMMANDS
from shared.contracts.topics import origin as origin_name
from shared.runtime.dead_letters import attempts_of
from shared.runtime.kafka import Partition
from shared.runtime.positions import Fenced, Log
from shared.runtime.postgres import Tx

# Of more messages of a batch, what is known of them is asked for after it was begun.
ASKED_AT_ONCE_MAX: Final = 100
_CHANGES_PERIODS: Final = (ClosePeriod, LockPeriod, ReopenPeriod)


async def opened(
    tx: Tx,
    log: Log,
    decided: Sequence[Decided],
    moves: Moves,
    *,
    contradicting: frozenset[tuple[Partition, int]],
    is_judged: bool,
) -> tuple[int, Batch]:
    """The number of the last activation, and the batch, which the positions are moved for.

    Where it ``is_judged``, something of it is judged before it may claim anything.

    Raises:
        Fenced: Another process has moved a position; the transaction must be rolled back.
    """
    wanted = sorted(moves.items())
    alone = _books_of(decided)
    books = sorted(alone)
    has_commands = any(each.record.topic == LEDGER_COMMANDS for each in decided)
    able = [each for each in decided if not comes_behind(each, contradicting)]
    first = {} if has_commands else first_messages(able)
    is_asked_at_once = (
        len(decided) <= ASKED_AT_ONCE_MAX
        and not has_commands
        and not is_judged
        and not any(attempts_of(each.record.headers) for each in decided)
    )
    (row,) = await tx.fetch(
        SQL["begin_batch"],
        log.cluster_id,
        [p.topic for p, _ in wanted],
        [p.partition for p, _ in wanted],
        [expected for _, (expected, _) in wanted],
        [after for _, (_, after) in wanted],
        books,
        [alone[book] for book in books],
        *message_columns(first),
        *_telling_columns(able if is_asked_at_once else (), first),
    )
    moved = set(map(Partition, row["moved_topics"] or (), row["moved_partitions"] or ()))
    if len(moved) != len(wanted):
        raise Fenced(p for p, _ in wanted if p not in moved)
    batch = Batch(decided, _heads(row), contradicting)
    batch.closings = _closings(row)
    batch.seen = None if has_commands else _seen(row)
    if is_asked_at_once:
        batch.claims, batch.claims_asked = _claims(row), row["claims_asked"] or 0
    return row["last_activation"], batch


def comes_behind(each: Decided, contradicting: frozenset[tuple[Partition, int]]) -> bool:
    """Whether a message is known to contradict one that was the first under its id."""
    if not contradicting:
        return False
    record = each.record
    return (Partition(record.topic, record.partition), record.offset) in contradicting


def first_messages(decided: Sequence[Decided]) -> dict[Name, Decided]:
    """The first of the messages of each identity, among those that have one."""
    first: dict[Name, Decided] = {}
    for each in decided:
        decision = each.decision
        if decision is not None and decision.identity is not None:
            first.setdefault((decision.book, decision.identity), each)
    return first


def message_columns(first: Mapping[Name, Decided]) -> list[list[Any]]:  # Any: as the columns' types
    """Columns for ``remember_messages``, sorted by its key."""
    rows = sorted(first.items(), key=lambda item: item[0])
    return [
        [book for (book, _), _ in rows],
        [identity for (_, identity), _ in rows],
        [each.decision.identity_digest or b"" for _, each in rows if each.decision is not None],
        [each.record.topic for _, each in rows],
        [each.record.partition for _, each in rows],
        [each.record.offset for _, each in rows],
    ]


def _telling_columns(
    able: Sequence[Decided], first: Mapping[Name, Decided]
) -> list[list[Any]]:  # Any: as the columns' types
    """Columns of what is claimed by messages that may be new, in their order."""
    rows: list[tuple[Any, ...]] = []  # Any: as above
    for each in able:
        decision, record = each.decision, each.record
        if decision is None:
            continue
        identity = decision.identity
        name = (decision.book, identity or "")
        if identity is not None and first.get(name) is not each:
            continue
        place = (record.topic, record.partition, record.offset, decision.book, identity)
        rows += [(e.book, e.reference, e.digest(), *place) for e in decision.entries]
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(8)]


def _books_of(decided: Sequence[Decided]) -> dict[Book, bool]:
    """The books of a batch, and whether each is to be held alone."""
    alone: dict[Book, bool] = {}
    for each in decided:
        if each.decision is not None:
            asked = each.decision.asked
            changes = asked is not None and isinstance(asked.command, _CHANGES_PERIODS)
            book = each.decision.book
            alone[book] = alone.get(book, False) or changes
    return alone


def _heads(row: Columns) -> dict[tuple[str, int], Head]:
    """The end of each origin's chain."""
    return {
        (topic, partition): Head(origin_id, origin_name(topic, partition), sequence, chain)
        for origin_id, topic, partition, sequence, chain in zip(
            row["origin_ids"],
            row["origin_topics"],
            row["origin_partitions"],
            row["sequences"],
            row["chains"],
            strict=True,
        )
    }


def _closings(row: Columns) -> dict[Book, Closings]:
    found: dict[Book, list[Closing]] = {}
    for book, *closing in zip(
        row["closed_books"] or (),
        row["closing_numbers"] or (),
        row["closed_since"] or (),
        row["closed_days"] or (),
        row["locked_days"] or (),
        strict=True,
    ):
        found.setdefault(Book(book), []).append(Closing(*closing))
    return {book: Closings.of(closings) for book, closings in found.items()}


def _claims(row: Columns) -> dict[Name, Claim]:
    return {
        (book, reference): Claim(digest, (origin_id, offset))
        for book, reference, digest, origin_id, offset in zip(
            row["claimed_books"] or (),
            row["claimed_references"] or (),
            row["claimed_digests"] or (),
            row["claimed_origin_ids"] or (),
            row["claimed_offsets"] or (),
            strict=True,
        )
    }


def _seen(row: Columns) -> dict[Name, Seen]:
    return {
        (book, identity): Seen(digest, (origin_id, offset))
        for book, identity, digest, origin_id, offset in zip(
            row["seen_books"] or (),
            row["seen_identities"] or (),
            row["seen_digests"] or (),
            row["seen_origin_ids"] or (),
            row["seen_offsets"] or (),
            strict=True,
        )
    }

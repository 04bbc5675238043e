"""Booking a batch: positions, claims, chain, journal, balances and outcomes in one transaction.

    move the positions        fenced: what another process has moved is not ours to book
    remember the messages     same id, other content: nothing of it is booked
    claim the references      ours, or booked already, or a conflict
    pass on                   what goes on from one key to another: claim what moves it
    judge what is asked       matches that name an account which somebody chose, and commands, by
                              where the books stand with these facts; claim what they book
    number and chain          per origin, in the order of the messages
    copy, add up, write       entries, postings, balances, day buckets, open items, outcomes, rates

What is asked of every batch is asked at once, and a few entries are written at once. Every set
goes to the database in one statement, sorted by its key: two projectors that share
keys wait for each other in turn and never in a ring.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Final

from services.ledger.activation.activations import Activations
from services.ledger.activation.in_force import InForce
from services.ledger.activation.rule_versions import RULES, Rules
from services.ledger.rulings.activations import KIND
from services.ledger.shell.booking.activated import (
    asks_to_put_in_force,
    hold_all_positions,
    keep_what_was_put_in_force,
    putting_in_force,
    read_activations,
    require_decided_under_all,
)
from services.ledger.shell.booking.batch import Batch, Booked, Moves, Place, Told
from services.ledger.shell.booking.claiming import claimed, look_into_conflicts, remember
from services.ledger.shell.booking.clock_store import write_unearned
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.decision_records import records_of
from services.ledger.shell.booking.judges import (
    answer_again,
    judge_batch,
    write_effects,
)
from services.ledger.shell.booking.match_judging import (
    MatchAsked,
    matches_to_judge,
    set_apart,
)
from services.ledger.shell.booking.months import write_journal
from services.ledger.shell.booking.opening import opened
from services.ledger.shell.booking.outcomes import write_outcomes
from services.ledger.shell.booking.passing_on import passed_on_behind, passed_on_now
from services.ledger.shell.booking.rates import write_rates
from services.ledger.shell.booking.reporting_days import write_late_entries
from services.ledger.shell.booking.rows import Head, Row, posting_rows
from services.ledger.shell.booking.sums import Late, Sums, zones_of
from services.ledger.shell.queries import SQL
from shared.contracts import topics
from shared.contracts.books import BookMap
from shared.runtime.kafka import Partition
from shared.runtime.positions import Log, begin_positions
from shared.runtime.postgres import Tx

INPUT_TOPICS: Final = (
    topics.STRIPE_EVENTS,
    topics.STRIPE_OBJECTS,
    topics.BANK_OBSERVATIONS,
    topics.LEDGER_COMMANDS,
    topics.MATCHES,
)


def _nothing_reached(_: str) -> None:
    """No failpoint is set."""


class Books:
    """The journal of one schema, written as the transaction's role allows.

    Args:
        log: Which Kafka log the positions are positions of.
        book_map: What the books are before anything is put in force; for the time zones of days.
        rules: The versions of the rules that can be put in force.
        reached: Told the name of each place that a fault test may stop at.
    """

    def __init__(
        self,
        log: Log,
        book_map: BookMap,
        *,
        rules: Rules = RULES,
        reached: Callable[[str], None] = _nothing_reached,
    ) -> None:
        self._log = log
        self._first = InForce(book_map)
        self._rules = rules
        self._zones = zones_of(book_map)
        self._reached = reached
        self._open_months: frozenset[date] = frozenset()
        self._contradicting: frozenset[tuple[Partition, int]] = frozenset()

    def learn(
        self, book_maps: Iterable[BookMap], contradicting: frozenset[tuple[Partition, int]]
    ) -> None:
        """Know the time zones of books that were put in force since; a known book keeps its own.

        Messages that are ``contradicting`` are never the first under their id.
        """
        self._contradicting = contradicting
        for book_map in book_maps:
            self._zones |= zones_of(book_map)

    def committed(self, booked: Booked) -> None:
        """Know that a batch was committed: its months need not be opened again."""
        self._open_months |= booked.months

    async def begin(self, tx: Tx, partitions: Iterable[Partition]) -> None:
        """Make the rows of input partitions that have none.

        Raises:
            InvariantBroken: The rows there were made from another log.
        """
        wanted = sorted(partitions)
        await begin_positions(tx, self._log, wanted)
        await tx.execute(
            SQL["begin_origins"], [p.topic for p in wanted], [p.partition for p in wanted]
        )
        await tx.execute(SQL["begin_published"])

    async def book(self, tx: Tx, decided: Sequence[Decided], moves: Moves) -> Booked:
        """Book decided messages and move the positions; the caller commits.

        Messages of a partition come in their order.

        Raises:
            Fenced: Another process has moved a position, or something was put in force since the
                messages were decided; the transaction must be rolled back.
        """
        is_putting = any(asks_to_put_in_force(each) for each in decided)
        if is_putting:
            await hold_all_positions(tx)
        to_judge = matches_to_judge(decided, moves)
        last_activation, batch = await opened(
            tx,
            self._log,
            decided,
            moves,
            contradicting=self._contradicting,
            is_judged=bool(to_judge),
        )
        require_decided_under_all(last_activation, decided, moves)
        if is_putting:
            batch.extra[KIND] = await putting_in_force(tx, self._log, self._first, self._rules)
        batch.booked.messages = len(decided)
        commands = [each for each in decided if each.record.topic == topics.LEDGER_COMMANDS]
        batch.recorded = await records_of(tx, batch, commands)
        await remember(tx, batch)
        facts, matches = batch.tellings, list[MatchAsked]()
        if to_judge:
            known = Activations(self._first, await read_activations(tx))
            facts, matches = set_apart(batch, to_judge, known)
        fresh = await claimed(tx, batch, facts)
        later = await claimed(tx, batch, await passed_on_now(tx, batch, fresh))
        judged = await claimed(tx, batch, await judge_batch(tx, batch, fresh + later, matches))
        later += judged + await claimed(tx, batch, await passed_on_behind(tx, batch, judged))
        if later:
            fresh = sorted(fresh + later, key=_in_their_order)
        await keep_what_was_put_in_force(tx, batch)
        await answer_again(tx, batch)
        await write_effects(tx, batch, self._zones)
        await self._write_entries(tx, batch, fresh)
        await write_unearned(tx, batch, fresh)
        self._reached("mid_tx")
        await look_into_conflicts(tx, batch)
        await write_outcomes(tx, batch)
        await write_rates(tx, batch)
        return batch.booked

    async def _write_entries(self, tx: Tx, batch: Batch, fresh: Sequence[Told]) -> None:
        if not fresh:
            return
        entries: list[Row] = []
        postings: list[Row] = []
        sums = Sums(self._zones, batch.closings)
        late: list[Late] = []
        moved: dict[int, Head] = {}
        for told in fresh:
            head, record = told.head, told.by.record
            recorded_at = record.appended_at
            entries.append(
                head.numbered(
                    told.entry,
                    digest=told.digest,
                    recorded_at=recorded_at,
                    offset=record.offset,
                    message_id=told.by.message_id,
                )
            )
            postings.extend(
                posting_rows(
                    told.entry,
                    origin_id=head.origin_id,
                    sequence=head.sequence,
                    recorded_at=recorded_at,
                )
            )
            sums.take(told.entry, origin_id=head.origin_id, recorded_at=recorded_at)
            if batch.closings:
                late.extend(sums.late(told.entry, recorded_at, (head.origin_id, head.sequence)))
            moved[head.origin_id] = head
        batch.booked.entries, batch.booked.postings = len(entries), len(postings)
        heads = [moved[origin_id] for origin_id in sorted(moved)]
        added: list[list[object]] = [
            [head.origin_id for head in heads],
            [head.sequence for head in heads],
            [head.chain for head in heads],
            *sums.columns(),
            *sums.open_columns(),
        ]
        batch.booked.months = await write_journal(
            tx, entries, postings, added, known=self._open_months
        )
        await write_late_entries(tx, late)


def _in_their_order(told: Told) -> Place:
    """By its message, so that a chain is the same however many messages a batch has.

    What is looked up or judged is told behind all facts of its batch, of the same partition or not.
    """
    return told.place

"""One batch in one transaction: facts, balances, judgements, letters, and the positions.

Below a position is a duplicate and has no effect; above it is a gap, which is read again first.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg

from services.reconciler.config import FailpointPlace
from services.reconciler.facts.kinds import Fact
from services.reconciler.facts.known import fold
from services.reconciler.shell.failpoints import Failpoints
from services.reconciler.shell.figures import Figures
from services.reconciler.shell.judging import acts
from services.reconciler.shell.judging.in_hand import Rules
from services.reconciler.shell.judging.judge import Judgement, judge, settle
from services.reconciler.shell.keeping import balances, memory, stripe_proofs
from services.reconciler.shell.keeping.fact_json import clean_text
from services.reconciler.shell.keeping.memory import SQL, Memory, OpenBook
from services.reconciler.shell.reading.batches import Batch
from services.reconciler.shell.telling import letters
from services.reconciler.shell.telling.outbox import put
from services.reconciler.shell.told import Told, fresh_only, sequence_of, told_by
from shared.contracts.errors import Refused, TallystickError
from shared.runtime import log
from shared.runtime.kafka import Record
from shared.runtime.positions import Log, move_positions, read_positions
from shared.runtime.postgres import Database, Tx

CRASHES_MAX: Final = 3
FAILURES_MAX: Final = 3
# While books are not judged, how many facts may lie open before those done with are let go.
OPEN_FACTS_MAX: Final = 10_000
_logger = log.get(__name__)


@dataclass(slots=True)
class _Done:
    """What one transaction did, to be reported when it has committed."""

    records: int = 0
    parked: int = 0
    opened: list[OpenBook] = field(default_factory=list[OpenBook])
    judgements: list[Judgement] = field(default_factory=list[Judgement])


class Intake:
    """Takes batches; several processes may take at once, each from its own partitions."""

    def __init__(
        self,
        database: Database,
        positions: Log,
        rules: Rules,
        *,
        inputs: Iterable[str],
        now: Callable[[], datetime],
        failpoints: Failpoints,
        figures: Figures,
        wake_postman: Callable[[], None],
        open_facts_max: int = OPEN_FACTS_MAX,
    ) -> None:
        self._database = database
        self._positions = positions
        self._rules = rules
        self._inputs = sorted(inputs)
        self._now = now
        self._failpoints = failpoints
        self._figures = figures
        self._wake_postman = wake_postman
        self._open_facts_max = open_facts_max
        self._settle_above: dict[str, int] = {}
        self._memory = Memory()

    async def take(self, batch: Batch) -> int:
        """Take what of the batch is new and say how many records that was.

        Raises:
            Gap: Records before the batch have not been read yet.
            Fenced: Another process has moved a position meanwhile.
            Unavailable: Postgres does not answer; what has been taken is not known.
        """
        self._failpoints.passed(FailpointPlace.BEFORE_TX)

        async def work(tx: Tx) -> _Done:
            return await self._take(tx, batch)

        try:
            done = await self._database.run(work)
        except BaseException:
            self._memory.forget()
            raise
        self._failpoints.passed(FailpointPlace.AFTER_COMMIT)
        self._report(done)
        return done.records

    async def judge_due(self) -> str | None:
        """Judge one book that is due and give its name; ``None`` when none is.

        Raises:
            JudgingFailed: A bug; the book is told.
            Unavailable: Postgres does not answer.
        """

        async def work(tx: Tx) -> _Done | None:
            if await self._is_catching_up(tx):
                return None
            row = await tx.fetchrow(SQL["due_books"], self._now())
            return None if row is None else await self._judged_alone(tx, row["book"])

        return await self._run_judging(work)

    async def judge_book(self, book: str) -> str | None:
        """Judge one book as it is known, and give its name; ``None`` while too little is read.

        Raises:
            JudgingFailed: A bug.
            Unavailable: Postgres does not answer.
        """

        async def work(tx: Tx) -> _Done | None:
            if await self._is_catching_up(tx):
                return None
            return await self._judged_alone(tx, book)

        return await self._run_judging(work)

    async def _run_judging(self, work: Callable[[Tx], Awaitable[_Done | None]]) -> str | None:
        try:
            done = await self._database.run(work)
        except BaseException:
            self._memory.forget()
            raise
        if done is None:
            return None
        self._report(done)
        return done.opened[0].book

    async def _judged_alone(self, tx: Tx, book: str) -> _Done:
        done = _Done()
        try:
            await self._judge(tx, await self._memory.hold(tx, book), done)
        except (TallystickError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            raise
        except Exception as error:
            raise JudgingFailed(book) from error
        return done

    async def _take(self, tx: Tx, batch: Batch) -> _Done:
        fresh = batch.after(await read_positions(tx, self._positions))
        done = _Done(records=len(fresh.records))
        told = await self._read(tx, fresh.records, done)
        if fresh.spans:
            await move_positions(tx, self._positions, fresh.spans)
        self._failpoints.passed(FailpointPlace.MID_TX)
        await self._remember_ledger(tx, told)
        await balances.remember(tx, told)
        is_catching_up = await self._is_catching_up(tx)
        await stripe_proofs.remember(tx, told, self._rules.books, is_catching_up=is_catching_up)
        await acts.remember(tx, told)
        books = await balances.prove(tx, self._rules.books) | await stripe_proofs.prove(tx)
        by_book: dict[str, list[Fact]] = {book: [] for book in books}
        for one in told:
            if one.facts or one.readings or one.act is not None:
                by_book.setdefault(one.book, []).extend(one.facts)
        failing = {row["book"] for row in await tx.fetch(SQL["failing_books"], FAILURES_MAX)}
        # Books are locked in sorted order, or two processes could wait for each other for ever.
        for book in sorted(by_book):
            if book in failing:
                await self._set_aside(tx, book, by_book[book])
            elif is_catching_up:
                await self._set_aside(tx, book, by_book[book])
                await self._settle(tx, book)
            else:
                await self._fold_and_judge(tx, book, by_book[book], done)
        return done

    async def _read(self, tx: Tx, records: tuple[Record, ...], done: _Done) -> list[Told]:
        """What records tell; those that cannot be read, or end the process, are parked."""
        crashes = await _crashes(tx, records)
        told: list[Told] = []
        for record in records:
            times = crashes.get(record.position, 0)
            try:
                if times >= CRASHES_MAX:
                    raise _Crashed(times)
                told.append(told_by(record, self._rules.books))
            except Refused as error:
                # An entry that is parked has its place among its origin's all the same.
                told.append(Told(record, entry=sequence_of(record)))
                await self._park(tx, record, error)
                done.parked += 1
        origins = sorted({one.entry.origin for one in told if one.entry})
        rows = await tx.fetch(SQL["last_sequences"], origins) if origins else []
        return fresh_only(told, {row["origin"]: row["sequence"] for row in rows})

    async def _park(self, tx: Tx, record: Record, error: Refused) -> None:
        at, detail = self._now(), clean_text(str(error))
        if await tx.fetchval(
            SQL["park"],
            record.topic,
            record.partition,
            record.offset,
            error.reason,
            detail,
            at,
        ):
            await put(
                tx, [letters.of_unreadable(record, reason=error.reason, detail=detail, at=at)]
            )
            _logger.warning("record.parked", position=record.position, reason=error.reason)

    async def _remember_ledger(self, tx: Tx, told: list[Told]) -> None:
        """How far the ledger is, and which of its entries have been read."""
        last: dict[str, int] = {}
        for one in told:
            if one.entry is not None:
                last[one.entry.origin] = one.entry.sequence
        if last:
            await tx.execute(SQL["move_origins"], list(last), list(last.values()))
        marks = [one.progress for one in told if one.progress is not None]
        if marks:
            await tx.execute(
                SQL["move_progress"],
                [mark.topic for mark in marks],
                [mark.partition for mark in marks],
                [mark.next_offset for mark in marks],
                [mark.sequence for mark in marks],
            )

    async def _set_aside(self, tx: Tx, book: str, facts: list[Fact]) -> None:
        """Fold facts, and judge them when all has been read: the half of them would mislead."""
        await tx.fetchval(SQL["hold_book"], book)
        merged = await _merged(tx, book, facts)
        await memory.put_facts(tx, book, merged, dormant=set())
        if merged:
            await memory.wake_rows(tx, book, merged)
        await tx.fetchval(SQL["bump_book"], book)
        await tx.execute(SQL["wake_book"], book, self._now(), FAILURES_MAX)

    async def _settle(self, tx: Tx, book: str) -> None:
        """Keep what is open in hand small, when it has grown much since the last time."""
        above = self._settle_above.get(book, self._open_facts_max)
        if await tx.fetchval(SQL["count_active_facts"], book) > above:
            open_book = await self._memory.hold(tx, book)
            await settle(tx, open_book, self._rules, at=self._now())
            # Twice what is really open, so that the work stays in proportion to what is read.
            self._settle_above[book] = max(self._open_facts_max, 2 * len(open_book.facts))

    async def _fold_and_judge(self, tx: Tx, book: str, facts: list[Fact], done: _Done) -> None:
        open_book = await self._memory.hold(tx, book)
        merged = await _merged(tx, book, facts)
        await memory.put_facts(tx, book, merged, dormant=set())
        open_book.facts.update(merged)
        await memory.wake(tx, open_book, merged)
        await self._judge(tx, open_book, done)

    async def _judge(self, tx: Tx, open_book: OpenBook, done: _Done) -> None:
        done.judgements.append(await judge(tx, open_book, self._rules, at=self._now()))
        done.opened.append(open_book)

    async def _is_catching_up(self, tx: Tx) -> bool:
        return bool(await tx.fetchval(SQL["is_catching_up"], self._inputs))

    def _report(self, done: _Done) -> None:
        for open_book in done.opened:
            self._memory.keep(open_book)
        self._figures.taken(done.records, parked=done.parked, at=self._now())
        for judgement in done.judgements:
            self._figures.judged(judgement)
            for decision in judgement.decisions:
                _logger.info(
                    "act.decided",
                    act=decision.act,
                    outcome=decision.outcome,
                    book=decision.book,
                    number=decision.number,
                )
            for record in judgement.matches:
                _logger.info(
                    record.kind.replace("_", "."),
                    match=record.id,
                    book=record.book,
                    revision=record.revision,
                )
            for report in judgement.discrepancies:
                _logger.info(
                    "discrepancy.told",
                    state=report.state,
                    discrepancy=report.id,
                    kind=report.discrepancy,
                    book=report.book,
                    revision=report.revision,
                )
            for asked in judgement.look_ups:
                _logger.info(
                    "look_up.asked",
                    look_up=asked.look_up,
                    subject=asked.subject,
                    where=asked.where or "any",
                    deadline=asked.deadline.isoformat(),
                    book=asked.book,
                )
        if done.parked or any(j.has_told for j in done.judgements):
            self._wake_postman()


class JudgingFailed(Exception):
    """A bug: what is known of a book cannot be judged."""

    def __init__(self, book: str) -> None:
        self.book = book
        super().__init__(f"book {book!r} cannot be judged")


class _Crashed(Refused):
    """A record at which the process ended again and again."""

    reason = "crashed"

    def __init__(self, times: int) -> None:
        super().__init__(f"the process ended {times} times at this record")


async def _crashes(tx: Tx, records: tuple[Record, ...]) -> Mapping[str, int]:
    if not records:
        return {}
    rows = await tx.fetch(
        SQL["crashes_of"],
        [r.topic for r in records],
        [r.partition for r in records],
        [r.offset for r in records],
    )
    return {f"{r['topic']}/{r['partition']}@{r['record_offset']}": r["times"] for r in rows}


async def _merged(tx: Tx, book: str, facts: Iterable[Fact]) -> dict[str, Fact]:
    """Facts merged with what was known of them; one that says nothing new is left out."""
    told = fold(facts)
    known = await memory.facts_by_key(tx, book, told)
    merged = fold(told.values(), known)
    return {key: fact for key, fact in merged.items() if known.get(key) != fact}

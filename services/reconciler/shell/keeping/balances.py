"""Bank balances held against the ledger's cash, at the same place of the same log.

A reading is proven once the ledger has booked all that stood before it on its partition, and we
have read those entries: then the ledger's cash, without what later records moved, is of the same
moment as the reading.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from services.reconciler.breaks.balances import cash_at, proof_of
from services.reconciler.facts.kinds import BANK, Booking, Leg, Reading
from services.reconciler.shell.keeping.fact_json import fact_of, fact_text, proof_text
from services.reconciler.shell.keeping.memory import SQL
from services.reconciler.shell.told import CashMove, Told
from shared.contracts.books import BookData, BookMap
from shared.contracts.topics import BANK_OBSERVATIONS
from shared.runtime.postgres import Tx

PROOFS_KEPT: Final = 10
_LINE: Final = "bank_line"
_OTHER: Final = "manual_entry"


async def remember(tx: Tx, told: Iterable[Told]) -> None:
    """Write what entries move on compared balances, and the readings that wait to be proven."""
    rows = list(told)
    moves = [move for one in rows if one.entry for move in one.entry.cash]
    await _add_cash(tx, moves)
    sums = [
        (one.book, *row, one.entry.effective_at)
        for one in rows
        if one.entry
        for row in one.entry.balances
    ]
    if sums:
        await tx.execute(
            SQL["add_balances"],
            [book for book, *_ in sums],
            [account for _, account, *_ in sums],
            [currency for _, _, currency, *_ in sums],
            [minor for _, _, _, minor, _ in sums],
            [at for *_, at in sums],
        )
    readings = [(one, reading) for one in rows for reading in one.readings]
    if not readings:
        return
    await tx.execute(
        SQL["put_readings"],
        [one.book for one, _ in readings],
        [reading.key for _, reading in readings],
        [reading.account for _, reading in readings],
        [reading.currency for _, reading in readings],
        [one.record.topic for one, _ in readings],
        [one.record.partition for one, _ in readings],
        [one.record.offset for one, _ in readings],
        [fact_text(reading) for _, reading in readings],
    )
    await tx.execute(
        SQL["move_read_until"],
        [one.book for one, _ in readings],
        [reading.account for _, reading in readings],
        [reading.at for _, reading in readings],
        [reading.told_at for _, reading in readings],
    )


async def _add_cash(tx: Tx, moves: list[CashMove]) -> None:
    if not moves:
        return
    common = (
        [move.book for move in moves],
        [move.account for move in moves],
        [move.currency for move in moves],
        [move.is_line for move in moves],
        [move.effective_at for move in moves],
    )
    await tx.execute(SQL["add_cash"], *common, [move.minor for move in moves])
    observed = [move for move in moves if move.caused_by.topic == BANK_OBSERVATIONS]
    if observed:
        await tx.execute(
            SQL["keep_cash_moves"],
            [move.book for move in observed],
            [move.account for move in observed],
            [move.currency for move in observed],
            [move.is_line for move in observed],
            [move.effective_at for move in observed],
            [move.reference for move in observed],
            [move.caused_by.topic for move in observed],
            [move.caused_by.partition for move in observed],
            [move.caused_offset for move in observed],
            [move.minor for move in observed],
        )


async def prove(tx: Tx, books: BookMap) -> set[str]:
    """Hold the readings that can be held against the ledger now; the books that this concerns."""
    rows = await tx.fetch(SQL["provable_readings"])
    for row in rows:
        reading = fact_of("reading", row["body"])
        if isinstance(reading, Reading):
            data = books.named(row["book"]) or BookData(name=row["book"])
            place = (row["topic"], row["partition"], row["told_offset"])
            await _prove(tx, data, reading, place)
    if rows:
        await tx.execute(
            SQL["forget_readings"], [row["book"] for row in rows], [row["key"] for row in rows]
        )
    return {row["book"] for row in rows}


async def _prove(tx: Tx, book: BookData, reading: Reading, place: tuple[str, int, int]) -> None:
    where = (book.name, reading.account, reading.currency)
    sums = await tx.fetch(SQL["cash_sums"], *where)
    later = await tx.fetch(SQL["cash_moves_after"], *where, *place)
    bookings = [
        _booking(reading, row["effective_at"], sign * row["minor"], is_line=row["is_line"])
        for sign, rows in ((1, sums), (-1, later))
        for row in rows
    ]
    proof = proof_of(reading, cash_at(bookings, reading, book.zone))
    if proof is not None:
        await tx.execute(SQL["put_proof"], *where, proof.at, proof.reading, proof_text(proof))
        await tx.execute(SQL["keep_last_proofs"], *where, PROOFS_KEPT)
        await tx.execute(
            SQL["put_daily_proof"],
            *where,
            proof.at.astimezone(book.zone).date(),
            proof.at,
            reading.told_at,
            proof.bank_minor,
            proof.ledger_minor,
            proof.reading,
        )
    await tx.execute(SQL["forget_cash_moves"], *where, *place)


def _booking(reading: Reading, effective_at: datetime, minor: int, *, is_line: bool) -> Booking:
    """What the ledger moved at a moment, in the form that the core counts."""
    return Booking(
        reference="",
        kind=_LINE if is_line else _OTHER,
        effective_at=effective_at,
        recorded_at=effective_at,
        legs=(Leg(BANK + reading.account, "", reading.currency, minor),),
    )


async def rest(tx: Tx) -> set[str]:
    """Take the balances that are compared as they stand; the books in which one has changed.

    Only for when everything that was told has been booked and read.
    """
    return {row["book"] for row in await tx.fetch(SQL["take_rest_sums"])}

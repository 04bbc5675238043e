"""Invoices that were given up and are no loss after all: both tellings met, in any order.

    told to be recovered      kept, whether it is known by then what was given up, or not
    what was given up         stands in the journal, or is told in the very batch
    both                      booked by the message that makes the pair whole; read once more,
                              by the message that our own topics name

Who tells either holds the invoice until the commit: of two batches the later sees the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.ledger.bad_debts import RECOVERED, UNCOLLECTIBLE, Recovery, recovered_as_booked
from services.ledger.decisions import subject_of
from services.ledger.shell.booking.batch import Batch, Name, Told
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.decision_records import records_of
from services.ledger.shell.booking.judging_store import hold_names
from services.ledger.shell.booking.rows import entries_of
from services.ledger.shell.queries import SQL
from shared.contracts.journal import Book, Entry
from shared.runtime.postgres import Tx

_LOCK: Final = "bad debt"


class _Asked(NamedTuple):
    """One side of a pair, and the message that tells it."""

    by: Decided
    book: Book
    recovery: Recovery


async def recovered_now(tx: Tx, batch: Batch, fresh: Iterable[Told]) -> list[Told]:
    """What the batch books of bad debts that are none; ``fresh`` are the facts that it books."""
    told = [
        _Asked(each, each.decision.book, recovery)
        for each in batch.recovering
        if each.decision is not None
        for recovery in each.decision.recoveries
    ]
    given_up = [each for each in fresh if each.entry.kind == UNCOLLECTIBLE]
    if not told and not given_up:
        return []
    invoices = {(each.book, each.recovery.invoice) for each in told}
    invoices |= {(each.entry.book, subject_of(each.entry.reference)) for each in given_up}
    await hold_names(tx, {(_LOCK, *invoice): False for invoice in invoices})
    asked = [*told, *await _awaited(tx, told, given_up)]
    standing = await _standing(tx, batch, asked)
    tellers = [*(each.by for each in told), *(each.by for each in given_up)]
    messages = list({id(by): by for by in tellers}.values())
    records = await records_of(tx, batch, messages)
    found: list[Told] = []
    for by in messages:
        record = records.get(id(by))
        if record is not None:
            found += batch.tellings_of(by, (e for e in record.entries if e.kind == RECOVERED))
    for each in asked:
        entry = standing.get((each.book, each.recovery.given_up))
        if entry is not None and id(each.by) not in records:
            found += batch.tellings_of(each.by, [recovered_as_booked(entry, each.recovery)])
    return found


async def _awaited(tx: Tx, told: Sequence[_Asked], given_up: Sequence[Told]) -> list[_Asked]:
    """What was given up only now, and was told to be recovered before; keeps what is told now."""
    if told:
        await tx.execute(
            SQL["add_recoveries"],
            [each.book for each in told],
            [each.recovery.invoice for each in told],
            [each.recovery.at for each in told],
        )
    if not given_up:
        return []
    at = await _recovered_at(tx, given_up)
    return [
        _Asked(each.by, each.entry.book, Recovery(invoice, moment, each.entry.rules_version))
        for each in given_up
        for invoice in (subject_of(each.entry.reference),)
        for moment in (at.get((each.entry.book, invoice)),)
        if moment is not None
    ]


async def _recovered_at(tx: Tx, given_up: Sequence[Told]) -> Mapping[Name, datetime]:
    rows = await tx.fetch(
        SQL["read_recoveries"],
        [each.entry.book for each in given_up],
        [subject_of(each.entry.reference) for each in given_up],
    )
    return {(row["book"], row["invoice"]): row["at"] for row in rows}


async def _standing(tx: Tx, batch: Batch, asked: Sequence[_Asked]) -> Mapping[Name, Entry]:
    """What was given up of these invoices, as it stands in the journal or is booked now."""
    names = {(str(each.book), str(each.recovery.given_up)) for each in asked}
    found = {name: batch.fresh[name] for name in names if name in batch.fresh}
    if elsewhere := sorted(names - found.keys()):
        found |= entries_of(
            await tx.fetch(
                SQL["read_claimed_entries"],
                [book for book, _ in elsewhere],
                [reference for _, reference in elsewhere],
            )
        )
    return found

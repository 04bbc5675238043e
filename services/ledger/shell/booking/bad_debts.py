"""Invoices that were given up: what posts to their receivables moves on, in any order.

    given up now          kept; what stands on the receivable by then moves on by that message
    posted now            moves on by its own message, where the invoice is known to be given up
    read once more        by the message that our own topics name

Who tells either holds the invoice, and some others with it, until the commit: of two batches the
later sees the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zlib import crc32

from services.ledger.bad_debts import BAD_DEBT, ON_RECEIVABLE, GivenUp, bad_debt_of, invoices_of
from services.ledger.shell.booking.batch import Batch, Name, Told
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.decision_records import records_of
from services.ledger.shell.booking.judging_store import hold_names
from services.ledger.shell.booking.rows import entries_of
from services.ledger.shell.queries import SQL
from shared.contracts.journal import Entry
from shared.runtime.postgres import Tx

# Locks are few, as Postgres has room for some thousands, and a batch may be of as many invoices.
_LOCKS: Final = 64
_Invoice = tuple[str, str]


class _Moved(NamedTuple):
    """What moves on, and the message that it does by."""

    by: Decided
    booked: Entry
    given_up: GivenUp


async def bad_debts_now(tx: Tx, batch: Batch, fresh: Iterable[Told]) -> list[Told]:
    """What moves on to bad debt with this batch; ``fresh`` are the facts that it books."""
    posted = [
        (each, (each.entry.book, invoice))
        for each in fresh
        if each.entry.kind in ON_RECEIVABLE
        for invoice in sorted(invoices_of(each.entry))
    ]
    if not posted and not batch.giving_up:
        return []
    told = _first_of_each(batch.giving_up)
    invoices = sorted({*told, *(invoice for _, invoice in posted)})
    await hold_names(tx, {_lock_of(invoice): False for invoice in invoices})
    known = await _known(tx, invoices)
    await _keep(tx, batch.giving_up)
    newly = {name: each for name, each in told.items() if name not in known}
    at = {**known, **{name: given_up.at for name, (_, given_up) in newly.items()}}
    moved = [
        _Moved(each.by, each.entry, GivenUp(name[1], at[name], each.entry.rules_version))
        for each, name in posted
        if name in at
    ]
    moved += await _standing(tx, newly)
    tellers = [*(each.by for each, _ in posted), *batch.giving_up]
    return await _told(tx, batch, list({id(by): by for by in tellers}.values()), moved)


def _lock_of(invoice: _Invoice) -> tuple[str, ...]:
    number = crc32("\x1f".join(invoice).encode()) % _LOCKS
    return ("receivable", str(number))


def _first_of_each(giving_up: Sequence[Decided]) -> dict[_Invoice, tuple[Decided, GivenUp]]:
    first: dict[_Invoice, tuple[Decided, GivenUp]] = {}
    for by in giving_up:
        if by.decision is not None:
            for each in by.decision.given_up:
                first.setdefault((by.decision.book, each.invoice), (by, each))
    return first


async def _known(tx: Tx, invoices: Sequence[_Invoice]) -> Mapping[Name, datetime]:
    rows = await tx.fetch(
        SQL["read_given_up"],
        [book for book, _ in invoices],
        [invoice for _, invoice in invoices],
    )
    return {(row["book"], row["invoice"]): row["at"] for row in rows}


async def _keep(tx: Tx, giving_up: Sequence[Decided]) -> None:
    rows = [
        (by.decision.book, each.invoice, each.at)
        for by in giving_up
        if by.decision is not None
        for each in by.decision.given_up
    ]
    if rows:
        await tx.execute(SQL["add_given_up"], *map(list, zip(*rows, strict=True)))


async def _standing(tx: Tx, newly: Mapping[_Invoice, tuple[Decided, GivenUp]]) -> list[_Moved]:
    """What stood on the receivables before the batch, of invoices that are given up only now."""
    if not newly:
        return []
    rows = await tx.fetch(
        SQL["read_on_receivables"],
        [book for book, _ in newly],
        [invoice for _, invoice in newly],
        sorted(ON_RECEIVABLE),
    )
    found: list[_Moved] = []
    for (book, _), entry in entries_of(rows).items():
        for name in sorted((book, invoice) for invoice in invoices_of(entry)):
            if name in newly:
                by, given_up = newly[name]
                found.append(_Moved(by, entry, given_up))
    return found


async def _told(
    tx: Tx, batch: Batch, tellers: Sequence[Decided], moved: Sequence[_Moved]
) -> list[Told]:
    """As records of these messages tell; of those without one, as it is worked out now."""
    records = await records_of(tx, batch, tellers)
    found: list[Told] = []
    for by in tellers:
        record = records.get(id(by))
        if record is not None:
            found += batch.tellings_of(by, (e for e in record.entries if e.kind == BAD_DEBT))
    for each in moved:
        if id(each.by) not in records:
            found += batch.tellings_of(each.by, [bad_debt_of(each.booked, each.given_up)])
    return found

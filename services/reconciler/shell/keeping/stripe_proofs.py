"""Stripe's balance held against the ledger's: what has to be kept for it, and the proofs."""

import json
from collections.abc import Iterable

from services.reconciler.breaks.stripe_balance import (
    READINGS_KEPT,
    movement_of,
    stripe_proofs,
)
from services.reconciler.facts.kinds import MOVEMENT, BalanceTransaction, StripeReading
from services.reconciler.facts.known import StripeProof
from services.reconciler.shell.keeping.fact_json import fact_of, fact_text
from services.reconciler.shell.keeping.memory import SQL
from services.reconciler.shell.told import Told
from shared.contracts.books import BookData, BookMap
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime.postgres import Tx


async def remember(tx: Tx, told: Iterable[Told], books: BookMap, *, is_catching_up: bool) -> None:
    """Write what entries move on Stripe's balances, whose movements they are, and readings.

    While nothing is judged, of all the readings there ever were only the last are kept.
    """
    rows = list(told)
    await _put_moves(tx, rows)
    await _put_owners(tx, rows, books)
    owners: set[tuple[str, str]] = set()
    for one in rows:
        for reading in one.stripe_readings:
            await _put_reading(tx, one.book, reading)
            owners.add((one.book, reading.owner))
    if owners and is_catching_up:
        for book, owner in sorted(owners):
            await tx.execute(SQL["keep_last_stripe_readings"], book, owner, READINGS_KEPT - 1)
        await _forget(tx, {book for book, _ in owners})


async def _forget(tx: Tx, books: set[str]) -> None:
    await tx.execute(SQL["forget_stripe_moves"], sorted(books))
    await tx.execute(SQL["forget_stripe_owners"], sorted(books))


async def _put_moves(tx: Tx, told: list[Told]) -> None:
    moves = [
        (one.book, one.entry.reference, *balance, one.entry.effective_at)
        for one in told
        if one.entry is not None and movement_of(one.entry.reference)
        for balance in one.entry.balances
    ]
    if moves:
        await tx.execute(
            SQL["put_stripe_moves"],
            [book for book, *_ in moves],
            [reference for _, reference, *_ in moves],
            [account for _, _, account, *_ in moves],
            [currency for *_, currency, _, _ in moves],
            [at for *_, at in moves],
            [minor for *_, minor, _ in moves],
        )


async def _put_owners(tx: Tx, told: list[Told], books: BookMap) -> None:
    """Whose movements are told; asked only where a book has several Stripe accounts."""
    shared = {book.name for book in books.books if len(book.stripe_accounts) > 1}
    owned = [
        (one.book, MOVEMENT + fact.id, one.record.envelope().extension("account"), fact.created)
        for one in told
        if one.book in shared and one.record.topic == STRIPE_OBJECTS
        for fact in one.facts
        if isinstance(fact, BalanceTransaction) and fact.created is not None
    ]
    if owned:
        await tx.execute(
            SQL["put_stripe_owners"],
            [book for book, *_ in owned],
            [reference for _, reference, *_ in owned],
            [owner for *_, owner, _ in owned],
            [created for *_, created in owned],
        )


async def _put_reading(tx: Tx, book: str, reading: StripeReading) -> None:
    await tx.execute(
        SQL["put_stripe_reading"],
        book,
        reading.owner,
        reading.told_at,
        reading.created_to,
        [MOVEMENT + name for name in reading.last],
        STRIPE_OBJECTS,
        json.dumps({str(partition): end for partition, end in reading.ends}),
        fact_text(reading),
    )


async def prove(tx: Tx) -> set[str]:
    """Note the readings that can be held against the ledger now; the books that this concerns."""
    books = {row["book"] for row in await tx.fetch(SQL["note_provable"])}
    if books:
        await tx.execute(SQL["keep_last_proven_readings"], sorted(books), READINGS_KEPT - 1)
        await _forget(tx, books)
    return books


async def proofs_of(tx: Tx, book: BookData) -> tuple[StripeProof, ...]:
    """The proofs of a book's last readings, with what is booked by now."""
    rows = await tx.fetch(SQL["stripe_readings_of"], book.name)
    readings = [
        reading
        for row in rows
        if row["is_provable"]
        and isinstance(reading := fact_of("stripe_reading", row["body"]), StripeReading)
    ]
    if not readings:
        return ()
    sums = {
        (row["account"], row["currency"]): int(row["minor"])
        for row in await tx.fetch(SQL["stripe_sums_of"], book.name)
    }
    whole = {row["account"] for row in await tx.fetch(SQL["stripe_summed"])}
    return stripe_proofs(
        [(reading, await _beyond(tx, book.name, reading)) for reading in readings],
        sums,
        owners=book.stripe_accounts,
        accounts=whole,
    )


async def _beyond(
    tx: Tx, book: str, reading: StripeReading
) -> dict[str, dict[tuple[str, str], int]]:
    found: dict[str, dict[tuple[str, str], int]] = {}
    last = [MOVEMENT + name for name in reading.last]
    for row in await tx.fetch(SQL["stripe_moves_beyond"], book, reading.created_to, last):
        place = (row["account"], row["currency"])
        found.setdefault(row["owner"], {})[place] = int(row["minor"])
    return found

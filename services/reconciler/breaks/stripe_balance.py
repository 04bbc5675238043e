"""Stripe's own balance held against the ledger's, of the same movements.

    reading    Stripe's balance, and which movements are in it: it stood still while they were
               listed, and the log had all of them when the reading was told
    ledger     all that is booked on that balance, less the movements that the reading does not
               hold; whatever else is booked there is in no reading, and counts always

A reading and what it is held against do not hang on the order in which anything came: a movement
booked late is held by the readings that listed it, and so a difference heals by itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from services.reconciler.facts.kinds import (
    MOVEMENT,
    STRIPE_BALANCE,
    STRIPE_BALANCES,
    Booking,
    StripeReading,
)
from services.reconciler.facts.known import Facts, StripeProof
from services.reconciler.findings.explain import discrepancy, money
from services.reconciler.findings.found import Discrepancy
from shared.contracts.discrepancies import DiscrepancyKind

READINGS_KEPT: Final = 2

# What is booked on the ledger's accounts, by account and currency.
Sums = Mapping[tuple[str, str], int]
# The same, of movements that a reading does not hold, by whose they are.
Beyond = Mapping[str, Sums]


def stripe_proofs(
    readings: Sequence[tuple[StripeReading, Beyond]],
    sums: Sums,
    *,
    owners: Iterable[str],
    accounts: Iterable[str],
) -> tuple[StripeProof, ...]:
    """The proofs of readings, each with the movements beyond it, oldest first.

    ``owners`` are the book's Stripe accounts. Of several, the ledger knows the sum alone: their
    last readings are one proof, and those before another. ``accounts`` are those whose sums are
    whole.
    """
    by_owner: defaultdict[str, list[tuple[StripeReading, Beyond]]] = defaultdict(list)
    for reading, beyond in sorted(readings, key=lambda each: (each[0].told_at, each[0].key)):
        by_owner[reading.owner].append((reading, beyond))
    needed = {*by_owner, *owners} if len({*owners, *by_owner}) > 1 else set(by_owner)
    if not by_owner or any(owner not in by_owner for owner in needed):
        return ()
    is_one = len(needed) == 1
    found: list[StripeProof] = []
    for rank in range(READINGS_KEPT, 0, -1):
        if all(len(by_owner[owner]) >= rank for owner in needed):
            row = [by_owner[owner][-rank] for owner in sorted(needed)]
            found += _proofs(row, sums, accounts=set(accounts), is_one=is_one)
    return tuple(found)


def _proofs(
    row: Sequence[tuple[StripeReading, Beyond]],
    sums: Sums,
    *,
    accounts: set[str],
    is_one: bool,
) -> Iterable[StripeProof]:
    """The proofs of one reading of each Stripe account, by account and currency."""
    shown = accounts.intersection(*(reading.shown for reading, _ in row))
    told: defaultdict[tuple[str, str], int] = defaultdict(int)
    ledger: defaultdict[tuple[str, str], int] = defaultdict(int, sums)
    for reading, beyond in row:
        for account, currency, minor in reading.totals:
            told[account, currency] += minor
        # Of several accounts a movement that nobody claims yet may be of any: nothing is proven.
        if not is_one and any(beyond.get("", {}).values()):
            return
        for owner, moved in beyond.items():
            if is_one or owner == reading.owner:
                for place, minor in moved.items():
                    ledger[place] -= minor
    for account, currency in sorted({*told, *ledger}):
        if account in shown:
            yield StripeProof(
                owner=row[0][0].owner if is_one else "",
                account=account,
                currency=currency,
                at=max(reading.told_at for reading, _ in row),
                stripe_minor=told[account, currency],
                ledger_minor=ledger[account, currency],
            )


def stripe_balance_breaks(facts: Facts) -> Iterator[Discrepancy]:
    """Where Stripe's own balance and the ledger's part, of the same movements."""
    for proof in stripe_drifts(facts.stripe_proofs, needed=facts.proofs_needed):
        subject = proof.owner or STRIPE_BALANCE
        types = {account: name for name, account in STRIPE_BALANCES.items()}
        name = types.get(proof.account, proof.account).replace("_", " ")
        which = (
            "Stripe's balance" if proof.account == STRIPE_BALANCE else f"Stripe's {name} balance"
        )
        own, ledger = (
            money(proof.stripe_minor, proof.currency),
            money(proof.ledger_minor, proof.currency),
        )
        apart = money(proof.drift_minor, proof.currency)
        more = "more" if proof.drift_minor > 0 else "less"
        yield discrepancy(
            facts.book.name,
            DiscrepancyKind.BALANCE_DRIFT,
            subject,
            apart,
            expected=f"{which} in {proof.currency.upper()} to be what {proof.account} holds",
            found=f"{own} at Stripe and {ledger} in the ledger, of the same movements",
            # Without the sums, which change with each payment while the difference stands.
            explanation=(
                f"{which} of {subject} is {abs(apart)} {more} than the ledger's,"
                " of the same balance transactions."
            ),
            next_step=_NEXT_STEP,
            where=subject,
            probable_cause=_CAUSE,
            what=f"{subject}/{proof.account}/{proof.currency}",
        )


_NEXT_STEP: Final = (
    "Fetch the movements that were never told, from before the account's first one:"
    " `tallystick ingest backfill --since`; then look at those that were parked."
)
_CAUSE: Final = (
    "a balance transaction was never told, is of before the first poll, or could not be booked"
)


def stripe_drifts(proofs: Iterable[StripeProof], *, needed: int) -> list[StripeProof]:
    """The last proof of each balance whose last ``needed`` proofs all show a difference."""
    by_place: defaultdict[tuple[str, str, str], list[StripeProof]] = defaultdict(list)
    for proof in sorted(proofs, key=lambda p: p.at):
        by_place[proof.owner, proof.account, proof.currency].append(proof)
    rows = (row[-needed:] for _, row in sorted(by_place.items()))
    return [row[-1] for row in rows if len(row) == needed and all(p.drift_minor for p in row)]


def sums_of(bookings: Iterable[Booking], accounts: Iterable[str]) -> dict[tuple[str, str], int]:
    """What entries have put on these accounts."""
    of = set(accounts)
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for booking in bookings:
        for leg in booking.legs:
            if leg.account in of:
                found[leg.account, leg.currency] += leg.minor
    return dict(found)


def beyond(
    reading: StripeReading,
    bookings: Iterable[Booking],
    accounts: Iterable[str],
    owners: Mapping[str, str],
) -> dict[str, dict[tuple[str, str], int]]:
    """What movements that a reading does not hold have put on these accounts, by whose they are."""
    found: defaultdict[str, list[Booking]] = defaultdict(list)
    for booking in bookings:
        movement = movement_of(booking.reference)
        if movement and not reading.holds(movement, booking.effective_at):
            found[owners.get(movement, "")].append(booking)
    return {owner: sums_of(rows, accounts) for owner, rows in found.items()}


def movement_of(reference: str) -> str:
    """The balance transaction that an entry books; empty where it books something else."""
    return reference.removeprefix(MOVEMENT) if reference.startswith(MOVEMENT) else ""


def last_readings(readings: Iterable[StripeReading]) -> list[StripeReading]:
    """The last readings of each Stripe account, as many as are kept."""
    by_owner: defaultdict[str, dict[datetime, StripeReading]] = defaultdict(dict)
    for reading in readings:
        by_owner[reading.owner][reading.told_at] = reading
    return [
        told[at] for _, told in sorted(by_owner.items()) for at in sorted(told)[-READINGS_KEPT:]
    ]

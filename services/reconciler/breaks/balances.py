"""Balances held against balances: the bank's with the ledger's cash, and Stripe's with zero."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.reconciler.facts.kinds import (
    BANK,
    BANK_LINE_KINDS,
    STRIPE_BALANCE,
    Booking,
    Reading,
    StripeBalance,
)
from services.reconciler.facts.known import Proof


@dataclass(frozen=True, slots=True)
class BelowZero:
    """A Stripe balance below zero, whose it is, and who says so."""

    subject: str
    currency: str
    minor: int
    source: str


def proof_of(reading: Reading, ledger_minor: int) -> Proof | None:
    """A reading held against the ledger's cash at its point; ``None`` if it proves nothing."""
    if not reading.agreed:
        return None
    return Proof(
        account=reading.account,
        currency=reading.currency,
        at=reading.at,
        bank_minor=reading.minor,
        ledger_minor=ledger_minor,
        reading=reading.reading,
    )


def cash_at(bookings: Iterable[Booking], reading: Reading, zone: ZoneInfo) -> int:
    """The ledger's cash on a reading's bank account up to the reading, in minor units.

    A bank line counts by its date: a balance has the lines of its own day in it. A day is one of
    the book's time zone, at whose midnight the ledger books the line, or of the clock that told
    the balance, where it is a day ahead: a bank that dates its lines in UTC has tomorrow's in the
    balance of a western evening. Without the bank's own time everything counts.
    """
    return sum(
        leg.minor
        for booking in bookings
        for leg in booking.legs
        if leg.account == BANK + reading.account
        and leg.currency == reading.currency
        and _is_counted(booking, reading.as_of, zone)
    )


def _is_counted(booking: Booking, as_of: datetime | None, zone: ZoneInfo) -> bool:
    if as_of is None:
        return True
    if booking.kind in BANK_LINE_KINDS:
        day = max(as_of.astimezone(zone).date(), as_of.date())
        return booking.effective_at.astimezone(zone).date() <= day
    return booking.effective_at <= as_of


def latest_proofs(
    readings: Iterable[Reading], bookings: Iterable[Booking], zone: ZoneInfo
) -> tuple[Proof, ...]:
    """The proof of each bank account's latest reading, for where everything is at rest."""
    latest: dict[tuple[str, str], Reading] = {}
    for reading in sorted(readings, key=_reading_order):
        if reading.agreed:
            latest[reading.account, reading.currency] = reading
    booked = tuple(bookings)
    proofs = (proof_of(r, cash_at(booked, r, zone)) for _, r in sorted(latest.items()))
    return tuple(proof for proof in proofs if proof is not None)


def _reading_order(reading: Reading) -> tuple[datetime, datetime, str, int]:
    return (reading.at, reading.told_at, reading.reading, reading.minor)


def drifts(proofs: Iterable[Proof], *, needed: int) -> list[Proof]:
    """The latest proof of each account whose last ``needed`` proofs all show a difference."""
    by_account: defaultdict[tuple[str, str], list[Proof]] = defaultdict(list)
    for proof in sorted(proofs, key=lambda p: (p.at, p.reading, p.bank_minor, p.ledger_minor)):
        by_account[proof.account, proof.currency].append(proof)
    found: list[Proof] = []
    for _, row in sorted(by_account.items()):
        last = row[-needed:]
        if len(last) == needed and all(proof.drift_minor for proof in last):
            found.append(last[-1])
    return found


def ledger_stripe_of(bookings: Iterable[Booking]) -> dict[str, int]:
    """The ledger's Stripe balance by currency."""
    sums: defaultdict[str, int] = defaultdict(int)
    for booking in bookings:
        for leg in booking.legs:
            if leg.account == STRIPE_BALANCE:
                sums[leg.currency] += leg.minor
    return dict(sums)


def below_zero(
    told: Iterable[StripeBalance],
    ledger: Mapping[str, int],
    ledger_at: Mapping[str, datetime],
    own_account: str,
) -> list[BelowZero]:
    """Stripe balances below zero: the later word of Stripe's and of the ledger's at rest.

    ``ledger_at`` is when the ledger's balance last moved: Stripe's word of before is out of date.
    Of several accounts the ledger knows the sum alone: then each one's own word stands.
    """
    words = sorted(told, key=lambda b: (b.account, b.currency))
    if len({word.account for word in words}) <= 1:
        words = [
            word
            for word in words
            if word.currency not in ledger
            or ledger_at.get(word.currency, word.told_at) <= word.told_at
        ]
    spoken_for = {word.currency for word in words}
    own = own_account or STRIPE_BALANCE
    return [
        *(
            BelowZero(word.account or own, word.currency, word.minor, "Stripe's own balance")
            for word in words
            if word.minor < 0
        ),
        *(
            BelowZero(own, currency, minor, "the sum of the balance transactions")
            for currency, minor in sorted(ledger.items())
            if minor < 0 and currency not in spoken_for
        ),
    ]

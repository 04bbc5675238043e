"""Settling keys that stay open: one half of a payment, refund or transfer has come, and no more."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from services.reconciler.breaks.waits import AGAIN, Passed, Wait, WaitState, next_time
from services.reconciler.facts.kinds import MATCH_KINDS, SETTLING, Booking, Leg
from services.reconciler.facts.known import Facts
from services.reconciler.findings.explain import discrepancy, money
from services.reconciler.findings.found import Discrepancy, Match
from services.reconciler.rules.calendars import SETTLING_TIME
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.look_ups import LookUp

Half = tuple[Booking, Leg]
# What Stripe gives by its id alone, by how the id begins. A reversal is asked for with its
# transfer, a reserve with nothing: of those the discrepancy says where to look.
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"ch": "charge", "py": "charge", "re": "refund", "pyr": "refund", "tr": "transfer"}
)


def open_settling(bookings: Iterable[Booking], exchanged: Iterable[Match]) -> dict[str, list[Half]]:
    """Open settling keys: per currency the oldest half on the open side, with what is open."""
    cleared: defaultdict[tuple[str, str], int] = defaultdict(int)
    paired: set[tuple[str, str]] = set()
    for match in exchanged:
        for leg in match.clears:
            if leg.account == SETTLING:
                cleared[leg.key, leg.currency] += leg.minor
                paired |= {(leg.key, reference) for reference in match.evidence}
    sums = cleared.copy()
    halves: defaultdict[tuple[str, str], list[Half]] = defaultdict(list)
    for booking in bookings:
        if booking.kind in MATCH_KINDS:
            continue
        for leg in booking.legs:
            if leg.account == SETTLING:
                sums[leg.key, leg.currency] += leg.minor
                halves[leg.key, leg.currency].append((booking, leg))
    found: defaultdict[str, list[Half]] = defaultdict(list)
    for (key, currency), minor in sorted(sums.items()):
        if not minor:
            continue
        side = [
            booking
            for booking, leg in halves[key, currency]
            if (leg.minor > 0) == (minor > 0) and (key, booking.reference) not in paired
        ] or [booking for booking, _ in halves[key, currency]]
        oldest = min(side, key=lambda b: (b.known_at, b.reference))
        found[key].append((oldest, Leg(SETTLING, key, currency, minor)))
    return dict(found)


def clearing_breaks(
    facts: Facts, settling: Mapping[str, Sequence[Half]], *, at: datetime
) -> Iterator[Discrepancy]:
    """Settling keys of which the other half has not come in time; one for each key."""
    for key, halves in sorted(settling.items()):
        oldest = _oldest(halves)
        if at < oldest[0].known_at + SETTLING_TIME:
            continue
        sums: defaultdict[str, int] = defaultdict(int)
        for _, leg in halves:
            sums[leg.currency] = leg.minor
        first = oldest[1].currency
        amount = money(sums[first], first)
        others = tuple(
            f"also open: {money(minor, code)}"
            for code, minor in sorted(sums.items())
            if code != first
        )
        half = "its balance transaction" if _is_object(oldest[0]) else "what it is the payment of"
        yield discrepancy(
            facts.book.name,
            DiscrepancyKind.CLEARING_OVERDUE,
            key,
            amount,
            expected=f"{SETTLING}[{key}] at zero",
            found=f"{amount} since {oldest[0].known_at.isoformat()} ({oldest[0].reference})",
            explanation=f"{key} stands open by {abs(amount)}: {half} has not come, or differs.",
            evidence=others,
            since=(oldest[0].known_at + SETTLING_TIME).astimezone(facts.book.zone).date(),
        )


def settling_waits(settling: Mapping[str, Sequence[Half]], *, at: datetime) -> Iterator[Wait]:
    """Keys whose time has passed, to be asked for at Stripe by their ids.

    Within their time they are on their way like every payment, and nobody waits for each.
    """
    for key, halves in sorted(settling.items()):
        oldest, leg = _oldest(halves)
        ends = oldest.known_at + SETTLING_TIME
        kind = _KINDS.get(key.partition("_")[0], "")
        if at < ends or not kind:
            continue
        deadline = next_time(ends, at)
        yield Wait(
            subject=key,
            state=WaitState.OVERDUE,
            amount=money(leg.minor, leg.currency),
            deadline=deadline,
            look_up=LookUp.STRIPE_OBJECT,
            bank_account="",
            since=ends.date(),
            passed=Passed(deadline - AGAIN, (LookUp.STRIPE_OBJECT,)),
            kind=kind,
        )


def _oldest(halves: Iterable[Half]) -> Half:
    return min(halves, key=lambda half: (half[0].known_at, half[1]))


def _is_object(booking: Booking) -> bool:
    return ":balance_transaction:" not in booking.reference

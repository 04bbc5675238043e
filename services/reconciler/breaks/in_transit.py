"""Keys of money in transit that stay open though the bank, or Stripe, says that all is done.

A payout that its line has settled stands at zero when its balance transaction has come too; one
that failed does when the failure's has. Until then the ledger's key is open, and after a while it
is said.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from services.reconciler.facts.kinds import IN_TRANSIT, MATCH_KINDS
from services.reconciler.facts.known import Facts
from services.reconciler.findings.explain import discrepancy, money
from services.reconciler.findings.found import Discrepancy
from services.reconciler.matching.table import Table
from services.reconciler.rules.calendars import SETTLING_TIME
from shared.contracts.discrepancies import DiscrepancyKind

_RULING = "ruling:"


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A payout or top-up that is done with and of which the ledger's key is not at zero."""

    id: str
    currency: str
    minor: int
    since: datetime
    is_over: bool


def open_keys(facts: Facts, table: Table) -> dict[str, OpenKey]:
    """The keys in transit that wait for a balance transaction alone, by payout or top-up."""
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    since: dict[str, datetime] = {}
    matched: defaultdict[str, int] = defaultdict(int)
    for booking in facts.bookings:
        if booking.reference.startswith(_RULING):
            continue  # Our own note of what a person ruled; the match that it caused is booked too.
        for leg in booking.legs:
            if leg.account == IN_TRANSIT:
                sums[leg.key, leg.currency] += leg.minor
                since[leg.key] = max(since.get(leg.key, booking.known_at), booking.known_at)
                if booking.kind in MATCH_KINDS:
                    matched[leg.key] += leg.minor
    found: dict[str, OpenKey] = {}
    booked = {key for (key, _), minor in sums.items() if minor}
    expectations = (e for e in facts.expectations if e.id in booked) if booked else ()
    for expected in expectations:
        minor = sums.get((expected.id, expected.currency), 0)
        is_over = expected.stage.is_over
        is_settled = expected.id in table.settled or expected.id not in table.candidates
        if minor and (is_over or (is_settled and matched[expected.id])):
            key = OpenKey(expected.id, expected.currency, minor, since[expected.id], is_over)
            found[expected.id] = key
    return found


def in_transit_breaks(
    keys: Iterable[OpenKey], facts: Facts, *, troubled: Iterable[str], at: datetime
) -> Iterator[Discrepancy]:
    """Those that are open for too long, but for what is said of the payout in other words."""
    said = set(troubled)
    for key in sorted(keys, key=lambda k: k.id):
        if key.id in said or at < key.since + SETTLING_TIME:
            continue
        amount = money(key.minor, key.currency)
        waits = "its failure's balance transaction" if key.is_over else "its balance transaction"
        done = "failed or was canceled" if key.is_over else "was settled by the bank"
        yield discrepancy(
            facts.book.name,
            DiscrepancyKind.CLEARING_OVERDUE,
            key.id,
            amount,
            expected=f"{IN_TRANSIT}[{key.id}] at zero",
            found=f"{amount} since {key.since.isoformat()}",
            explanation=(
                f"{key.id} {done} and stands open in transit by {abs(amount)}:"
                f" {waits} has not come, or differs."
            ),
            where="in-transit",
            since=(key.since + SETTLING_TIME).astimezone(facts.book.zone).date(),
        )

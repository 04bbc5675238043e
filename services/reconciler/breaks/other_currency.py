"""A payout that the bank shows in another currency than Stripe paid it in.

Within one currency a rate's spread is a difference with a name, and is posted (``exchange`` in
``rules.toml``). Across two it is a rate, and a rate is never worked out from the two amounts.
"""

from collections.abc import Sequence

from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.findings.explain import discrepancy, money
from services.reconciler.findings.found import Discrepancy
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import Table
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind


def in_other_currency(facts: Facts, table: Table) -> dict[str, list[Line]]:
    """Lines that name one payout or top-up and are in another currency, by what they name.

    They are never matched: what a line in euros settles of a payout in dollars hangs on a rate,
    and nobody has told one.
    """
    found: dict[str, list[Line]] = {}
    free = [line for line in facts.lines if _is_free(table, line)]
    for line in sorted(free, key=lambda li: li.place):
        evidence = table.evidence[line.key]
        if len(evidence.strong) != 1 or evidence.foreign or evidence.partial:
            continue
        (owner,) = evidence.strong
        candidate = table.candidates.get(owner)
        if (
            candidate is not None
            and table.is_open(owner)
            and not candidate.is_overpaid
            and candidate.expected.currency != line.currency
            and (candidate.due_minor > 0) == (line.minor > 0)
        ):
            found.setdefault(owner, []).append(line)
    return found


def _is_free(table: Table, line: Line) -> bool:
    key = line.key
    return (
        key in table.evidence
        and key not in table.taken
        and key not in table.unclear
        and key not in table.repeated
        and table.by_hand.get(key, line.minor) == line.minor
    )


def exchanged(facts: Facts, candidate: Candidate, lines: Sequence[Line]) -> Discrepancy:
    """What is said of a payout or top-up that came in another currency."""
    due = money(candidate.due_minor, candidate.expected.currency)
    came = ", ".join(f"{line.money} in {line.id}" for line in lines)
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.PAYOUT_AMOUNT_MISMATCH,
        candidate.id,
        due,
        expected=str(due),
        found=f"{came}, in another currency",
        explanation=(
            f"{candidate.id} should be {abs(due)} at the bank and came in another currency:"
            f" {came}. Nobody has told the rate, so nothing is matched."
        ),
        since=min(line.booked_on for line in lines),
        evidence=tuple(f"{line.id} names {candidate.id}" for line in lines),
        break_class=BreakClass.FX_DIFF,
        probable_cause="the bank account at Stripe is in another currency, or a bank exchanged it",
        next_step=(
            "Ask the bank for its rate, then clear the payout and the line by one manual entry"
            " over equity:exchange."
        ),
    )

"""A payout that the bank had shown and takes back, before Stripe has said that it failed.

Once Stripe says so, both lines are of a payout that came and went back, and its failure is told.
Until then the line that takes it back is no stranger's debit, and the payout is not at the bank.
"""

from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.findings.explain import discrepancy
from services.reconciler.findings.found import Discrepancy
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import Table
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind


def taken_back(facts: Facts, table: Table) -> dict[str, Line]:
    """The line that takes a settled payout or top-up back whole, by what it takes back."""
    found: dict[str, Line] = {}
    for line in sorted(facts.lines, key=lambda li: li.place):
        candidate = candidate_taken_back(table, line)
        if candidate is not None:
            found.setdefault(candidate.id, line)
    return found


def candidate_taken_back(table: Table, line: Line) -> Candidate | None:
    """What a line that settles nothing takes back: it names that alone, and all that was paid."""
    evidence = table.evidence.get(line.key)
    if evidence is None or line.key in table.taken or line.key in table.by_hand:
        return None
    if len(evidence.strong) != 1 or evidence.foreign or evidence.partial:
        return None
    (owner,) = evidence.strong
    candidate, taken = table.candidates.get(owner), table.settled.get(owner)
    if candidate is None or not taken or candidate.expected.currency != line.currency:
        return None
    # A line that paid several went back in part: a person has to say which part.
    paid = [one.line.minor for one in taken if len(one.shares) == 1]
    is_whole = len(paid) == len(taken) and sum(paid) == -line.minor
    return candidate if is_whole else None


def went_back(facts: Facts, table: Table, line: Line, candidate: Candidate) -> Discrepancy:
    """What is said of the line that takes a payout or top-up back."""
    first = ", ".join(sorted(one.line.id for one in table.settled[candidate.id]))
    is_debit = line.minor < 0
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.UNIDENTIFIED_BANK_DEBIT
        if is_debit
        else DiscrepancyKind.UNIDENTIFIED_BANK_CREDIT,
        line.id,
        line.money,
        expected=f"{candidate.id} to stay where {first} has put it",
        found=f"{line.money} on {line.account}, {line.booked_on}: {line.said}",
        explanation=(
            f"Bank line {line.id} of {line.money} on {line.booked_on} takes {candidate.id} back,"
            f" which {first} had settled; Stripe has not told that it failed."
        ),
        evidence=table.evidence[line.key].said(),
        what=line.key,
        since=line.booked_on,
        break_class=BreakClass.RETURNED,
        where=candidate.id,
        probable_cause="the bank sent it back: the account at Stripe is closed or wrong",
        next_step=(
            f"Look at {candidate.id} at Stripe, which should tell that it failed; then this closes"
            " by itself. If it stays paid there, ask Stripe support where the money is."
        ),
    )

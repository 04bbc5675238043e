"""The passes in their one strict order: what settles what, from what proves most to what least.

    reference     a line names what it settles and the amounts agree, of one or of several
    other_amount  it names it and the amount differs: parts, short or over, paid twice
    closed        a match by amount whose window is over stands
    amount        one amount in the window, and nobody else who might have settled it
    assignment    the best assignment of all that hangs together, by a margin to the next one
    combination   one set of payouts that adds up to a line
    parts         one set of lines that adds up to a payout
    tolerance     no reference, and short by a fee that the line speaks of

Each sees only what those before have left. Which of them run is data (``rules/matching_rules.py``).
"""

from datetime import datetime

from services.reconciler.facts.known import Facts
from services.reconciler.matching.amounts import take_by_amount
from services.reconciler.matching.assignment import take_by_assignment
from services.reconciler.matching.by_reference import take_exact, take_other_amounts
from services.reconciler.matching.combining import take_combinations, take_parts
from services.reconciler.matching.readings import Readings
from services.reconciler.matching.table import Table, keep_closed, table_of
from services.reconciler.matching.tolerance import take_within_tolerance
from services.reconciler.rules.matching_rules import Pass


def matched(facts: Facts, *, at: datetime, readings: Readings | None = None) -> Table:
    """The table when all passes have run: what is taken, what is in doubt, what is repeated."""
    table = table_of(facts, readings)
    for each in Pass:
        if each in facts.rules.passes:
            _run(each, table, facts, at)
    return table


def _run(which: Pass, table: Table, facts: Facts, at: datetime) -> None:
    match which:
        case Pass.REFERENCE:
            take_exact(table)
        case Pass.OTHER_AMOUNT:
            take_other_amounts(table)
        case Pass.CLOSED:
            keep_closed(table, facts.standing, at=at)
        case Pass.AMOUNT:
            take_by_amount(table)
        case Pass.ASSIGNMENT:
            take_by_assignment(table)
        case Pass.COMBINATION:
            take_combinations(table)
        case Pass.PARTS:
            take_parts(table)
        case Pass.TOLERANCE:
            take_within_tolerance(table)

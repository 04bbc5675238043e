"""Three simpler ways to match, to be beaten: what most people have, and what is often proposed.

Each is given what it can use: the amounts, the window, an id that stands whole in a text, and what
is left over as missing or unidentified.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from rapidfuzz.fuzz import partial_ratio

from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.matching.assignment import best_assignment
from services.reconciler.rules.expectations import Expectation, Stage
from shared.contracts.observations import LineState
from tallystick.reconbench.answers import Answers

_ID: Final = re.compile(r"po_[A-Za-z0-9]{8,}")
_DAYS_BEFORE: Final = 3
_DAYS_AFTER: Final = 9
# Assignments are solved exactly up to so many lines that hang together, and then in slices.
_TOGETHER_MAX: Final = 60
_CLOSE: Final = 100
_POINTS_A_DAY: Final = 5


def exact_reference(facts: Facts) -> Answers:
    """An id that stands whole in the line's text; the first line of an id settles it."""
    answers = Answers()
    by_id = {e.id: e for e in facts.expectations}
    used: dict[str, str] = {}
    for line in _posted(facts):
        named = [name for name in _ID.findall(_text(line)) if name in by_id]
        payouts = [by_id[name] for name in named]
        if not payouts or any(p.currency != line.currency for p in payouts):
            continue
        if any(p.id in used for p in payouts):
            answers.of_lines[line.id] = "duplicate_bank"
            continue
        if sum(p.bank_minor for p in payouts) != line.minor:
            answers.of_lines[line.id] = "amount_mismatch"
        _take(answers, used, line, payouts)
    return _rest(facts, answers, used)


def greedy(facts: Facts) -> Answers:
    """Line by line the payout of the same amount whose day is nearest, whatever the text says."""
    answers = Answers()
    used: dict[str, str] = {}
    by_amount = _by_amount(facts)
    for line in _posted(facts):
        near = [
            (abs((line.booked_on - e.arrival).days), e.id, e)
            for e in by_amount.get((line.currency, line.minor), ())
            if e.id not in used and _in_window(line, e)
        ]
        if near:
            _take(answers, used, line, [min(near)[2]])
    return _rest(facts, answers, used)


def assignment(facts: Facts) -> Answers:
    """The best assignment by day and likeness of text, all of it taken, without a margin."""
    answers = Answers()
    used: dict[str, str] = {}
    by_amount = _by_amount(facts)
    groups: defaultdict[tuple[str, int], list[Line]] = defaultdict(list)
    for line in _posted(facts):
        groups[line.currency, line.minor].append(line)
    for key, lines in sorted(groups.items()):
        payouts = by_amount.get(key, ())
        for low in range(0, len(lines), _TOGETHER_MAX):
            some = lines[low : low + _TOGETHER_MAX]
            left = [p for p in payouts if p.id not in used and any(_in_window(x, p) for x in some)]
            if not left:
                continue
            best, _ = best_assignment([[_points(line, p) for p in left] for line in some])
            for line, column in zip(some, best, strict=True):
                if column >= 0:
                    _take(answers, used, line, [left[column]])
    return _rest(facts, answers, used)


BASELINES: Final[Mapping[str, Callable[[Facts], Answers]]] = MappingProxyType(
    {
        "exact reference only": exact_reference,
        "greedy amount and date": greedy,
        "assignment without margin": assignment,
    }
)


def _points(line: Line, payout: Expectation) -> int:
    if not _in_window(line, payout):
        return -1
    likeness = round(partial_ratio(payout.id, _text(line)))
    return likeness + _CLOSE - _POINTS_A_DAY * abs((line.booked_on - payout.arrival).days)


def _posted(facts: Facts) -> Sequence[Line]:
    posted = (line for line in facts.lines if line.state is LineState.POSTED)
    return sorted(posted, key=lambda line: line.place)


def _by_amount(facts: Facts) -> Mapping[tuple[str, int], Sequence[Expectation]]:
    found: defaultdict[tuple[str, int], list[Expectation]] = defaultdict(list)
    for e in sorted(facts.expectations, key=lambda e: (e.arrival, e.id)):
        found[e.currency, e.bank_minor].append(e)
    return found


def _in_window(line: Line, payout: Expectation) -> bool:
    return -_DAYS_BEFORE <= (line.booked_on - payout.arrival).days <= _DAYS_AFTER


def _text(line: Line) -> str:
    return f"{line.description} {line.reference} {line.counterparty}"


def _take(
    answers: Answers, used: dict[str, str], line: Line, payouts: Iterable[Expectation]
) -> None:
    ids = tuple(sorted(p.id for p in payouts))
    answers.settled[line.id] = ids
    used |= dict.fromkeys(ids, line.id)


def _rest(facts: Facts, answers: Answers, used: Mapping[str, str]) -> Answers:
    """What is left: lines that nothing explains, payouts that failed, and those that never came."""
    for line in _posted(facts):
        if line.id not in answers.settled and line.id not in answers.of_lines:
            kind = "unidentified_receipt" if line.minor > 0 else "unidentified_debit"
            answers.of_lines[line.id] = kind
    for e in facts.expectations:
        if e.stage is Stage.FAILED:
            answers.of_payouts[e.id] = "returned"
        elif e.id not in used and e.stage is not Stage.IN_TRANSIT:
            answers.of_payouts[e.id] = "missing_in_bank"
    return answers

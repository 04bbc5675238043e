"""The passes of strong references: what a line names it settles, beyond any window.

First where the amounts agree, of one or of several; then where they do not: parts, short or over,
what is paid twice, and a difference that has a name.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

from services.reconciler.facts.kinds import Line
from services.reconciler.findings.found import Difference
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import (
    OVER,
    REFERENCE,
    REFERENCE_ONLY,
    REFERENCE_PARTS,
    REFERENCE_WITHIN,
    REFERENCES,
    RETURNED,
    SHORT,
    Repeated,
    Share,
    Table,
)
from services.reconciler.rules.expectations import Expectation

# A word, or one glued to a figure; what has figures on both sides of letters is a number or an id.
_WORD: Final = re.compile(r"(?<![a-z0-9])(?:[0-9]+([a-z]+)|([a-z]+)[0-9]*)(?![a-z0-9])")


def take_exact(table: Table) -> None:
    """What a line names, one or several, and the amounts agree; what came and went back."""
    alone, several = _named(table)
    for owner in sorted(alone):
        if candidate := table.candidates.get(owner):
            _take_exact(table, candidate, alone[owner])
        elif owner in table.over:
            _take_returned(table, table.over[owner], alone[owner])
    for line in several:
        _take_several(table, line)


def take_other_amounts(table: Table) -> None:
    """What a line names though the amount differs: matched, and the difference named."""
    alone, several = _named(table)
    for line in several:
        _doubt_several(table, line)
    for owner in sorted(alone):
        if candidate := table.candidates.get(owner):
            _take_parts(table, candidate, alone[owner])


def _named(table: Table) -> tuple[dict[str, list[Line]], list[Line]]:
    """Lines by the one expectation that they name, and the lines that name several."""
    alone: defaultdict[str, list[Line]] = defaultdict(list)
    several: list[Line] = []
    for line in table.free_lines():
        owners = table.evidence[line.key].strong
        if len(owners) == 1:
            alone[next(iter(owners))].append(line)
        elif owners:
            several.append(line)
    return alone, several


def _fitting(candidate: Candidate, lines: Iterable[Line]) -> list[Line]:
    return [
        line
        for line in lines
        if line.currency == candidate.expected.currency
        and (line.minor > 0) == (candidate.due_minor > 0)
    ]


def _take_exact(table: Table, candidate: Candidate, lines: Sequence[Line]) -> None:
    exact = [line for line in _fitting(candidate, lines) if line.minor == candidate.due_minor]
    if exact:
        first = min(exact, key=lambda li: (not table.evidence[li.key].is_whole, li.place))
        table.take(first, REFERENCE, [Share(candidate, first.minor)], "the amount agrees")


def _take_returned(table: Table, expected: Expectation, lines: Sequence[Line]) -> None:
    """A payout that came and went back: its lines cancel out, or they stay in suspense."""
    own = [line for line in lines if line.currency == expected.currency]
    if not own or sum(line.minor for line in own) != 0:
        return
    candidate = Candidate(
        expected=expected,
        due_minor=0,
        bank_account="",
        anchor=expected.arrival,
        first=own[0].booked_on,
        last=own[-1].booked_on,
        closed_at=expected.created,
        booked_at=expected.created,
        traces=(),
    )
    for line in own:
        table.take(line, RETURNED, [Share(candidate, line.minor)], "it came and went back")


def _take_several(table: Table, line: Line) -> None:
    """All that the line names, a bank having netted one with another, or what is open of it."""
    named = _candidates_named(table, line)
    for some in (named, [c for c in named if table.is_open(c.id)]):
        if (
            some
            and all(table.is_open(c.id) for c in some)
            and all(c.expected.currency == line.currency for c in some)
            and sum(c.due_minor for c in some) == line.minor
        ):
            shares = [Share(c, c.due_minor) for c in some]
            table.take(line, REFERENCES, shares, "the amounts add up to the line")
            return


def _doubt_several(table: Table, line: Line) -> None:
    named = _candidates_named(table, line)
    fitting = [c for c in named if _fitting(c, [line]) and not table.is_open(c.id)]
    if fitting and sum(c.due_minor for c in fitting) == line.minor:
        table.repeated[line.key] = Repeated(line, fitting[0])
    elif named:
        table.doubt(line, named, "it names several, and their amounts do not add up to the line")


def _candidates_named(table: Table, line: Line) -> list[Candidate]:
    owners = sorted(table.evidence[line.key].strong)
    return [table.candidates[o] for o in owners if o in table.candidates]


def _take_parts(table: Table, candidate: Candidate, named: Sequence[Line]) -> None:
    """What names one expectation and is not its exact amount: parts, short, over, or repeated."""
    lines = [
        line
        for line in _fitting(candidate, named)
        if line.key not in table.taken and line.key not in table.unclear
    ]
    if not table.is_open(candidate.id):
        for line in lines:
            table.repeated[line.key] = Repeated(line, candidate)
        return
    sure = [line for line in lines if _may_differ(table, candidate, line, lines)]
    for line in lines:
        if line not in sure:
            why = "its reference is not whole, or names more, and the amount differs"
            table.doubt(line, [candidate], why)
    parts = _parts(candidate, sure, table.rules.reference.parts_max)
    for line in sure:
        if line not in parts:
            table.repeated[line.key] = Repeated(line, candidate)
    _settle_parts(table, candidate, parts)


def _may_differ(table: Table, candidate: Candidate, line: Line, lines: Sequence[Line]) -> bool:
    """Whether the reference is good enough to match though the amount differs."""
    evidence = table.evidence[line.key]
    if evidence.foreign or evidence.partial:
        return False
    if evidence.is_whole or sum(li.minor for li in lines) == candidate.due_minor:
        return True
    apart = abs(line.minor - candidate.due_minor)
    return apart * table.rules.reference.unsure_part <= abs(candidate.due_minor)


def _parts(candidate: Candidate, lines: Sequence[Line], parts_max: int) -> list[Line]:
    """The lines that pay it, up to its amount; one that passes it is a part unless repeated.

    Lines that add up to it go before lines that merely came first.
    """
    parts: list[Line] = []
    paid = 0
    for line in lines:
        if paid and abs(paid) >= abs(candidate.due_minor):
            break
        passes = abs(paid + line.minor) > abs(candidate.due_minor)
        if passes and any(line.minor == part.minor for part in parts):
            continue
        parts.append(line)
        paid += line.minor
    if paid == candidate.due_minor or len(lines) > parts_max:
        return parts
    some = (c for n in range(2, len(lines) + 1) for c in combinations(lines, n))
    exact = (c for c in some if sum(line.minor for line in c) == candidate.due_minor)
    return list(next(exact, parts))


def _settle_parts(table: Table, candidate: Candidate, parts: Sequence[Line]) -> None:
    """Each line its part; the last one bears what the whole is short or over, by its name."""
    if not parts:
        return
    off = sum(line.minor for line in parts) - candidate.due_minor
    for line in parts[:-1]:
        rule = REFERENCE_ONLY if off else REFERENCE_PARTS
        why = "the amount differs" if off else "the parts add up"
        table.take(line, rule, [Share(candidate, line.minor)], why)
    last = parts[-1]
    share = [Share(candidate, last.minor - off)]
    if not off:
        table.take(last, REFERENCE_PARTS, share, "the parts add up")
        return
    band = table.rules.band_of(
        due_minor=candidate.due_minor,
        minor=candidate.due_minor + off,
        currency=last.currency,
        words=frozenset(word for line in parts for word in words_of(line)),
    )
    if band is None:
        name = OVER if (off > 0) == (candidate.due_minor > 0) else SHORT
        table.take(
            last, REFERENCE_ONLY, share, "the amount differs", difference=Difference(name, off)
        )
        return
    why = f"the difference is posted as {band.name}"
    named = Difference(band.name, off, band.account)
    table.take(last, REFERENCE_WITHIN, share, why, difference=named)


def words_of(line: Line) -> frozenset[str]:
    """The words of a line's texts, folded, by which it says what a difference is."""
    text = f"{line.description} {line.reference} {line.counterparty}"
    plain = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return frozenset(behind or before for behind, before in _WORD.findall(bare))

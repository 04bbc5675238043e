"""The last pass: a line without a reference, short by a fee that the line itself speaks of.

It is taken where just one candidate is within the band and no other line is within the candidate's;
the difference is posted by its name.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from services.reconciler.evidence.references import Evidence
from services.reconciler.facts.kinds import Line
from services.reconciler.findings.found import Difference
from services.reconciler.matching.by_reference import words_of
from services.reconciler.matching.candidates import Candidate, forbidden
from services.reconciler.matching.table import WITHIN, Share, Table
from services.reconciler.rules.matching_rules import Tolerance

_PER_MILLE_MAX = 200


class _ByAmount:
    """Open candidates by currency, the smallest amount first."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        sorted_ones: defaultdict[str, list[Candidate]] = defaultdict(list)
        for c in sorted(candidates, key=lambda c: (c.due_minor, c.place)):
            sorted_ones[c.expected.currency].append(c)
        self._candidates = dict(sorted_ones)
        self._amounts = {k: [c.due_minor for c in found] for k, found in sorted_ones.items()}

    def near(self, line: Line) -> Sequence[Candidate]:
        """The candidates whose amount the widest of all bands reaches from the line's."""
        amounts = self._amounts.get(line.currency, [])
        reach = abs(line.minor) * _PER_MILLE_MAX // (1_000 - _PER_MILLE_MAX) + 1
        first = bisect_left(amounts, line.minor - reach)
        last = bisect_right(amounts, line.minor + reach)
        return self._candidates.get(line.currency, [])[first:last]


def take_within_tolerance(table: Table) -> None:
    """Lines whose own words say why they are short, and that one candidate alone explains."""
    bands = [band for band in table.rules.tolerances if band.stands_alone]
    if not bands:
        return
    doubted = {c for unclear in table.unclear.values() for c in unclear.candidates}
    told = [(line, words_of(line)) for line in table.free_lines()]
    said = [
        (line, [band for band in bands if not words.isdisjoint(band.words)]) for line, words in told
    ]
    near = [(line, own) for line, own in said if own and _may_stand_alone(table, line)]
    if not near:
        return
    by_amount = _ByAmount([c for c in table.candidates.values() if table.is_open(c.id)])
    found = {
        line.key: [
            (c, band)
            for c in by_amount.near(line)
            if c.is_in_window(line)
            and not forbidden(c, _evidence(table, line, own))
            and (band := _band(own, c, line)) is not None
        ]
        for line, own in near
    }
    wanted: defaultdict[str, int] = defaultdict(int)
    for answers in found.values():
        for candidate, _ in answers:
            wanted[candidate.id] += 1
    for line, _ in near:
        answers = found[line.key]
        is_free = all(wanted[c.id] == 1 and c.id not in doubted for c, _ in answers)
        if len(answers) == 1 and is_free:
            candidate, band = answers[0]
            off = line.minor - candidate.due_minor
            why = f"the only one that it is short of by a {band.name}, which is posted by its name"
            share = [Share(candidate, candidate.due_minor)]
            named = Difference(band.name, off, band.account)
            table.take(line, WITHIN, share, why, difference=named)
        elif answers:
            why = "several may be what it is short of by a fee"
            table.doubt(line, [c for c, _ in answers], why)


def _evidence(table: Table, line: Line, bands: Sequence[Tolerance]) -> Evidence:
    """The line's evidence without the words that speak of the difference: they name no payer."""
    evidence = table.evidence[line.key]
    said = {word for band in bands for word in (*band.words, *band.around)}
    others = tuple(word for word in evidence.names.others if word not in said)
    return replace(evidence, names=replace(evidence.names, others=others))


def _may_stand_alone(table: Table, line: Line) -> bool:
    evidence = table.evidence[line.key]
    is_told = evidence.strong or evidence.foreign or evidence.partial
    return evidence.names.is_payer_named and not is_told


def _band(bands: Sequence[Tolerance], candidate: Candidate, line: Line) -> Tolerance | None:
    return next(
        (
            band
            for band in bands
            if band.takes_in(
                due_minor=candidate.due_minor, minor=line.minor, currency=line.currency
            )
        ),
        None,
    )

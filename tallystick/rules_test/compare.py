"""Two sets of rules over the same facts: which matches and discrepancies differ."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.reconciler.facts.known import Facts
from services.reconciler.findings.found import Discrepancy, Match
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.matching_rules import MatchingRules
from shared.contracts.discrepancies import DiscrepancyId


@dataclass(frozen=True, slots=True)
class Placed:
    """What a line settles under one set of rules: by which rule, how surely, what is posted."""

    settles: tuple[str, ...]
    rule: str
    score: int | None
    posted: str

    @property
    def money(self) -> tuple[tuple[str, ...], str]:
        """What of it is money: another rule for the same is no other match."""
        return (self.settles, self.posted)


@dataclass(frozen=True, slots=True)
class Moved:
    """A line that is matched otherwise; ``None`` is not matched."""

    book: str
    line: str
    before: Placed | None
    after: Placed | None


@dataclass(frozen=True, slots=True)
class Compared:
    """What would differ in the books that were tried, and how much was looked at."""

    before: str
    after: str
    lines: int
    matched_before: int
    matched_after: int
    moved: tuple[Moved, ...]
    opened: tuple[Discrepancy, ...]
    closed: tuple[Discrepancy, ...]

    @property
    def differs(self) -> bool:
        """Whether anything would."""
        return bool(self.moved or self.opened or self.closed)


def compared(
    known: Iterable[tuple[Facts, datetime]], *, before: MatchingRules, after: MatchingRules
) -> Compared:
    """What the second set of rules would do otherwise than the first, over the whole history.

    Matches that stand are not taken into account: each set begins from nothing.
    """
    moved: list[Moved] = []
    opened: list[Discrepancy] = []
    closed: list[Discrepancy] = []
    lines = matched_before = matched_after = 0
    for facts, at in known:
        first = reconcile(replace(facts, rules=before, standing=()), at=at)
        second = reconcile(replace(facts, rules=after, standing=()), at=at)
        one, other = _placed(first.matches), _placed(second.matches)
        lines += len(facts.lines)
        matched_before += len(one)
        matched_after += len(other)
        moved += (
            Moved(facts.book.name, line, one.get(line), other.get(line))
            for line in sorted(one.keys() | other.keys())
            if _money(one.get(line)) != _money(other.get(line))
        )
        was, now = _by_id(first.discrepancies), _by_id(second.discrepancies)
        opened += (now[found] for found in sorted(now.keys() - was.keys()))
        closed += (was[found] for found in sorted(was.keys() - now.keys()))
    return Compared(
        before=before.id,
        after=after.id,
        lines=lines,
        matched_before=matched_before,
        matched_after=matched_after,
        moved=tuple(moved),
        opened=tuple(opened),
        closed=tuple(closed),
    )


def _placed(matches: Iterable[Match]) -> Mapping[str, Placed]:
    return {
        f"{m.line.account}/{m.line.id}": Placed(
            settles=tuple(sorted(s.object for s in m.settles)),
            rule=m.rule,
            score=m.score,
            posted="" if m.difference is None else f"{m.difference.name} {m.difference.minor}",
        )
        for m in matches
        if m.line is not None
    }


def _money(placed: Placed | None) -> object:
    return None if placed is None else placed.money


def _by_id(found: Sequence[Discrepancy]) -> Mapping[DiscrepancyId, Discrepancy]:
    return {each.id: each for each in found}

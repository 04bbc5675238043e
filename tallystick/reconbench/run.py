"""One run of reconbench: a made world, matched in every way, and the measures of each."""

import gc
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from sandbox.reconbench.generate import world_of
from sandbox.reconbench.model import World
from services.reconciler.facts.known import Facts
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.calendars import due_at
from services.reconciler.rules.matching_rules import MatchingRules, default_rules
from tallystick.reconbench.answers import Answers, answers_of, facts_of
from tallystick.reconbench.baselines import BASELINES
from tallystick.reconbench.scores import Scores, scores_of

OURS: Final = "tallystick"
FALSE_MAX: Final = Fraction(1, 10_000)
AUTO_MIN: Final = Fraction(97, 100)
F1_MIN: Final = Fraction(98, 100)
_MEGABYTE_IN_KILOBYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Timed:
    """The measures of one way, and what it took."""

    name: str
    scores: Scores
    seconds: float
    processor_seconds: float

    @property
    def lines_per_second(self) -> int:
        """Lines for each second of the processor."""
        return round(self.scores.overall.lines / max(self.processor_seconds, 1e-9))


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run. ``delay_days`` is how long after its arrival a missing payout is told."""

    seed: int
    lines: int
    payouts: int
    rules: str
    delay_days: int
    megabytes: int
    ways: tuple[Timed, ...]

    @property
    def ours(self) -> Timed:
        """Our own way, which stands first."""
        return self.ways[0]

    @property
    def unmet(self) -> tuple[str, ...]:
        """The goals that were not met, in words."""
        own = self.ours.scores
        found: list[str] = []
        if own.overall.false_rate > FALSE_MAX:
            found.append(f"{own.overall.false} false matches in {own.overall.lines} lines")
        if own.overall.auto_match_rate < AUTO_MIN:
            found.append("fewer than 97 % of what is decidable was matched")
        if own.macro_f1 < F1_MIN:
            found.append("the macro-F1 of the classes of break is below 0.98")
        for other in self.ways[1:]:
            found += (f"{other.name} is better by {m}" for m in _better(other.scores, own))
        return tuple(found)


def run(seed: int, lines: int, rules: MatchingRules | None = None) -> Result:
    """Make a world and match it in every way."""
    facts, at = _told(seed, lines, rules)
    ours = _timed(lambda: answers_of(reconcile(facts, at=at)))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _MEGABYTE_IN_KILOBYTES
    world = world_of(seed, lines)
    ways = [
        _scored(OURS, world, ours),
        *(_scored(name, world, _timed(_of(way, facts))) for name, way in BASELINES.items()),
    ]
    return Result(
        seed=seed,
        lines=len(world.of_lines),
        payouts=len(world.payouts),
        rules=(rules or default_rules()).id,
        delay_days=_delay_days(world, facts),
        megabytes=used,
        ways=tuple(ways),
    )


def _told(seed: int, lines: int, rules: MatchingRules | None) -> tuple[Facts, datetime]:
    """What is known of a world when all is told, and when that is.

    The world itself, with the truth of each line, is let go of: it is made anew for the scores.
    """
    world = world_of(seed, lines)
    return facts_of(world, rules), world.at


def _of(way: Callable[[Facts], Answers], facts: Facts) -> Callable[[], Answers]:
    return lambda: way(facts)


def _timed(way: Callable[[], Answers]) -> tuple[Answers, float, float]:
    """What a way answers, with its time and the processor's."""
    # What is known was read long before: it is not looked through again for each line.
    gc.collect()
    gc.freeze()
    begun, used = time.perf_counter(), time.process_time()
    answers = way()
    seconds, processor = time.perf_counter() - begun, time.process_time() - used
    gc.unfreeze()
    return answers, seconds, processor


def _scored(name: str, world: World, answered: tuple[Answers, float, float]) -> Timed:
    answers, seconds, processor = answered
    return Timed(name, scores_of(world, answers), seconds, processor)


def _delay_days(world: World, facts: Facts) -> int:
    """The median of days from arrival until one that never came is said to be overdue."""
    missing = {
        name for name, truth in world.of_payouts.items() if truth.break_class == "missing_in_bank"
    }
    days = sorted(
        (due_at(e, facts.book.zone, facts.rules).date() - e.arrival).days
        for e in facts.expectations
        if e.id in missing
    )
    return days[len(days) // 2] if days else 0


def _better(other: Scores, own: Scores) -> Iterable[str]:
    """The measures by which another way is better than ours."""
    measures: Mapping[str, Callable[[Scores], Fraction]] = MEASURES
    return [name for name, of in measures.items() if of(other) > of(own)]


MEASURES: Final[Mapping[str, Callable[[Scores], Fraction]]] = {
    "false matches": lambda s: -s.overall.false_rate,
    "auto-match rate": lambda s: s.overall.auto_match_rate,
    "pair precision": lambda s: s.overall.precision,
    "pair recall": lambda s: s.overall.recall,
    "money-weighted recall": lambda s: s.overall.money_recall,
    "macro-F1 of breaks": lambda s: s.macro_f1,
}

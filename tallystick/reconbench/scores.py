"""How right answers are, held against the truth: overall, by case, and by class of break.

A *false* match is a line that was matched with anything but what it truly settles; payouts that
nothing tells apart are the same. *Decidable* lines are those that settle something and of which
what is known leaves one answer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from sandbox.reconbench.model import Payout, Truth, World
from tallystick.reconbench.answers import Answers

_NOTHING = Fraction(1)


@dataclass(frozen=True, slots=True)
class Score:
    """The measures of some lines."""

    lines: int
    decidable: int
    matched: int
    false: int
    right: int
    ambiguous: int
    pairs_right: int
    pairs_found: int
    pairs_made: int
    pairs_true: int
    money_right: int
    money_true: int

    @property
    def false_rate(self) -> Fraction:
        """False matches of all lines."""
        return _part(self.false, self.lines, Fraction(0))

    @property
    def auto_match_rate(self) -> Fraction:
        """Rightly matched of those that are decidable."""
        return _part(self.right, self.decidable)

    @property
    def precision(self) -> Fraction:
        """True pairs of the pairs of line and payout that were made."""
        return _part(self.pairs_right, self.pairs_made)

    @property
    def recall(self) -> Fraction:
        """Pairs that were made of the true ones that are decidable."""
        return _part(self.pairs_found, self.pairs_true)

    @property
    def money_recall(self) -> Fraction:
        """The money of rightly matched lines of that of all decidable ones."""
        return _part(self.money_right, self.money_true)

    @property
    def ambiguous_rate(self) -> Fraction:
        """Lines that were left to a person as ambiguous."""
        return _part(self.ambiguous, self.lines, Fraction(0))


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class of break is found."""

    true: int
    found: int
    right: int

    @property
    def f1(self) -> Fraction:
        """The harmonic mean of precision and recall."""
        return _part(2 * self.right, self.true + self.found)


@dataclass(frozen=True, slots=True)
class Scores:
    """All measures of one way of matching."""

    overall: Score
    by_case: Mapping[str, Score]
    by_class: Mapping[str, ClassScore]

    @property
    def macro_f1(self) -> Fraction:
        """The mean F1 over the classes of break."""
        found = [each.f1 for each in self.by_class.values()]
        return sum(found, Fraction(0)) / len(found) if found else _NOTHING


def scores_of(world: World, answers: Answers) -> Scores:
    """The measures of answers about a world."""
    payouts = {payout.id: payout for payout in world.payouts}
    minors = {line.id: abs(line.minor) for line in world.lines}
    by_case: defaultdict[str, list[str]] = defaultdict(list)
    for name, truth in world.of_lines.items():
        by_case[truth.case].append(name)
    judged = {
        name: _judged(truth, answers.settled.get(name, ()), payouts)
        for name, truth in world.of_lines.items()
    }

    def score(names: Iterable[str]) -> Score:
        return _score(list(names), world, answers, judged, minors)

    return Scores(
        overall=score(world.of_lines),
        by_case={case: score(names) for case, names in sorted(by_case.items())},
        by_class=_classes(world, answers),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    is_right: bool
    pairs_right: int


def _judged(truth: Truth, settled: tuple[str, ...], payouts: Mapping[str, Payout]) -> _Judged:
    """Whether what a line was matched with is what it settles, ids or their like."""
    made = Counter(_face(truth, payouts[name]) for name in settled if name in payouts)
    real = Counter(_face(truth, payouts[name]) for name in truth.settles)
    return _Judged(bool(made) and made == real, (made & real).total())


def _face(truth: Truth, payout: Payout) -> object:
    return payout.id if truth.is_exact else payout.kin


def _score(
    names: list[str],
    world: World,
    answers: Answers,
    judged: Mapping[str, _Judged],
    minors: Mapping[str, int],
) -> Score:
    truths = {name: world.of_lines[name] for name in names}
    decidable = [n for n in names if truths[n].settles and truths[n].decidable]
    matched = [n for n in names if answers.settled.get(n)]
    right = [n for n in decidable if judged[n].is_right]
    return Score(
        lines=len(names),
        decidable=len(decidable),
        matched=len(matched),
        false=sum(not judged[n].is_right for n in matched),
        right=len(right),
        ambiguous=sum(answers.of_lines.get(n) == "ambiguous" for n in names),
        pairs_right=sum(judged[n].pairs_right for n in names),
        pairs_found=sum(judged[n].pairs_right for n in decidable),
        pairs_made=sum(len(answers.settled.get(n, ())) for n in names),
        pairs_true=sum(len(truths[n].settles) for n in decidable),
        money_right=sum(minors[n] for n in right),
        money_true=sum(minors[n] for n in decidable),
    )


def _classes(world: World, answers: Answers) -> Mapping[str, ClassScore]:
    """How each class of break is found, over lines and payouts that have one or were given one."""
    true: Counter[str] = Counter()
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for truths, said in (
        (world.of_lines, answers.of_lines),
        (world.of_payouts, answers.of_payouts),
    ):
        for name, truth in truths.items():
            if not truth.decidable and (truths is world.of_payouts or name in answers.settled):
                continue
            classes, told = truth.break_class.split(), said.get(name, "")
            real = told if told in classes else next(iter(classes), "")
            true[real] += 1
            found[told] += 1
            right[real] += real == told
    return {name: ClassScore(true[name], found[name], right[name]) for name in sorted(true) if name}


def _part(some: int, of: int, nothing: Fraction = _NOTHING) -> Fraction:
    return Fraction(some, of) if of else nothing

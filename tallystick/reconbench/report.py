"""A run of reconbench as JSON, and as tables for people."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table

from sandbox.reconbench.model import CASES
from tallystick.reconbench.run import Result, Timed
from tallystick.reconbench.scores import Score

_DIGITS: Final = 4
_WIDTH: Final = 100


def as_json(result: Result) -> dict[str, object]:
    """The whole run: conditions, every way's measures, by case and by class of break."""
    return {
        "seed": result.seed,
        "lines": result.lines,
        "payouts": result.payouts,
        "rules": result.rules,
        "detection_delay_days": result.delay_days,
        "peak_megabytes": result.megabytes,
        "unmet": list(result.unmet),
        "ways": [_way(way) for way in result.ways],
    }


def show(result: Result, out: TextIO) -> None:
    """Three tables: the ways beside one another, our cases, and our classes of break."""
    console = Console(file=out, width=_WIDTH, highlight=False)
    console.print(
        f"reconbench: seed {result.seed}, {result.lines:,} lines, {result.payouts:,} payouts,"
        f" rules {result.rules}"
    )
    ways = Table("measure", *(way.name for way in result.ways))
    for name, *values in _rows(result):
        ways.add_row(name, *values)
    console.print(ways)
    cases = Table("case", "what", "lines", "false", "auto-match", "group exact", "ambiguous")
    for case, what in CASES.items():
        if score := result.ours.scores.by_case.get(case):
            cases.add_row(case, what, *_case(score))
    console.print(cases)
    classes = Table("class of break", "planted", "told", "right", "F1")
    for name, each in result.ours.scores.by_class.items():
        classes.add_row(name, str(each.true), str(each.found), str(each.right), _rate(each.f1))
    console.print(classes)
    console.print(
        f"a payout that never comes is told {result.delay_days} days after its arrival (median);"
        f" at most {result.megabytes} MB"
    )
    for unmet in result.unmet:
        console.print(f"not met: {unmet}")


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    scores = [way.scores for way in result.ways]
    yield ("false matches", *(str(s.overall.false) for s in scores))
    yield ("… of 10,000 lines", *(_rate(s.overall.false_rate * 10_000, 1) for s in scores))
    yield ("auto-match rate", *(_rate(s.overall.auto_match_rate) for s in scores))
    yield ("pair precision", *(_rate(s.overall.precision, 5) for s in scores))
    yield ("pair recall", *(_rate(s.overall.recall) for s in scores))
    yield ("money-weighted recall", *(_rate(s.overall.money_recall) for s in scores))
    yield ("ambiguous rate", *(_rate(s.overall.ambiguous_rate) for s in scores))
    yield ("macro-F1 of breaks", *(_rate(s.macro_f1) for s in scores))
    yield ("processor seconds", *(f"{way.processor_seconds:.1f}" for way in result.ways))
    yield ("lines a processor second", *(f"{way.lines_per_second:,}" for way in result.ways))


def _case(score: Score) -> Iterator[str]:
    yield str(score.lines)
    yield str(score.false)
    yield _rate(score.auto_match_rate) if score.decidable else "-"
    yield f"{score.right}/{score.decidable}"
    yield str(score.ambiguous)


def _way(way: Timed) -> dict[str, object]:
    scores = way.scores
    return {
        "name": way.name,
        "overall": _score(scores.overall),
        "macro_f1": _decimal(scores.macro_f1),
        "seconds": round(way.seconds, 3),
        "processor_seconds": round(way.processor_seconds, 3),
        "lines_per_processor_second": way.lines_per_second,
        "cases": {case: _score(score) for case, score in scores.by_case.items()},
        "classes": {
            name: {
                "planted": each.true,
                "told": each.found,
                "right": each.right,
                "f1": _decimal(each.f1),
            }
            for name, each in scores.by_class.items()
        },
    }


def _score(score: Score) -> dict[str, object]:
    return {
        "lines": score.lines,
        "decidable": score.decidable,
        "matched": score.matched,
        "false": score.false,
        "right": score.right,
        "ambiguous": score.ambiguous,
        "false_rate": _decimal(score.false_rate),
        "auto_match_rate": _decimal(score.auto_match_rate),
        "pair_precision": _decimal(score.precision),
        "pair_recall": _decimal(score.recall),
        "money_recall": _decimal(score.money_recall),
        "ambiguous_rate": _decimal(score.ambiguous_rate),
    }


def _decimal(value: Fraction) -> str:
    """A rate as text, so that the file is the same on every machine."""
    return _rate(value, 6)


def _rate(value: Fraction, digits: int = _DIGITS) -> str:
    scaled = round(value * 10**digits)
    whole, rest = divmod(abs(scaled), 10**digits)
    return f"{'-' if scaled < 0 else ''}{whole}.{rest:0{digits}}"

"""What the oracle found: differences in a fixed order, and how much was compared."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum

from oracle.values import Leg, Position

_SHOWN_MAX = 1000
# What is wrong with an entry itself goes before what follows from it.
_CAUSES = ("missing", "extra", "booked_twice", "legs_differ", "unbalanced")


class Verdict(IntEnum):
    """The exit code: equal, different, or not decided, which is never green."""

    EQUAL = 0
    DIFFERENT = 1
    UNDECIDED = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the books say otherwise than the topics."""

    kind: str
    subject: str
    expected: str = ""
    found: str = ""
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict, how much was compared, and every difference."""

    compared: Mapping[str, int]
    differences: tuple[Difference, ...] = ()
    undecided: str = ""
    notes: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def verdict(self) -> Verdict:
        """Undecided goes before everything, then any difference."""
        if self.undecided or not self.compared.get("entries") or not self.compared.get("records"):
            return Verdict.UNDECIDED
        return Verdict.DIFFERENT if self.differences else Verdict.EQUAL

    @property
    def why_undecided(self) -> str:
        """The reason of an undecided verdict, empty for the others."""
        if self.verdict is not Verdict.UNDECIDED:
            return ""
        return self.undecided or "nothing was compared: no records or no entries"


def sorted_differences(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Each difference once, the earliest message first, those without a message after."""
    return tuple(
        sorted(
            dict.fromkeys(found),
            key=lambda d: (
                d.position is None,
                d.position or ("", 0, 0),
                d.kind not in _CAUSES,
                d.kind,
                d.subject,
            ),
        )
    )


def as_json(report: Report) -> str:
    """The report for machines: at most 1,000 differences, and how many there are."""
    return json.dumps(
        {
            "verdict": report.verdict.name.lower(),
            "undecided": report.why_undecided,
            "compared": dict(report.compared),
            "notes": dict(report.notes),
            "differences_total": len(report.differences),
            "differences": [asdict(found) for found in report.differences[:_SHOWN_MAX]],
        },
        indent=2,
    )


def as_text(report: Report) -> str:
    """The report for people: the verdict, the first difference in full, the others counted."""
    compared = ", ".join(f"{count} {what}" for what, count in report.compared.items())
    lines: list[str] = []
    if report.verdict is Verdict.UNDECIDED:
        lines.append(f"Not decided: {report.why_undecided}")
    elif report.verdict is Verdict.EQUAL:
        lines.append("The books equal what the topics tell.")
    else:
        lines += _first(report.differences)
    lines.append(f"Compared: {compared or 'nothing'}")
    return "\n".join(lines)


def _first(differences: Sequence[Difference]) -> list[str]:
    first = differences[0]
    where = f" at {first.position.origin} offset {first.position.offset}" if first.position else ""
    kinds = Counter(found.kind for found in differences)
    counted = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
    return [
        f"The books differ from what the topics tell in {len(differences)} places ({counted}).",
        f"First difference: {first.kind}, {first.subject}{where}",
        f"  expected: {first.expected or 'nothing'}",
        f"  found:    {first.found or 'nothing'}",
    ]


def written(legs: Iterable[Leg]) -> str:
    """Legs on one line, debits first: ``Dr a[k] 5 usd · Cr b 5 usd``."""
    by_side = sorted(legs, key=lambda leg: (leg.minor < 0, leg))
    return " · ".join(
        f"{'Dr' if leg.minor > 0 else 'Cr'} {leg.account}{f'[{leg.key}]' if leg.key else ''}"
        f" {abs(leg.minor)} {leg.currency}"
        for leg in by_side
    )

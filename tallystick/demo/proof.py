"""The pipeline's books and discrepancies held against the world's own: pure comparison."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Balance:
    """A balance in signed minor units, debit positive."""

    account: str
    currency: str
    exponent: int
    minor: int


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A discrepancy by what it is about; ``minor`` is ``None`` where it has no amount."""

    kind: str
    subject: str
    minor: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class Row:
    """One account in one currency on both sides."""

    account: str
    currency: str
    exponent: int
    booked: int
    true: int

    @property
    def is_equal(self) -> bool:
        """Whether both sides say the same."""
        return self.booked == self.true


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything laid side by side."""

    rows: tuple[Row, ...]
    found: tuple[Found, ...]
    missing: tuple[Found, ...]
    unexpected: tuple[Found, ...]

    @property
    def holds(self) -> bool:
        """Whether every balance and every discrepancy is equal, and something was compared."""
        return (
            bool(self.rows)
            and all(row.is_equal for row in self.rows)
            and not self.missing
            and not self.unexpected
        )


def prove(
    booked: Sequence[Balance],
    true: Sequence[Balance],
    found: Sequence[Found],
    expected: Sequence[Found],
) -> Proof:
    """Both sides of every account, and which discrepancies only one side knows.

    A balance that only one side names counts as zero on the other.
    """
    ours = {(b.account, b.currency): b for b in booked if b.minor}
    theirs = {(b.account, b.currency): b for b in true if b.minor}
    rows: list[Row] = []
    for key in sorted({*ours, *theirs}):
        either = ours.get(key) or theirs[key]
        rows.append(
            Row(
                account=either.account,
                currency=either.currency,
                exponent=either.exponent,
                booked=ours[key].minor if key in ours else 0,
                true=theirs[key].minor if key in theirs else 0,
            )
        )
    return Proof(
        rows=tuple(rows),
        found=tuple(found),
        missing=tuple(_without(expected, found)),
        unexpected=tuple(_without(found, expected)),
    )


def _without(some: Sequence[Found], others: Sequence[Found]) -> list[Found]:
    """Those of ``some`` that have no partner in ``others``, each partner used once."""
    left = [_said(each) for each in others]
    alone: list[Found] = []
    for each in some:
        if _said(each) in left:
            left.remove(_said(each))
        else:
            alone.append(each)
    return alone


def _said(found: Found) -> tuple[str, str, int, str]:
    return (found.kind, found.subject, found.minor or 0, found.currency if found.minor else "")

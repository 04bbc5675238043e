"""A statement laid out in rows, whatever it states: what tables, CSV and pages are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.contracts.money import Currency


class RowKind(StrEnum):
    """How a row is read."""

    HEADING = "heading"
    LINE = "line"
    TOTAL = "total"
    GRAND_TOTAL = "grand_total"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row: its words, and as many amounts as the sheet has columns; ``None`` is an empty cell.

    ``account`` is set where the row is one account's; ``text`` stands where no amount does.
    """

    kind: RowKind
    label: str
    amounts: tuple[int | None, ...] = ()
    account: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A statement in one currency; ``is_sound`` is whether what must hold of it holds."""

    title: str
    currency: Currency
    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    is_sound: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """An account and its amount, in the sign of its section."""

    account: str
    minor: int


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a heading, and their sum."""

    name: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> int:
        """The sum of the lines."""
        return sum(line.minor for line in self.lines)

    def rows(self) -> list[SheetRow]:
        """Heading, lines, total."""
        return [
            SheetRow(RowKind.HEADING, self.name),
            *(SheetRow(RowKind.LINE, n.account, (n.minor,), n.account) for n in self.lines),
            SheetRow(RowKind.TOTAL, f"Total {self.name}", (self.total,)),
        ]


def section(name: str, amounts: Mapping[str, int]) -> Section:
    """A section of what is not zero, by account."""
    return Section(name, tuple(Line(a, minor) for a, minor in sorted(amounts.items()) if minor))


def total(label: str, minor: int, *, grand: bool = False) -> SheetRow:
    """A sum in a sheet of one column."""
    return SheetRow(RowKind.GRAND_TOTAL if grand else RowKind.TOTAL, label, (minor,))

"""The chart of accounts: data in a TOML file, checked before anything is booked by it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts.errors import Unreadable
from shared.contracts.journal import ROOTS, Book, Direction

DEFAULT_CHART: Final = Path(__file__).with_name("chart.toml")
_PLACE = re.compile(r"[A-Z][A-Z0-9]*")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}")


class Root(StrEnum):
    """The five roots, and memo accounts, which stand in no statement."""

    ASSETS = "assets"
    LIABILITIES = "liabilities"
    EQUITY = "equity"
    REVENUE = "revenue"
    EXPENSES = "expenses"
    MEMO = "memo"

    @property
    def normal(self) -> Direction:
        """The side that makes an account of this root grow."""
        grows_by_debit = (Root.ASSETS, Root.EXPENSES, Root.MEMO)
        return Direction.DEBIT if self in grows_by_debit else Direction.CREDIT


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    display: str = Field(min_length=1, max_length=80)
    key: str = Field(default="", max_length=120)
    clearing: bool = False
    due_days: int | None = Field(default=None, ge=0, le=366)
    business: bool = False
    mirror: bool = False
    normal: Direction | None = None
    floor: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        root, *segments = self.name.split(":")
        if root not in ROOTS or not 1 <= len(segments) <= 7:
            raise ValueError(f"{self.name!r} is not a root and one to seven segments")
        if not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise ValueError(f"{self.name!r} has a segment that no account name can have")
        if self.clearing and not self.key:
            raise ValueError(f"{self.name} is a clearing account without a key to clear by")
        if self.due_days is not None and not self.clearing:
            raise ValueError(f"{self.name} has a due time and is not a clearing account")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    account: tuple[_Row, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [row.name for row in self.account]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"account named twice: {', '.join(doubled)}")
        return self


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """One account of the chart, or a family of them where a segment is in capitals.

    ``due_days`` is when a key that is not at zero becomes a break. ``is_mirror`` means that it
    repeats what somebody else keeps, so that no person posts to it; ``has_floor``, that no command
    may take more from it, or from one of its keys, than is available.
    """

    name: str
    display: str
    root: Root
    normal: Direction
    key: str
    is_clearing: bool
    due_days: int | None
    is_in_business_days: bool
    is_mirror: bool
    has_floor: bool

    def covers(self, name: str) -> bool:
        """Whether an account's name is this one, or one of this family."""
        pattern, segments = self.name.split(":"), name.split(":")
        return len(pattern) == len(segments) and all(
            own == other or (_PLACE.fullmatch(own) and _SEGMENT.fullmatch(other))
            for own, other in zip(pattern, segments, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Chart:
    """All accounts of a book, in the order of the file."""

    accounts: tuple[ChartAccount, ...]

    def find(self, name: str) -> ChartAccount | None:
        """The account of that name, a family only where no account has the very name."""
        exact = next((a for a in self.accounts if a.name == name), None)
        return exact or next((a for a in self.accounts if a.covers(name)), None)

    def clearing(self) -> tuple[ChartAccount, ...]:
        """The accounts of which each key is to return to zero."""
        return tuple(a for a in self.accounts if a.is_clearing)

    def display(self, name: str) -> str:
        """What people read for an account: its display name, else its own."""
        known = self.find(name)
        return known.display if known is not None else name


NO_CHARTS: Final[Mapping[Book, Chart]] = MappingProxyType({})


def chart_of(text: str) -> Chart:
    """The chart that a TOML text says.

    Raises:
        Unreadable: Not TOML, or not a chart; says where.
    """
    try:
        told = _File.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise Unreadable(f"not a chart of accounts: {'; '.join(_mistakes(error))}") from None
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"not TOML: {error}") from None
    return Chart(tuple(_account(row) for row in told.account))


def _mistakes(error: ValidationError) -> list[str]:
    """The first mistakes of a file; a list is not too short when its rows are what is wrong."""
    found = error.errors(include_url=False)
    within = {mistake["loc"][:n] for mistake in found for n in range(len(mistake["loc"]))}
    return [
        f"{'.'.join(map(str, mistake['loc'])) or 'chart'}:"
        f" {mistake['msg'].removeprefix('Value error, ')}"
        for mistake in found
        if mistake["type"] != "too_short" or mistake["loc"] not in within
    ][:3]


@cache
def default_chart() -> Chart:
    """The chart that a book has when it names none."""
    return chart_of(DEFAULT_CHART.read_text(encoding="utf-8"))


def _account(row: _Row) -> ChartAccount:
    root = Root(row.name.partition(":")[0])
    return ChartAccount(
        name=row.name,
        display=row.display,
        root=root,
        normal=row.normal or root.normal,
        key=row.key,
        is_clearing=row.clearing,
        due_days=row.due_days,
        is_in_business_days=row.business,
        is_mirror=row.mirror,
        has_floor=row.floor,
    )

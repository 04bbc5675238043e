"""How lines are matched, as data: rails and their windows, margins, bounds, named tolerances.

A TOML file with a version, checked when it is read; ``rules.toml`` is what is shipped. The order
of the passes is no choice: a file may leave passes out, and never turn them round.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from services.reconciler.rules.bank_calendars import Calendar, calendars
from services.reconciler.rules.expectations import Expectation, Expected
from shared.contracts.errors import AccountInvalid, CurrencyUnknown, Unreadable
from shared.contracts.journal import account as account_of
from shared.contracts.money import currency_of

RULES_FILE: Final = Path(__file__).with_name("rules.toml")
BUSINESS_DAYS_MAX: Final = 60
_PLACES: Final = ("expenses", "revenue")


class Pass(StrEnum):
    """The passes, in the order in which they run."""

    REFERENCE = "reference"
    OTHER_AMOUNT = "other_amount"
    CLOSED = "closed"
    AMOUNT = "amount"
    ASSIGNMENT = "assignment"
    COMBINATION = "combination"
    PARTS = "parts"
    TOLERANCE = "tolerance"


_ALWAYS: Final = (Pass.REFERENCE, Pass.OTHER_AMOUNT)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RailRow(_Part):
    """One rail: the days on which its money comes, and when it is overdue."""

    name: str = Field(min_length=1, max_length=40)
    what: tuple[Expected, ...] = ()
    currencies: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    calendar: str = "weekends"
    calendars: Mapping[str, str] = Field(default_factory=dict[str, str])
    early: int = Field(ge=0, le=10)
    late: int = Field(ge=0, le=BUSINESS_DAYS_MAX)
    overdue: int = Field(ge=0, le=BUSINESS_DAYS_MAX)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        unknown = {self.calendar, *self.calendars.values()} - calendars().keys()
        if unknown:
            raise ValueError(f"no such calendar: {', '.join(sorted(unknown))}")
        if self.overdue > self.late:
            raise ValueError(f"{self.name} is overdue after its window is over")
        return self

    def fits(self, expected: Expectation) -> bool:
        """Whether what is expected goes by this rail."""
        return (
            (not self.what or expected.what in self.what)
            and (not self.currencies or expected.currency in self.currencies)
            and (not self.methods or expected.method in self.methods)
        )


class ReferenceRules(_Part):
    """What a reference proves."""

    unsure_part: int = Field(default=10, ge=1, le=1_000)
    parts_max: int = Field(default=8, ge=2, le=12)


class AssignmentRules(_Part):
    """When the best assignment is good enough."""

    margin: int = Field(default=20, ge=1, le=100)
    margin_unnamed: int = Field(default=30, ge=1, le=100)
    lines_max: int = Field(default=60, ge=2, le=200)
    edits_max: int = Field(default=5, ge=0, le=6)


class CombinationRules(_Part):
    """How far sums are looked for."""

    payouts_max: int = Field(default=16, ge=2, le=20)
    lines_max: int = Field(default=40, ge=2, le=64)
    parts_max: int = Field(default=4, ge=2, le=4)
    accident_unnamed: int = Field(default=200, ge=1)
    accident_named: int = Field(default=20, ge=1)


class Tolerance(_Part):
    """A difference that is posted by its name."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z_]*$")
    account: str
    takes: Literal["short", "either"] = "short"
    amount_max: Mapping[str, int] = Field(default_factory=dict[str, int])
    per_mille_max: int = Field(ge=0, le=200)
    stands_alone: bool = False
    words: tuple[str, ...] = ()
    around: tuple[str, ...] = ()

    @field_validator("account")
    @classmethod
    def _is_a_result(cls, name: str) -> str:
        if account_of(name).partition(":")[0] not in _PLACES:
            raise ValueError(f"a difference is an expense or a revenue, not {name}")
        return name

    @field_validator("amount_max")
    @classmethod
    def _registered(cls, amounts: Mapping[str, int]) -> Mapping[str, int]:
        for code, minor in amounts.items():
            currency_of(code)
            if minor < 0:
                raise ValueError(f"{code}: a bound is not below zero")
        return amounts

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.stands_alone and not self.words:
            raise ValueError(f"{self.name} stands alone and asks for no word")
        return self

    def takes_in(self, *, due_minor: int, minor: int, currency: str) -> bool:
        """Whether a line of this amount is within the band of what is due."""
        apart = abs(minor) - abs(due_minor)
        if not apart or (minor > 0) != (due_minor > 0):
            return False
        if self.takes == "short" and minor > due_minor:
            return False
        bound = self.amount_max.get(currency)
        if self.amount_max and bound is None:
            return False
        return abs(apart) * 1_000 <= abs(due_minor) * self.per_mille_max and (
            bound is None or abs(apart) <= bound
        )


class _File(_Part):
    version: int = Field(ge=1)
    passes: tuple[Pass, ...]
    rail: tuple[RailRow, ...] = Field(min_length=1)
    reference: ReferenceRules = ReferenceRules()
    assignment: AssignmentRules = AssignmentRules()
    combination: CombinationRules = CombinationRules()
    tolerance: tuple[Tolerance, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        in_order = [each for each in Pass if each in self.passes]
        if list(self.passes) != in_order:
            raise ValueError(f"the passes have one order: {', '.join(in_order)}")
        if missing := [each for each in _ALWAYS if each not in self.passes]:
            raise ValueError(f"these passes always run: {', '.join(missing)}")
        last = self.rail[-1]
        if last.what or last.currencies or last.methods:
            raise ValueError(f"the last rail has to fit all, and {last.name} does not")
        for what, names in (("rail", self.rail), ("tolerance", self.tolerance)):
            told = [each.name for each in names]
            if doubled := sorted({name for name in told if told.count(name) > 1}):
                raise ValueError(f"{what} named twice: {', '.join(doubled)}")
        return self


@dataclass(frozen=True, slots=True)
class Rail:
    """A rail with its calendar: how many business days early and late, and when it is overdue."""

    name: str
    calendar: Calendar
    early: int
    late: int
    overdue: int


@dataclass(frozen=True, eq=False)
class MatchingRules:
    """A checked set of rules. ``id`` is its version and the digest of all that it says."""

    id: str
    version: int
    passes: frozenset[Pass]
    rails: tuple[RailRow, ...]
    reference: ReferenceRules
    assignment: AssignmentRules
    combination: CombinationRules
    tolerances: tuple[Tolerance, ...]
    _known: dict[tuple[Expected, str, str], Rail] = field(
        default_factory=dict[tuple[Expected, str, str], Rail]
    )

    def rail_of(self, expected: Expectation) -> Rail:
        """The rail that what is expected goes by."""
        key = (expected.what, expected.currency, expected.method)
        if key not in self._known:
            row = next(row for row in self.rails if row.fits(expected))
            calendar = calendars()[row.calendars.get(expected.currency, row.calendar)]
            self._known[key] = Rail(row.name, calendar, row.early, row.late, row.overdue)
        return self._known[key]

    def band_of(
        self, *, due_minor: int, minor: int, currency: str, words: frozenset[str]
    ) -> Tolerance | None:
        """The first band that a difference is within, by its amount and the line's words."""
        for band in self.tolerances:
            is_said = not band.words or not words.isdisjoint(band.words)
            if is_said and band.takes_in(due_minor=due_minor, minor=minor, currency=currency):
                return band
        return None


def rules_of(text: str) -> MatchingRules:
    """The rules that a TOML text tells.

    Raises:
        Unreadable: Not TOML, or not rules; says where and why.
    """
    try:
        told = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"the rules are not TOML: {error}") from None
    except (CurrencyUnknown, AccountInvalid) as error:
        raise Unreadable(f"the rules are not right: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Unreadable(
            f"the rules are not right at {where or 'the top'}: {first['msg']}"
        ) from None
    return MatchingRules(
        id=f"{told.version}-{_digest(told)}",
        version=told.version,
        passes=frozenset(told.passes),
        rails=told.rail,
        reference=told.reference,
        assignment=told.assignment,
        combination=told.combination,
        tolerances=told.tolerance,
    )


@cache
def default_rules() -> MatchingRules:
    """The rules that are shipped."""
    return rules_of(RULES_FILE.read_text("utf-8"))


def without(rules: MatchingRules, passes: Sequence[Pass]) -> MatchingRules:
    """The rules with some passes left out: what a lesser engine would do."""
    left = rules.passes - frozenset(passes)
    return MatchingRules(
        id=f"{rules.id} without {' '.join(sorted(passes))}",
        version=rules.version,
        passes=left,
        rails=rules.rails,
        reference=rules.reference,
        assignment=rules.assignment,
        combination=rules.combination,
        tolerances=rules.tolerances,
    )


def _digest(told: _File) -> str:
    said = json.dumps(told.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()[:8]

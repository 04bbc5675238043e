"""Monitors: thresholds on balances and ratios, with hysteresis, so that a figure does not chatter.

A monitor that ``falls_to`` a threshold is breached when its figure is at it or below; one that
``rises_to`` it, when the figure is at it or above. It is cleared when the figure has left the
threshold and has come as far as ``clears_at``, which is the threshold unless it says otherwise.
Between the two it stays as it was.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from services.console.statements.solvency import Solvency
from shared.contracts.errors import CurrencyUnknown, Refused, Unreadable
from shared.contracts.journal import DEFAULT_BOOK, ROOTS, account
from shared.contracts.money import Currency, currency_of
from shared.contracts.monitors import MonitorState

MONITORS_MAX: Final = 200
_DEBIT_ROOTS: Final = ("assets", "expenses", "memo")
# What was issued is the other side of what customers have.
_BY_CREDIT: Final = ("memo:credits-issued",)


def _exact(told: object) -> object:
    """Numbers of TOML are binary floats, and money is not; so they come as text or whole."""
    if isinstance(told, float):
        raise ValueError(f'write "{told}" as text, so that it is exact')  # noqa: TRY004  # pydantic's
    return told


Threshold = Annotated[Decimal, BeforeValidator(_exact)]


class RatioName(StrEnum):
    """The ratios of the solvency statement that can be watched."""

    CURRENT_RATIO = "current_ratio"
    QUICK_RATIO = "quick_ratio"
    DEBT_TO_EQUITY = "debt_to_equity"
    RUNWAY_DAYS = "runway_days"


class Monitor(BaseModel):
    """One threshold: on what stands on an account and those under it, or on a ratio.

    A balance is positive on its normal side: what is owned, spent, owed, earned. With ``key`` it is
    that of one key of an account. A ratio is that of all currencies translated into ``currency``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w .:\-]+$")]
    book: str = DEFAULT_BOOK
    account: str | None = None
    key: str = ""
    ratio: RatioName | None = None
    currency: str
    falls_to: Threshold | None = None
    rises_to: Threshold | None = None
    clears_at: Threshold | None = None

    @field_validator("currency")
    @classmethod
    def _registered(cls, code: str) -> str:
        try:
            return currency_of(code).code
        except CurrencyUnknown as unknown:
            raise ValueError(str(unknown)) from None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.account is None) == (self.ratio is None):
            raise ValueError("name an account or a ratio")
        if (self.falls_to is None) == (self.rises_to is None):
            raise ValueError("say falls_to or rises_to")
        if self.account is not None:
            _check_account(self.account)
        if self.key and self.account is None:
            raise ValueError("a key is one of an account")
        unit = self.unit
        for number in (self.falls_to, self.rises_to, self.clears_at):
            if number is not None and self.account and (Fraction(number) * unit).denominator != 1:
                raise ValueError(f"{number} has more decimals than {self.currency}")
        if (self.clears - self.threshold) * (1 if self.is_floor else -1) < 0:
            raise ValueError("clears_at lies on the sound side of the threshold")
        return self

    @property
    def money(self) -> Currency:
        """The currency of the figure, or the one that ratios are taken in."""
        return currency_of(self.currency)

    @property
    def unit(self) -> int:
        """How many units of the figure are one of the numbers in the file."""
        return 10**self.money.exponent if self.account is not None else 1

    @property
    def is_floor(self) -> bool:
        """Whether low is what it warns of."""
        return self.falls_to is not None

    @property
    def threshold(self) -> Decimal:
        """Where it is breached."""
        return self.falls_to if self.falls_to is not None else self.rises_to or Decimal(0)

    @property
    def clears(self) -> Decimal:
        """How far the figure must come back."""
        return self.clears_at if self.clears_at is not None else self.threshold

    @property
    def figure(self) -> str:
        """What is watched, in words."""
        if self.ratio is not None:
            return f"{self.ratio.value.replace('_', ' ')} in {self.money.code.upper()}"
        place = f"{self.account}[{self.key}]" if self.key else self.account
        return f"balance of {place} in {self.money.code.upper()}"


class MonitorFile(BaseModel):
    """The file of monitors: ``[[monitor]]`` tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    monitor: Annotated[tuple[Monitor, ...], Field(max_length=MONITORS_MAX)] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [(each.book, each.name) for each in self.monitor]
        doubled = sorted({name for book, name in names if names.count((book, name)) > 1})
        if doubled:
            raise ValueError(f"monitor named twice: {', '.join(doubled)}")
        return self


@dataclass(frozen=True, slots=True)
class Value:
    """What a figure is, exact, in minor units where it is money; ``None``: without bound.

    A ratio is without bound where nothing is owed, nothing is burnt, or there is no equity.
    """

    exact: Fraction | None

    @classmethod
    def balance(cls, name: str, minor: int) -> Self:
        """A balance, debit positive as it is kept, turned to the normal side of its account."""
        is_debit = name.partition(":")[0] in _DEBIT_ROOTS and name not in _BY_CREDIT
        return cls(Fraction(minor if is_debit else -minor))


def of_ratio(name: RatioName, found: Solvency) -> Value:
    """A ratio of a solvency statement as a monitor takes it, also where it divides by nought.

    Where nothing is owed, what pays is enough, unless it is itself overdrawn; and debt that there
    is none of is none, in a book without equity too, as each is before anything is booked in it.
    """
    match name:
        case RatioName.CURRENT_RATIO:
            ratio, is_nought = found.current_ratio, found.current_assets < 0
        case RatioName.QUICK_RATIO:
            ratio, is_nought = found.quick_ratio, found.quick_assets < 0
        case RatioName.DEBT_TO_EQUITY:
            ratio, is_nought = found.debt_to_equity, found.liabilities <= 0 <= found.net_equity
        case RatioName.RUNWAY_DAYS:
            ratio, is_nought = found.runway_days, False
    return Value(Fraction(0) if ratio.value is None and is_nought else ratio.value)


def judged(monitor: Monitor, value: Value, before: MonitorState) -> MonitorState:
    """How a monitor stands with a value, when it stood so before."""
    if _reaches(monitor, value):
        return MonitorState.BREACHED
    is_back = before is not MonitorState.BREACHED or _comes_back(monitor, value)
    return MonitorState.CLEARED if is_back else MonitorState.BREACHED


def monitors_of(text: str, books: Iterable[str]) -> tuple[Monitor, ...]:
    """The monitors that a TOML text says.

    Raises:
        Unreadable: Not TOML, not monitors, or of a book that there is not; says where.
    """
    try:
        told = MonitorFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"not TOML: {error}") from None
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, mistake['loc'])) or 'file'}: {mistake['msg']}"
            for mistake in error.errors(include_url=False)[:3]
        )
        raise Unreadable(f"not monitors: {said}") from None
    known = set(books)
    for each in told.monitor:
        if each.book not in known:
            raise Unreadable(f"monitor {each.name}: there is no book {each.book!r}")
    return told.monitor


def _check_account(name: str) -> None:
    if name in ROOTS:
        return
    try:
        account(name)
    except Refused as refused:
        raise ValueError(str(refused)) from None


def _reaches(monitor: Monitor, value: Value) -> bool:
    if value.exact is None:
        return not monitor.is_floor
    bound = Fraction(monitor.threshold) * monitor.unit
    return value.exact <= bound if monitor.is_floor else value.exact >= bound


def _comes_back(monitor: Monitor, value: Value) -> bool:
    if value.exact is None:
        return monitor.is_floor
    bound = Fraction(monitor.clears) * monitor.unit
    return value.exact >= bound if monitor.is_floor else value.exact <= bound

"""Figures that statements are made of, and their translation into one currency.

Amounts are whole minor units. A translation is exact until its line is complete, and is then
rounded once: half a minor unit goes away from zero. No float touches any of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from shared.contracts.money import Currency

MEMO: Final = "memo"


@dataclass(frozen=True, slots=True)
class Figure:
    """What an account turned over in a currency.

    ``at_daily_rates`` is its net in minor units of the reporting currency, exact, each day at its
    rate; ``None`` where none was asked for, or a day has no rate: ``missing_on`` is the first such.
    """

    account: str
    currency: Currency
    debit: int
    credit: int
    at_daily_rates: Fraction | None = None
    missing_on: date | None = None

    @property
    def net(self) -> int:
        """Debit positive."""
        return self.debit - self.credit


@dataclass(frozen=True, slots=True)
class Rate:
    """One major unit of ``base`` in major units of the reporting currency, as of a day."""

    base: Currency
    value: Fraction
    on: date


@dataclass(frozen=True, slots=True)
class MissingRate:
    """A rate that a figure waits for; ``on`` is the day that needs it, ``None`` for the last."""

    base: str
    quote: str
    on: date | None

    def __str__(self) -> str:
        when = f" on or before {self.on}" if self.on is not None else ""
        return f"no rate of {self.base.upper()} in {self.quote.upper()}{when}"


@dataclass(frozen=True, slots=True)
class Closing:
    """The last rates on or before a day into one currency."""

    reporting: Currency
    rates: Mapping[str, Rate]
    on: date | None = None

    def minor(self, figure: Figure) -> Fraction | MissingRate:
        """A figure's net at the closing rate, in minor units of the reporting currency, exact.

        Nothing is nothing at any rate, so what stands at nought waits for none.
        """
        if figure.currency == self.reporting or not figure.net:
            return Fraction(figure.net)
        rate = self.rates.get(figure.currency.code)
        if rate is None:
            return MissingRate(figure.currency.code, self.reporting.code, self.on)
        return in_minor(figure.net * rate.value, figure.currency, self.reporting)


@dataclass(frozen=True, slots=True)
class Translated:
    """Nets by account in the reporting currency, or the rates that are missing for them."""

    nets: Mapping[str, int]
    missing: tuple[MissingRate, ...] = ()


def in_minor(minor_times_rate: Fraction, base: Currency, reporting: Currency) -> Fraction:
    """Minor units of ``base`` times a rate of major units, as minor units of ``reporting``."""
    return minor_times_rate * Fraction(10) ** (reporting.exponent - base.exponent)


def rounded(exact: Fraction) -> int:
    """The nearest integer; a half goes away from zero."""
    whole = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return whole if exact >= 0 else -whole


def root_of(account: str) -> str:
    """The root of an account's name."""
    return account.partition(":")[0]


def counted(figures: Iterable[Figure]) -> list[Figure]:
    """The figures that stand in statements: those of memo accounts stand in none."""
    return [figure for figure in figures if root_of(figure.account) != MEMO]


def by_currency(figures: Iterable[Figure]) -> dict[Currency, dict[str, int]]:
    """Nets by account, each currency by itself, in sorted order."""
    found: defaultdict[Currency, dict[str, int]] = defaultdict(dict)
    ordered = sorted(counted(figures), key=lambda f: (f.currency, f.account))
    for figure in ordered:
        nets = found[figure.currency]
        nets[figure.account] = nets.get(figure.account, 0) + figure.net
    return dict(found)


def at_closing(figures: Iterable[Figure], closing: Closing) -> Translated:
    """Nets by account over all currencies at the closing rates."""
    return _translated((figure.account, closing.minor(figure)) for figure in counted(figures))


def at_daily(figures: Iterable[Figure], reporting: Currency) -> Translated:
    """Nets by account over all currencies, each day at its rate."""
    return _translated(
        (
            figure.account,
            MissingRate(figure.currency.code, reporting.code, figure.missing_on)
            if figure.at_daily_rates is None
            else figure.at_daily_rates,
        )
        for figure in counted(figures)
    )


def _translated(parts: Iterable[tuple[str, Fraction | MissingRate]]) -> Translated:
    sums: defaultdict[str, Fraction] = defaultdict(Fraction)
    missing: set[MissingRate] = set()
    for account, part in parts:
        if isinstance(part, MissingRate):
            missing.add(part)
        else:
            sums[account] += part
    nets = {account: rounded(sums[account]) for account in sorted(sums)}
    return Translated(nets, earliest(missing))


def earliest(missing: Iterable[MissingRate]) -> tuple[MissingRate, ...]:
    """Of each pair the missing rate that would fill the most: that of the earliest day."""
    found: dict[tuple[str, str], MissingRate] = {}
    for rate in sorted(missing, key=lambda m: (m.base, m.quote, m.on or date.max)):
        found.setdefault((rate.base, rate.quote), rate)
    return tuple(found.values())


def both(*translated: Translated) -> tuple[MissingRate, ...]:
    """What is missing for any of them."""
    return earliest(rate for each in translated for rate in each.missing)


def merged(figures: Iterable[Figure]) -> list[Figure]:
    """One figure for each account and currency: parts of a span added together."""
    found: dict[tuple[str, Currency], Figure] = {}
    for part in figures:
        name = (part.account, part.currency)
        known = found.get(name)
        if known is None:
            found[name] = part
            continue
        rates = (known.at_daily_rates, part.at_daily_rates)
        days = [day for day in (known.missing_on, part.missing_on) if day is not None]
        found[name] = Figure(
            part.account,
            part.currency,
            known.debit + part.debit,
            known.credit + part.credit,
            None if rates[0] is None or rates[1] is None else rates[0] + rates[1],
            min(days, default=None),
        )
    return [found[name] for name in sorted(found)]

"""Books for tests of statements: entries as a bookkeeper writes them, summed the slow and plain way."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from services.console.statements.figures import Closing, Figure, Rate, in_minor
from shared.contracts.money import Currency, currency_of

USD, EUR, JPY = currency_of("usd"), currency_of("eur"), currency_of("jpy")


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of an entry on a day; debit positive."""

    on: date
    account: str
    minor: int
    currency: Currency = USD


def booked(
    on: date, debited: str, credited: str, minor: int, currency: Currency = USD
) -> list[Leg]:
    """An entry of two legs."""
    return [Leg(on, debited, minor, currency), Leg(on, credited, -minor, currency)]


def turned_over(
    legs: Iterable[Leg],
    *,
    first: date = date.min,
    last: date = date.max,
    reporting: Currency | None = None,
    rates: Mapping[str, Mapping[date, Fraction]] | None = None,
) -> list[Figure]:
    """Figures of a span of days, with their nets at daily rates where a currency is asked for."""
    debit: defaultdict[tuple[str, Currency], int] = defaultdict(int)
    credit: defaultdict[tuple[str, Currency], int] = defaultdict(int)
    daily: defaultdict[tuple[str, Currency], Fraction] = defaultdict(Fraction)
    missing: dict[tuple[str, Currency], date] = {}
    for leg in legs:
        if not first <= leg.on <= last:
            continue
        name = (leg.account, leg.currency)
        debit[name] += max(leg.minor, 0)
        credit[name] += max(-leg.minor, 0)
        if reporting is None:
            continue
        rate = rate_on(rates or {}, leg.currency, reporting, leg.on)
        if rate is None:
            missing[name] = min(leg.on, missing.get(name, leg.on))
        else:
            daily[name] += in_minor(leg.minor * rate, leg.currency, reporting)
    return [
        Figure(
            *name,
            debit[name],
            credit[name],
            daily[name] if reporting is not None and name not in missing else None,
            missing.get(name),
        )
        for name in sorted(debit)
    ]


def rate_on(
    rates: Mapping[str, Mapping[date, Fraction]], base: Currency, quote: Currency, on: date
) -> Fraction | None:
    """The last rate on or before a day."""
    if base == quote:
        return Fraction(1)
    days = [day for day in rates.get(base.code, {}) if day <= on]
    return rates[base.code][max(days)] if days else None


def closing(rates: Mapping[str, Mapping[date, Fraction]], reporting: Currency, on: date) -> Closing:
    """The closing rates of a day."""
    found: dict[str, Rate] = {}
    for code, by_day in rates.items():
        base = currency_of(code)
        value = rate_on(rates, base, reporting, on)
        if value is not None:
            found[code] = Rate(base, value, max(day for day in by_day if day <= on))
    return Closing(reporting, found, on)

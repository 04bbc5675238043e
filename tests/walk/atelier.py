"""A book whose every figure the walk knows: a story told by command, and plain sums over it.

The sums here share nothing with the statements: legs with signs, added up in a loop.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from tests.walk.walking import Json, Walk

BOOK: Final = "atelier"
ZONE: Final = ZoneInfo("Europe/Berlin")
EXPONENTS: Final[Mapping[str, int]] = {"usd": 2, "eur": 2, "jpy": 0, "eth": 18}
USD: Final = "assets:bank:atelier_usd"
EUR: Final = "assets:bank:atelier_eur"
JPY: Final = "assets:bank:atelier_jpy"
MARCH: Final = date(2026, 3, 31)

Sums = dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Leg:
    """One posting; debits are positive."""

    account: str
    minor: int
    currency: str = "usd"
    key: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of the story, under the key of its command."""

    key: str
    at: datetime
    legs: tuple[Leg, ...]
    description: str = ""

    @property
    def reference(self) -> str:
        """What the entry is found by."""
        return f"command:desk:{self.key}"

    @property
    def day(self) -> date:
        """The day that it counts on, in the book's time zone."""
        return self.at.astimezone(ZONE).date()


def _on(month: int, day: int, hour: int = 11, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


STORY: Final = (
    Told("a-01", _on(1, 5), (Leg(USD, 1_000_000), Leg("equity:owner", -1_000_000))),
    Told("a-02", _on(1, 20), (Leg(EUR, 500_000, "eur"), Leg("equity:owner", -500_000, "eur"))),
    Told("a-03", _on(2, 3), (Leg("expenses:compute", 120_000), Leg(USD, -120_000))),
    Told("a-04", _on(2, 10), (Leg("expenses:domain", 10_000, "eur"), Leg(EUR, -10_000, "eur"))),
    Told(
        "a-05",
        _on(2, 14),
        (Leg("expenses:compute", 80_000), Leg("liabilities:payable", -80_000, key="acme")),
        # What a spreadsheet would run, with all that quoting has to stand.
        '=HYPERLINK("http://evil.test";"a, b")',
    ),
    Told(
        "a-06",
        _on(2, 20),
        (
            Leg("assets:receivable", 300_000, key="inv_1"),
            Leg("revenue:stripe", -250_000),
            Leg("liabilities:tax", -50_000),
        ),
    ),
    Told("a-07", _on(3, 2), (Leg(EUR, 200_000, "eur"), Leg("revenue:stripe", -200_000, "eur"))),
    Told("a-08", _on(3, 5), (Leg(JPY, 9_000, "jpy"), Leg("equity:owner", -9_000, "jpy"))),
    Told("a-09", _on(3, 6), (Leg("expenses:bank-fees", 500, "jpy"), Leg(JPY, -500, "jpy"))),
    Told(
        "a-10",
        _on(3, 10),
        (
            Leg("equity:exchange", 100_000, "eur"),
            Leg(EUR, -100_000, "eur"),
            Leg(USD, 115_000),
            Leg("equity:exchange", -115_000),
        ),
    ),
    Told("a-11", _on(3, 15), (Leg(USD, 100_000), Leg("assets:receivable", -100_000, key="inv_1"))),
    # Half past midnight on 1 April where the book is: no part of March.
    Told(
        "a-12",
        _on(3, 31, 22, 30),
        (Leg("liabilities:payable", 30_000, key="acme"), Leg(USD, -30_000)),
    ),
)
# Of February, and told when everything above was known.
LATE: Final = Told("a-13", _on(2, 25), (Leg("expenses:compute", 5_000), Leg(USD, -5_000)))
# Of June, in a currency for which there is no rate; its smallest digits go past 2^63.
UNRATED: Final = Told(
    "a-14",
    _on(6, 1),
    (
        Leg("assets:wallet:1:0xa", 10**20 + 1, "eth"),
        Leg("equity:owner", -(10**20) - 1, "eth"),
    ),
)
ALL: Final = (*STORY, LATE, UNRATED)

# Day, base, quote, rate: each product with an amount of the story is whole.
RATES: Final = (
    (date(2026, 1, 1), "eur", "1.10"),
    (date(2026, 1, 1), "jpy", "0.01"),
    (date(2026, 3, 1), "eur", "1.20"),
    (date(2026, 3, 31), "eur", "1.15"),
)


def tell(w: Walk) -> datetime:
    """Tell the story, once however often it is asked for; when all but the late was known.

    Raises:
        AssertionError: A command of it was refused.
    """
    for day, base, rate in RATES:
        wanted = {"kind": "exchange_rate", "base": base, "quote": "usd", "rate": rate}
        _asked(w, wanted | {"on": day.isoformat()}, f"rate-{base}-{day}")
    for told in STORY:
        _asked(w, _command(told), told.key)
    known_at = recorded(w, STORY[-1])
    for told in (LATE, UNRATED):
        _asked(w, _command(told), told.key)
    assert recorded(w, LATE) > known_at, "the late one was not recorded later"
    return known_at


def recorded(w: Walk, told: Told) -> datetime:
    """When an entry of the story was recorded."""
    (row,) = w.sql(
        "select recorded_at from ledger_read.entries where book = $1 and reference = $2",
        BOOK,
        told.reference,
    )
    at: datetime = row["recorded_at"]
    return at


def _asked(w: Walk, command: Json, key: str) -> None:
    answer = w.ask(BOOK, command, key=key)
    assert answer.status_code in (200, 201), answer.text


def _command(told: Told) -> Json:
    return {
        "kind": "manual_entry",
        "effective_at": told.at.isoformat(),
        "description": told.description,
        "postings": [
            {
                "account": leg.account,
                "key": leg.key,
                "side": "debit" if leg.minor > 0 else "credit",
                "amount": {
                    "minor": str(abs(leg.minor)),
                    "currency": leg.currency,
                    "exponent": EXPONENTS[leg.currency],
                },
            }
            for leg in told.legs
        ],
    }


def capital(minor: int, at: str, currency: str = "usd") -> Json:
    """The command by which an owner puts money into one of the banks."""
    amount = {"minor": str(minor), "currency": currency, "exponent": EXPONENTS[currency]}
    return {
        "kind": "owner_capital",
        "direction": "contribute",
        "amount": amount,
        "account": f"assets:bank:atelier_{currency}",
        "effective_at": at,
    }


def sums(
    told: Iterable[Told] = ALL, *, since: date = date.min, until: date = date.max, under: str = ""
) -> Sums:
    """What the accounts under one turn over within days, both included; what is at nothing goes."""
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for each in told:
        for leg in each.legs:
            if since <= each.day <= until and leg.account.startswith(under):
                found[leg.account, leg.currency] += leg.minor
    return {place: minor for place, minor in sorted(found.items()) if minor}


def total(of: Sums, *, under: str = "", currency: str = "") -> int:
    """The sum of what stands under a name in a currency."""
    return sum(
        minor
        for (account, its), minor in of.items()
        if account.startswith(under) and currency in ("", its)
    )


def rate_on(currency: str, day: date) -> Fraction:
    """The last rate to dollars on or before a day, for minor units of the one in the other.

    Raises:
        KeyError: There is none.
    """
    if currency == "usd":
        return Fraction(1)
    rates = {on: Fraction(rate) for on, base, rate in RATES if base == currency and on <= day}
    if not rates:
        raise KeyError(currency)
    return rates[max(rates)] * Fraction(10**2, 10 ** EXPONENTS[currency])


def in_dollars(of: Sums, day: date) -> int:
    """Sums at the rates of one day, in cents.

    Raises:
        ValueError: They are not whole.
    """
    return _whole(sum((minor * rate_on(its, day) for (_, its), minor in of.items()), Fraction()))


def earned_in_dollars(told: Iterable[Told], *, since: date, until: date) -> int:
    """Revenue less expenses within days, each at the rate of its day, in cents.

    Raises:
        ValueError: They are not whole.
    """
    return -_whole(
        sum(
            (
                leg.minor * rate_on(leg.currency, each.day)
                for each in told
                for leg in each.legs
                if since <= each.day <= until and leg.account.startswith(("revenue", "expenses"))
            ),
            Fraction(),
        )
    )


def _whole(value: Fraction) -> int:
    if value.denominator != 1:
        raise ValueError(f"{value} is no whole number of cents")
    return value.numerator

"""Money: an integer of minor units and a currency that knows its exponent.

Exponents are those that Stripe uses on the wire, which differ from ISO 4217 for ISK and UGX.
Source: Stripe docs, "Supported currencies", zero-, three-decimal and special cases.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Final, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.errors import AmountOutOfRange, CurrencyUnknown, Unreadable

MINOR_MAX: Final = 10**30
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,30}")

_ZERO = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE = "bhd jod kwd omr tnd"
_TWO = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad"
    " cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl"
    " htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop"
    " mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar"
    " sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs wst"
    " xcd xcg yer zar zmw"
    # What Stripe told once and tells no more, or tells of few countries: old history holds it.
    " btn eek ghs hrk ltl lvl mro sll svc vef"
)
_ASSETS = {"usdc": 6, "usdt": 6, "dai": 18, "eth": 18, "matic": 18, "pol": 18, "btc": 8}


class Currency(msgspec.Struct, frozen=True, order=True, gc=False):
    """A currency or asset: lower-case code, and how many decimals its minor unit has."""

    code: str
    exponent: int

    def __str__(self) -> str:
        return self.code.upper()


_BY_CODE: Final = {
    code: Currency(code, exponent)
    for codes, exponent in ((_ZERO, 0), (_TWO, 2), (_THREE, 3))
    for code in codes.split()
} | {code: Currency(code, exponent) for code, exponent in _ASSETS.items()}
CURRENCIES: Final[Mapping[str, Currency]] = MappingProxyType(_BY_CODE)


def currency_of(code: object) -> Currency:
    """The registered currency of a code, in upper or lower case.

    Raises:
        CurrencyUnknown: The code is not registered or not text.
    """
    if isinstance(code, str):
        found = _BY_CODE.get(code) or _BY_CODE.get(code.lower())
        if found is not None:
            return found
    raise CurrencyUnknown(code)


class Money(msgspec.Struct, frozen=True, order=True, gc=False):
    """An exact amount in minor units, of any sign.

    Raises:
        AmountOutOfRange: ``minor`` is not an ``int`` (a ``bool`` is not one), or past ±10^30.
    """

    minor: int
    currency: Currency

    def __post_init__(self) -> None:
        minor = self.minor
        if type(minor) is not int:
            raise AmountOutOfRange(minor, "is not an integer of minor units")
        if not -MINOR_MAX <= minor <= MINOR_MAX:
            raise AmountOutOfRange(minor, "is past 10^30 minor units")

    @classmethod
    def of(cls, minor: object, code: object) -> Self:
        """Money from what the outside sent: an ``int`` and a currency code.

        Raises:
            AmountOutOfRange: Not an integer, or out of range.
            CurrencyUnknown: The code is not registered.
        """
        if type(minor) is not int:
            raise AmountOutOfRange(minor, "is not an integer of minor units")
        return cls(minor, currency_of(code))

    def __add__(self, other: Self) -> "Money":
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Self) -> "Money":
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __abs__(self) -> "Money":
        return Money(abs(self.minor), self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return f"{decimal_text(self.minor, self.currency.exponent)} {self.currency}"

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")


def decimal_text(minor: int, exponent: int) -> str:
    """Minor units as a person writes them: ``-1.05`` for (-105, 2), ``105`` for (105, 0)."""
    sign = "-" if minor < 0 else ""
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    if exponent == 0:
        return sign + digits
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def allocate(total: Money, weights: Sequence[int]) -> tuple[Money, ...]:
    """``total`` split in proportion to ``weights``, with not one minor unit lost.

    Each share is rounded towards zero; the units left over go, one each, to the shares with the
    largest remainders, the earlier first (the largest-remainder method).

    Raises:
        ValueError: No weights, a negative one, or all zero.
    """
    whole = sum(weights)
    if not weights or whole <= 0 or min(weights) < 0:
        raise ValueError("weights must be non-negative and not all zero")
    size, sign = abs(total.minor), (1 if total.minor >= 0 else -1)
    floors = [size * weight // whole for weight in weights]
    left = size - sum(floors)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(size * weights[i] % whole), i))
    for i in by_remainder[:left]:
        floors[i] += 1
    return tuple(Money(sign * share, total.currency) for share in floors)


MinorText = Annotated[str, Field(pattern=r"^(0|-?[1-9][0-9]{0,30})$")]


class MoneyOnWire(BaseModel):
    """Money on a topic: the integer as text, since JavaScript loses integers past 2^53."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    minor: MinorText
    currency: str
    exponent: int = Field(ge=0, le=30)

    @classmethod
    def of(cls, money: Money) -> Self:
        """The wire form of an amount."""
        return cls(
            minor=str(money.minor),
            currency=money.currency.code,
            exponent=money.currency.exponent,
        )

    def money(self) -> Money:
        """The amount.

        Raises:
            CurrencyUnknown: The code is not registered.
            AmountOutOfRange: Past ±10^30.
            Unreadable: The sender counts other decimals than the registry.
        """
        currency = currency_of(self.currency)
        if currency.exponent != self.exponent:
            raise Unreadable(
                f"{self.currency} has {currency.exponent} decimals here, not {self.exponent}"
            )
        if not _INTEGER.fullmatch(self.minor):
            raise AmountOutOfRange(self.minor, "is not an integer of minor units")
        return Money(int(self.minor), currency)

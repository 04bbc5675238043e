"""Amounts and postings as a person writes them on a command line."""

import re
from typing import Final

from shared.contracts.errors import AmountOutOfRange, CurrencyUnknown
from shared.contracts.money import Money, MoneyOnWire, currency_of

_NUMBER: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?", re.ASCII)
_AMOUNT: Final = re.compile(r"(\S+?)\s*([A-Za-z]{2,10})", re.ASCII)
_LEG: Final = re.compile(r"([^\[\]=]+)(?:\[(.*)\])?=(.+)", re.DOTALL)

# More are past every amount, and a number of very many takes long to read.
DIGITS_MAX: Final = 200

Json = dict[str, object]


_IN_PARTS: Final = "book it in parts"
_AS_DIGITS: Final = "write it as '12.50 usd': digits and a point, above zero"


class AmountInvalid(ValueError):
    """Text that is no amount above zero of the currency; ``way_out`` says how to write one."""

    def __init__(self, said: str, way_out: str = _AS_DIGITS) -> None:
        super().__init__(said)
        self.way_out = way_out


def minor_of(text: str, currency: str) -> int:
    """An amount in minor units of a currency.

    Raises:
        AmountInvalid: Not above zero, or too precise for the currency.
        CurrencyUnknown: No such currency.
    """
    exponent = currency_of(currency).exponent
    number = _NUMBER.fullmatch(text)
    if number is None:
        raise AmountInvalid(f"{text[:40]!r} is no amount of {currency} above zero")
    decimals = number[2] or ""
    if decimals[exponent:].strip("0"):
        raise AmountInvalid(
            f"{text[:40]} has more decimals than {currency}, which has {exponent}",
            f"write at most {exponent} decimals" if exponent else f"write whole {currency}",
        )
    written = number[1] + decimals[:exponent].ljust(exponent, "0")
    if len(written) > DIGITS_MAX:
        raise AmountInvalid(
            f"{text[:40]} {currency} is past 10^30 minor units, the most there is", _IN_PARTS
        )
    minor = int(written)
    if minor == 0:
        raise AmountInvalid(f"{text[:40]!r} is no amount of {currency} above zero")
    return minor


def amount_on_wire(text: str) -> Json:
    """``12.50 usd`` or ``12.50usd`` as money on a topic.

    Raises:
        AmountInvalid: Not of that form, too precise, too large, or no currency.
    """
    told = _AMOUNT.fullmatch(text.strip())
    if told is None:
        raise AmountInvalid(f"{text[:60]!r} is no amount and currency")
    try:
        money = Money(minor_of(told[1], told[2]), currency_of(told[2]))
    except CurrencyUnknown as error:
        raise AmountInvalid(
            str(error), "name a currency by its ISO 4217 code, or an asset that the registry has"
        ) from None
    except AmountOutOfRange as error:
        raise AmountInvalid(str(error), _IN_PARTS) from None
    return MoneyOnWire.of(money).model_dump()


def posting_on_wire(text: str, side: str) -> Json:
    """``ACCOUNT=12.50 usd`` or ``ACCOUNT[KEY]=12.50 usd`` as a posting of a command.

    Raises:
        AmountInvalid: Not of that form.
    """
    told = _LEG.fullmatch(text.strip())
    if told is None:
        raise AmountInvalid(
            f"{text[:80]!r} is no posting",
            "write 'ACCOUNT=12.50 usd', or 'ACCOUNT[KEY]=12.50 usd'",
        )
    return {
        "account": told[1].strip(),
        "key": told[2] or "",
        "side": side,
        "amount": amount_on_wire(told[3]),
    }


def place_of(text: str) -> tuple[str, str]:
    """``ACCOUNT`` or ``ACCOUNT[KEY]`` as account and key, the key empty where there is none."""
    account, bracket, rest = text.strip().partition("[")
    return account, rest.removesuffix("]") if bracket else ""

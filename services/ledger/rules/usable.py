"""What a command may name: accounts that it may post to, amounts that are money, moments in UTC."""

from collections.abc import Callable
from datetime import UTC, datetime

from services.ledger.account_changes import KnownAccount
from services.ledger.chart import Root
from services.ledger.rules.refusals import CommandRefused
from shared.contracts.errors import AmountOutOfRange, CurrencyUnknown
from shared.contracts.money import MINOR_MAX, Currency, Money, MoneyOnWire, currency_of

Find = Callable[[str], KnownAccount | None]


def usable(
    name: str, find: Find, *, key: str = "", roots: tuple[Root, ...] | None = None
) -> KnownAccount:
    """The account of that name, if a command may post to it under that key.

    Raises:
        CommandRefused: It may not.
    """
    known = find(name)
    if known is None:
        raise CommandRefused(
            f"an entry posts to accounts of the chart: {name[:120]!r} is not one",
            rule="account_known",
            values={"account": name[:120]},
            way_out="choose another, open it (`tallystick accounts open`), or add it to the chart",
        )
    if not known.is_open:
        raise CommandRefused(
            f"{name} is closed",
            rule="account_open",
            values={"account": name},
            way_out="choose another, or open it again",
        )
    if roots is not None and known.root not in roots:
        raise CommandRefused(
            f"{name} is none of {', '.join(roots)}",
            rule="account_fits",
            values={"account": name, "roots": ",".join(roots)},
            way_out="choose another, or book it as a manual entry",
        )
    if known.is_mirror:
        raise CommandRefused(
            f"{name} always equals what Stripe says and takes balance transactions only",
            rule="mirror",
            values={"account": name},
            way_out="book against a key of assets:stripe:settling or liabilities:suspense",
        )
    if known.is_clearing and not key:
        raise CommandRefused(
            f"{name} is cleared by key",
            rule="clearing_key",
            values={"account": name, "key": known.key},
            way_out=f"name the {known.key} that this posting is about",
        )
    return known


def positive(told: MoneyOnWire, name: str) -> Money:
    """An amount that is above zero.

    Raises:
        CommandRefused: It is not, or it is none.
    """
    amount = _amount(told, name)
    if amount.minor <= 0:
        raise CommandRefused(
            f"an amount is above zero: {name} has {amount}",
            rule="positive",
            values={"account": name, "minor": str(amount.minor)},
            way_out="turn the side instead",
        )
    return amount


def _amount(told: MoneyOnWire, name: str) -> Money:
    known = known_currency(told.currency)
    if known.exponent != told.exponent:
        raise CommandRefused(
            f"{known} has {known.exponent} decimals here, not {told.exponent}",
            rule="currency_decimals",
            values={"account": name, "currency": known.code, "exponent": str(known.exponent)},
            way_out=f"tell it in minor units of {known.exponent} decimals",
        )
    try:
        return told.money()
    except AmountOutOfRange as error:
        raise CommandRefused(
            str(error),
            rule="amount_max",
            values={"account": name, "minor": told.minor, "minor_max": str(MINOR_MAX)},
            way_out="book it in parts",
        ) from None


def known_currency(code: str) -> Currency:
    """A currency that a command names.

    Raises:
        CommandRefused: It is not registered.
    """
    try:
        return currency_of(code)
    except CurrencyUnknown as error:
        raise CommandRefused(
            str(error),
            rule="currency_known",
            values={"currency": code[:60]},
            way_out="name a currency by its ISO 4217 code, or an asset that the registry has",
        ) from None


def in_utc(at: datetime) -> datetime:
    """A moment in UTC.

    Raises:
        CommandRefused: UTC has no such year.
    """
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise CommandRefused(
            f"an entry takes effect in the years 1 to 9999, not at {at}",
            rule="year_known",
            values={"effective_at": str(at)},
            way_out="say when it took effect",
        ) from None

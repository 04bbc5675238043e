"""Reading Plaid's objects: JSON with exact numbers in, told lines and balances out.

Plaid counts money that leaves as above zero, and a debt as a balance above zero: both are turned.
Its amounts are JSON numbers, which ``exact_json`` reads from their text, never as binary fractions.
Source: Plaid API reference, ``/transactions/sync``, ``/accounts/balance/get``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, cast

from services.feeds.increase import ID_CHARACTERS_MAX, Fields, text_of
from services.feeds.revisions import ToldBalance, ToldLine
from services.feeds.statements.texts import sha256_of
from shared.contracts.envelope import instant_of
from shared.contracts.errors import AmountOutOfRange, Refused, Unreadable
from shared.contracts.money import Currency, Money, currency_of
from shared.contracts.observations import LineState

PROVIDER: Final = "plaid"
# Of these a balance above zero is what we owe.
_DEBTS: Final = frozenset({"credit", "loan"})
_DIGITS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Changes:
    """What one page of ``/transactions/sync`` tells, and where the next one begins.

    ``replaced`` are pending lines in whose place a line of this page has come.
    """

    lines: tuple[ToldLine, ...]
    removed: tuple[str, ...]
    replaced: tuple[str, ...]
    unreadable: tuple[str, ...]
    cursor: str
    has_more: bool
    is_ready: bool


@dataclass(frozen=True, slots=True)
class PlaidAccount:
    """An account as Plaid tells it."""

    id: str
    currency: str
    balance: ToldBalance


def exact_json(data: bytes) -> object:
    """A JSON text whose fractions are exact.

    Raises:
        ValueError: It is no JSON.
    """
    return json.loads(data, parse_float=Decimal, parse_constant=_no_number)


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no number")


def changes_of(told: Fields, account_id: str) -> Changes:
    """A page of ``/transactions/sync``, of one account.

    A line that makes no sense is counted with its reason, and the others are told.

    Raises:
        Unreadable: The page itself is not what it should be.
    """
    lines: list[ToldLine] = []
    replaced: list[str] = []
    unreadable: list[str] = []
    for value in (*_list(told, "added"), *_list(told, "modified")):
        if value.get("account_id") != account_id:
            continue
        try:
            lines.append(line_of(value))
        except (Refused, OverflowError) as error:
            unreadable.append(str(error))
            continue
        before = value.get("pending_transaction_id")
        if isinstance(before, str) and before:
            replaced.append(before)
    cursor, has_more = told.get("next_cursor"), told.get("has_more")
    if not isinstance(cursor, str) or not isinstance(has_more, bool):
        raise Unreadable("the page has no next_cursor or has_more")
    status = told.get("transactions_update_status")
    return Changes(
        lines=tuple(lines),
        removed=tuple(text_of(v.get("transaction_id")) for v in _list(told, "removed")),
        replaced=tuple(replaced),
        unreadable=tuple(unreadable),
        cursor=cursor,
        has_more=has_more,
        # An empty first page is no news: Plaid has not asked the bank yet.
        is_ready=status != "NOT_READY" and (cursor != "" or bool(lines)),
    )


def line_of(value: Fields) -> ToldLine:
    """A transaction, pending or posted; money that leaves is below zero here.

    Raises:
        Refused: A field that a line needs is missing or makes no sense.
    """
    line_id = value.get("transaction_id")
    if not isinstance(line_id, str) or not 0 < len(line_id) <= ID_CHARACTERS_MAX:
        raise Unreadable("a bank line has no id")
    if not line_id.isprintable():
        raise Unreadable(f"bank line {line_id!r} has an odd id")
    booked_on = _day(value.get("date"), line_id)
    moment = value.get("datetime") or value.get("authorized_datetime")
    created = (
        instant_of(moment)
        if isinstance(moment, str)
        else datetime(booked_on.year, booked_on.month, booked_on.day, tzinfo=UTC)
    )
    meta = _fields(value.get("payment_meta"))
    words = (value.get("original_description"), value.get("name"))
    references = (
        value.get("original_description"),
        *(meta.get(k) for k in ("reference_number", "ppd_id", "by_order_of", "reason")),
        value.get("check_number"),
    )
    return ToldLine(
        id=line_id,
        state=LineState.PENDING if value.get("pending") is True else LineState.POSTED,
        amount=-_money(value.get("amount"), _currency(value)),
        created_at=created,
        booked_on=booked_on,
        value_on=None,
        description=text_of(next((w for w in words if w), "")),
        reference=text_of(" ".join(_once(references))),
        replaces=_replaced(value),
        counterparty=text_of(value.get("merchant_name") or meta.get("payer") or _party(value)),
        source_sha256=_digest(value),
    )


def _replaced(value: Fields) -> str:
    """The pending line in whose place a line has come; nothing where it is no id."""
    found = value.get("pending_transaction_id")
    if not isinstance(found, str) or len(found) > ID_CHARACTERS_MAX or not found.isprintable():
        return ""
    return found


def accounts_of(told: Fields, *, as_of: datetime | None) -> tuple[PlaidAccount, ...]:
    """The accounts of an answer that tells of some, with what they hold.

    Raises:
        Refused: One of them makes no sense.
    """
    found: list[PlaidAccount] = []
    for value in _list(told, "accounts"):
        balances = _fields(value.get("balances"))
        currency = _currency(balances)
        sign = -1 if value.get("type") in _DEBTS else 1
        current = _money(balances.get("current"), currency)
        available = balances.get("available")
        found.append(
            PlaidAccount(
                id=text_of(value.get("account_id")),
                currency=currency.code,
                balance=ToldBalance(
                    ledger=Money(sign * current.minor, currency),
                    # Of a card this is what may still be spent, which is nobody's money yet.
                    available=None
                    if available is None or sign < 0
                    else _money(available, currency),
                    as_of=as_of,
                    source_sha256=_digest(value),
                ),
            )
        )
    return tuple(found)


def _money(value: object, currency: Currency) -> Money:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise AmountOutOfRange(value, "is no number")
    exact = Decimal(value)
    if not exact.is_finite() or exact.adjusted() > _DIGITS_MAX:
        raise AmountOutOfRange(value, "is no amount")
    sign, digits, exponent = exact.as_tuple()
    shift = int(exponent) + currency.exponent
    whole = int("".join(map(str, digits)))
    if shift < 0:
        if -shift > len(digits) + _DIGITS_MAX or whole % 10**-shift:
            raise AmountOutOfRange(value, f"has more than the {currency.exponent} decimals")
        minor = whole // 10**-shift
    else:
        minor = whole * 10**shift
    return Money(-minor if sign else minor, currency)


def _currency(value: Fields) -> Currency:
    return currency_of(value.get("iso_currency_code") or value.get("unofficial_currency_code"))


def _day(value: object, line_id: str) -> date:
    if not isinstance(value, str) or len(value) != 10:
        raise Unreadable(f"bank line {line_id} has no day")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Unreadable(f"{value[:40]!r} is not a day") from None


def _party(value: Fields) -> object:
    parties = value.get("counterparties")
    first = cast("list[object]", parties)[:1] if isinstance(parties, list) else []
    return _fields(first[0]).get("name") if first else ""


def _once(texts: tuple[object, ...]) -> list[str]:
    return list(dict.fromkeys(t.strip() for t in texts if isinstance(t, str) and t.strip()))


def _digest(value: Fields) -> str:
    return sha256_of(json.dumps(value, separators=(",", ":"), sort_keys=True, default=str))


def _list(told: Fields, name: str) -> list[Fields]:
    found = told.get(name)
    if not isinstance(found, list):
        raise Unreadable(f"the answer has no list {name!r}")
    return [_fields(item) for item in cast("list[object]", found)]


def _fields(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}

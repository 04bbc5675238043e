"""Stripe's objects become facts: payouts and top-ups, transfers, kinds of movements, failures."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final, cast

from services.reconciler.facts.contents import PayoutContents
from services.reconciler.facts.kinds import (
    STRIPE_BALANCES,
    BalanceTransaction,
    Concern,
    Fact,
    StripeBalance,
    StripeReading,
    Transfer,
)
from services.reconciler.rules.expectations import Expectation, Expected, Stage
from shared.contracts import references
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.errors import Refused, Unreadable
from shared.contracts.money import Money

JsonObject = Mapping[str, object]

_SECONDS_MAX: Final = 253_402_300_799
_STAGES: Final[Mapping[str, Stage]] = MappingProxyType(
    {
        "pending": Stage.PENDING,
        "in_transit": Stage.IN_TRANSIT,
        "paid": Stage.PAID,
        "succeeded": Stage.PAID,
        "canceled": Stage.CANCELED,
        "failed": Stage.FAILED,
        "reversed": Stage.CANCELED,
    }
)
# What a balance transaction tells of a payout or top-up that nobody has shown.
_MOVEMENTS: Final[Mapping[str, tuple[Expected, Stage, int]]] = MappingProxyType(
    {
        "payout": (Expected.PAYOUT, Stage.PENDING, -1),
        "payout_failure": (Expected.PAYOUT, Stage.FAILED, 1),
        "payout_cancel": (Expected.PAYOUT, Stage.CANCELED, 1),
        "topup": (Expected.TOPUP, Stage.PENDING, 1),
        "topup_reversal": (Expected.TOPUP, Stage.CANCELED, -1),
        # A top-up under another name: money drawn from the bank into the balance.
        "inbound_transfer": (Expected.TOPUP, Stage.PENDING, 1),
        "inbound_transfer_reversal": (Expected.TOPUP, Stage.CANCELED, -1),
    }
)
# Where other objects of the same account stand, when they are expanded.
_INSIDE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "charge": ("balance_transaction", "failure_balance_transaction", "refunds", "transfer"),
        "refund": ("balance_transaction", "failure_balance_transaction", "charge"),
        "dispute": ("balance_transactions", "charge"),
        "payout": ("balance_transaction", "failure_balance_transaction"),
        "topup": ("balance_transaction",),
        "transfer": ("balance_transaction", "reversals", "source_transaction"),
        "transfer_reversal": ("balance_transaction", "source_refund", "transfer"),
        "application_fee": ("balance_transaction", "refunds"),
        "fee_refund": ("balance_transaction", "fee"),
        "balance_transaction": ("source",),
        "list": ("data",),
    }
)


def json_object(data: bytes) -> JsonObject:
    """The object that the bytes say; a number that is not whole stays text, and no amount.

    Raises:
        Unreadable: Not UTF-8, not JSON, nested too deep, or not an object.
    """
    try:
        value = as_object(json.loads(data.decode(), parse_float=str, parse_constant=str))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {str(error)[:120]}") from None
    if value is None:
        raise Unreadable("the value is not a JSON object")
    return value


def as_object(value: object) -> JsonObject | None:
    """The value, when it is a JSON object."""
    return cast("JsonObject", value) if isinstance(value, dict) else None


def told_by(shown: JsonObject, *, at: datetime, account: str) -> tuple[Fact, ...]:
    """The facts that an object tells, and those of what is expanded in it.

    Raises:
        Unreadable: The object itself cannot be read; one inside it is left out instead.
        Refused: An amount of the object itself is none.
    """
    facts = [*_facts(shown, at, account)]
    for inner in _inside(shown):
        try:
            facts.extend(told_by(inner, at=at, account=account))
        except Refused:
            continue  # The ledger's outcome says what is wrong with it.
    return tuple(facts)


def instant(fields: JsonObject, name: str) -> datetime:
    """A time told in Unix seconds.

    Raises:
        Unreadable: Missing, not a whole number, or outside the years 1970 to 9999.
    """
    found = fields.get(name)
    if type(found) is not int or not 0 <= found <= _SECONDS_MAX:
        raise Unreadable(f"{name} is not a time in Unix seconds")
    return datetime.fromtimestamp(found, UTC)


def _facts(shown: JsonObject, at: datetime, account: str) -> Iterator[Fact]:
    match shown.get("object"):
        case "payout":
            yield _expectation(shown, Expected.PAYOUT, at, account)
        case "topup":
            yield _expectation(shown, Expected.TOPUP, at, account)
        case "transfer":
            yield Transfer(_text(shown, "id"), _link(shown, "source_transaction"))
        case "refund" if shown.get("status") == "failed":
            yield _refund_failed(
                _text(shown, "id"), _money(shown), _text(shown, "failure_reason"), authority=1
            )
        case "balance_transaction":
            yield from _movement(shown, at, account)
        case "balance":
            yield from _balance(shown, at, account)
        case "balance_reading":
            yield _reading(shown, at, account)
        case "payout_contents":
            yield _contents(shown)
        case _:
            return


def _expectation(shown: JsonObject, what: Expected, at: datetime, account: str) -> Expectation:
    stage = _STAGES.get(_text(shown, "status"))
    if stage is None:
        raise Unreadable(f"{_text(shown, 'id')[:60]}: no state of a {what}")
    amount = _money(shown)
    created = instant(shown, "created")
    expected_on = "arrival_date" if what is Expected.PAYOUT else "expected_availability_date"
    trace = _text(as_object(shown.get("trace_id")) or {}, "value")
    return Expectation(
        id=_text(shown, "id"),
        what=what,
        stage=stage,
        minor=amount.minor,
        currency=amount.currency.code,
        created=created,
        arrival=_day(shown, expected_on, created),
        told_stage=stage,
        told_at=at,
        account=account,
        destination=_link(shown, "destination"),
        method=_text(shown, "method"),
        descriptor=_text(shown, "statement_descriptor"),
        failure=_text(shown, "failure_code"),
        traces=(trace,) if trace else (),
    )


def _movement(shown: JsonObject, at: datetime, account: str) -> Iterator[Fact]:
    kind, category = _text(shown, "type"), _text(shown, "reporting_category")
    source = _link(shown, "source")
    yield _balance_transaction(shown, kind, category, source)
    if not source:
        return
    if kind in _MOVEMENTS:
        what, stage, sign = _MOVEMENTS[kind]
        amount, created = _money(shown), instant(shown, "created")
        yield Expectation(
            id=source,
            what=what,
            stage=stage,
            minor=sign * amount.minor,
            currency=amount.currency.code,
            created=created,
            arrival=_day(shown, "available_on", created),
            told_stage=stage,
            told_at=at,
            first_hand=False,
            account=account,
        )
    elif "refund_failure" in {kind, category}:
        yield _refund_failed(source, _money(shown), "", authority=0)


def _balance_transaction(
    shown: JsonObject, kind: str, category: str, source: str
) -> BalanceTransaction:
    """A movement with its amounts, where all of them can be read."""
    ident = _text(shown, "id")
    try:
        amount = _money(shown)
        fee = Money.of(shown.get("fee", 0), amount.currency.code)
        net = Money.of(shown.get("net"), amount.currency.code)
        created = instant(shown, "created")
    except Refused:
        return BalanceTransaction(ident, kind, category, source)
    return BalanceTransaction(
        ident,
        kind,
        category,
        source,
        amount_minor=amount.minor,
        fee_minor=fee.minor,
        net_minor=net.minor,
        currency=amount.currency.code,
        created=created,
        available_on=_day(shown, "available_on", created),
        balance_type=_text(shown, "balance_type"),
    )


def _contents(shown: JsonObject) -> PayoutContents:
    rows = shown.get("balance_transactions")
    numbers = [shown.get(name) for name in ("part", "parts", "count")]
    whole = [n for n in numbers if type(n) is int and n >= 0]
    if not isinstance(rows, list) or len(whole) != len(numbers):
        raise Unreadable("the contents of a payout have no count or no list")
    named = tuple(str(row) for row in cast("list[object]", rows))
    part, parts, count = whole
    return PayoutContents(_text(shown, "payout"), part, parts, count, named)


def _balance(shown: JsonObject, at: datetime, account: str) -> Iterator[StripeBalance]:
    sums: dict[str, int] = {}
    for name in ("available", "pending"):
        for row in _rows(shown.get(name)):
            amount = _money(row)
            code = amount.currency.code
            sums[code] = sums.get(code, 0) + amount.minor
    for code, minor in sorted(sums.items()):
        yield StripeBalance(account, code, minor, at)


def _reading(shown: JsonObject, at: datetime, account: str) -> StripeReading:
    """A balance that was read with its movements; a currency nobody registered is left out."""
    rows: list[tuple[str, str, int]] = []
    for row in _rows(shown.get("totals")):
        name = STRIPE_BALANCES.get(_text(row, "balance_type"))
        try:
            amount = _money(row)
        except Refused:
            continue
        if name is not None:
            rows.append((name, amount.currency.code, amount.minor))
    ends = as_object(shown.get("ends")) or {}
    whole = [(k, end) for k, end in sorted(ends.items()) if type(end) is int and k.isdecimal()]
    if not ends or len(whole) != len(ends):
        raise Unreadable("a reading of a balance does not say how far its topic had come")
    return StripeReading(
        owner=account,
        told_at=at,
        totals=tuple(sorted(rows)),
        shown=tuple(
            sorted(
                STRIPE_BALANCES[t] for t in _texts(shown, "balance_types") & set(STRIPE_BALANCES)
            )
        ),
        created_to=None if shown.get("created_to") is None else instant(shown, "created_to"),
        last=tuple(sorted(_texts(shown, "last"))),
        ends=tuple(sorted((int(name), end) for name, end in whole)),
    )


def _texts(fields: JsonObject, name: str) -> set[str]:
    found = fields.get(name)
    rows = cast("list[object]", found) if isinstance(found, list) else []
    return {row for row in rows if isinstance(row, str)}


def _refund_failed(refund: str, amount: Money, reason: str, *, authority: int) -> Concern:
    return Concern(
        kind=DiscrepancyKind.REFUND_FAILED,
        subject=refund,
        minor=abs(amount.minor),
        currency=amount.currency.code,
        detail=f"the refund failed: {reason.replace('_', ' ')}" if reason else "the refund failed",
        reference=references.refund_failed(refund),
        authority=authority,
    )


def _inside(shown: JsonObject) -> Iterator[JsonObject]:
    for name in _INSIDE.get(str(shown.get("object")), ()):
        found = shown.get(name)
        expanded = as_object(found)
        if expanded is not None and "data" not in expanded:
            yield expanded
        else:
            yield from _rows(expanded.get("data") if expanded is not None else found)


def _rows(value: object) -> Iterator[JsonObject]:
    rows = cast("list[object]", value) if isinstance(value, list) else []
    for row in rows:
        fields = as_object(row)
        if fields is not None:
            yield fields


def _text(fields: JsonObject, name: str) -> str:
    found = fields.get(name)
    if isinstance(found, str):
        return found
    if name == "id":
        raise Unreadable("the object has no id")
    return ""


def _link(fields: JsonObject, name: str) -> str:
    found = fields.get(name)
    expanded = as_object(found)
    return _text(fields, name) if expanded is None else _text(expanded, "id")


def _money(fields: JsonObject) -> Money:
    return Money.of(fields.get("amount"), fields.get("currency"))


def _day(fields: JsonObject, name: str, otherwise: datetime) -> date:
    """The date that Stripe tells as its midnight in UTC."""
    try:
        return instant(fields, name).date()
    except Unreadable:
        return otherwise.date()

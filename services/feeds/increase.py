"""Reading the objects of an API of Increase's shape: JSON in, told lines and balances out.

Amounts are integers of minor units, above zero is money in. A posted line is a ``transaction``;
a pending one is an object of its own, which is complete when a transaction has taken its place.
Source: Increase API reference, "Transactions", "Pending Transactions", "Balance lookups".
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Final, cast

from services.feeds.revisions import ToldBalance, ToldLine
from shared.contracts.envelope import instant_of
from shared.contracts.errors import Unreadable
from shared.contracts.money import Money
from shared.contracts.observations import LineState

PROVIDER: Final = "increase"
TEXT_CHARACTERS_MAX: Final = 4000
ID_CHARACTERS_MAX: Final = 200
_COUNTERPARTY: Final = ("originator_company_name", "debtor_name")
_REFERENCES: Final = (
    "unstructured_remittance_information",
    "end_to_end_identification",
    "unique_end_to_end_transaction_reference",
    "trace_number",
)

Fields = Mapping[str, object]


def posted_line(value: Fields) -> ToldLine:
    """A ``transaction``: a line that the bank has booked.

    Raises:
        Refused: A field that a line needs is missing or makes no sense.
    """
    return _line(value, LineState.POSTED)


def pending_line(value: Fields) -> ToldLine:
    """A ``pending_transaction``; once it is not pending any more, the line has gone.

    Raises:
        Refused: As for a posted line.
    """
    is_open = value.get("status") == "pending"
    return _line(value, LineState.PENDING if is_open else LineState.REMOVED)


def told_balance(value: Fields, currency: str, *, as_of: datetime | None) -> ToldBalance:
    """A ``balance_lookup``: ``current_balance`` is what is booked.

    Raises:
        Refused: It is no amount.
    """
    available = value.get("available_balance")
    return ToldBalance(
        ledger=Money.of(value.get("current_balance"), currency),
        available=None if available is None else Money.of(available, currency),
        as_of=as_of,
        source_sha256=digest_of(value),
    )


def digest_of(value: Fields) -> str:
    """SHA-256 of an object as the bank told it, whatever the order of its fields."""
    canonical = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def text_of(value: object) -> str:
    """Text that every store can hold: no NUL, no half of a surrogate pair, bounded."""
    if not isinstance(value, str):
        return ""
    clean = value.replace("\0", "").encode("utf-8", "replace").decode()
    return clean[:TEXT_CHARACTERS_MAX]


def _line(value: Fields, state: LineState) -> ToldLine:
    line_id = value.get("id")
    if not isinstance(line_id, str) or not 0 < len(line_id) <= ID_CHARACTERS_MAX:
        raise Unreadable("a bank line has no id")
    if not line_id.isprintable():
        raise Unreadable(f"bank line {line_id!r} has an odd id")
    created = value.get("created_at")
    if not isinstance(created, str):
        raise Unreadable(f"bank line {line_id} has no time")
    source = _rail(value)
    return ToldLine(
        id=line_id,
        state=state,
        amount=Money.of(value.get("amount"), value.get("currency")),
        created_at=instant_of(created),
        # By the bank's own offset where it names no day: its day is not always UTC's.
        booked_on=_day(value.get("date")) or datetime.fromisoformat(created).date(),
        value_on=None,
        description=text_of(value.get("description")),
        reference=text_of(" ".join(_references(source))),
        counterparty=text_of(_first(source, _COUNTERPARTY)),
        source_sha256=digest_of(value),
    )


def _rail(value: Fields) -> Fields:
    """What the rail said: the part of ``source`` that its category names."""
    source = _fields(value.get("source"))
    category = source.get("category")
    return _fields(source.get(category)) if isinstance(category, str) else {}


def _references(rail: Fields) -> Iterator[str]:
    # A text that says the same twice is told once.
    seen: set[str] = set()
    for text in (*_addenda(rail), *(rail.get(name) for name in _REFERENCES)):
        if isinstance(text, str) and text.strip() and text not in seen:
            seen.add(text)
            yield text


def _addenda(rail: Fields) -> Iterator[object]:
    entries = _fields(_fields(rail.get("addenda")).get("freeform")).get("entries")
    if isinstance(entries, list):
        for entry in cast("list[object]", entries):
            yield _fields(entry).get("payment_related_information")


def _first(fields: Fields, names: tuple[str, ...]) -> object:
    return next((fields[name] for name in names if fields.get(name)), "")


def _day(value: object) -> date | None:
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Unreadable(f"{value[:40]!r} is not a day") from None


def _fields(value: object) -> Fields:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}

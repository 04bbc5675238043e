"""What the API answers: rows of the published views as JSON, and places in their order."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.contracts.envelope import rfc3339

Row = Mapping[str, Any]  # Any: a row of a view, whose columns the functions below name
Json = dict[str, Any]  # Any: JSON

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1000


class BadRequest(Exception):
    """A request that cannot be understood; its message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class EntryPlace:
    """A place in the order of entries: an input partition and a sequence in it."""

    topic: str = ""
    partition: int = -1
    sequence: int = 0


def money(minor: int, currency: str, exponent: int) -> Json:
    """An amount as it stands on every topic too: the integer as text."""
    return {"minor": str(minor), "currency": currency, "exponent": exponent}


def as_of(positions: Iterable[Row]) -> list[Json]:
    """The positions that an answer holds for."""
    return [
        {"topic": row["topic"], "partition": row["partition"], "next_offset": row["next_offset"]}
        for row in positions
    ]


def trial_balance(rows: Sequence[Row]) -> Json:
    """Totals by account, totals by currency, and whether debits equal credits in each."""
    totals: dict[str, tuple[int, int, int]] = {}
    for row in rows:
        debit, credit, _ = totals.get(row["currency"], (0, 0, 0))
        totals[row["currency"]] = (
            debit + row["debit_minor"],
            credit + row["credit_minor"],
            row["exponent"],
        )
    return {
        "accounts": [
            {
                "account": row["account"],
                "debit": money(row["debit_minor"], row["currency"], row["exponent"]),
                "credit": money(row["credit_minor"], row["currency"], row["exponent"]),
                "net": money(row["net_minor"], row["currency"], row["exponent"]),
            }
            for row in rows
        ],
        "totals": [
            {
                "currency": currency,
                "debit": money(debit, currency, exponent),
                "credit": money(credit, currency, exponent),
                "is_balanced": debit == credit,
            }
            for currency, (debit, credit, exponent) in sorted(totals.items())
        ],
        "is_balanced": all(debit == credit for debit, credit, _ in totals.values()),
    }


def balances(rows: Iterable[Row]) -> list[Json]:
    """Balances by account, debit positive."""
    return [
        {
            "account": row["account"],
            "balance": money(row["minor"], row["currency"], row["exponent"]),
        }
        for row in rows
    ]


def open_items(rows: Iterable[Row]) -> list[Json]:
    """What waits under each key, debit positive, and since when."""
    return [
        {
            "account": row["account"],
            "key": row["key"],
            "amount": money(row["minor"], row["currency"], row["exponent"]),
            "since": _time(row["since"]),
        }
        for row in rows
    ]


def entry(row: Row, postings: Iterable[Row]) -> Json:
    """An entry with its postings."""
    return {
        "reference": row["reference"],
        "kind": row["kind"],
        "effective_at": _time(row["effective_at"]),
        "recorded_at": _time(row["recorded_at"]),
        "description": row["description"],
        "reverses": row["reverses"],
        "rules_version": row["rules_version"],
        "message_id": row["message_id"],
        "caused_by": {
            "topic": row["topic"],
            "partition": row["partition"],
            "offset": row["offset"],
        },
        "sequence": row["sequence"],
        "chain": row["chain"],
        "postings": [
            {
                "account": posting["account"],
                "key": posting["key"],
                "direction": posting["direction"],
                "amount": money(posting["minor"], posting["currency"], posting["exponent"]),
            }
            for posting in postings
        ],
    }


def discrepancy(row: Row) -> Json:
    """A discrepancy as it stands."""
    amount = (
        None
        if row["amount_minor"] is None
        else money(row["amount_minor"], row["currency"], row["exponent"])
    )
    words = ("id", "revision", "kind", "state", "subject")
    told = ("expected", "found", "explanation", "next_step")
    times = ("opened_at", "changed_at", "resolved_at")
    return (
        {name: row[name] for name in words}
        | {"amount": amount}
        | {name: row[name] or "" for name in told}
        | {name: _time(row[name]) for name in times}
    )


def cursor(*parts: str | int) -> str:
    """A place in an order, as a text that goes into an address."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def place(text: str, *kinds: type) -> tuple[Any, ...]:  # Any: as many parts as kinds, of those
    """The parts of a cursor.

    Raises:
        BadRequest: Not one of ours.
    """
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise BadRequest("after: not a cursor of this list") from None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
        raise BadRequest("after: not a cursor of this list")
    return tuple(parts)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # JSON


def limit(text: str) -> int:
    """How many rows are asked for.

    Raises:
        BadRequest: No whole number from 1 to 1,000.
    """
    if not text:
        return LIMIT_DEFAULT
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= LIMIT_MAX):
        raise BadRequest(f"limit: a whole number from 1 to {LIMIT_MAX}")
    return int(text)


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)

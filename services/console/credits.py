"""Customers' credits as the API and the command line show them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.console import views
from services.console.views import Json, Row
from shared.contracts.envelope import instant_of, rfc3339

LAST: Final = (datetime.fromisoformat("9999-12-31T00:00:00+00:00"), "", 0, 0, 0)
Place = tuple[datetime, str, int, int, int]


def balances(rows: Sequence[Row]) -> list[Json]:
    """What each customer has, what of it is held, and what is available."""
    return [
        {
            "customer": row["customer"],
            "balance": views.money(row["minor"], row["currency"], row["exponent"]),
            "held": views.money(row["held_minor"], row["currency"], row["exponent"]),
            "available": views.money(row["available_minor"], row["currency"], row["exponent"]),
            "since": rfc3339(row["since"]),
        }
        for row in rows
    ]


def movements(rows: Sequence[Row]) -> list[Json]:
    """What a customer's credits moved by: below zero where they were spent."""
    return [
        {
            "reference": row["reference"],
            "kind": row["kind"],
            "effective_at": rfc3339(row["effective_at"]),
            "recorded_at": rfc3339(row["recorded_at"]),
            "amount": views.money(row["minor"], row["currency"], row["exponent"]),
            "description": row["description"],
        }
        for row in rows
    ]


def place_of(row: Row) -> Place:
    """Where a movement stands in the order of recording."""
    return (
        row["recorded_at"],
        row["topic"],
        row["partition"],
        row["sequence"],
        row["ordinal"],
    )


def cursor(row: Row) -> str:
    """The place of a movement as a text that a reader gives back."""
    at, topic, partition, sequence, ordinal = place_of(row)
    return views.cursor(rfc3339(at), topic, partition, sequence, ordinal)


def place(after: str) -> Place:
    """The place that a text says; without one, behind the last movement.

    Raises:
        BadRequest: The text is none of ours.
    """
    if not after:
        return LAST
    at, topic, partition, sequence, ordinal = views.place(after, str, str, int, int, int)
    try:
        return (instant_of(at), topic, partition, sequence, ordinal)
    except ValueError:
        raise views.BadRequest("after: not a place that an answer gave") from None

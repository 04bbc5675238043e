"""A balance as Stripe tells it, with the movements that are in it: what the books are held against.

Stripe's balance names no position. So it is read before and after the list of balance transactions;
where it stood still, the list holds what is in it: all that was made up to the newest one listed,
and of that one's second those that were listed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from services.ingest.catch_up import Fields, Speaker, Telling, telling

READING: Final = "balance_reading"
READING_TYPE: Final = "tallystick.balance-reading"
# A difference counts when two readings show it: the same reading is told twice, and then no more.
TELLINGS: Final = 2
IDS_OF_A_SECOND_MAX: Final = 10_000

# Where Stripe's balance shows the sum of a type's balance transactions.
_PLACES: Final[tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]] = (
    ("payments", (("available",), ("pending",))),
    ("issuing", (("issuing", "available"),)),
    (
        "refund_and_dispute_prefunding",
        (
            ("refund_and_dispute_prefunding", "available"),
            ("refund_and_dispute_prefunding", "pending"),
        ),
    ),
)

Totals = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest second of a list, and the ids of what was made in it."""

    created: int | None = None
    ids: frozenset[str] = frozenset()

    def with_page(self, told: Iterable[Telling]) -> "Newest":
        """What is the newest when these were listed too."""
        found = self
        for each in told:
            if each.created is None or (found.created or 0) > each.created:
                continue
            ids = found.ids if found.created == each.created else frozenset[str]()
            found = Newest(each.created, ids | {each.object_id})
        return found


def totals(balance: Fields) -> Totals:
    """What a balance holds by balance type and currency, in minor units.

    A type that Stripe does not show is left out; one that it shows with nothing in it is not.
    """
    found: dict[tuple[str, str], int] = {}
    for balance_type, places in _PLACES:
        for place in places:
            for row in _rows(balance, place):
                amount, currency = row.get("amount"), row.get("currency")
                if type(amount) is int and isinstance(currency, str):
                    key = (balance_type, currency.lower())
                    found[key] = found.get(key, 0) + amount
    return found


def shown_types(balance: Fields) -> tuple[str, ...]:
    """The balance types that a balance tells of at all, in whatever currency."""
    return tuple(t for t, places in _PLACES if any(_is_told(balance, place) for place in places))


def reading(
    number: int, balance: Fields, newest: Newest, speaker: Speaker, *, told_at: datetime
) -> Telling:
    """The record of a reading but for how far the log had come, which is no news by itself.

    ``number`` is how often this same reading has been told by now, from 1.
    """
    return telling(
        {
            "id": f"{READING}.{number}",
            "object": READING,
            "balance_types": list(shown_types(balance)),
            "totals": [
                {"balance_type": balance_type, "currency": currency, "amount": amount}
                for (balance_type, currency), amount in sorted(totals(balance).items())
            ],
            "created_to": newest.created,
            "last": sorted(newest.ids),
        },
        speaker,
        told_at=told_at,
        envelope_type=READING_TYPE,
        beside=READING,
    )


def _rows(balance: Fields, place: tuple[str, ...]) -> list[Mapping[str, object]]:
    found = _at(balance, place)
    rows = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("dict[str, object]", row) for row in rows if isinstance(row, dict)]


def _is_told(balance: Fields, place: tuple[str, ...]) -> bool:
    return isinstance(_at(balance, place), list)


def _at(balance: Fields, place: tuple[str, ...]) -> object:
    *outer, last = place
    for name in outer:
        inner = balance.get(name)
        if not isinstance(inner, dict):
            return None
        balance = cast("dict[str, object]", inner)
    return balance.get(last)

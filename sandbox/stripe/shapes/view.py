"""What a shape needs beside the object itself: the mode, the time, and the other objects."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sandbox.stripe.facts import AnyFact, BalanceTransaction
from sandbox.world.jsons import JsonObject

EMBEDDED_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class View:
    """How objects are looked at: in which mode, at which second, and where others are found."""

    livemode: bool
    now: int
    find: Callable[[str], AnyFact]

    def balance_transaction(self, txn_id: str) -> BalanceTransaction:
        """A balance transaction by its id.

        Raises:
            KeyError: There is none.
        """
        found = self.find(txn_id)
        if not isinstance(found, BalanceTransaction):
            raise KeyError(txn_id)
        return found


def list_object(url: str, data: list[JsonObject], *, has_more: bool = False) -> JsonObject:
    """A page of objects."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def embedded_list(url: str, data: list[JsonObject]) -> JsonObject:
    """A list inside an object: its first ones, and how many there are."""
    return {
        "object": "list",
        "data": data[:EMBEDDED_MAX],
        "has_more": len(data) > EMBEDDED_MAX,
        "total_count": len(data),
        "url": url,
    }

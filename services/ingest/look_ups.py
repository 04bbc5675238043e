"""Look-ups at Stripe: what to ask for of an object that is waited for, and what belongs to it."""

import re
from collections.abc import Iterator
from typing import Final

from services.ingest.catch_up import Fields
from services.ingest.mirrored import Asked, asked_of, path_of

# The API key is sent to what a look-up names, so it may name an id and nothing else.
_ID: Final = re.compile(r"[A-Za-z0-9_]{1,200}", re.ASCII)
# Charges are mirrored with their movements and have no list of their own here.
_CHARGES: Final = "/v1/charges"
_KINDS: Final = frozenset({"payout", "refund", "topup", "transfer"})
_MOVEMENTS: Final = ("balance_transaction", "failure_balance_transaction")


class NotAskable(ValueError):
    """What is to be looked up cannot be asked for."""


def asked_for(kind: str, object_id: str) -> Asked:
    """What to ask Stripe for.

    Raises:
        NotAskable: Objects of the kind are not looked up, or the id is none.
    """
    if kind not in _KINDS and kind != "charge":
        raise NotAskable(f"an object of kind {kind[:40]!r} is not looked up")
    if not _ID.fullmatch(object_id):
        raise NotAskable("the id is not one of Stripe's")
    folder = _CHARGES if kind == "charge" else path_of(kind)
    return asked_of(f"{folder}/{object_id}")


def movements_of(shown: Fields) -> Iterator[Asked]:
    """The balance transactions that belong to an object: of its going, and of its coming back."""
    for name in _MOVEMENTS:
        found = shown.get(name)
        if isinstance(found, str) and _ID.fullmatch(found):
            yield asked_of(f"{path_of('balance_transaction')}/{found}")

"""What is mirrored of Stripe's API: which lists, which records of an object, what is asked again.

Lists go by ``created`` alone. What changes later is found three ways: its movement names it as
its source; its child is told (a reversal of a transfer); or it is not final yet and is asked for
again by its id.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, cast

from services.ingest.catch_up import Fields, Speaker, Telling, telling, with_source

CONTENTS: Final = "payout_contents"
CONTENTS_TYPE: Final = "tallystick.payout-contents"
# Ids of 30 characters: a record stays far below what a topic takes.
IDS_IN_A_RECORD_MAX: Final = 10_000
WATCHED_FOR: Final = timedelta(days=180)
PAUSE_MAX: Final = timedelta(hours=12)
_DOUBLINGS_MAX: Final = 16

_PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application_fee": "/v1/application_fees",
        "balance_transaction": "/v1/balance_transactions",
        "dispute": "/v1/disputes",
        "payout": "/v1/payouts",
        "refund": "/v1/refunds",
        "topup": "/v1/topups",
        "transfer": "/v1/transfers",
    }
)
# Of these no list is mirrored: they are asked for by their id, where there is a reason.
_ASKED_ALONE: Final[Mapping[str, str]] = MappingProxyType({"invoice": "/v1/invoices"})
# A balance transaction tells with its source what it is about; a refund tells with its movement
# and its charge whether it is one at all; an invoice tells how it was paid only where it is asked.
_EXPANDED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "balance_transaction": ("source",),
        "invoice": ("amount_paid_off_stripe", "payments"),
        "refund": ("balance_transaction", "charge"),
    }
)
_FINAL: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "dispute": frozenset({"won", "lost", "warning_closed", "prevented"}),
        "payout": frozenset({"paid", "failed", "canceled"}),
        "refund": frozenset({"succeeded", "failed", "canceled"}),
        "topup": frozenset({"succeeded", "failed", "canceled", "reversed"}),
    }
)
_PARENTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"transfer_reversal": ("transfer", "transfer"), "fee_refund": ("fee", "application_fee")}
)
_CHILDREN: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"transfer": ("reversals", "transfer"), "application_fee": ("refunds", "fee")}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An object to be asked for: its id, its path, and what is to be expanded in it."""

    object_id: str
    path: str
    expand: tuple[str, ...] = ()


def asked_of(path: str) -> Asked:
    """What to ask for at the path of a single object, such as ``/v1/refunds/re_1``."""
    folder, _, object_id = path.rpartition("/")
    kinds = (kind for kind, known in {**_PATHS, **_ASKED_ALONE}.items() if known == folder)
    return Asked(object_id or path, path, _EXPANDED.get(next(kinds, ""), ()))


def expanded_in_list(kind: str) -> tuple[str, ...]:
    """What to expand in the items of a list of a kind."""
    return tuple(f"data.{name}" for name in _EXPANDED.get(kind, ()))


def path_of(kind: str) -> str:
    """The list of a kind that is mirrored."""
    return _PATHS[kind]


def parted(value: Fields) -> tuple[Fields, ...]:
    """The records of an object as the API told it, itself first.

    A refund's movement is a record of its own, and its charge none: it may be years old. But a
    refund that is one only in form stays whole, since only so is it told what it is.
    """
    if value.get("object") != "refund":
        return with_source(value)
    movement, charge = _object(value.get("balance_transaction")), _object(value.get("charge"))
    if _is_only_in_form(value, movement, charge):
        return (value,)
    names = {
        name: inner.get("id")
        for name, inner in (("balance_transaction", movement), ("charge", charge))
        if inner is not None
    }
    own: Fields = {**value, **names}
    return (own,) if movement is None else (own, movement)


def _is_only_in_form(value: Fields, movement: Fields | None, charge: Fields | None) -> bool:
    if movement is not None:
        # By the one rule there is: seen from the movement, with the refund as its source.
        return len(with_source({**movement, "source": value})) == 1
    if charge is None or value.get("balance_transaction"):
        return False
    return charge.get("captured") is False or charge.get("status") == "failed"


def is_open(value: Fields) -> bool:
    """Whether an object changes by itself and is not final, so that it is asked for again.

    What can still come after a final state (a refund or payout that fails, a dispute won late)
    moves money, and its movement names it.
    """
    final = _FINAL.get(str(value.get("object")))
    if final is None:
        return False
    if value.get("status") not in final:
        return True
    awaits_contents = value.get("reconciliation_status") == "in_progress"
    return awaits_contents and value.get("status") == "paid"


def watched(value: Fields) -> Asked | None:
    """How an object of a mirrored kind is asked for again; ``None`` for another."""
    folder, object_id = _PATHS.get(str(value.get("object"))), value.get("id")
    if folder is None or not isinstance(object_id, str):
        return None
    return asked_of(f"{folder}/{object_id}")


def parent_of(value: Fields) -> Asked | None:
    """The object that has changed by a child's coming: the transfer of a reversal, say."""
    field, kind = _PARENTS.get(str(value.get("object")), ("", ""))
    parent = value.get(field)
    return asked_of(f"{_PATHS[kind]}/{parent}") if isinstance(parent, str) else None


@dataclass(frozen=True, slots=True)
class Children:
    """A list of children too long to stand whole in its parent."""

    path: str
    expand: tuple[str, ...]


def unshown_children(value: Fields) -> Children | None:
    """The list of which an object shows the beginning only; each child then names its parent."""
    field, back = _CHILDREN.get(str(value.get("object")), ("", ""))
    shown = _object(value.get(field))
    if shown is None or shown.get("has_more") is not True:
        return None
    return Children(f"{_PATHS[str(value['object'])]}/{value.get('id')}/{field}", (f"data.{back}",))


def has_told_contents(value: Fields) -> bool:
    """Whether Stripe can say by now which movements a payout pays out."""
    return value.get("object") == "payout" and value.get("reconciliation_status") == "completed"


def contents(
    payout_id: str, movements: Sequence[str], speaker: Speaker, *, told_at: datetime
) -> Iterator[Telling]:
    """The records that say which balance transactions a payout pays out, itself among them.

    They stand beside the payout, under its key.
    """
    parts = max(1, -(-len(movements) // IDS_IN_A_RECORD_MAX))
    for part in range(1, parts + 1):
        upto = part * IDS_IN_A_RECORD_MAX
        yield telling(
            {
                "id": f"{payout_id}.contents.{part}",
                "object": CONTENTS,
                "payout": payout_id,
                "part": part,
                "parts": parts,
                "count": len(movements),
                "balance_transactions": list(movements[upto - IDS_IN_A_RECORD_MAX : upto]),
            },
            speaker,
            told_at=told_at,
            envelope_type=CONTENTS_TYPE,
            beside=payout_id,
        )


def next_ask(at: datetime, *, asks: int, pause: timedelta) -> datetime:
    """When an open object is asked for again: the pause doubles with each ask, to half a day."""
    return at + min(PAUSE_MAX, pause * (1 << min(asks, _DOUBLINGS_MAX)))


def _object(value: object) -> Fields | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None

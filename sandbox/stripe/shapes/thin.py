"""Thin events on the wire: they name an object, and show nothing of it.

Source: the typed resource classes of stripe-python 16.1 (``v2.core.event`` and its notification).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, cast

from sandbox.stripe.facts import Event
from sandbox.world.dice import Dice
from sandbox.world.jsons import JsonObject

THIN_OBJECT: Final = "v2.core.event"
# Where an object of a kind is asked for; a kind that is not here is not asked for by an id.
PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application_fee": "/v1/application_fees",
        "charge": "/v1/charges",
        "dispute": "/v1/disputes",
        "payment_intent": "/v1/payment_intents",
        "payout": "/v1/payouts",
        "refund": "/v1/refunds",
        "reserve.hold": "/v1/reserve/holds",
        "reserve.release": "/v1/reserve/releases",
        "topup": "/v1/topups",
        "transfer": "/v1/transfers",
    }
)


def thin_id(event: Event, dice: Dice) -> str:
    """The id of the thin twin of an event: another one, a function of the event's own."""
    return f"evt_61{dice.token(f'thin/{event.id}', 24)}"


def thin_notification(event: Event, dice: Dice, *, platform: str) -> JsonObject:
    """The thin twin of an event, as an event destination is sent it."""
    context = None if event.owner == platform else event.owner
    return {
        "id": thin_id(event, dice),
        "object": THIN_OBJECT,
        "context": context,
        "created": _text(event.created),
        "livemode": event.livemode,
        "reason": None
        if event.request_id is None
        else {"type": "request", "request": {"id": event.request_id, "idempotency_key": ""}},
        "related_object": _related(event),
        "type": f"v1.{event.type}",
    }


def thin_event(event: Event, dice: Dice, *, platform: str) -> JsonObject:
    """The same as the API tells it: with the snapshot event of the same change."""
    shown = thin_notification(event, dice, platform=platform)
    return shown | {"changes": None, "snapshot_event": event.id}


def _related(event: Event) -> JsonObject | None:
    kind = event.data.get("object")
    if kind == "balance":
        return {"type": "balance", "url": "/v1/balance"}
    path = PATHS.get(cast("str", kind))
    if path is None:
        return None
    object_id = str(event.data["id"])
    return {"id": object_id, "type": kind, "url": f"{path}/{object_id}"}


def _text(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

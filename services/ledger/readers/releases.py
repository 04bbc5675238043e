"""Refunds that are apart: what Stripe tells as a refund, and gives nothing of ours to a customer.

In form only are two: the part of an authorization that was never captured, and the return of a
debit. The refund of a customer's cash balance gives back what never was in ours.
"""

from typing import Final

from services.ledger.readers.exact_json import JsonObject, as_list, as_object
from services.ledger.readers.told import Apart, Gives

_PARTIAL_CAPTURE_REVERSAL: Final = "partial_capture_reversal"
_CHARGE_FAILURE: Final = "charge_failure"
_RETURNED: Final = "payment_failure_refund"

# A refund that is told as the source of such a movement: version 1 does not look at it.
OF_ITS_MOVEMENT: Final = Apart(Gives.NOTHING, left_out="")
_OF_CASH_BALANCE: Final = Apart(Gives.CASH_BALANCE, left_out=None)
_NAMES_ITS_MONEY: Final = ("charge", "payment_intent", "balance_transaction")


def gives_back_its_charge(movement: JsonObject) -> bool:
    """Whether a movement undoes a charge, or a part of it: its refund item is one in form only."""
    return (
        movement.get("reporting_category") in (_PARTIAL_CAPTURE_REVERSAL, _CHARGE_FAILURE)
        or movement.get("type") == _RETURNED
    )


def apart_of(
    refund: JsonObject, charge: JsonObject | None, *, is_moved: bool = False
) -> Apart | None:
    """What sets a refund apart, by its movement and its charge as far as they are told.

    ``is_moved`` where it is told inside of its movement.
    """
    if charge is None and not is_moved and _is_of_cash_balance(refund):
        return _OF_CASH_BALANCE
    movement = as_object(refund.get("balance_transaction"))
    has_failed = charge is not None and charge.get("status") == "failed"
    releases = _release(refund, movement, charge, has_failed=has_failed)
    is_none = (movement is not None and gives_back_its_charge(movement)) or (
        charge is not None and has_failed and _is_its_return(refund, charge)
    )
    if releases is None and not has_failed and not is_none:
        return None
    gives = Gives.NOTHING if is_none else releases or Gives.MONEY
    if releases is not None:
        return Apart(gives, "it releases what was authorized and never captured")
    return Apart(
        gives, "the charge itself failed, which its own return books" if has_failed else None
    )


def _is_of_cash_balance(refund: JsonObject) -> bool:
    """Whether a refund says that it has neither a payment nor a movement of our balance.

    Old ones may not name their movement, and events may not name it yet; their charge they do.
    """
    return all(name in refund and refund[name] is None for name in _NAMES_ITS_MONEY)


def _is_its_return(refund: JsonObject, charge: JsonObject) -> bool:
    """Whether the movement of a refund is the one that took its charge back."""
    moved_by = _id_of(refund.get("balance_transaction"))
    return bool(moved_by) and moved_by == _id_of(charge.get("failure_balance_transaction"))


def _id_of(value: object) -> object:
    expanded = as_object(value)
    return value if expanded is None else expanded.get("id")


def _release(
    refund: JsonObject, movement: JsonObject | None, charge: JsonObject | None, *, has_failed: bool
) -> Gives | None:
    """What a refund gives that is, or may be, the part of an authorization never captured.

    Its movement says so for certain; else its reason or a charge that was not captured at all. Of a
    charge captured in part and told with its whole list of refunds it may be the oldest item, made
    at the capture, before which nothing can be refunded, of exactly the rest. But not every capture
    makes such an item, so that this one may be a refund like any other.
    """
    category = None if movement is None else movement.get("reporting_category")
    if isinstance(category, str):
        return Gives.NOTHING if category == _PARTIAL_CAPTURE_REVERSAL else None
    if refund.get("reason") == "expired_uncaptured_charge":
        return Gives.NOTHING
    if charge is None:
        return None
    if charge.get("captured") is False and not has_failed:
        return Gives.NOTHING
    return Gives.UNCLEAR if refund.get("id") == _released_item(charge) else None


def _released_item(charge: JsonObject) -> object:
    amount, captured = charge.get("amount"), charge.get("amount_captured")
    if type(amount) is not int or type(captured) is not int or not 0 < captured < amount:
        return None
    listed = as_object(charge.get("refunds")) or {}
    if listed.get("has_more") is True:
        return None  # Newest first: the oldest is not among those told.
    rows = [row for row in map(as_object, as_list(listed.get("data")) or ()) if row is not None]
    oldest = min(reversed(rows), key=_created_seconds, default=None)
    if oldest is not None and oldest.get("amount") == amount - captured:
        return oldest.get("id")
    return None


def _created_seconds(fields: JsonObject) -> int:
    created = fields.get("created")
    return created if isinstance(created, int) else 0

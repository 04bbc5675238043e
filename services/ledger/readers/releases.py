"""Refunds that are none: Stripe keeps the uncaptured part of an authorization as a refund item."""

from typing import Final

from services.ledger.readers.exact_json import JsonObject, as_list, as_object

PARTIAL_CAPTURE_REVERSAL: Final = "partial_capture_reversal"


def is_release(refund: JsonObject, charge: JsonObject | None) -> bool:
    """Whether a refund item is the part of an authorization that was never captured.

    Its balance transaction says so for certain; else its reason or a charge that was not captured
    at all. Of a charge captured in part and told with its whole list of refunds it is the oldest
    item, made at the capture, before which nothing can be refunded, of exactly the rest.
    """
    category = (as_object(refund.get("balance_transaction")) or {}).get("reporting_category")
    if isinstance(category, str):
        return category == PARTIAL_CAPTURE_REVERSAL
    if refund.get("reason") == "expired_uncaptured_charge":
        return True
    if charge is None:
        return False
    if charge.get("captured") is False and charge.get("status") != "failed":
        return True
    return refund.get("id") == _released_item(charge)


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

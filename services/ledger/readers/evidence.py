"""What payment intents, checkout sessions and invoices say of the payment behind them.

They move no money by themselves, but each names the charge or payment intent that does: where, has
changed with Stripe's versions. Whatever stands there in no known form names nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from services.ledger.readers import fields as read
from services.ledger.readers.exact_json import JsonObject, as_object

_SHOWN_MAX: Final = 3
_ID_LENGTH_MAX: Final = 255


def payment_behind(kind: str, fields: JsonObject) -> str:
    """The ids of what tells the money of such an object, three of them at most; else empty."""
    ids = _READINGS[kind](fields) if kind in _READINGS else ()
    return ", ".join(list(dict.fromkeys(found for found in ids if found))[:_SHOWN_MAX])


def _of_payment_intent(fields: JsonObject) -> Iterator[str]:
    """``latest_charge``; before 2022-11-15 the list ``charges``, newest first."""
    yield _id(fields.get("latest_charge"))
    for charge in read.items(fields, "charges"):
        yield _id(charge)


def _of_session(fields: JsonObject) -> Iterator[str]:
    """The payment intent; of a subscription the invoice, or the subscription where none is told."""
    named = (_id(fields.get(name)) for name in ("payment_intent", "invoice", "subscription"))
    yield next((found for found in named if found), "")


def _of_invoice(fields: JsonObject) -> Iterator[str]:
    """``payments``; before 2025-03-31 ``charge``, or ``payment_intent`` while there is none."""
    yield _id(fields.get("charge")) or _id(fields.get("payment_intent"))
    for item in read.items(fields, "payments"):
        payment = as_object(item.get("payment")) or {}
        yield _id(payment.get("charge")) or _id(payment.get("payment_intent"))


def _id(value: object) -> str:
    expanded = as_object(value)
    found = value if expanded is None else expanded.get("id")
    return found if isinstance(found, str) and len(found) <= _ID_LENGTH_MAX else ""


_READINGS: Final[Mapping[str, Callable[[JsonObject], Iterator[str]]]] = MappingProxyType(
    {
        "payment_intent": _of_payment_intent,
        "checkout.session": _of_session,
        "invoice": _of_invoice,
    }
)

"""Expansion: an id in an answer is replaced by the object that it names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

from sandbox.stripe.queries import EXPAND_DEPTH_MAX, StripeRefusal
from sandbox.world.jsons import JsonObject


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where expansion finds things: an object by id, and what objects leave out, by their id.

    That is a charge's refunds as a list, and how an invoice was paid.
    """

    find: Callable[[str], JsonObject | None]
    refunds: Callable[[str], JsonObject]
    how_paid: Callable[[str], JsonObject]


_EXPANDABLE: Final = frozenset(
    {
        "application_fee",
        "balance_transaction",
        "charge",
        "destination_payment_refund",
        "failure_balance_transaction",
        "fee",
        "latest_charge",
        "originating_transaction",
        "payment_intent",
        "source",
        "source_refund",
        "source_transaction",
        "transfer",
    }
)


_HOW_PAID: Final = ("amount_paid_off_stripe", "payments")


def expanded(shown: JsonObject, paths: Iterable[str], lookup: Lookup) -> JsonObject:
    """The answer with every path expanded; what cannot be looked up stays an id.

    Raises:
        StripeRefusal: A path that is too deep or that no object here can expand.
    """
    for path in paths:
        steps = path.split(".")
        if len(steps) > EXPAND_DEPTH_MAX:
            raise StripeRefusal(
                400,
                f"You cannot expand more than {EXPAND_DEPTH_MAX} levels of a property"
                f" (requested: {path}).",
                param="expand",
            )
        _expand(shown, steps, path, lookup)
    return shown


def _expand(shown: JsonObject, steps: list[str], path: str, lookup: Lookup) -> None:
    step, rest = steps[0], steps[1:]
    if step == "refunds" and shown.get("object") == "charge":
        # Left out of a charge unless somebody asks for it.
        shown["refunds"] = lookup.refunds(str(shown["id"]))
    elif step in _HOW_PAID and shown.get("object") == "invoice":
        shown[step] = lookup.how_paid(str(shown["id"]))[step]
    elif step not in shown or (not rest and step not in _EXPANDABLE):
        if step in ("transfer", "failure_balance_transaction"):
            return
        raise StripeRefusal(400, f"This property cannot be expanded ({path}).", param="expand")
    value = shown[step]
    if isinstance(value, str) and step in _EXPANDABLE:
        found = lookup.find(value)
        if found is None:
            return
        shown[step] = value = found
    if rest:
        for nested in _objects(value):
            _expand(nested, rest, path, lookup)


def _objects(value: object) -> list[JsonObject]:
    if isinstance(value, dict):
        return [cast("JsonObject", value)]
    if isinstance(value, list):
        return [
            cast("JsonObject", item)
            for item in cast("list[object]", value)
            if isinstance(item, dict)
        ]
    return []

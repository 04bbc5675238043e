"""Reading lists and single objects: filters, pages, expansion, and Stripe's refusals."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from sandbox.stripe.facts import (
    AnyFact,
    ApplicationFee,
    BalanceTransaction,
    Charge,
    CreditNote,
    Dispute,
    Event,
    Invoice,
    PaymentIntent,
    Payout,
    Refund,
    ReserveHold,
    ReserveRelease,
    Topup,
    Transfer,
    TransferReversal,
)
from sandbox.world.jsons import JsonObject

LIMIT_DEFAULT: Final = 10
LIMIT_MAX: Final = 100
TYPES_MAX: Final = 20
EXPAND_DEPTH_MAX: Final = 4

_INDEX: Final = re.compile(r"\[\d*\]$")


class StripeRefusal(Exception):
    """A request that Stripe answers with an error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        error_type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.error_type = error_type

    def body(self) -> JsonObject:
        """The error as it goes over the wire."""
        error: JsonObject = {"message": self.message, "type": self.error_type}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        return {"error": error}


@dataclass(frozen=True, slots=True)
class Parameters:
    """A query string: single values by name, arrays gathered whatever their indexes are."""

    single: Mapping[str, str]
    arrays: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, str]]) -> "Parameters":
        """Parameters of pairs such as ``created[gte]=1`` and ``expand[0]=data.source``."""
        single: dict[str, str] = {}
        arrays: dict[str, list[str]] = {}
        for name, value in pairs:
            if _INDEX.search(name):
                arrays.setdefault(_INDEX.sub("", name), []).append(value)
            else:
                single[name] = value
        return cls(single, {name: tuple(values) for name, values in arrays.items()})

    def number(self, name: str) -> int | None:
        """A whole number.

        Raises:
            StripeRefusal: It is something else.
        """
        text = self.single.get(name)
        if text is None:
            return None
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise StripeRefusal(
                400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=name
            )
        return int(text)

    def limit(self) -> int:
        """How many objects a page holds.

        Raises:
            StripeRefusal: Not a number from 1 to 100.
        """
        limit = self.number("limit")
        if limit is None:
            return LIMIT_DEFAULT
        if not 1 <= limit <= LIMIT_MAX:
            code = "parameter_invalid_integer"
            raise StripeRefusal(
                400,
                f"This value must be between 1 and {LIMIT_MAX}, both included.",
                code=code,
                param="limit",
            )
        return limit


Matches = Callable[[AnyFact, str], bool]


def _field(name: str) -> Matches:
    """A filter by the equality of one of the object's fields."""

    def matches(fact: AnyFact, value: str) -> bool:
        return str(getattr(fact, name)) == value

    return matches


def _txn_payout(fact: AnyFact, value: str) -> bool:
    return isinstance(fact, BalanceTransaction) and fact.payout == value


FILTERS: Final[Mapping[type, Mapping[str, Matches]]] = {
    Charge: {
        "customer": _field("customer"),
        "payment_intent": _field("payment_intent"),
        "transfer_group": _field("transfer_group"),
    },
    CreditNote: {"customer": _field("customer"), "invoice": _field("invoice")},
    PaymentIntent: {"customer": _field("customer")},
    Refund: {"charge": _field("charge"), "payment_intent": _field("payment_intent")},
    Dispute: {"charge": _field("charge"), "payment_intent": _field("payment_intent")},
    Payout: {"destination": _field("destination"), "status": _field("status")},
    Topup: {"status": _field("status")},
    Transfer: {
        "destination": _field("destination"),
        "transfer_group": _field("transfer_group"),
    },
    TransferReversal: {},
    ApplicationFee: {"charge": _field("charge")},
    BalanceTransaction: {
        "currency": _field("currency"),
        "payout": _txn_payout,
        "source": _field("source"),
        "type": _field("type"),
    },
    Event: {"type": _field("type")},
    Invoice: {
        "customer": _field("customer"),
        "status": _field("status"),
        "subscription": _field("subscription"),
    },
    ReserveHold: {"currency": _field("currency")},
    ReserveRelease: {"currency": _field("currency"), "reserve_hold": _field("hold")},
}
_RANGES: Final[Mapping[type, tuple[str, ...]]] = {
    Payout: ("created", "arrival_date"),
    Topup: ("created", "amount"),
}
_PAGING: Final = {"limit", "starting_after", "ending_before"}


def filtered(kind: type, facts: Sequence[AnyFact], parameters: Parameters) -> list[AnyFact]:
    """The objects that the filters let through, newest first.

    Raises:
        StripeRefusal: A parameter that this list does not know, or a value it cannot read.
    """
    filters = FILTERS[kind]
    ranges = _RANGES.get(kind, ("created",))
    bounds = {f"{name}[{word}]" for name in ranges for word in ("gt", "gte", "lt", "lte")}
    known = {*filters, *ranges, *bounds, *_PAGING, "delivery_success"}
    for name in (*parameters.single, *parameters.arrays):
        if name not in known and name not in ("expand", "types"):
            raise StripeRefusal(
                400,
                f"Received unknown parameter: {name}",
                code="parameter_unknown",
                param=name,
            )
    found = [
        fact
        for fact in facts
        if all(
            matches(fact, parameters.single[name])
            for name, matches in filters.items()
            if name in parameters.single
        )
    ]
    for name in ranges:
        found = [f for f in found if _is_within(_number_of(f, name), name, parameters)]
    types = parameters.arrays.get("types", ())
    if types:
        found = [fact for fact in found if isinstance(fact, Event) and fact.type in types]
    return sorted(found, key=lambda fact: (fact.created, fact.sequence), reverse=True)


def _number_of(fact: AnyFact, name: str) -> int:
    return cast("int", getattr(fact, name))


def _is_within(number: int, name: str, parameters: Parameters) -> bool:
    exact = parameters.number(name)
    above, least = parameters.number(f"{name}[gt]"), parameters.number(f"{name}[gte]")
    below, most = parameters.number(f"{name}[lt]"), parameters.number(f"{name}[lte]")
    return (
        (exact is None or number == exact)
        and (above is None or number > above)
        and (least is None or number >= least)
        and (below is None or number < below)
        and (most is None or number <= most)
    )


def page(newest_first: Sequence[AnyFact], parameters: Parameters) -> tuple[list[AnyFact], bool]:
    """One page, and whether more follow in the direction of reading.

    Raises:
        StripeRefusal: The cursor names no object of this list.
    """
    limit = parameters.limit()
    after = parameters.single.get("starting_after")
    before = parameters.single.get("ending_before")
    if after is not None:
        rest = list(newest_first[_place(newest_first, after, "starting_after") + 1 :])
        return rest[:limit], len(rest) > limit
    if before is not None:
        rest = list(newest_first[: _place(newest_first, before, "ending_before")])
        return rest[-limit:], len(rest) > limit
    return list(newest_first[:limit]), len(newest_first) > limit


def _place(facts: Sequence[AnyFact], cursor: str, param: str) -> int:
    for place, fact in enumerate(facts):
        if fact.id == cursor:
            return place
    raise missing(cursor, param=param)


def missing(fact_id: str, *, param: str = "id", noun: str = "object") -> StripeRefusal:
    """The refusal of an id that names nothing."""
    return StripeRefusal(404, f"No such {noun}: '{fact_id}'", code="resource_missing", param=param)

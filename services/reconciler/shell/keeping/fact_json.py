"""Facts as JSON text, and back, exact: integers of any size, times with their zone."""

from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Final, cast

from pydantic import TypeAdapter

from services.reconciler.facts.contents import PayoutContents
from services.reconciler.facts.kinds import (
    Audited,
    BalanceTransaction,
    Booking,
    Concern,
    Fact,
    Line,
    Reading,
    StripeBalance,
    StripeReading,
    Transfer,
)
from services.reconciler.facts.known import Proof
from services.reconciler.facts.rulings import Ruling
from services.reconciler.rules.expectations import Expectation

_KINDS: Final = MappingProxyType(
    {
        "expectation": Expectation,
        "line": Line,
        "booking": Booking,
        "transfer": Transfer,
        "balance_transaction": BalanceTransaction,
        "concern": Concern,
        "reading": Reading,
        "stripe_balance": StripeBalance,
        "stripe_reading": StripeReading,
        "audited": Audited,
        "ruling": Ruling,
        "payout_contents": PayoutContents,
    }
)
_NAMES: Final = MappingProxyType({model: name for name, model in _KINDS.items()})
_ADAPTERS: Final[MappingProxyType[str, TypeAdapter[Any]]] = MappingProxyType(  # Any: every kind
    {name: TypeAdapter(model) for name, model in _KINDS.items()}
)
_PROOF: Final = TypeAdapter(Proof)


def kind_of(fact: Fact) -> str:
    """The name under which a fact's kind is stored; never renamed."""
    return _NAMES[type(fact)]


def fact_text(fact: Fact) -> str:
    """A fact as JSON."""
    return _ADAPTERS[kind_of(fact)].dump_json(fact).decode()


def fact_of(kind: str, text: str) -> Fact:
    """The fact that ``fact_text`` wrote."""
    fact: Fact = _ADAPTERS[kind].validate_json(text)
    return fact


def proof_text(proof: Proof) -> str:
    """A proof as JSON."""
    return _PROOF.dump_json(proof).decode()


def proof_from(text: str) -> Proof:
    """The proof that ``proof_text`` wrote."""
    return _PROOF.validate_json(text)


def storable(fact: Fact) -> Fact:
    """The fact without what Postgres cannot keep in text: NUL, and halves of surrogate pairs.

    A bank may send either; nothing that is decided hangs on them.
    """
    changed: dict[str, Any] = {}  # Any: fields of any kind
    for field in fields(fact):
        value: object = getattr(fact, field.name)
        if isinstance(value, str) and (clean := clean_text(value)) != value:
            changed[field.name] = clean
        elif isinstance(value, tuple):
            texts = cast("tuple[object, ...]", value)
            cleaned = tuple(clean_text(t) if isinstance(t, str) else t for t in texts)
            if cleaned != texts:
                changed[field.name] = cleaned
    return replace(fact, **changed) if changed else fact


def clean_text(text: str) -> str:
    """Text without NUL and without halves of surrogate pairs."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()

"""The rule behind an entry: the function that its kind was booked by, and what that books."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import cleandoc
from pkgutil import iter_modules
from types import FunctionType, MappingProxyType
from typing import Any, Final

import services.ledger.rules as rules_package
from services.ledger.activation.rule_versions import ONE, RULES
from services.ledger.exports.journal import Told
from services.ledger.rules import (
    commands,
    credit_notes,
    customer_credits,
    invoices,
    revenue_release,
)

Function = Callable[..., Any]  # Any: rules are of many shapes, and none is called here


@dataclass(frozen=True, slots=True)
class Rule:
    """What made an entry: a kind, the version of the rules, the function and what it books."""

    kind: str
    version: int
    function: str
    booking: str


# What one rule of the table is made of: the kinds that it books, each with its own function. They
# count for every version that has that rule of the table as version 1 has it.
_PARTS: Final[Mapping[str, Mapping[str, Function]]] = MappingProxyType(
    {
        "invoice": {
            "invoice": invoices.finalized,
            "revenue_deferred": invoices.deferred,
            "invoice_balance_applied": invoices.balance_applied,
            "invoice_paid_out_of_band": invoices.paid_out_of_band,
            "invoice_overpaid": invoices.overpaid,
            "invoice_uncollectible": invoices.uncollectible,
            "invoice_recovered": invoices.recovered,
            "invoice_voided": invoices.voided,
            "revenue_deferral_voided": invoices.deferral_voided,
            "invoice_balance_returned": invoices.balance_returned,
        },
        "invoice_payment": {"invoice_paid": invoices.paid},
        "credit_note": {
            "credit_note": credit_notes.credited,
            "credit_note_voided": credit_notes.credit_voided,
        },
        "credits_bought": {
            "credits_issued": customer_credits.issued,
            "credits_returned": customer_credits.returned,
            "credits_unassigned": customer_credits.unassigned,
        },
        "credits_assigned": {"credits_assigned": customer_credits.assigned},
    }
)
# What commands book is decided once, by whichever version.
_OF_COMMANDS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "expense": commands.book_expense,
        "revenue_released": revenue_release.released,
        "credits_granted": customer_credits.granted,
        "credits_spent": customer_credits.spent,
    }
)


def rule_of(told: Told) -> Rule:
    """The rule of an entry's kind in its version: the function, whose docstring is the booking."""
    return rule_named(told.kind, told.rules_version)


def rule_named(kind: str, version: int) -> Rule:
    """The rule of a kind in a version; one that cannot be told has no function.

    What a version does not name is a part of what it names, or is found by its own name.
    """
    function = _function(kind, version)
    if function is None:
        return Rule(kind, version, "", "")
    where = f"{function.__module__}.{function.__qualname__}"
    return Rule(kind, version, where, _booking(function.__doc__ or ""))


def _function(kind: str, version: int) -> Function | None:
    table = RULES.get(version)
    for name, parts in _PARTS.items():
        if kind in parts and getattr(table, name, None) is getattr(ONE, name):
            return parts[kind]
    if kind in _OF_COMMANDS:
        return _OF_COMMANDS[kind]
    names = (kind, f"{kind}_made")
    for name in names:
        function = getattr(table, name, None)
        if isinstance(function, FunctionType):
            return function
    for found in iter_modules(rules_package.__path__, f"{rules_package.__name__}."):
        module = import_module(found.name)
        for name in names:
            function = getattr(module, name, None)
            if isinstance(function, FunctionType):
                return function
    return None


def _booking(docstring: str) -> str:
    """The first sentence and the lines that begin with Dr or Cr."""
    lines = cleandoc(docstring).splitlines()
    booked = [line.strip() for line in lines if line.strip().startswith(("Dr ", "Cr "))]
    return "\n".join([*lines[:1], *booked])

"""The rule behind an entry: the function that its kind was booked by, and what that books."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib import import_module
from inspect import cleandoc
from pkgutil import iter_modules
from types import FunctionType, MappingProxyType
from typing import Any, Final

import services.ledger.rules as rules_package
from services.ledger.activation.rule_versions import RULES, RuleTable
from services.ledger.exports.journal import Told
from services.ledger.readers import stripe
from services.ledger.readers.exact_json import as_object, parse_object
from services.ledger.readers.told import BalanceTransaction
from services.ledger.rules import (
    bad_debts,
    commands,
    credit_notes,
    customer_credits,
    invoices,
    revenue_release,
)
from shared.contracts.errors import Refused
from shared.contracts.references import balance_transaction

# The one kind that has a rule for each type; the moment stands in where a fact has none of its own.
_BY_TYPE: Final = "balance_transaction"
_AT: Final = datetime(1970, 1, 1, tzinfo=UTC)
Function = Callable[..., Any]  # Any: rules are of many shapes, and none is called here


@dataclass(frozen=True, slots=True)
class Rule:
    """What made an entry: a kind, the version of the rules, the function and what it books."""

    kind: str
    version: int
    function: str
    booking: str


# What one rule of the table is made of: the kinds that it books, each with its own function.
_OF_INVOICE: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "invoice": invoices.finalized,
        "revenue_deferred": invoices.deferred,
        "invoice_balance_applied": invoices.balance_applied,
        "invoice_paid_out_of_band": invoices.paid_out_of_band,
        "invoice_overpaid": invoices.overpaid,
        "invoice_voided": invoices.voided,
        "revenue_deferral_voided": invoices.deferral_voided,
        "invoice_balance_returned": invoices.balance_returned,
    }
)
_OF_CREDIT_NOTE: Final[Mapping[str, Function]] = MappingProxyType(
    {"credit_note": credit_notes.credited, "credit_note_voided": credit_notes.credit_voided}
)
_PARTS: Final[Mapping[Function, Mapping[str, Function]]] = MappingProxyType(
    {
        invoices.invoice: {
            **_OF_INVOICE,
            "invoice_uncollectible": invoices.uncollectible,
            "invoice_recovered": invoices.recovered,
        },
        invoices.invoice_or_bad_debt: {**_OF_INVOICE, "bad_debt": bad_debts.bad_debt},
        invoices.paid: {"invoice_paid": invoices.paid},
        credit_notes.credit_note: _OF_CREDIT_NOTE,
        credit_notes.credit_note_given_outside: _OF_CREDIT_NOTE,
        customer_credits.bought: {
            "credits_issued": customer_credits.issued,
            "credits_returned": customer_credits.returned,
            "credits_unassigned": customer_credits.unassigned,
        },
        customer_credits.assigned_at_once: {"credits_assigned": customer_credits.assigned},
        customer_credits.bought_by_whom: {
            "credits_issued": customer_credits.issued,
            "credits_returned": customer_credits.returned,
            "credits_assigned": customer_credits.passed_to_customer,
            "credits_unassigned": customer_credits.passed_to_customer,
        },
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


def rule_of(told: Told, message: bytes | None = None) -> Rule:
    """The rule of an entry in its version: the function, whose docstring is the booking.

    Which rule a balance transaction has is a matter of its type, so the message's bytes are asked.
    """
    if told.kind == _BY_TYPE and message is not None:
        function = movement_of(message, told.reference, told.rules_version)
        if function is not None:
            return _rule(told.kind, told.rules_version, function)
    return rule_named(told.kind, told.rules_version)


def rule_named(kind: str, version: int) -> Rule:
    """The rule of a kind in a version; one that cannot be told has no function.

    What a version does not name is a part of what it names, or is found by its own name.
    """
    function = _function(kind, version)
    if function is None:
        return Rule(kind, version, "", "")
    return _rule(kind, version, function)


def _rule(kind: str, version: int, function: Function) -> Rule:
    where = f"{function.__module__}.{function.__qualname__}"
    return Rule(kind, version, where, _booking(function.__doc__ or ""))


def movement_of(message: bytes, reference: str, version: int) -> Function | None:
    """The rule of the balance transaction of that reference, as a message tells it.

    ``None``: these bytes tell no such thing.
    """
    table = RULES.get(version)
    try:
        shown = parse_object(message)
    except Refused:
        return None
    shown = as_object((as_object(shown.get("data")) or {}).get("object")) or shown
    found = (
        told
        for told in stripe.tellings(shown, _AT)
        if isinstance(told, BalanceTransaction) and balance_transaction(told.id) == reference
    )
    told = next(found, None)
    return table.movements.rule_of(told) if told is not None and table is not None else None


def _function(kind: str, version: int) -> Function | None:
    table = RULES.get(version)
    for rule in _rules_of(table):
        if kind in _PARTS.get(rule, ()):
            return _PARTS[rule][kind]
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


def _rules_of(table: RuleTable | None) -> list[Function]:
    found = [getattr(table, each.name) for each in fields(table)] if table is not None else []
    return [each for each in found if isinstance(each, FunctionType)]


def _booking(docstring: str) -> str:
    """The first sentence and the lines that begin with Dr or Cr."""
    lines = cleandoc(docstring).splitlines()
    booked = [line.strip() for line in lines if line.strip().startswith(("Dr ", "Cr "))]
    return "\n".join([*lines[:1], *booked])

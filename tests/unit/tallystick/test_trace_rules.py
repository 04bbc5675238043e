"""The rule behind an entry is named for each kind that is booked, with its booking."""

import ast
import json
from pathlib import Path

import pytest

import services.ledger.rules as rules_package
from services.ledger.rules import invoices, movements
from tallystick.trace.rules import movement_of, rule_named

ROOM = Path(rules_package.__file__).parent
# Bookings that turn another entry round, or depend on the type, have no lines of their own.
WITHOUT_LINES = {"balance_transaction", "match_undone", "reverse_entry"}


def kinds() -> set[str]:
    """Every kind that the rules give to an entry, as it is written there."""
    found: set[str] = set()
    for file in sorted(ROOM.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = [k.value for k in node.keywords if k.arg == "kind"]
            given += node.args[2:3] if node.func.id == "billed_entry" else []
            values = [v for one in given for v in ast.walk(one) if isinstance(v, ast.Constant)]
            if node.func.id in {"entry", "billed_entry", "_entry", "_by_command"}:
                found |= {str(each.value) for each in values}
    return found


def test_kinds_are_found_in_the_rules() -> None:
    assert {"payment", "refund_failed", "invoice_voided", "credits_spent", "expense"} <= kinds()


@pytest.mark.parametrize("kind", sorted(kinds() | {"match_undone", "reverse_entry"}))
def test_kind_is_traced_to_the_function_that_books_it(kind: str) -> None:
    rule = rule_named(kind, 1)
    assert rule.function.startswith("services.ledger.rules.")
    assert kind in WITHOUT_LINES or ("\nDr " in rule.booking and "\nCr " in rule.booking)


def test_part_of_a_rule_is_named_and_not_the_whole() -> None:
    assert rule_named("invoice", 1).function.endswith(f".{invoices.finalized.__name__}")
    assert rule_named("invoice_paid", 1).function.endswith(f".{invoices.paid.__name__}")


def test_balance_transaction_is_traced_to_the_rule_of_its_type() -> None:
    shown = {
        "id": "txn_1",
        "object": "balance_transaction",
        "amount": -500,
        "created": 1_793_000_000,
        "currency": "usd",
        "fee": 0,
        "net": -500,
        "source": "po_1",
        "status": "available",
        "type": "payout",
        "reporting_category": "payout",
    }
    named = "stripe:balance_transaction:txn_1"
    polled = json.dumps(shown).encode()
    inside = {"id": "po_1", "object": "payout", "balance_transaction": shown}
    told = json.dumps({"id": "evt_1", "object": "event", "data": {"object": inside}}).encode()
    assert movement_of(polled, named, 1) is movements.in_transit
    assert movement_of(told, named, 1) is movements.in_transit
    assert movement_of(polled, "stripe:balance_transaction:txn_2", 1) is None
    assert movement_of(b"\xff", named, 1) is None
    assert movement_of(polled, named, 99) is None


def test_kind_that_no_rule_books_has_no_function() -> None:
    assert rule_named("nothing_of_ours", 1).function == ""

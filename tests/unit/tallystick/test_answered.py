"""What was decided, as a person reads it: amounts as money, and nothing that says nothing."""

from services.console.intake import Answer
from tallystick.amounts import Json
from tallystick.cli.answered import answer_lines

HELD = {"minor": "900000", "currency": "usd", "exponent": 2}


def test_answer_shows_amounts_as_money_and_leaves_out_what_says_nothing() -> None:
    told: Json = {
        "reason": "9000.00 USD held",
        "reference": None,
        "decided": {
            "hold": "ada@cli:rent",
            "amount": HELD,
            "expires_at": None,
            "key": "",
            "open_keys": [],
            "is_open": True,
            "closed_through": "2026-11-10",
            "trial_balance": [{"currency": "usd", "debits": HELD, "credits": HELD}],
        },
    }
    assert answer_lines(Answer.BOOKED, told, {"command": "ada@cli:rent"}) == [
        "9000.00 USD held",
        "  command        ada@cli:rent",
        "  hold           ada@cli:rent",
        "  amount         9000.00 USD",
        "  is open        yes",
        "  closed through 2026-11-10",
        "  trial balance  currency usd, debits 9000.00 USD, credits 9000.00 USD",
    ]


def test_minor_units_of_a_decision_are_shown_as_amounts_of_its_currency() -> None:
    told: Json = {
        "reason": "ops signed off through 2026-11-20",
        "decided": {"currency": "usd", "bank_minor": "1272684", "in_transit_minor": "-5"},
    }
    assert answer_lines(Answer.BOOKED, told, {})[1:] == [
        "  currency   usd",
        "  bank       12726.84 USD",
        "  in transit -0.05 USD",
    ]


def test_answer_that_was_given_before_says_so() -> None:
    found = answer_lines(Answer.REPLAYED, {"reason": "booked", "reference": "command:k"}, {})
    assert found == ["booked (asked before under this key)", "  reference  command:k"]

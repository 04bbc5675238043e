"""What people and agents ask for, as the oracle expects it in the books: debit positive."""

from oracle.model import Books, model_of
from tests.unit.oracle.world import Json, records, usd

Legs = list[tuple[str, str, int]]


def legs_of(*told: Json) -> dict[str, Legs]:
    commands = [{"book": "main", "idempotency_key": f"k{n}"} | t for n, t in enumerate(told, 1)]
    model = model_of(records("ledger.commands", commands), Books())
    assert not model.unreadable
    return {
        name.reference: [(leg.account, leg.key, leg.minor) for leg in tellings[0].fact.legs]
        for name, tellings in model.tellings.items()
    }


EXPENSE: Json = {
    "kind": "book_expense",
    "category": "compute",
    "amount": usd(300),
    "paid_from": "assets:bank:main",
}
HOLD: Json = {
    "kind": "place_hold",
    "account": "liabilities:connect",
    "key": "acct_1",
    "amount": usd(100),
}
SETTLE: Json = {"kind": "settle_hold", "hold": "k1", "to": "assets:bank:main"}


def test_expense_debits_its_category() -> None:
    assert legs_of(EXPENSE)["command:k1"] == [
        ("assets:bank:main", "", -300),
        ("expenses:compute", "", 300),
    ]


def test_capital_taken_out_turns_the_sides() -> None:
    capital: Json = {
        "kind": "owner_capital",
        "direction": "withdraw",
        "amount": usd(50),
        "account": "assets:bank:main",
    }
    assert legs_of(capital)["command:k1"] == [
        ("assets:bank:main", "", -50),
        ("equity:owner", "", 50),
    ]


def test_reversal_turns_what_it_names_even_a_reversal_told_before_it() -> None:
    again: Json = {"kind": "reverse_entry", "reference": "command:k2"}
    undo: Json = {"kind": "reverse_entry", "reference": "command:k3"}
    found = legs_of(again, undo, EXPENSE)
    assert found["command:k2"] == [("assets:bank:main", "", 300), ("expenses:compute", "", -300)]
    assert sorted(found["command:k1"]) == sorted(found["command:k3"])


def test_reversal_of_nothing_tells_nothing() -> None:
    assert legs_of({"kind": "reverse_entry", "reference": "command:k9"}) == {}


def test_settlement_takes_what_the_hold_says_and_no_more_than_it_says_itself() -> None:
    assert legs_of(HOLD, SETTLE)["command:k2"] == [
        ("assets:bank:main", "", -100),
        ("liabilities:connect", "acct_1", 100),
    ]
    assert legs_of(HOLD, SETTLE | {"amount": usd(40)})["command:k2"][0][2] == -40


def test_settlement_of_a_hold_on_what_grows_by_debit_credits_it() -> None:
    cash: Json = HOLD | {"account": "assets:bank:main", "key": ""}
    assert legs_of(cash, SETTLE | {"to": "expenses:compute"})["command:k2"] == [
        ("assets:bank:main", "", -100),
        ("expenses:compute", "", 100),
    ]


def test_account_that_was_opened_grows_by_the_side_that_it_was_given() -> None:
    opened: Json = {"kind": "open_account", "account": "memo:owed", "normal": "credit"}
    held: Json = {"kind": "place_hold", "account": "memo:owed", "amount": usd(7)}
    settle: Json = {"kind": "settle_hold", "hold": "k2", "to": "memo:given"}
    assert legs_of(opened, held, settle)["command:k3"] == [
        ("memo:given", "", -7),
        ("memo:owed", "", 7),
    ]

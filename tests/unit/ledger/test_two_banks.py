"""Two banks that use one id: the lines share a key in suspense, and nothing else."""

from textwrap import dedent

from services.ledger.activation.in_force import BookInForce
from services.ledger.rules.bank import bank_line
from shared.contracts.journal import render
from shared.contracts.observations import BANK_OBSERVATION, BankLine


def line(account: str, minor: int) -> BankLine:
    told = BANK_OBSERVATION.validate_python(
        {
            "kind": "line",
            "account": account,
            "id": "l_1",
            "state": "posted",
            "amount": {"minor": str(minor), "currency": "usd", "exponent": 2},
            "booked_on": "2026-11-20",
        }
    )
    assert isinstance(told, BankLine)
    return told


def test_lines_of_two_banks_with_one_id_are_two_facts_under_one_key() -> None:
    first = bank_line(line("main", 700), BookInForce())
    other = bank_line(line("other", -200), BookInForce())
    assert render(first) == dedent("""\
        Dr assets:bank:main           7.00 USD
        Cr liabilities:suspense[l_1]  7.00 USD""")
    assert render(other) == dedent("""\
        Cr assets:bank:other          2.00 USD
        Dr liabilities:suspense[l_1]  2.00 USD""")
    assert first is not None
    assert other is not None
    assert first.reference == "bank:main:line:l_1:r1"
    assert other.reference == "bank:other:line:l_1:r1"

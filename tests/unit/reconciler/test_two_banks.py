"""Two banks of one book that give their lines the same ids."""

from services.reconciler.facts.kinds import Booking, Leg
from shared.contracts.books import BankAccount, BookData
from tests.support.reconciler_facts import LATER, A, booking, found, line, payout, said

TWO_BANKS = BookData(
    bank_accounts=(
        BankAccount(name="ops", currency="usd"),
        BankAccount(name="tax", currency="usd"),
    )
)


def cleared(minor: int, *, number: int = 1) -> Booking:
    leg = Leg("liabilities:suspense", "l1", "usd", minor)
    return booking(f"command:{number}", leg, kind="manual_entry")


def test_clearing_one_banks_line_by_hand_leaves_the_match_of_anothers_with_the_same_id() -> None:
    paid, rent = line(A), line("RENT", -700, account="tax")
    result = found(payout(), paid, rent, cleared(-700), book=TWO_BANKS, at=LATER)
    assert [m.line for m in result.matches] == [paid]
    assert said(result) == []


def test_clearing_one_banks_line_by_hand_leaves_anothers_with_the_same_id_unexplained() -> None:
    acme, rent = line("ACME", 500), line("RENT", -700, account="tax")
    result = found(acme, rent, cleared(-700), book=TWO_BANKS)
    assert said(result) == ["unidentified_bank_credit l1 500"]
    partly = found(acme, rent, cleared(-200), book=TWO_BANKS)
    assert said(partly) == ["unidentified_bank_credit l1 500", "unidentified_bank_debit l1 500"]
    both = found(acme, rent, cleared(-700), cleared(500, number=2), book=TWO_BANKS)
    assert said(both) == []
    taken_back = found(acme, rent, cleared(-700), cleared(700, number=2), book=TWO_BANKS)
    assert said(taken_back) == [
        "unidentified_bank_credit l1 500",
        "unidentified_bank_debit l1 700",
    ]


def test_line_cleared_by_hand_is_known_as_long_as_one_with_its_id_is_open() -> None:
    facts = (line("ACME", 500), line("RENT", 700, account="tax"), cleared(500))
    whole = found(*facts, book=TWO_BANKS, at=LATER)
    left = [fact for fact in facts if fact.key not in whole.dormant]
    assert said(found(*left, book=TWO_BANKS, at=LATER)) == ["unidentified_bank_credit l1 700"]

"""The reports of reconciliation, from rows: what adds up, what differs, what is not known."""

from datetime import UTC, date, datetime
from typing import Any

from services.console.reconciling.cash import Cash, cash_paper, statement_paper
from services.console.reconciling.paper import paper_json
from services.console.reconciling.reports import (
    PayoutRows,
    aging_paper,
    custody_paper,
    payouts_paper,
    position_paper,
)

AT = datetime(2026, 11, 30, tzinfo=UTC)
CLOCKS = (("both read at", "2026-11-30T00:00:00Z"),)
PAYOUT = {
    "id": "po_1", "what": "payout", "stage": "paid", "minor": 900, "currency": "usd",
    "arrival": date(2026, 11, 11), "failure": "",
}  # fmt: skip


def movement(name: str, net: int, source: str = "ch") -> dict[str, Any]:
    return {
        "id": name, "type": "charge", "category": "charge", "source": source,
        "amount_minor": net, "fee_minor": 0, "net_minor": net,
    }  # fmt: skip


def rows(settled: int | None = 900, net: int = 900) -> PayoutRows:
    return PayoutRows(
        payouts=[PAYOUT, PAYOUT | {"id": "po_2", "stage": "failed", "failure": "closed"}],
        contents={"po_1": ["t1", "t2"]},
        movements={"t1": movement("t1", net), "t2": movement("t2", -900, "po_1")},
        settled={} if settled is None else {"po_1": settled},
        unpaid={"usd": [movement("t3", 250)]},
        ledger={"usd": 250},
    )


def custody(told: PayoutRows) -> tuple[str, str]:
    paper = paper_json(custody_paper("main", told, CLOCKS, span="November"))
    (row,) = paper["sections"][0]["rows"]
    return paper["status"], row["chain"]


def test_custody_agrees_waits_or_differs() -> None:
    assert custody(rows()) == ("sound", "agrees")
    assert custody(rows(settled=None)) == ("sound", "waits")
    assert custody(rows(settled=800)) == ("wrong", "differs")


def test_payout_report_has_summary_payouts_ending_balance_and_what_failed() -> None:
    paper = paper_json(payouts_paper("main", rows(), CLOCKS, span="November"))
    titles = [section["title"] for section in paper["sections"]]
    assert titles == [
        "Summary, USD",
        "Payouts, USD",
        "Ending balance, USD",
        "Failed or canceled, USD",
    ]
    assert [row["payout"] for row in paper["sections"][3]["rows"]] == ["po_2"]
    assert paper["sections"][2]["notes"] == []
    short = paper_json(payouts_paper("main", rows(net=800), CLOCKS, span="November"))
    assert (short["status"], short["sections"][0]["status"]) == ("wrong", "wrong")


def cash(bank: Cash, books: Cash) -> str:
    return cash_paper("main", "ops", "usd", bank, books, clocks=CLOCKS, span="November").style


def test_proof_of_cash_needs_both_sides_to_add_up_and_to_agree() -> None:
    good = Cash(100, 50, 20, 130)
    assert cash(good, good) == "sound"
    assert cash(Cash(100, 50, 20, 131), good) == "wrong"
    assert cash(Cash(100, 60, 20, 140), good) == "wrong"
    assert cash(Cash(None, 50, 20, None), good) == "waits"


def test_position_differs_where_bank_or_stripe_does() -> None:
    proof = {
        "account": "ops", "currency": "usd", "day": AT.date(), "at": AT, "told_at": AT,
        "bank_minor": 100, "ledger_minor": 100,
    }  # fmt: skip
    word = {"account": "acct_1", "currency": "usd", "minor": 50, "told_at": AT}
    same = position_paper("main", [proof], [(word, 50)], {"usd": 5}, CLOCKS, span="x")
    assert same.style == "sound"
    off = position_paper("main", [proof], [(word, 49)], {}, CLOCKS, span="x")
    assert (off.style, off.verdict) == ("wrong", "1 positions differ")


def test_statement_without_a_balance_of_the_bank_says_so() -> None:
    paper = statement_paper("main", "ops", None, [], [], clocks=CLOCKS, day=AT.date())
    assert (paper.style, paper.sections) == ("waits", ())


def test_aging_counts_by_class_and_bucket() -> None:
    record = {
        "break_class": "missing_in_bank", "age": "4-7", "discrepancy": "payout_overdue",
        "amount": {"minor": "900", "currency": "usd", "exponent": 2},
    }  # fmt: skip
    paper = paper_json(aging_paper("main", [record, record], [], CLOCKS, now=AT))
    (row,) = paper["sections"][0]["rows"]
    assert (row["4-7"], row["0-1"], row["amounts"]) == (2, None, "18.00 USD")

"""The reports of reconciliation, from rows: what adds up, what differs, what is not known."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.console.reconciling.cash import (
    Cash,
    cash_paper,
    of_account,
    open_then,
    statement_paper,
)
from services.console.reconciling.paper import (
    Paper,
    ReadUpTo,
    Section,
    paper_csv,
    paper_html,
    paper_json,
    paper_lines,
)
from services.console.reconciling.reports import (
    LineWrittenOff,
    PayoutRows,
    aging_paper,
    custody_paper,
    lines_paper,
    payouts_paper,
    position_paper,
)
from services.console.shell.reconciling_reports import WORDS, ReportName, asked
from services.console.views import BadRequest
from shared.contracts.books import BankAccount, BookData
from shared.contracts.money import Money

AT = datetime(2026, 11, 30, tzinfo=UTC)
CLOCKS = (("both read at", "2026-11-30T00:00:00Z"),)
DATA = BookData(name="main")
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
    assert custody(rows(net=800)) == ("wrong", "differs")


def test_what_was_written_off_makes_up_for_what_the_bank_lacks() -> None:
    told = replace(rows(settled=800), written_off={"po_1": 100})
    assert custody(told) == ("sound", "written off")
    assert custody(replace(told, written_off={"po_1": 99})) == ("wrong", "differs")
    paper = payouts_paper("main", told, CLOCKS, span="November")
    assert (paper.style, paper.verdict) == ("sound", "1 written off, all or in part")


def test_custody_names_the_payout_and_its_amount_in_every_form() -> None:
    paper = custody_paper("main", rows(settled=None), CLOCKS, span="November")
    (row,) = paper_json(paper)["sections"][0]["rows"]
    assert (row["payout"], row["amount"]["minor"]) == ("po_1", "900")
    assert ",po_1,2026-11-11,1,9.00,usd,9.00,usd,,,waits" in paper_csv(paper)
    assert paper.verdict == "nothing differs, 1 waiting"


def test_a_section_with_two_columns_of_one_name_is_no_section() -> None:
    with pytest.raises(ValueError, match="one name"):
        Section("Payouts", ("payout", "payout"), ())


def test_a_section_whose_amounts_are_not_where_it_says_is_no_section() -> None:
    with pytest.raises(ValueError, match="in a column for none"):
        Section("Payouts", ("amount",), ((Money.of(1, "usd"),),))
    with pytest.raises(ValueError, match="has no column"):
        Section("Payouts", ("payout",), (), amounts=("amount",))


def test_csv_has_the_same_headings_whether_or_not_a_row_has_an_amount() -> None:
    waiting, settled = (
        paper_csv(custody_paper("main", told, CLOCKS, span="November"))
        for told in (rows(settled=None), rows())
    )
    assert waiting.splitlines()[0] == settled.splitlines()[0]
    assert "bank lines,bank lines currency" in waiting


def test_positions_are_told_by_topic_to_people_and_by_partition_to_programs() -> None:
    places = (("bank.observations", 0, 46), ("bank.observations", 3, 1047), ("stripe.events", 0, 2))
    full = "bank.observations/0@46 bank.observations/3@1047 stripe.events/0@2"
    brief = "bank.observations 1,093, stripe.events 2"
    paper = Paper("Lines", "main", (("ledger has booked up to", ReadUpTo(places)), *CLOCKS), ())
    assert f"ledger has booked up to: {brief}" in [line.text for line in paper_lines(paper)]
    assert paper_json(paper)["clocks"]["ledger has booked up to"] == full
    page = paper_html(paper)
    assert f"<summary>ledger has booked up to: {brief}</summary><p>{full}</p>" in page
    assert (ReadUpTo(()).brief, ReadUpTo(()).full) == ("nothing", "nothing")


@pytest.mark.parametrize("name", ReportName)
def test_a_report_takes_the_words_that_make_a_difference_to_it(name: ReportName) -> None:
    words = {"from": "2026-11-01", "to": "2026-11-30", "account": "ops"}
    asked(name, DATA, {word: words[word] for word in WORDS[name]}, AT)
    for other in words.keys() - WORDS[name]:
        with pytest.raises(BadRequest, match=f"^{other}: not a word of the report {name}"):
            asked(name, DATA, {other: words[other]}, AT)


def test_a_period_without_anything_says_so() -> None:
    none = PayoutRows((), {}, {}, {}, {}, {})
    assert custody_paper("main", none, CLOCKS, span="x").verdict == "no payout"
    lines = lines_paper("main", "ops", (), {}, {}, off={}, clocks=CLOCKS, span="x")
    assert lines.verdict == "no line was booked in these days"
    position = position_paper("main", (), (), {}, CLOCKS, span="x")
    assert (position.verdict, position.style) == ("no bank balance of these days was told", "waits")


def test_line_that_was_written_off_settles_nothing_and_waits_for_nothing() -> None:
    line = {
        "id": "l1", "minor": -700, "currency": "usd", "booked_on": AT.date(), "counterparty": "",
        "description": "FEE",
    }  # fmt: skip
    two = [line, line | {"id": "l2"}, line | {"id": "l3"}]
    off = {
        "l1": LineWrittenOff(-700, frozenset({"expenses:bank-fees"})),
        "l2": LineWrittenOff(-200, frozenset({"expenses:bank-fees"})),
    }
    said = {"l2": "unmatched bank line"}
    paper = lines_paper("main", "ops", two, {}, said, off=off, clocks=CLOCKS, span="x")
    told = [row["settles"] for row in paper_json(paper)["sections"][0]["rows"]]
    assert told == [
        "written off to expenses:bank-fees",
        "written off in part to expenses:bank-fees",
        "waits",
    ]
    assert (paper.style, paper.verdict) == ("waits", "2 of 3 lines settle nothing")
    paper = lines_paper("main", "ops", two[:1], {}, {}, off=off, clocks=CLOCKS, span="x")
    assert (paper.style, paper.verdict) == ("sound", "all settled")


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
    assert (paper["status"], paper["verdict"]) == ("sound", "1 at the bank")
    for settled, verdict in ((None, "1 not there yet"), (800, "1 there with another amount")):
        told = payouts_paper("main", rows(settled=settled), CLOCKS, span="November")
        assert (told.style, told.verdict) == ("waits", verdict)
    short = paper_json(payouts_paper("main", rows(net=800), CLOCKS, span="November"))
    assert (short["status"], short["sections"][0]["status"]) == ("wrong", "wrong")


def item(key: str, minor: int) -> dict[str, Any]:
    return {"key": key, "currency": "usd", "minor": minor, "since": AT}


def cash(bank: Cash, books: Cash) -> str:
    return cash_paper("main", "ops", "usd", bank, books, clocks=CLOCKS, span="November").style


def test_proof_of_cash_needs_both_sides_to_add_up_and_to_agree() -> None:
    good = Cash(100, 50, 20, 130)
    assert cash(good, good) == "sound"
    assert cash(Cash(100, 50, 20, 131), good) == "wrong"
    assert cash(Cash(100, 60, 20, 140), good) == "wrong"
    assert cash(Cash(None, 50, 20, None), good) == "waits"


def test_proof_of_cash_says_which_of_the_banks_balances_was_not_told() -> None:
    good = Cash(100, 50, 20, 130)

    def verdict(bank: Cash) -> str:
        return cash_paper("main", "ops", "usd", bank, good, clocks=CLOCKS, span="x").verdict

    assert verdict(Cash(None, 50, 20, 130)).endswith("held at the opening was not told")
    assert verdict(Cash(100, 50, 20, None)).endswith("held at the closing was not told")
    assert verdict(Cash(None, 50, 20, None)) == "no bank balance of these days was told"


def test_position_differs_where_bank_or_stripe_does() -> None:
    proof = {
        "account": "ops", "currency": "usd", "day": AT.date(), "at": AT, "told_at": AT,
        "bank_minor": 100, "ledger_minor": 100,
    }  # fmt: skip
    word = {"account": "acct_1", "currency": "usd", "minor": 50, "told_at": AT}
    same = position_paper("main", [proof], [(word, 50)], {"usd": 5}, CLOCKS, span="x")
    assert same.style == "sound"
    off = position_paper("main", [proof], [(word, 49)], {}, CLOCKS, span="x")
    assert (off.style, off.verdict) == ("wrong", "1 of 2 positions differ")


def test_position_of_past_days_says_that_stripes_word_is_of_after_them() -> None:
    word = {"account": "acct_1", "currency": "usd", "minor": 50, "told_at": AT}

    def notes(ends: datetime) -> tuple[str, ...]:
        told = position_paper("main", (), [(word, 50)], {}, CLOCKS, span="x", ends=ends)
        return told.sections[1].notes

    assert notes(AT + timedelta(seconds=1)) == ()
    (note,) = notes(AT)
    assert note.startswith("Stripe's word is its last one, of after these days")


def test_statement_without_a_balance_of_the_bank_says_so() -> None:
    paper = statement_paper("main", "ops", None, [], [], clocks=CLOCKS, day=AT.date())
    assert (paper.style, paper.sections) == ("waits", ())


def test_what_was_in_transit_on_a_day_is_what_is_open_less_what_moved_since() -> None:
    now = [item("po_open", 500), item("po_later", 70)]
    moved = [
        {"key": "po_later", "currency": "usd", "minor": 70},
        {"key": "po_paid", "currency": "usd", "minor": -900},
        {"key": "po_short", "currency": "usd", "minor": 0},
    ]
    created = {"po_paid": datetime(2026, 11, 1, tzinfo=UTC)}
    then = {row["key"]: (row["minor"], row["since"]) for row in open_then(now, moved, created)}
    assert then == {"po_open": (500, AT), "po_paid": (900, created["po_paid"])}


def test_a_statement_counts_what_is_on_its_way_to_its_own_bank_account() -> None:
    data = BookData(
        name="main",
        bank_accounts=(
            BankAccount(name="ops", currency="usd", destinations=("ba_1",)),
            BankAccount(name="other", currency="usd", destinations=("ba_2",)),
        ),
    )
    items = [item("po_1", 500), item("po_2", 70), item("po_3", 9)]
    own, unnamed = of_account(items, {"po_1": "ba_1", "po_2": "ba_2"}, data, "ops")
    proof = {
        "currency": "usd", "at": AT, "told_at": AT, "bank_minor": 1, "ledger_minor": 1,
        "day": date(2026, 11, 28),
    }  # fmt: skip
    paper = statement_paper(
        "main", "ops", proof, own, [], clocks=CLOCKS, day=AT.date(), unnamed=unnamed
    )
    assert paper.verdict == "bank and books agree on 2026-11-28, the bank's last balance by then"
    on_its_way = paper.sections[1]
    assert [row[0] for row in on_its_way.rows] == ["po_1"]
    assert on_its_way.notes == (
        "0.09 USD more is on its way to a bank account that the books file does not name: po_3",
    )


def test_aging_counts_by_class_and_bucket() -> None:
    record = {
        "break_class": "missing_in_bank", "age": "4-7", "discrepancy": "payout_overdue",
        "amount": {"minor": "900", "currency": "usd", "exponent": 2},
    }  # fmt: skip
    euros = record | {"amount": {"minor": "5", "currency": "eur", "exponent": 2}, "age": "0-1"}
    bare = record | {"amount": None, "break_class": "feed_stale"}
    paper = paper_json(aging_paper("main", [record, record, euros, bare], [], CLOCKS, now=AT))
    feed, eur, usd = paper["sections"][0]["rows"]
    assert (usd["4-7"], usd["0-1"], usd["amount"]["minor"]) == (2, None, "1800")
    assert (eur["4-7"], eur["0-1"], eur["amount"]["minor"]) == (None, 1, "5")
    assert (feed["class"], feed["4-7"], feed["amount"]) == ("feed stale", 1, None)

"""What is supposed on a command line, and how a difference is written."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ledger.chart import DEFAULT_CHART
from services.ledger.what_if.suppositions import BalanceDifference, EntryDifference
from shared.contracts.commands import Activated
from shared.contracts.journal import Account, Book, Reference, credit, debit, entry
from shared.contracts.money import Money, currency_of
from tallystick.what_if.asked import since_of, suppositions_of
from tallystick.what_if.tell import Csv, Json, Table

USD = currency_of("usd")
BALANCES = [
    BalanceDifference("main", "revenue:refunds", "usd", 2, 1_050, 0),
    BalanceDifference("main", "revenue:stripe", "jpy", 0, -(10**30), 5),
]
SUMMARY = {"messages": 12, "entries": 3, "entries_then": 4}


def difference() -> EntryDifference:
    """A refund that would be booked on another account."""

    def booked(account: str) -> object:
        return entry(
            book=Book("main"),
            reference=Reference("=stripe:refund:re_1"),
            kind="refund",
            effective_at=datetime(2026, 1, 1, tzinfo=UTC),
            lines=(
                debit(Account(account), Money(1_050, USD)),
                credit(Account("assets:stripe:settling"), Money(1_050, USD), key="re_1"),
            ),
            rules_version=1,
            description="",
        )

    return EntryDifference(booked("revenue:refunds"), booked("revenue:stripe"))  # type: ignore[arg-type]  # lines that are no zeros make an entry


def test_table_says_what_is_and_what_would_be() -> None:
    out = io.StringIO()
    teller = Table(out.write)
    teller.balances(BALANCES)
    teller.entry(difference())
    teller.end(SUMMARY)
    big = "1000000000000000000000000000000"
    assert out.getvalue().splitlines() == [
        f"book  account               {'is':>32}  would be  {'difference':>32}",
        f"main  revenue:refunds  USD  {'10.50':>32}      0.00  {'-10.50':>32}",
        f"main  revenue:stripe   JPY  {'-' + big:>32}         5  {'+' + big[:-1] + '5':>32}",
        "",
        "=stripe:refund:re_1 would be booked otherwise",
        "  revenue:refunds  10.50 -> 0.00 USD (-10.50)",
        "  revenue:stripe  0.00 -> 10.50 USD (+10.50)",
        "",
        "3 entries are, 4 would be; 12 messages read again",
    ]


def test_table_of_no_difference_says_so() -> None:
    out = io.StringIO()
    Table(out.write).balances([])
    assert out.getvalue() == "no balance would differ\n"


def test_csv_is_no_formula_and_says_each_leg() -> None:
    out = io.StringIO()
    teller = Csv(out.write)
    teller.balances(BALANCES[:1])
    teller.entry(difference())
    teller.end(SUMMARY)
    rows = list(csv.reader(io.StringIO(out.getvalue())))
    assert rows[1] == ["balance", "main", "revenue:refunds", "usd", "10.50", "0.00", "-10.50", ""]
    assert [(row[0], row[2], row[6], row[7]) for row in rows[2:]] == [
        ("otherwise", "revenue:refunds", "-10.50", "'=stripe:refund:re_1"),
        ("otherwise", "revenue:stripe", "+10.50", "'=stripe:refund:re_1"),
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_one_document_however_many_entries_differ(count: int) -> None:
    out = io.StringIO()
    teller = Json(out.write)
    teller.balances(BALANCES)
    for _ in range(count):
        teller.entry(difference())
    teller.end(SUMMARY)
    told = json.loads(out.getvalue())
    assert told["summary"] == SUMMARY
    assert told["balances"][1]["difference_minor"] == str(10**30 + 5)
    assert [each["apart"] for each in told["entries"]] == ["otherwise"] * count
    for each in told["entries"]:
        assert each["is"]["postings"][0]["account"] == "revenue:refunds"
        assert each["would_be"]["postings"][0]["minor"] == "1050"


def test_suppositions_come_with_the_book_map_first(tmp_path: Path) -> None:
    chart = tmp_path / "chart.toml"
    chart.write_text(DEFAULT_CHART.read_text("utf-8"))
    books = tmp_path / "books.toml"
    books.write_text(f'[[books]]\nname = "main"\n[[books]]\nname = "other"\nchart = "{chart}"\n')
    found = suppositions_of(
        book="main", rules=1, chart=chart, basis="accrual", books=books,
        since=since_of(["stripe.events/3@17"]),
    )  # fmt: skip
    assert [(each.what, each.book) for each in found] == [
        (Activated.BOOK_MAP, "main"),
        (Activated.CHART, "other"),
        (Activated.CHART, "main"),
        (Activated.BASIS, "main"),
        (Activated.RULES_VERSION, "main"),
    ]
    assert {each.since[("stripe.events", 3)] for each in found} == {17}


@pytest.mark.parametrize("text", ["stripe.events/3", "stripe.events@3", "x/1@-1", ""])
def test_position_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no position"):
        since_of([text])

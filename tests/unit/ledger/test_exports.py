"""The forms of an export: exact, safe in a spreadsheet, and with an end that tells what it was."""

import csv
import hashlib
import io
import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from services.ledger.exports.beancount import account_name
from services.ledger.exports.csv_form import neutral
from services.ledger.exports.journal import Opening, Selection, Tally
from services.ledger.exports.periods import BookUnfit
from services.ledger.exports.table import COLUMNS
from shared.contracts.messages import EntryBooked
from tests.support.exported import (
    NOW,
    ORIGIN,
    SALE,
    about,
    beancount,
    csv_of,
    entry,
    every_exponent,
    hledger,
    json_lines,
    told,
)

SALES = told([entry(1), entry(2, description='=HYPERLINK("x"), he said; then\nmore')])


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1"]
)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["=1", "'=1", "''", "plain", "", "12 - 3"])
def test_neutral_text_without_one_apostrophe_is_the_text_again(text: str) -> None:
    told_ = neutral(text)
    assert (told_.removeprefix("'")) == text


def test_csv_has_a_row_for_each_posting_and_no_cell_that_is_a_formula() -> None:
    found = rows(csv_of(SALES))
    postings = [row for row in found if row["row"] == "posting"]
    assert [row["amount"] for row in postings] == ["100.00"] * 4
    assert [row["direction"] for row in postings] == ["debit", "credit"] * 2
    assert postings[2]["description"].startswith("'=HYPERLINK")
    assert not [cell for row in found for cell in row.values() if cell[:1] in set("=+-@\t\r\n")]


def test_csv_ends_with_heads_sums_counts_and_a_seal_over_all_before_it() -> None:
    text = csv_of(SALES)
    end = [row for row in rows(text) if row["row"] != "posting"]
    assert [row["row"] for row in end] == ["head", "sum", "sum", "count", "count", "seal"]
    assert (end[0]["origin"], end[0]["sequence"], end[0]["chain"]) == (ORIGIN, "2", SALES[-1].chain)
    assert [row["minor"] for row in end[1:5]] == ["20000", "20000", "2", "4"]
    body = text[: text.rindex("seal")]
    assert end[-1]["digest"] == hashlib.sha256(body.encode()).hexdigest()
    assert text.splitlines()[0] == ",".join(COLUMNS)


def test_json_lines_tell_each_entry_as_the_topic_does() -> None:
    first = json_lines(SALES).splitlines()[1]
    read = EntryBooked.model_validate_json(first)
    assert (read.reference, read.sequence, read.chain) == (
        SALES[0].reference,
        1,
        SALES[0].chain,
    )
    assert json.loads(first)["postings"][0]["amount"] == {
        "minor": "10000",
        "currency": "usd",
        "exponent": 2,
    }


def test_tally_of_currencies_keeps_amounts_that_no_float_holds() -> None:
    tally = Tally()
    for each in told(every_exponent()):
        tally.add(each)
    sums = {code: (s.debit, s.credit, s.exponent) for code, s in tally.currencies().items()}
    big = 3 * (10**27 - 1)
    assert sums["eth"] == (big, big, 18)
    assert sums["jpy"] == (1500, 1500, 0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("assets:stripe:in-transit", "Assets:Stripe:In-transit"),
        ("revenue:stripe", "Income:Stripe"),
        ("memo:credits-issued", "Equity:Memo:Credits-issued"),
        ("assets:wallet:8453:0xAbC", "Assets:Wallet:8453:0xAbC"),
        ("assets:bank:my_bank", "Assets:Bank:My-bank-h980b7b"),
    ],
)
def test_account_name_for_beancount_has_capitals_and_no_odd_letters(ours: str, theirs: str) -> None:
    assert account_name(ours) == theirs


def test_account_names_for_beancount_stay_apart() -> None:
    ours = [f"assets:bank:{name}" for name in ("a-b", "a_b", "a.b", "A-b", "A_b")]
    assert len(set(map(account_name, ours))) == len(ours)


def test_account_of_equity_that_is_called_memo_is_no_memo_account_in_beancount() -> None:
    for name in ("memo", "memo:credits"):
        assert account_name(f"equity:{name}").startswith("Equity:Memo-h")
    assert account_name("memo:credits") == "Equity:Memo:Credits"
    assert account_name("equity:owner:memo") == "Equity:Owner:Memo"


def test_key_that_is_a_date_in_brackets_does_not_date_its_posting_in_hledger() -> None:
    one = told([entry(1, ((SALE[0][0], "[2025-01-01]", 5, "usd"), (SALE[1][0], "", -5, "usd")))])
    assert "key: %5B2025-01-01%5D" in hledger(one)
    assert "[2025-01-01]" not in hledger(one)


def test_plain_text_day_is_that_of_the_books_time_zone() -> None:
    late = SALES[:1]
    assert "2026-11-22 * " in beancount(late)
    assert "2026-11-21 * " in beancount(late, zone=ZoneInfo("America/Los_Angeles"))


def test_plain_text_of_another_books_entry_is_refused() -> None:
    other = told([entry(1, book="other")])
    with pytest.raises(BookUnfit):
        beancount(other)
    with pytest.raises(BookUnfit):
        hledger(other)


def test_plain_text_asserts_each_months_end_and_the_last_day() -> None:
    text = hledger(told([entry(1), entry(2), entry(20)]))
    assert "2026-11-30 * What stands at the end of this day" in text
    assert "    assets:stripe:settling  0.00 USD = 200.00 USD" in text
    assert "2026-12-11 * What stands at the end of this day" in text
    assert "    assets:stripe:settling  0.00 USD = 300.00 USD" in text


def test_plain_text_since_a_place_begins_with_what_stood_before() -> None:
    part = about(
        SALES,
        selection=Selection(since={ORIGIN: 1}),
        opening=(
            Opening("assets:stripe:settling", "usd", 2, 500),
            Opening("revenue:stripe", "usd", 2, -500),
        ),
        opened_at=NOW + timedelta(days=2),
    )
    text = beancount(SALES[1:], part)
    assert '2026-11-23 * "What stood before"\n  Assets:Stripe:Settling  5.00 USD' in text
    assert "2026-11-24 balance Assets:Stripe:Settling  105.00 ~ 0 USD" in text


def test_plain_text_tells_chain_heads_in_its_head_and_at_its_end() -> None:
    for text in (beancount(SALES), hledger(SALES)):
        assert text.count(f"; {ORIGIN}: entries 1 to 2, chain {SALES[-1].chain}") == 1
        assert text.count(f";   {ORIGIN}: entry 2, chain {SALES[-1].chain}") == 1


def test_plain_text_cannot_be_broken_out_of_by_what_others_wrote() -> None:
    evil = 'a"\n2026-01-01 open Assets:Evil\\" ; tag: x, other: y'
    one = told(
        [entry(1, ((SALE[0][0], evil, 5, "usd"), (SALE[1][0], "", -5, "usd")), description=evil)]
    )
    for text in (beancount(one), hledger(one)):
        assert not [line for line in text.splitlines() if line.startswith("2026-01-01")]
    assert 'key: a"\ufffd2026-01-01 open Assets:Evil\\" ; tag: x%2C other: y' in hledger(one)

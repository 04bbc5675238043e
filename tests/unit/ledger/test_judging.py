"""Commands that book, judged by where the book stands."""

from datetime import UTC, datetime, timedelta
from textwrap import dedent

import pytest

from services.ledger.rulings.asking import Asked
from services.ledger.rulings.judging import Recorded, followed
from services.ledger.rulings.standing import Standing
from shared.contracts.commands import LEDGER_COMMAND
from shared.contracts.journal import (
    DEFAULT_BOOK,
    Account,
    Line,
    Reference,
    credit,
    debit,
    entry,
)
from shared.contracts.messages import OutcomeKind
from shared.contracts.money import Money
from tests.unit.ledger.judged import NOON, Desk, Json, books_of, usd, with_floor

AT = NOON - timedelta(days=1)


def paid(minor: int, **fields: object) -> Json:
    return {
        "category": "compute",
        "amount": usd(minor),
        "paid_from": "assets:bank:main",
        "effective_at": AT,
    } | fields


def by_hand(minor: int, *, taken: str = "assets:bank:main", **fields: object) -> Json:
    return {
        "effective_at": AT,
        "postings": [
            {"account": "expenses:domain", "side": "debit", "amount": usd(minor)},
            {"account": taken, "side": "credit", "amount": usd(minor)},
        ],
    } | fields


def test_expense_is_booked_against_what_it_was_paid_from() -> None:
    judged = Desk().does("book_expense", **paid(12550, supplier="Example Cloud", description="May"))
    assert books_of(judged) == dedent("""\
        Dr expenses:compute  125.50 USD
        Cr assets:bank:main  125.50 USD""")
    assert judged.entries[0].description == "Example Cloud: May"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("book_expense", paid(100)),
        ("manual_entry", by_hand(100)),
        (
            "owner_capital",
            {"direction": "contribute", "amount": usd(100), "account": "assets:bank:main"},
        ),
    ],
)
def test_command_that_says_no_time_takes_effect_when_it_is_recorded(
    kind: str, fields: Json
) -> None:
    desk = Desk()
    (booked,) = desk.does(kind, **{k: v for k, v in fields.items() if k != "effective_at"}).entries
    assert booked.effective_at == desk.now


def test_expense_that_is_owed_for_grows_the_payable() -> None:
    judged = Desk().does("book_expense", **paid(900, paid_from="liabilities:payable"))
    assert books_of(judged) == dedent("""\
        Dr expenses:compute     9.00 USD
        Cr liabilities:payable  9.00 USD""")


def test_expense_of_an_unknown_category_is_refused() -> None:
    assert "expenses:yachts" in Desk().refuses(
        "account_known", "book_expense", **paid(1, category="yachts")
    )


def test_expense_paid_from_revenue_is_refused() -> None:
    Desk().refuses("account_fits", "book_expense", **paid(1, paid_from="revenue:stripe"))


def test_expense_of_nothing_is_refused() -> None:
    Desk().refuses("positive", "book_expense", **paid(0))


@pytest.mark.parametrize(
    ("amount", "rule"),
    [
        (usd(10**30 + 1), "amount_max"),
        (usd(100) | {"currency": "zzz"}, "currency_known"),
        (usd(100) | {"exponent": 3}, "currency_decimals"),
        (usd(-100), "positive"),
    ],
)
def test_amount_that_cannot_be_is_refused_with_rule_values_and_way_out(
    amount: Json, rule: str
) -> None:
    desk = Desk()
    desk.refuses(rule, "book_expense", **paid(1, amount=amount))
    desk.refuses(rule, "place_hold", account="assets:bank:main", amount=amount, description="rent")
    desk.refuses(rule, "spend_credits", customer="cus_1", amount=amount)
    leg = {"account": "equity:owner", "side": "credit", "amount": usd(100)}
    other = {"account": "assets:bank:main", "side": "debit", "amount": amount}
    desk.refuses(rule, "manual_entry", postings=[leg, other])


def test_entry_of_one_posting_and_rate_of_one_currency_are_refused() -> None:
    leg = {"account": "equity:owner", "side": "credit", "amount": usd(100)}
    Desk().refuses("two_postings", "manual_entry", postings=[leg])
    Desk().refuses(
        "two_currencies", "exchange_rate", base="usd", quote="usd", rate="1", on=NOON.date()
    )
    Desk().refuses(
        "currency_known", "exchange_rate", base="zzz", quote="usd", rate="1", on=NOON.date()
    )


def test_owner_puts_money_in_and_takes_it_out() -> None:
    desk = Desk()
    fields: Json = {"amount": usd(5000), "account": "assets:bank:main", "effective_at": AT}
    put_in = desk.does("owner_capital", direction="contribute", **fields)
    assert books_of(put_in) == dedent("""\
        Dr assets:bank:main  50.00 USD
        Cr equity:owner      50.00 USD""")
    taken_out = desk.does("owner_capital", direction="withdraw", **fields)
    assert books_of(taken_out) == dedent("""\
        Cr assets:bank:main  50.00 USD
        Dr equity:owner      50.00 USD""")


def test_owner_takes_out_no_more_than_there_is_where_a_floor_is_asked_for() -> None:
    desk = Desk()
    desk.receives(4999)
    said = desk.refuses(
        "available",
        "owner_capital",
        direction="withdraw",
        amount=usd(5000),
        account="assets:bank:main",
        effective_at=AT,
        floor=True,
    )
    assert said.startswith("assets:bank:main has 49.99 USD available, not 50.00 USD")


def test_manual_entry_without_a_floor_may_overdraw() -> None:
    assert Desk().does("manual_entry", **by_hand(700)).entries


def test_manual_entry_with_a_floor_may_take_all_and_not_one_cent_more() -> None:
    desk = Desk()
    desk.receives(700)
    desk.refuses("available", "manual_entry", **by_hand(701, floor=True))
    desk.does("manual_entry", **by_hand(700, floor=True))
    desk.refuses("available", "manual_entry", **by_hand(1, floor=True))


def test_account_with_a_floor_in_the_chart_is_never_overdrawn_by_a_command() -> None:
    desk = Desk.of(chart=with_floor("assets:bank:NAME"))
    desk.receives(10)
    desk.refuses("available", "manual_entry", **by_hand(11))
    desk.does("manual_entry", **by_hand(10))


def test_floor_of_an_account_that_grows_by_credit_counts_in_its_own_sign() -> None:
    desk = Desk.of(chart=with_floor("liabilities:payable"))
    desk.does("book_expense", **paid(300, paid_from="liabilities:payable"))
    pay: Json = {
        "effective_at": AT,
        "postings": [
            {"account": "liabilities:payable", "side": "debit", "amount": usd(301)},
            {"account": "assets:bank:main", "side": "credit", "amount": usd(301)},
        ],
    }
    desk.refuses("available", "manual_entry", **pay)


def test_entry_is_reversed_once_and_named() -> None:
    desk = Desk()
    desk.does("book_expense", named="gpu", **paid(500))
    undone = desk.does("reverse_entry", reference="command:gpu", reason="wrong month")
    assert books_of(undone) == dedent("""\
        Cr expenses:compute  5.00 USD
        Dr assets:bank:main  5.00 USD""")
    (entry,) = undone.entries
    assert (entry.reverses, entry.description) == ("command:gpu", "wrong month")
    assert entry.effective_at == desk.now
    assert undone.remark.decided == {"reverses": "command:gpu"}
    said = desk.refuses("reversed_once", "reverse_entry", reference="command:gpu", reason="again")
    assert entry.reference in said


def test_entry_that_is_not_there_is_not_reversed() -> None:
    Desk().refuses("entry_known", "reverse_entry", reference="command:nothing", reason="why")


def stands(desk: Desk, kind: str, reference: str, *legs: Line, reverses: str = "") -> None:
    """An entry that the book has, booked by something else than a command."""
    booked = entry(
        book=DEFAULT_BOOK,
        reference=Reference(reference),
        kind=kind,
        effective_at=AT,
        lines=legs,
        rules_version=1,
        reverses=Reference(reverses) if reverses else None,
    )
    assert booked is not None
    desk.standing.entries[booked.reference] = booked


def way_out(desk: Desk, reference: str) -> tuple[str, str]:
    """The rule that a reversal is refused by, and what can be done instead."""
    judged = desk.ask("reverse_entry", reference=reference, reason="a mistake")
    assert judged.remark.outcome is OutcomeKind.REFUSED
    decided = judged.remark.decided or {}
    return str(decided["rule"]), str(decided["way_out"])


def test_line_that_a_bank_told_is_not_reversed_for_its_correction_would_be_once_more() -> None:
    desk, five = Desk(), Money.of(500, "usd")
    lines = (
        debit(Account("assets:bank:main"), five),
        credit(Account("liabilities:suspense"), five, key="l_1"),
    )
    stands(desk, "bank_line", "bank:main:line:l_1:r1", *lines)
    turned = (
        credit(Account("assets:bank:main"), five),
        debit(Account("liabilities:suspense"), five, key="l_1"),
    )
    stands(desk, "bank_line_reversed", "bank:main:line:l_1:r1:reversed", *turned)
    for reference in ("bank:main:line:l_1:r1", "bank:main:line:l_1:r1:reversed"):
        rule, way = way_out(desk, reference)
        assert rule == "lines_are_the_banks"
        assert "`tallystick match undo`" in way


def test_entry_of_a_match_is_not_reversed_and_its_line_is_named_to_be_taken_back() -> None:
    desk, five = Desk(), Money.of(500, "usd")
    cleared = (
        debit(Account("liabilities:suspense"), five, key="l_1"),
        credit(Account("assets:stripe:in-transit"), five, key="po_1"),
    )
    stands(desk, "match", "match:mtc_1:1", *cleared)
    stands(desk, "match_undone", "match:mtc_1:1:undone", *cleared, reverses="match:mtc_1:1")
    rule, way = way_out(desk, "match:mtc_1:1")
    assert rule == "matches_are_the_reconcilers"
    assert way.startswith(
        "take back the bank line l_1 from what it settles (`tallystick match undo`)"
    )
    assert "match the sides anew" in way_out(desk, "match:mtc_1:1:undone")[1]
    exchanged = (
        debit(Account("equity:exchange"), five),
        credit(Account("assets:stripe:settling"), five, key="ch_1"),
    )
    stands(desk, "match", "match:mtc_2:1", *exchanged)
    assert way_out(desk, "match:mtc_2:1")[1] == "book the difference by hand"


def test_fact_that_moves_what_stripe_keeps_is_not_reversed_and_the_way_out_is_told() -> None:
    desk, five = Desk(), Money.of(500, "usd")
    reference = "stripe:balance_transaction:txn_1"
    stands(
        desk,
        "balance_transaction",
        reference,
        debit(Account("assets:stripe:balance"), five),
        credit(Account("assets:stripe:settling"), five, key="ch_1"),
    )
    rule, way = way_out(desk, reference)
    assert rule == "mirror"
    assert "what undoes it at Stripe tells its own movement" in way
    assert "tallystick what-if --write-corrections" in way


def test_amounts_past_what_a_machine_word_holds_are_exact() -> None:
    desk = Desk()
    for minor in (2**53 + 1, 2**63 + 1, 10**29 + 7):
        desk.receives(minor)
        desk.refuses("available", "book_expense", **paid(minor + 1, floor=True))
        desk.does("book_expense", **paid(minor, floor=True))
        assert desk.available("assets:bank:main") == 0


def test_key_of_a_clearing_account_must_be_named() -> None:
    Desk().refuses("clearing_key", "manual_entry", **by_hand(1, taken="liabilities:suspense"))


def test_account_that_repeats_what_stripe_says_takes_no_command() -> None:
    Desk().refuses("mirror", "manual_entry", **by_hand(1, taken="assets:stripe:balance"))


def record_of(desk: Desk, kind: str, key: str, **fields: object) -> tuple[Asked, Recorded]:
    judged = desk.ask(kind, named=key, **fields)
    remark = judged.remark
    command = LEDGER_COMMAND.validate_python(
        {"kind": kind, "idempotency_key": key, **fields}, strict=False
    )
    record = Recorded(
        remark.outcome,
        remark.reason,
        remark.detail,
        remark.reference,
        remark.decided,
        judged.entries,
    )
    return Asked(command, desk.book), record


@pytest.mark.parametrize("funds", [0, 5000])
def test_decision_that_is_followed_stands_whatever_the_books_hold_now(funds: int) -> None:
    desk = Desk()
    desk.receives(1000)
    asked, record = record_of(desk, "book_expense", "gpu", **paid(1000, floor=True))
    elsewhere = Desk()
    if funds:
        elsewhere.receives(funds)
    again = followed(asked, elsewhere.standing, record, recorded_at=desk.now)
    assert (again.remark.outcome, again.entries) == (OutcomeKind.ACCEPTED, record.entries)


def test_refusal_that_is_followed_stands_though_there_is_money_now() -> None:
    asked, record = record_of(Desk(), "book_expense", "gpu", **paid(1000, floor=True))
    rich = Desk()
    rich.receives(10**9)
    again = followed(asked, rich.standing, record, recorded_at=NOON)
    assert again.remark.outcome is OutcomeKind.REFUSED
    assert again.remark.decided == record.decided
    assert again.entries == ()


def test_decision_whose_entries_were_lost_has_them_made_again() -> None:
    desk = Desk()
    desk.receives(1000)
    asked, record = record_of(desk, "book_expense", "gpu", **paid(1000, floor=True))
    half = Recorded(
        record.outcome, record.reason, record.detail, record.reference, record.decided, ()
    )
    empty = Standing(DEFAULT_BOOK)
    again = followed(asked, empty, half, recorded_at=desk.now)
    assert again.entries == record.entries


def test_decision_whose_outcome_was_lost_is_accepted_by_its_entries() -> None:
    desk = Desk()
    desk.receives(1000)
    asked, record = record_of(desk, "book_expense", "gpu", **paid(1000, floor=True))
    half = Recorded(OutcomeKind.ACCEPTED, "command", "", None, None, record.entries)
    again = followed(asked, Standing(DEFAULT_BOOK), half, recorded_at=desk.now)
    assert (again.remark.detail, again.entries) == ("booked", record.entries)


def test_entry_takes_effect_in_a_year_that_there_is() -> None:
    first = datetime(1, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert Desk().does("book_expense", **paid(5, effective_at=first)).entries


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        ("Asia/Tokyo", "9999-12-31T23:30:00Z"),
        ("America/New_York", "0001-01-01T00:30:00Z"),
        ("UTC", "9999-12-31T00:00:00Z"),
    ],
)
def test_day_that_no_calendar_or_no_statement_has_is_refused_with_the_way_out(
    zone: str, at: str
) -> None:
    desk = Desk.of(zone=zone)
    desk.refuses("year_known", "manual_entry", **by_hand(100, effective_at=at))
    desk.refuses("year_known", "book_expense", **paid(100, effective_at=at))
    assert not desk.standing.entries


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Tokyo"])
def test_clock_is_not_ticked_until_before_all_calendars(zone: str) -> None:
    Desk.of(zone=zone).refuses("year_known", "tick_clock", until="0001-01-01T00:30:00Z")


def test_entry_of_a_day_that_is_refused_today_is_followed_as_it_was_booked() -> None:
    asked = LEDGER_COMMAND.validate_python(
        {
            "kind": "manual_entry",
            "idempotency_key": "k1",
            **by_hand(100, effective_at="9999-12-31T00:00:00Z"),
        },
        strict=False,
    )
    record = Recorded(OutcomeKind.ACCEPTED, "command", "", "command:k1", None, ())
    again = followed(Asked(asked, Desk().book), Standing(DEFAULT_BOOK), record, recorded_at=NOON)
    assert [each.effective_at.year for each in again.entries] == [9999]

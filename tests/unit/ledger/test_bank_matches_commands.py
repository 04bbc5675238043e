"""Bank lines, matches and commands."""

from datetime import UTC, datetime
from textwrap import dedent

import pytest

from services.ledger.activation.in_force import InForce
from services.ledger.chart import chart_of
from services.ledger.posting_rules import Decision, decide
from shared.contracts import topics
from shared.contracts.books import BookData, BookMap
from shared.contracts.errors import Unreadable
from shared.contracts.journal import Book
from tests.unit.ledger.judged import obeyed
from tests.unit.ledger.telling import Json, books, said, told

USD = {"currency": "usd", "exponent": 2}


def money(minor: int, currency: str = "usd", exponent: int = 2) -> Json:
    return {"minor": str(minor), "currency": currency, "exponent": exponent}


def line(**fields: object) -> Json:
    return {
        "kind": "line",
        "account": "main",
        "id": "l_1",
        "amount": money(9_680),
        "booked_on": "2026-11-20",
        "description": "STRIPE  PAYOUT",
        "reference": "po_1",
    } | fields


def of_line(book_map: BookMap | None = None, /, **fields: object) -> Decision:
    return decide(told(topics.BANK_OBSERVATIONS, line(**fields)), InForce(book_map or BookMap()))


def test_line_posted_waits_in_suspense() -> None:
    decision = of_line()
    assert books(decision) == dedent("""\
        bank:main:line:l_1:r1
        Dr assets:bank:main           96.80 USD
        Cr liabilities:suspense[l_1]  96.80 USD""")
    assert decision.entries[0].description == "STRIPE PAYOUT po_1"
    assert decision.identity is None


def test_line_of_money_out_turns_the_sides() -> None:
    assert books(of_line(amount=money(-500, "jpy", 0))) == dedent("""\
        bank:main:line:l_1:r1
        Cr assets:bank:main           500 JPY
        Dr liabilities:suspense[l_1]  500 JPY""")


def test_line_is_effective_at_midnight_of_the_book() -> None:
    zone = BookMap(books=(BookData(time_zone="America/New_York"),))
    assert of_line().entries[0].effective_at == datetime(2026, 11, 20, tzinfo=UTC)
    assert of_line(zone).entries[0].effective_at == datetime(2026, 11, 20, 5, tzinfo=UTC)


def test_line_pending_books_nothing() -> None:
    decision = of_line(state="pending")
    assert said(decision) == [("nothing_to_book", "no_booking", "l_1")]


def test_line_of_zero_books_nothing() -> None:
    assert said(of_line(amount=money(0))) == [("nothing_to_book", "zero_amount", "l_1")]


def test_line_changed_undoes_its_form_before_and_books_the_new_one() -> None:
    decision = of_line(revision=2, amount=money(9_580), previous=money(9_680))
    assert books(decision) == dedent("""\
        bank:main:line:l_1:r1:reversed
        Cr assets:bank:main           96.80 USD
        Dr liabilities:suspense[l_1]  96.80 USD
        bank:main:line:l_1:r2
        Dr assets:bank:main           95.80 USD
        Cr liabilities:suspense[l_1]  95.80 USD""")
    assert decision.entries[0].reverses == "bank:main:line:l_1:r1"


def test_line_removed_undoes_its_form_before() -> None:
    decision = of_line(
        revision=3, state="removed", previous=money(9_680), previous_booked_on="2026-11-19"
    )
    assert [e.reference for e in decision.entries] == ["bank:main:line:l_1:r2:reversed"]
    assert decision.entries[0].effective_at == datetime(2026, 11, 19, tzinfo=UTC)


def test_line_posted_after_it_was_pending_has_nothing_to_undo() -> None:
    assert [e.reference for e in of_line(revision=2).entries] == ["bank:main:line:l_1:r2"]


def test_line_told_twice_says_the_same_whatever_its_text() -> None:
    again = of_line(description="other", booked_on="2026-11-21")
    assert again.entries[0].digest() == of_line().entries[0].digest()


@pytest.mark.parametrize(
    "amount",
    [
        {"minor": 9_680} | USD,
        {"minor": "96.80"} | USD,
        {"minor": "9" * 40} | USD,
        {"minor": None} | USD,
        {"minor": "1", "currency": "usd", "exponent": 3},
        {"minor": "1", "currency": "xxx", "exponent": 2},
        {"minor": "1" + "0" * 30 + "1", "currency": "usd", "exponent": 2},
        {"minor": "1"},
        "96.80",
        None,
    ],
)
def test_line_whose_amount_is_none_is_refused_by_its_id(amount: object) -> None:
    decision = of_line(amount=amount)
    assert decision.entries == ()
    assert said(decision) == [("refused", "invalid_amount", "l_1")]


@pytest.mark.parametrize(
    "fields",
    [
        {"account": ""},
        {"account": "a b"},
        {"id": ""},
        {"id": "l\x01"},
        {"booked_on": "soon"},
        {"booked_on": None},
        {"state": "lost"},
        {"revision": 0},
        {"kind": "rumour"},
        {"previous": money(1)},
    ],
)
def test_line_of_another_form_is_unreadable(fields: Json) -> None:
    with pytest.raises(Unreadable):
        of_line(**fields)


def test_line_at_the_edge_of_the_calendar_is_unreadable() -> None:
    for day in ("0001-01-01", "9999-12-31"):
        with pytest.raises(Unreadable):
            of_line(booked_on=day)


def test_balance_of_a_bank_books_nothing() -> None:
    balance = {"kind": "balance", "account": "main", "amount": money(1)}
    decision = decide(told(topics.BANK_OBSERVATIONS, balance), InForce())
    assert said(decision) == [("nothing_to_book", "no_booking", "main")]


def clears(account: str, key: str, minor: int, currency: str = "usd") -> Json:
    return {"account": account, "key": key, "amount": money(minor, currency)}


MATCH: Json = {
    "kind": "match_made",
    "id": "mtc_1",
    "revision": 1,
    "match_kind": "bank_line",
    "book": "main",
    "effective_at": "2026-11-20T00:00:00Z",
    "rule": "strong reference",
    "clears": [
        clears("liabilities:suspense", "l_1", 9_580),
        clears("assets:stripe:in-transit", "po_1", -9_580),
    ],
}
UNDONE: Json = {k: v for k, v in MATCH.items() if k != "rule"} | {
    "kind": "match_undone",
    "reason": "a stronger reference came",
}
EXCHANGE: Json = MATCH | {
    "match_kind": "exchange",
    "clears": [
        clears("assets:stripe:settling", "ch_1", -10_000, "eur"),
        clears("assets:stripe:settling", "ch_1", 10_850),
    ],
}


def of_match(record: Json) -> Decision:
    return decide(told(topics.MATCHES, record), InForce())


def test_match_clears_as_it_says() -> None:
    assert books(of_match(MATCH)) == dedent("""\
        match:mtc_1:1
        Dr liabilities:suspense[l_1]       95.80 USD
        Cr assets:stripe:in-transit[po_1]  95.80 USD""")


def test_match_undone_turns_every_side_and_names_what_it_undoes() -> None:
    decision = of_match(UNDONE)
    assert books(decision) == dedent("""\
        match:mtc_1:1:undone
        Cr liabilities:suspense[l_1]       95.80 USD
        Dr assets:stripe:in-transit[po_1]  95.80 USD""")
    assert decision.entries[0].reverses == "match:mtc_1:1"


def test_match_of_two_currencies_goes_through_the_exchange_account() -> None:
    assert books(of_match(EXCHANGE)) == dedent("""\
        match:mtc_1:1
        Cr assets:stripe:settling[ch_1]  100.00 EUR
        Dr assets:stripe:settling[ch_1]  108.50 USD
        Dr equity:exchange               100.00 EUR
        Cr equity:exchange               108.50 USD""")


def test_match_of_two_currencies_undone_leaves_nothing() -> None:
    made = of_match(EXCHANGE).entries[0]
    undone = of_match(
        {k: v for k, v in EXCHANGE.items() if k != "rule"} | {"kind": "match_undone", "reason": "x"}
    ).entries[0]
    assert sorted(p.signed_minor for p in made.postings) == sorted(
        -p.signed_minor for p in undone.postings
    )


def test_match_that_does_not_balance_is_refused() -> None:
    decision = of_match(MATCH | {"clears": [clears("liabilities:suspense", "l_1", 1)]})
    assert said(decision) == [("refused", "invalid_amount", "mtc_1")]


def test_match_on_an_account_that_cannot_be_is_refused() -> None:
    decision = of_match(MATCH | {"clears": [clears("nonsense", "l_1", 1)]})
    assert said(decision) == [("refused", "unreadable", "mtc_1")]


def posting(account: str, side: str, minor: int, currency: str = "usd", exponent: int = 2) -> Json:
    return {"account": account, "side": side, "amount": money(minor, currency, exponent)}


def command(*postings: Json, **fields: object) -> Json:
    return {
        "kind": "manual_entry",
        "idempotency_key": "key_1",
        "actor": "ada",
        "reason": "hosting",
        "effective_at": "2026-11-20T12:00:00Z",
        "postings": list(postings)
        or [
            posting("expenses:compute", "debit", 4_200),
            posting("assets:bank:main", "credit", 4_200),
        ],
    } | fields


def of_command(value: object, book_map: BookMap | None = None) -> Decision:
    return obeyed(decide(told(topics.LEDGER_COMMANDS, value), InForce(book_map or BookMap())))


def test_manual_entry_is_booked_as_asked_for() -> None:
    decision = of_command(command())
    assert books(decision) == dedent("""\
        command:key_1
        Dr expenses:compute  42.00 USD
        Cr assets:bank:main  42.00 USD""")
    assert said(decision) == [("accepted", "command", "key_1")]
    assert decision.identity == "command:key_1"


def test_manual_entry_may_have_several_currencies_that_each_balance() -> None:
    decision = of_command(
        command(
            posting("equity:exchange", "debit", 1_000, "eur"),
            posting("assets:bank:euros", "credit", 1_000, "eur"),
            posting("assets:bank:main", "debit", 1_085),
            posting("equity:exchange", "credit", 1_085),
        )
    )
    assert len(decision.entries[0].postings) == 4


@pytest.mark.parametrize(
    ("postings", "part"),
    [
        ([posting("expenses:compute", "debit", 1)], "two or more postings"),
        (
            [posting("expenses:compute", "debit", 2), posting("assets:bank:main", "credit", 1)],
            "debits exceed credits by 0.01 USD",
        ),
        (
            [posting("expenses:compute", "debit", 1), posting("assets:bank:main", "credit", 2)],
            "credits exceed debits by 0.01 USD",
        ),
        (
            [posting("expenses:compute", "debit", 0), posting("assets:bank:main", "credit", 0)],
            "above zero",
        ),
        (
            [posting("expenses:compute", "debit", -1), posting("assets:bank:main", "credit", -1)],
            "turn the side",
        ),
        (
            [posting("expenses:parties", "debit", 1), posting("assets:bank:main", "credit", 1)],
            "'expenses:parties' is not one",
        ),
        (
            [posting("assets:stripe:balance", "debit", 1), posting("equity:owner", "credit", 1)],
            "balance transactions only",
        ),
        (
            [posting("liabilities:suspense", "debit", 1), posting("equity:owner", "credit", 1)],
            "cleared by key",
        ),
        (
            [posting("expenses:compute", "debit", 1, "xxx"), posting("equity:owner", "credit", 1)],
            "unknown currency",
        ),
        (
            [posting("expenses:compute", "debit", 1, "jpy"), posting("equity:owner", "credit", 1)],
            "decimals",
        ),
        ([posting("expenses:compute", "up", 1)], "side"),
    ],
)
def test_manual_entry_that_breaks_a_rule_is_refused_with_the_way_out(
    postings: list[Json], part: str
) -> None:
    decision = of_command(command(*postings))
    assert decision.entries == ()
    assert said(decision) == [("refused", "command", "key_1")]
    assert part in decision.remarks[0].detail


def test_manual_entry_clears_the_key_that_it_names() -> None:
    cleared = posting("liabilities:suspense", "debit", 1_000) | {"key": "l_1"}
    decision = of_command(command(cleared, posting("revenue:chain", "credit", 1_000)))
    assert "Dr liabilities:suspense[l_1]" in books(decision)


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z"])
def test_manual_entry_outside_the_calendar_is_refused(at: str) -> None:
    assert said(of_command(command(effective_at=at))) == [("refused", "command", "key_1")]


def test_command_for_a_book_that_is_not_is_refused() -> None:
    decision = of_command(command(book="elsewhere"))
    assert "there is no book 'elsewhere'" in decision.remarks[0].detail


def test_command_that_names_no_book_goes_to_the_first() -> None:
    decision = of_command(command(), BookMap(books=(BookData(name="acme"),)))
    assert (decision.book, len(decision.entries)) == ("acme", 1)


def test_command_with_fields_that_nobody_knows_is_refused() -> None:
    assert said(of_command(command(colour="red"))) == [("refused", "command", "key_1")]


@pytest.mark.parametrize("value", [[], {}, {"kind": "manual_entry"}, {"idempotency_key": 4}])
def test_command_without_a_key_is_unreadable(value: object) -> None:
    with pytest.raises(Unreadable):
        of_command(value)


def test_command_under_a_used_key_with_other_content_has_another_digest() -> None:
    one, same, other = of_command(command()), of_command(command()), of_command(command(reason="x"))
    assert one.identity_digest == same.identity_digest != other.identity_digest


RATE: Json = {
    "kind": "exchange_rate",
    "idempotency_key": "rate_1",
    "base": "eur",
    "quote": "usd",
    "rate": "1.085",
    "on": "2026-11-20",
}


def test_exchange_rate_is_recorded_and_books_nothing() -> None:
    decision = of_command(RATE)
    assert decision.entries == ()
    assert said(decision) == [("accepted", "command", "rate_1")]
    assert decision.remarks[0].detail == "1 EUR is 1.085 USD on 2026-11-20"


@pytest.mark.parametrize(
    "fields", [{"quote": "eur"}, {"base": "xxx"}, {"rate": "0"}, {"rate": "-1"}, {"rate": "soon"}]
)
def test_exchange_rate_that_says_nothing_is_refused(fields: Json) -> None:
    assert said(of_command(RATE | fields)) == [("refused", "command", "rate_1")]


def test_chart_of_a_book_decides_its_accounts() -> None:
    chart = chart_of(
        'version = 1\n[[account]]\nname = "expenses:parties"\ndisplay = "Parties"\n'
        '[[account]]\nname = "assets:bank:NAME"\ndisplay = "Cash"\n'
    )
    legs = (posting("expenses:parties", "debit", 1), posting("assets:bank:main", "credit", 1))
    message = told(topics.LEDGER_COMMANDS, command(*legs))
    assert len(obeyed(decide(message, InForce(charts={Book("main"): chart}))).entries) == 1
    assert obeyed(decide(message, InForce())).entries == ()

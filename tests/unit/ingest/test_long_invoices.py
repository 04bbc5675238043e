"""Invoices and credit notes of which a message shows a part."""

from datetime import UTC, datetime
from typing import Any, Final

from services.ingest.long_invoices import (
    LINES_IN_A_RECORD_MAX,
    Unfetched,
    credit_note_in,
    expected,
    invoice_in,
    is_cut,
    lines_path,
    paid_invoice_in,
    told_whole,
)

Json = dict[str, Any]  # Any: JSON
AT: Final = datetime(2026, 7, 1, tzinfo=UTC)


def event(**more: object) -> Json:
    shown: Json = {
        "id": "in_1",
        "object": "invoice",
        "status": "open",
        "lines": {"object": "list", "data": [{"id": "il_0"}], "has_more": True},
    }
    return {"data": {"object": shown | more}}


def test_invoice_that_an_event_shows_in_part_is_named() -> None:
    assert invoice_in(event()) == "in_1"


def test_event_that_shows_all_a_draft_or_something_else_names_none() -> None:
    assert invoice_in(event(lines={"data": [], "has_more": False})) == ""
    assert invoice_in(event(status="draft")) == ""
    assert invoice_in(event(object="charge")) == ""
    assert invoice_in(event(id=7)) == ""
    assert invoice_in({"data": []}) == ""


def test_credit_note_that_an_event_shows_in_part_is_named_and_its_lines_are_asked_for() -> None:
    shown = event(id="cn_1", object="credit_note", status="issued")
    assert credit_note_in(shown) == "cn_1"
    assert invoice_in(shown) == ""
    assert credit_note_in(event()) == ""
    whole: Json = {"object": "list", "data": [], "has_more": False}
    assert credit_note_in(event(object="credit_note", lines=whole)) == ""
    note = shown["data"]["object"]
    assert is_cut(note)
    assert lines_path(note) == "/v1/credit_notes/cn_1/lines"
    # Other objects have lists of lines, too.
    assert not is_cut(note | {"object": "quote"})


PAID: Final[Json] = {"status": "paid", "amount_paid": 8_000}


def test_invoice_that_an_event_shows_paid_without_saying_how_is_named() -> None:
    assert paid_invoice_in(event(**PAID)) == "in_1"
    assert paid_invoice_in(event(**PAID | {"amount_paid": 0, "amount_due": 8_000})) == "in_1"


def test_event_that_says_how_or_of_which_nothing_was_paid_names_none() -> None:
    assert paid_invoice_in(event(**PAID, amount_paid_off_stripe=0)) == ""
    # Before 2025-03-31 an invoice names its payment, if only as null.
    assert paid_invoice_in(event(**PAID, charge=None)) == ""
    assert paid_invoice_in(event(**PAID, payment_intent="pi_1")) == ""
    assert paid_invoice_in(event(status="paid", amount_paid=0, amount_due=0)) == ""
    assert paid_invoice_in(event(status="open", amount_paid=8_000)) == ""
    assert paid_invoice_in(event(**PAID, object="charge")) == ""
    assert paid_invoice_in(event(**PAID, id=None)) == ""


def test_invoice_told_whole_has_every_line_once_in_records_of_a_bounded_size() -> None:
    shown = event()["data"]["object"]
    lines = [{"id": f"il_{n}"} for n in range(LINES_IN_A_RECORD_MAX + 3)]
    told = list(told_whole(shown, lines))
    held: list[Json] = [dict(each) for each in told]
    assert [len(each["lines"]["data"]) for each in held] == [LINES_IN_A_RECORD_MAX, 3]
    assert [line for each in held for line in each["lines"]["data"]] == lines
    assert {each["lines"]["has_more"] for each in held} == {False}
    assert {each["id"] for each in held} == {"in_1"}


def test_invoice_whose_lines_are_gone_is_told_once_without_any() -> None:
    assert len(list(told_whole(event()["data"]["object"], []))) == 1


def test_lines_that_are_still_to_be_told_are_an_expectation_of_their_invoice() -> None:
    (trouble,) = expected([Unfetched("in_1", AT, "status 403")])
    assert (trouble.subject, trouble.expected) == ("in_1", "every line of the invoice on the log")
    assert "status 403" in trouble.explanation


def test_how_an_invoice_was_paid_is_expected_where_it_could_not_be_asked() -> None:
    (trouble,) = expected([Unfetched("in_1", AT, "status 403", is_long=False)])
    assert (trouble.subject, trouble.expected) == ("in_1", "how the invoice was paid, on the log")
    assert "outside of Stripe" in trouble.explanation
    assert "status 403" in trouble.explanation


def test_lines_of_a_credit_note_that_are_still_to_be_told_are_an_expectation_of_it() -> None:
    (trouble,) = expected([Unfetched("cn_1", AT, "status 403", kind="credit_note")])
    assert (trouble.subject, trouble.expected) == (
        *("cn_1", "every line of the credit note on the log"),
    )
    assert "takes back of them goes on being earned" in trouble.explanation
    assert "status 403" in trouble.explanation

"""Objects of an API of Increase's shape, read into told lines and balances."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feeds.increase import (
    digest_of,
    pending_line,
    posted_line,
    text_of,
    told_balance,
)
from shared.contracts.errors import Refused
from shared.contracts.money import Money, currency_of
from shared.contracts.observations import LineState

USD = currency_of("usd")
WIRE: dict[str, Any] = {  # JSON: values of any kind
    "id": "transaction_1",
    "account_id": "account_1",
    "amount": 9680,
    "created_at": "2026-10-22T23:30:00-05:00",
    "currency": "USD",
    "description": "STRIPE TRANSFER",
    "source": {
        "category": "inbound_wire_transfer",
        "inbound_wire_transfer": {
            "debtor_name": "STRIPE",
            "end_to_end_identification": "E2E-1",
            "unstructured_remittance_information": "po_1ABC",
        },
        "fee_payment": None,
    },
    "type": "transaction",
}
ACH_SOURCE: dict[str, Any] = {  # as above
    "category": "inbound_ach_transfer",
    "inbound_ach_transfer": {
        "originator_company_name": "STRIPE",
        "trace_number": "091000019",
        "addenda": {
            "category": "freeform",
            "freeform": {"entries": [{"payment_related_information": "po_2"}, "junk"]},
        },
    },
}


def test_wire_is_read_with_payer_and_references() -> None:
    line = posted_line(WIRE)
    assert (line.id, line.state, line.amount) == (
        "transaction_1",
        LineState.POSTED,
        Money(9680, USD),
    )
    assert line.created_at == datetime(2026, 10, 23, 4, 30, tzinfo=UTC)
    assert (line.description, line.counterparty) == ("STRIPE TRANSFER", "STRIPE")
    assert line.reference == "po_1ABC E2E-1"


def test_ach_is_read_with_its_addenda_before_its_trace() -> None:
    line = posted_line(WIRE | {"source": ACH_SOURCE})
    assert (line.reference, line.counterparty) == ("po_2 091000019", "STRIPE")


def test_reference_that_is_said_twice_is_told_once() -> None:
    source = {"category": "x", "x": {"trace_number": "1", "end_to_end_identification": "1"}}
    assert posted_line(WIRE | {"source": source}).reference == "1"


def test_day_is_the_bank_s_own_where_it_names_one_and_else_by_its_own_offset() -> None:
    assert posted_line(WIRE).booked_on == date(2026, 10, 22)
    assert posted_line(WIRE | {"date": "2026-10-20"}).booked_on == date(2026, 10, 20)


@pytest.mark.parametrize("source", [None, [], {}, {"category": 7}, {"category": "x", "x": []}])
def test_line_without_anything_from_its_rail_is_still_a_line(source: object) -> None:
    line = posted_line(WIRE | {"source": source})
    assert (line.reference, line.counterparty) == ("", "")


@pytest.mark.parametrize(
    ("status", "state"),
    [("pending", LineState.PENDING), ("complete", LineState.REMOVED), (None, LineState.REMOVED)],
)
def test_pending_line_is_there_only_while_it_is_pending(
    status: str | None, state: LineState
) -> None:
    assert pending_line(WIRE | {"status": status}).state is state


@pytest.mark.parametrize(
    "odd",
    [
        {"id": None},
        {"id": ""},
        {"id": "x" * 201},
        {"id": "a\nb"},
        {"amount": 1.5},
        {"amount": "1"},
        {"amount": True},
        {"amount": 10**31},
        {"currency": "ZZZ"},
        {"currency": None},
        {"created_at": None},
        {"created_at": "yesterday"},
        {"created_at": "2026-10-22T23:30:00"},
        {"date": "22.10.2026"},
    ],
)
def test_line_that_makes_no_sense_is_refused(odd: dict[str, object]) -> None:
    with pytest.raises(Refused):
        posted_line(WIRE | odd)


def test_balance_is_what_is_booked_and_what_is_available() -> None:
    told = told_balance({"current_balance": -5, "available_balance": -9}, "usd", as_of=None)
    assert (told.ledger, told.available) == (Money(-5, USD), Money(-9, USD))
    assert told_balance({"current_balance": 1}, "usd", as_of=None).available is None
    with pytest.raises(Refused):
        told_balance({"current_balance": 1.0}, "usd", as_of=None)


def test_digest_does_not_see_the_order_of_fields() -> None:
    assert digest_of(WIRE) == digest_of(dict(reversed(WIRE.items())))


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=50))
def test_text_of_anything_can_be_stored_and_sent(text: str) -> None:
    clean = text_of(text)
    assert "\0" not in clean
    assert clean.encode().decode() == clean


def test_text_is_bounded_and_what_is_none_is_empty() -> None:
    assert len(text_of("x" * 10_000)) == 4000
    assert text_of(None) == ""

"""Records become facts: each topic, what is left out, and what cannot be read."""

import json
from datetime import UTC, date, datetime

import pytest

from services.reconciler.facts.kinds import (
    BalanceTransaction,
    Booking,
    Concern,
    Fact,
    Leg,
    Line,
    Reading,
    StripeBalance,
    Transfer,
)
from services.reconciler.facts.readers import facts_of
from services.reconciler.rules.expectations import Expectation, Expected, Stage
from shared.contracts import topics
from shared.contracts.books import BankAccount, BookData, BookMap, Mode
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Refused, Unreadable

Json = dict[str, object]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
T0 = 1_793_000_000
OURS = BookMap(books=(BookData(stripe_accounts=("acct_1",), mode=Mode.LIVE),))


def told(topic: str, value: object, books: BookMap | None = None, **extensions: str) -> list[Fact]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    envelope = Envelope("m", "s", "t", NOW, data, extensions=extensions)
    return list(facts_of(topic, envelope, received_at=NOW, books=books or BookMap())[1])


def payout(**fields: object) -> Json:
    return {
        "id": "po_1",
        "object": "payout",
        "amount": 9_680,
        "arrival_date": T0 - T0 % 86_400 + 345_600,
        "created": T0,
        "currency": "usd",
        "destination": "ba_1",
        "failure_code": None,
        "livemode": True,
        "method": "standard",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": {"status": "supported", "value": "0910"},
    } | fields


def event(shown: Json, **fields: object) -> Json:
    return {"id": "evt_1", "created": T0 + 9, "livemode": True, "data": {"object": shown}} | fields


def txn(**fields: object) -> Json:
    return {
        "id": "txn_1",
        "object": "balance_transaction",
        "amount": -9_680,
        "available_on": T0,
        "created": T0,
        "currency": "usd",
        "reporting_category": "payout",
        "source": "po_1",
        "type": "payout",
    } | fields


PAYOUT = Expectation(
    id="po_1",
    what=Expected.PAYOUT,
    stage=Stage.IN_TRANSIT,
    minor=9_680,
    currency="usd",
    created=datetime.fromtimestamp(T0, UTC),
    arrival=date(2026, 10, 30),
    told_stage=Stage.IN_TRANSIT,
    told_at=datetime.fromtimestamp(T0 + 9, UTC),
    account="acct_1",
    destination="ba_1",
    method="standard",
    traces=("0910",),
)


def test_payout_is_expected_at_the_bank() -> None:
    assert told(topics.STRIPE_EVENTS, event(payout()), OURS) == [PAYOUT]


def test_payout_of_a_named_account_is_the_one_of_no_named_account() -> None:
    named = told(topics.STRIPE_EVENTS, event(payout(), account="acct_1"), OURS)
    polled = told(topics.STRIPE_OBJECTS, payout(), OURS, account="acct_1")
    assert [f.account for f in (*named, *polled) if isinstance(f, Expectation)] == ["acct_1"] * 2


@pytest.mark.parametrize(
    ("status", "stage"),
    [("succeeded", Stage.PAID), ("pending", Stage.PENDING), ("reversed", Stage.CANCELED)],
)
def test_topup_is_expected_out_of_the_bank(status: str, stage: Stage) -> None:
    shown = payout(object="topup", id="tu_1", status=status, expected_availability_date=None)
    (fact,) = told(topics.STRIPE_OBJECTS, shown)
    assert isinstance(fact, Expectation)
    assert (fact.what, fact.stage, fact.bank_minor) == (Expected.TOPUP, stage, -9_680)
    assert fact.arrival == datetime.fromtimestamp(T0, UTC).date()


@pytest.mark.parametrize(
    ("kind", "amount", "minor", "stage"),
    [
        ("payout", -9_680, 9_680, Stage.PENDING),
        ("payout_failure", 9_680, 9_680, Stage.FAILED),
        ("payout_cancel", 9_680, 9_680, Stage.CANCELED),
        ("topup", 9_680, 9_680, Stage.PENDING),
        ("inbound_transfer", 9_680, 9_680, Stage.PENDING),
        ("inbound_transfer_reversal", -9_680, 9_680, Stage.CANCELED),
    ],
)
def test_balance_transaction_tells_of_what_nobody_has_shown(
    kind: str, amount: int, minor: int, stage: Stage
) -> None:
    movement, expected = told(topics.STRIPE_OBJECTS, txn(type=kind, amount=amount))
    assert isinstance(movement, BalanceTransaction)
    assert (movement.id, movement.type, movement.category) == ("txn_1", kind, "payout")
    assert movement.source == "po_1"
    assert isinstance(expected, Expectation)
    assert (expected.minor, expected.stage, expected.first_hand) == (minor, stage, False)


def test_first_hand_telling_goes_before_a_balance_transaction() -> None:
    _, inferred = told(topics.STRIPE_OBJECTS, txn())
    (first_hand,) = told(topics.STRIPE_OBJECTS, payout())
    assert isinstance(inferred, Expectation)
    assert isinstance(first_hand, Expectation)
    assert inferred.merged(first_hand) == first_hand.merged(inferred) == first_hand


def test_expanded_objects_are_told_too() -> None:
    facts = told(topics.STRIPE_OBJECTS, txn(source=payout()))
    assert [type(fact) for fact in facts] == [BalanceTransaction, Expectation, Expectation]
    assert told(topics.STRIPE_OBJECTS, {"object": "list", "data": [payout()]}) == told(
        topics.STRIPE_OBJECTS, payout()
    )


def test_refund_failed_is_a_concern_by_the_refund_and_by_its_movement() -> None:
    shown: Json = {
        "id": "re_1",
        "object": "refund",
        "amount": 2_500,
        "currency": "usd",
        "status": "failed",
        "failure_reason": "declined",
    }
    (own,) = told(topics.STRIPE_EVENTS, event(shown))
    back = txn(
        type="refund_failure", reporting_category="refund_failure", source="re_1", amount=2_500
    )
    _, inferred = told(topics.STRIPE_OBJECTS, back)
    assert isinstance(own, Concern)
    assert isinstance(inferred, Concern)
    assert (own.subject, own.minor, own.detail) == ("re_1", 2_500, "the refund failed: declined")
    assert inferred.merged(own) == own


@pytest.mark.parametrize("status", ["succeeded", "pending", "canceled", None])
def test_refund_that_did_not_fail_is_no_concern(status: str | None) -> None:
    shown: Json = {
        "id": "re_1",
        "object": "refund",
        "amount": 1,
        "currency": "usd",
        "status": status,
    }
    assert told(topics.STRIPE_EVENTS, event(shown)) == []


def test_transfer_names_the_charge_that_it_passes_on() -> None:
    shown: Json = {"id": "tr_1", "object": "transfer", "source_transaction": {"id": "ch_1"}}
    assert told(topics.STRIPE_OBJECTS, shown) == [Transfer("tr_1", "ch_1")]


def test_balance_is_available_and_pending_together() -> None:
    row = [{"amount": -5, "currency": "usd"}, {"amount": 7, "currency": "jpy"}]
    shown: Json = {"object": "balance", "available": row, "pending": row, "livemode": True}
    assert told(topics.STRIPE_OBJECTS, shown, OURS) == [
        StripeBalance("acct_1", "jpy", 14, NOW),
        StripeBalance("acct_1", "usd", -10, NOW),
    ]


@pytest.mark.parametrize(
    "fields",
    [{"account": "acct_2"}, {"livemode": False}, {"data": {"object": payout(livemode=False)}}],
)
def test_event_of_another_account_or_mode_tells_nothing(fields: Json) -> None:
    assert told(topics.STRIPE_EVENTS, event(payout()) | fields, OURS) == []


def test_delivery_marked_foreign_or_of_the_other_mode_tells_nothing() -> None:
    assert told(topics.STRIPE_EVENTS, event(payout()), foreign="true") == []
    assert told(topics.STRIPE_EVENTS, event(payout()), livemode="false") == []


def test_event_that_shows_nothing_tells_nothing() -> None:
    assert told(topics.STRIPE_EVENTS, {"id": "evt_1", "object": "v2.core.event"}) == []


def line(**fields: object) -> Json:
    return {
        "kind": "line",
        "account": "main",
        "id": "l_1",
        "amount": {"minor": "-1", "currency": "usd", "exponent": 2},
        "booked_on": "2026-11-20",
        "description": "text",
    } | fields


def test_bank_line_and_balance_are_facts() -> None:
    (fact,) = told(topics.BANK_OBSERVATIONS, line())
    assert isinstance(fact, Line)
    assert (fact.account, fact.id, fact.minor, fact.description) == ("main", "l_1", -1, "text")
    (reading,) = told(topics.BANK_OBSERVATIONS, line(kind="balance"))
    assert isinstance(reading, Reading)
    assert (reading.minor, reading.at) == (-1, NOW)


@pytest.mark.parametrize("as_of", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_balance_of_no_possible_day_cannot_be_read(as_of: str) -> None:
    balance = line(kind="balance", as_of=as_of)
    with pytest.raises(Unreadable):
        told("bank.observations", balance)


def test_bank_account_that_no_book_names_cannot_be_read_among_several() -> None:
    two = BookMap(
        books=(
            BookData(name="a", bank_accounts=(BankAccount(name="x", currency="usd"),)),
            BookData(name="b"),
        )
    )
    with pytest.raises(Unreadable):
        told(topics.BANK_OBSERVATIONS, line(), two)


def test_entry_is_told_by_the_legs_that_are_watched() -> None:
    amount = {"minor": "5", "currency": "usd", "exponent": 2}
    entry: Json = {
        "book": "main",
        "reference": "stripe:payment:ch_1",
        "kind": "payment",
        "effective_at": "2026-11-20T00:00:00Z",
        "recorded_at": "2026-11-21T00:00:00Z",
        "postings": [
            {
                "account": "assets:stripe:settling",
                "key": "ch_1",
                "direction": "debit",
                "amount": amount,
            },
            {"account": "revenue:stripe", "direction": "credit", "amount": amount},
        ],
        "rules_version": 1,
        "caused_by": {"topic": "stripe.events", "partition": 0, "offset": 1},
        "message_id": "evt_1",
        "origin": "stripe.events/0",
        "sequence": 1,
        "digest": "00",
        "chain": "00",
    }
    (booking,) = told(topics.LEDGER_ENTRIES, entry)
    assert isinstance(booking, Booking)
    assert booking.legs == (Leg("assets:stripe:settling", "ch_1", "usd", 5),)


def outcome(**fields: object) -> Json:
    return {
        "kind": "outcome",
        "outcome": "noted",
        "reason": "unknown_balance_transaction",
        "book": "main",
        "subject": "txn_1",
        "amount": {"minor": "777", "currency": "usd", "exponent": 2},
        "caused_by": {"topic": "stripe.objects", "partition": 0, "offset": 1},
        "recorded_at": "2026-11-21T00:00:00Z",
    } | fields


def test_outcome_that_names_a_discrepancy_is_a_concern() -> None:
    (concern,) = told(topics.LEDGER_OUTCOMES, outcome())
    assert isinstance(concern, Concern)
    assert concern.kind is DiscrepancyKind.UNKNOWN_BALANCE_TRANSACTION
    assert (concern.subject, concern.minor, concern.currency) == ("txn_1", 777, "usd")


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "nothing_to_book", "reason": "no_booking"},
        {"outcome": "refused", "reason": "command"},
    ],
)
def test_outcome_of_no_discrepancy_tells_nothing(fields: Json) -> None:
    assert told(topics.LEDGER_OUTCOMES, outcome(**fields)) == []


def test_match_that_the_ledger_refuses_is_a_concern_whatever_the_reason() -> None:
    refused = {
        "outcome": "refused",
        "reason": "unreadable",
        "subject": "mat_1",
        "amount": None,
        "detail": "'expenses:a::b' is not an account name such as assets:bank:main",
        "caused_by": {"topic": topics.MATCHES, "partition": 0, "offset": 1},
    }
    (concern,) = told(topics.LEDGER_OUTCOMES, outcome(**refused))
    assert isinstance(concern, Concern)
    assert (concern.kind, concern.subject) == (DiscrepancyKind.MATCH_REFUSED, "mat_1")
    assert "'expenses:a::b'" in concern.detail
    assert told(topics.LEDGER_OUTCOMES, outcome(**refused | {"outcome": "nothing_to_book"})) == []


def test_topic_that_tells_no_facts_tells_none() -> None:
    assert told(topics.LEDGER_COMMANDS, {}) == []


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"id": "evt_1", "created": NaN, "data": {"object": {"object": "payout"}}}',
        event(payout(amount=1.5)),
        event(payout(amount="1")),
        event(payout(currency="xxx")),
        event(payout(status="lost")),
        event(payout(created=None)),
        event(payout(id=None)),
        event(payout(), created="soon"),
    ],
)
def test_event_that_cannot_be_read_is_refused(value: object) -> None:
    with pytest.raises(Refused):
        told(topics.STRIPE_EVENTS, value)


@pytest.mark.parametrize(
    "topic", [topics.BANK_OBSERVATIONS, topics.LEDGER_ENTRIES, topics.LEDGER_OUTCOMES]
)
@pytest.mark.parametrize("value", [{}, [], b"what", b"\xff"])
def test_record_of_ours_that_cannot_be_read_is_refused(topic: str, value: object) -> None:
    with pytest.raises(Refused):
        told(topic, value)


@pytest.mark.parametrize(
    ("changes", "extensions"),
    [
        ({"context": "acct_else"}, {}),
        ({"context": "acct_1/acct_else"}, {}),
        ({"account": "acct_1", "context": "acct_else"}, {}),
        ({}, {"othermode": "true"}),
    ],
)
def test_event_of_a_connected_account_or_of_the_other_mode_tells_nothing(
    changes: Json, extensions: dict[str, str]
) -> None:
    assert told(topics.STRIPE_EVENTS, event(payout(), **changes), OURS, **extensions) == []


def test_event_whose_context_names_our_account_is_the_one_of_no_named_account() -> None:
    assert told(topics.STRIPE_EVENTS, event(payout(), context="acct_1"), OURS) == [PAYOUT]


def test_thin_event_tells_nothing_by_itself() -> None:
    thin = {
        "id": "evt_2",
        "object": "v2.core.event",
        "type": "v1.payout.paid",
        "created": "2026-11-21T04:05:06Z",
        "livemode": True,
        "context": None,
        "related_object": {"id": "po_1", "type": "payout", "url": "/v1/payouts/po_1"},
    }
    assert told(topics.STRIPE_EVENTS, thin, OURS) == []

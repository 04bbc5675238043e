"""What the door stamps and what the books make of it: other people's events, test events, thin ones.

Each delivery goes through the door's core, through Kafka's headers, and into the cores of the
ledger and of the reconciler.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.admission import Admitted, admission
from services.ingest.endpoints import Endpoint, EndpointKind, Payload
from services.ingest.signature import Secret, header_of
from services.ledger.activation.in_force import InForce
from services.ledger.decisions import Input
from services.ledger.posting_rules import Decision, decide
from services.reconciler.facts.kinds import Fact
from services.reconciler.facts.readers import facts_of
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.envelope import envelope_of
from shared.contracts.journal import Book
from shared.contracts.messages import OutcomeKind
from shared.contracts.topics import STRIPE_EVENTS

NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
SECRET = "whsec_of_connect"
LIVE = BookData(name="main", mode=Mode.LIVE, stripe_accounts=("acct_own",))
ONLY_LIVE = BookMap(books=(LIVE,))
BOTH = BookMap(books=(LIVE, BookData(name="trial", mode=Mode.TEST, stripe_accounts=("acct_own",))))
MODELESS = BookMap(books=(BookData(name="main", stripe_accounts=("acct_own",)),))
CONNECT = Endpoint(
    name="connect",
    kind=EndpointKind.CONNECT,
    mode=Mode.LIVE,
    account="acct_own",
    book=Book("main"),
    secrets=(Secret("current", SECRET),),
)
CHARGE: dict[str, Any] = {  # JSON: values of any kind
    "id": "ch_1",
    "object": "charge",
    "amount": 10_000,
    "amount_captured": 10_000,
    "captured": True,
    "created": 1_795_233_900,
    "currency": "usd",
    "paid": True,
    "status": "succeeded",
}
TRANSACTION: dict[str, Any] = {  # JSON: values of any kind
    "id": "txn_1",
    "object": "balance_transaction",
    "amount": 10_000,
    "fee": 320,
    "net": 9_680,
    "currency": "usd",
    "type": "charge",
    "reporting_category": "charge",
    "balance_type": "payments",
    "source": "ch_1",
    "created": 1_795_233_900,
    "available_on": 1_795_233_900,
    "status": "pending",
    "fee_details": [],
}
PAYOUT: dict[str, Any] = {  # JSON: values of any kind
    "id": "po_1",
    "object": "payout",
    "amount": 9_680,
    "arrival_date": 1_795_219_200,
    "created": 1_795_233_900,
    "currency": "usd",
    "destination": "ba_1",
    "method": "standard",
    "status": "paid",
}


def taken(
    shown: dict[str, Any],
    books: BookMap = ONLY_LIVE,
    *,
    livemode: bool = True,
    **named: str,
) -> tuple[Decision, tuple[Fact, ...]]:
    """What the ledger decides and what the reconciler is told, of a delivery at the door."""
    event = {
        "id": "evt_1",
        "object": "event",
        "type": f"{shown['object']}.created",
        "created": 1_795_233_901,
        "livemode": livemode,
        "data": {"object": shown | {"livemode": livemode}},
    }
    return through(event | named, CONNECT, books)


def through(
    event: dict[str, Any], endpoint: Endpoint, books: BookMap
) -> tuple[Decision, tuple[Fact, ...]]:
    body = json.dumps(event).encode()
    header = header_of(body, SECRET, int(NOW.timestamp()))
    told = admission(body, header, endpoint, books, received_at=NOW)
    assert isinstance(told, Admitted), told
    envelope = envelope_of(told.envelope.headers(), told.envelope.data)
    decision = decide(Input(STRIPE_EVENTS, envelope, NOW), InForce(books))
    return decision, facts_of(STRIPE_EVENTS, envelope, received_at=NOW, books=books)[1]


def is_silent(decision: Decision) -> bool:
    """Recorded, and neither booked nor anything that a discrepancy is made of."""
    kinds = {remark.outcome for remark in decision.remarks}
    return decision.entries == () and kinds == {OutcomeKind.NOTHING_TO_BOOK}


@pytest.mark.parametrize("shown", [CHARGE, TRANSACTION, PAYOUT], ids=lambda o: o["object"])
@pytest.mark.parametrize("books", [ONLY_LIVE, BOTH, MODELESS], ids=["live", "both", "modeless"])
@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize(
    "named",
    [
        {"account": "acct_else"},
        {"context": "acct_else"},
        {"context": "acct_own/acct_else"},
        {"account": "acct_else", "context": "acct_own/acct_else"},
    ],
    ids="+".join,
)
def test_money_of_a_connected_account_never_enters_our_books(
    shown: dict[str, Any], books: BookMap, *, is_live: bool, named: dict[str, str]
) -> None:
    decision, facts = taken(shown, books, livemode=is_live, **named)
    assert is_silent(decision)
    assert facts == ()


@pytest.mark.parametrize("shown", [CHARGE, TRANSACTION, PAYOUT], ids=lambda o: o["object"])
@pytest.mark.parametrize("books", [ONLY_LIVE, MODELESS], ids=["live", "modeless"])
@pytest.mark.parametrize("named", [{}, {"account": "acct_own"}], ids=["unnamed", "named"])
def test_test_event_at_a_live_connect_endpoint_books_nothing_and_is_no_discrepancy(
    shown: dict[str, Any], books: BookMap, named: dict[str, str]
) -> None:
    decision, facts = taken(shown, books, livemode=False, **named)
    assert is_silent(decision)
    assert facts == ()


def test_test_event_at_a_live_connect_endpoint_is_booked_in_the_test_book_alone() -> None:
    decision, _ = taken(CHARGE, BOTH, livemode=False, account="acct_own")
    assert (decision.book, len(decision.entries)) == ("trial", 1)


def test_live_event_of_our_own_account_at_a_connect_endpoint_is_booked() -> None:
    decision, _ = taken(CHARGE, account="acct_own")
    assert (decision.book, len(decision.entries)) == ("main", 1)


@pytest.mark.parametrize("context", [None, "acct_own", "acct_own/acct_else"])
def test_thin_event_is_known_and_books_nothing_by_itself(context: str | None) -> None:
    thin = {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": "v1.payout.paid",
        "created": "2026-11-21T04:05:05.123Z",
        "livemode": True,
        "context": context,
        "reason": None,
        "related_object": {"id": "po_1", "type": "payout", "url": "/v1/payouts/po_1"},
    }
    decision, facts = through(thin, replace(CONNECT, payload=Payload.THIN), ONLY_LIVE)
    assert decision.identity == "evt_thin"
    assert is_silent(decision)
    assert facts == ()

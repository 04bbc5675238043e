"""What is built by hand for speed is, to the byte's meaning, what the contract's models say."""

from datetime import UTC, datetime
from typing import Any

from services.ledger.proof.hash_chain import GENESIS, first_break
from services.ledger.shell.booking.rows import (
    ENTRY_COLUMNS,
    OUTCOME_COLUMNS,
    POSTING_COLUMNS,
    Head,
    posting_rows,
)
from services.ledger.shell.wire import (
    entry_publication,
    outcome_publication,
    progress_publication,
)
from shared.contracts.journal import Account, Book, Entry, Line, Reference, debit, entry
from shared.contracts.messages import (
    OUTCOME_RECORD,
    EntryBooked,
    Outcome,
    OutcomeKind,
    Position,
    Progress,
    entry_booked,
)
from shared.contracts.money import Money, MoneyOnWire
from shared.runtime.kafka import Partition

AT = datetime(2026, 11, 21, 4, 5, 6, 7000, UTC)
WHERE = Partition("stripe.events", 3)


def booked() -> Entry:
    amount = Money.of(10**30, "eth")
    lines: list[Line] = [
        debit(Account("assets:bank:x"), amount, key="k"),
        debit(Account("revenue:stripe"), -amount),
    ]
    found = entry(
        book=Book("main"),
        reference=Reference("stripe:payment:ch_1"),
        kind="payment",
        effective_at=datetime(2026, 1, 1, tzinfo=UTC),
        lines=lines,
        rules_version=1,
        description="täglich",
        reverses=Reference("stripe:payment:ch_0"),
    )
    if found is None:
        raise ValueError
    return found


def test_published_entry_is_what_the_contract_makes_of_it() -> None:
    told, head = booked(), Head(1, "stripe.events/3", 0, GENESIS)
    row = dict(
        zip(
            ENTRY_COLUMNS,
            head.numbered(
                told, digest=told.digest(), recorded_at=AT, offset=41, message_id="evt_1"
            ),
            strict=True,
        )
    )
    legs = [
        dict(zip(POSTING_COLUMNS, leg, strict=True))
        for leg in posting_rows(told, origin_id=1, sequence=1, recorded_at=AT)
    ]
    publication = entry_publication(row, legs, WHERE)
    assert publication.envelope is not None
    read = EntryBooked.model_validate_json(publication.envelope.data)
    assert read == entry_booked(
        told,
        caused_by=Position(topic="stripe.events", partition=3, offset=41),
        message_id="evt_1",
        recorded_at=AT,
        sequence=1,
        chain=head.chain.hex(),
    )
    assert first_break([read]) is None
    assert publication.key == b"stripe.events/3"


def test_published_outcome_is_what_the_contract_says() -> None:
    row: dict[str, Any] = dict.fromkeys(OUTCOME_COLUMNS)  # Any: columns of a row
    row |= {
        "caused_offset": 41,
        "ordinal": 1,
        "outcome": "conflict",
        "reason": "reference_conflict",
        "book": "main",
        "subject": "ch_1",
        "detail": "d",
        "reference": "stripe:payment:ch_1",
        "amount_minor": 150,
        "currency": "usd",
        "exponent": 2,
        "message_id": "evt_1",
        "recorded_at": AT,
    }
    publication = outcome_publication(row, WHERE)
    assert publication.envelope is not None
    assert OUTCOME_RECORD.validate_json(publication.envelope.data) == Outcome(
        outcome=OutcomeKind.CONFLICT,
        reason="reference_conflict",
        book="main",
        subject="ch_1",
        detail="d",
        reference="stripe:payment:ch_1",
        amount=MoneyOnWire(minor="150", currency="usd", exponent=2),
        message_id="evt_1",
        caused_by=Position(topic="stripe.events", partition=3, offset=41),
        recorded_at=AT,
    )


def test_published_progress_is_what_the_contract_says() -> None:
    publication = progress_publication(WHERE, next_offset=42, sequence=7, at=AT)
    assert publication.envelope is not None
    assert OUTCOME_RECORD.validate_json(publication.envelope.data) == Progress(
        origin="stripe.events/3",
        topic="stripe.events",
        partition=3,
        next_offset=42,
        sequence=7,
        recorded_at=AT,
    )

"""A clearing key whose other half does not come, told by the ledger's entries over a real topic."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts import references, topics
from shared.contracts.discrepancies import DiscrepancyKind, DiscrepancyState
from shared.contracts.envelope import Envelope
from shared.contracts.journal import DEFAULT_BOOK, Account, Line, Reference, credit, debit, entry
from shared.contracts.messages import EntryBooked, Position, entry_booked
from shared.contracts.money import Money
from shared.contracts.schemas import type_of
from shared.runtime.kafka import Publication
from tests.support.ledger import fresh_topics
from tests.support.reconciler import ReconcilerRig

pytestmark = pytest.mark.stack

SETTLING = Account("assets:stripe:settling")
GROSS = Money.of(3_300, "usd")
FEE = Money.of(126, "usd")
PAYMENT = (debit(SETTLING, GROSS, key="ch_1"), credit(Account("revenue:stripe"), GROSS))
SETTLEMENT = (
    debit(Account("assets:stripe:balance"), GROSS - FEE),
    debit(Account("expenses:stripe-fees"), FEE),
    credit(SETTLING, GROSS, key="ch_1"),
)


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> ReconcilerRig:
    await fresh_topics(kafka_bootstrap)
    return ReconcilerRig(kafka_bootstrap, database_dsn)


def told(
    reference: Reference, lines: tuple[Line, ...], *, at: datetime, sequence: int
) -> Publication:
    """An entry as the ledger publishes it, of that time and recorded then."""
    booked = entry(
        book=DEFAULT_BOOK,
        reference=reference,
        kind="payment",
        effective_at=at,
        lines=lines,
        rules_version=1,
    )
    assert booked is not None
    record: EntryBooked = entry_booked(
        booked,
        caused_by=Position(topic=topics.STRIPE_EVENTS, partition=0, offset=sequence),
        message_id=f"evt_{sequence}",
        recorded_at=at,
        sequence=sequence,
        chain="00" * 32,
    )
    return Publication(
        topics.LEDGER_ENTRIES,
        record.origin.encode(),
        Envelope(
            id=f"{record.origin}#{sequence}",
            source="ledger/test",
            type=type_of(EntryBooked),
            time=at,
            data=record.model_dump_json().encode(),
            extensions={"book": DEFAULT_BOOK},
        ),
    )


async def test_clearing_key_is_overdue_after_three_days_and_resolved_by_its_other_half(
    rig: ReconcilerRig,
) -> None:
    at = datetime.now(UTC) - timedelta(days=3, minutes=1)
    with rig.process() as running:
        await rig.publish(told(references.payment("ch_1"), PAYMENT, at=at, sequence=1))
        await rig.quiet(running)
        (opened,) = await rig.reports()
        assert opened.discrepancy is DiscrepancyKind.CLEARING_OVERDUE
        assert (opened.subject, opened.state) == ("ch_1", DiscrepancyState.OPEN)
        assert opened.amount is not None
        assert opened.amount.money() == GROSS
        await rig.publish(
            told(references.balance_transaction("txn_1"), SETTLEMENT, at=at, sequence=2)
        )
        await rig.quiet(running)
        assert [r.state for r in await rig.reports()] == [
            DiscrepancyState.OPEN,
            DiscrepancyState.RESOLVED,
        ]
        assert running.stop() == 0


async def test_clearing_key_is_not_overdue_before_three_days(rig: ReconcilerRig) -> None:
    at = datetime.now(UTC) - timedelta(days=2, hours=23)
    with rig.process() as running:
        await rig.publish(told(references.payment("ch_1"), PAYMENT, at=at, sequence=1))
        await rig.quiet(running)
        assert await rig.reports() == []
        assert running.stop() == 0

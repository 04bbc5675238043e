"""Findings of the gap audit on their topic become discrepancies, and are resolved with them."""

from datetime import UTC, datetime, timedelta

import pytest

from services.feeds import refusals
from shared.contracts import topics
from shared.contracts.audit_messages import audit_message
from shared.contracts.audits import AuditReport
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id
from shared.contracts.envelope import Envelope
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.schemas import type_of
from shared.runtime.kafka import Publication
from tests.support.ledger import fresh_topics
from tests.support.reconciler import ReconcilerRig, kill

pytestmark = pytest.mark.stack

KIND = DiscrepancyKind.WEBHOOK_ENDPOINT_DISABLED
ID = discrepancy_id(DEFAULT_BOOK, KIND, "we_1")
BEGUN = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> ReconcilerRig:
    await fresh_topics(kafka_bootstrap)
    return ReconcilerRig(kafka_bootstrap, database_dsn)


def told(*, stands: bool, minutes: int) -> Publication:
    """A finding as ingest tells it."""
    at = BEGUN + timedelta(minutes=minutes)
    report = AuditReport(
        id=ID,
        book=DEFAULT_BOOK,
        discrepancy=KIND,
        subject="we_1",
        stands=stands,
        since=BEGUN,
        told_at=at,
        expected="enabled",
        found="disabled",
        explanation="Stripe sends nothing: the endpoint we_1 is disabled.",
    )
    return Publication(
        topics.INGEST_AUDITS,
        ID.encode(),
        Envelope(
            id=f"{ID}/{at.isoformat()}",
            source="stripe/test",
            type=type_of(AuditReport),
            time=at,
            data=report.model_dump_json().encode(),
            extensions={"book": DEFAULT_BOOK},
        ),
    )


async def test_finding_opens_once_is_resolved_by_itself_and_opens_again(
    rig: ReconcilerRig,
) -> None:
    with rig.process() as running:
        await rig.publish(told(stands=True, minutes=0), told(stands=True, minutes=0))
        await rig.quiet(running)
        (opened,) = await rig.reports()
        assert (opened.id, opened.discrepancy, opened.subject) == (ID, KIND, "we_1")
        assert opened.next_step
        await rig.publish(told(stands=False, minutes=5))
        await rig.quiet(running)
        assert await rig.lives() == {f"{KIND} we_1": ["open", "resolved"]}
        # Nothing is open about it any more, so it is out of hand; a new telling finds it.
        kill(running)
    with rig.process() as running:
        await rig.publish(told(stands=True, minutes=9))
        await rig.quiet(running)
        assert await rig.lives() == {f"{KIND} we_1": ["open", "resolved", "open"]}


def refused(*, stands: bool, minutes: int) -> Publication:
    """A statement file as the feeds tell of it."""
    report = refusals.report(
        refusals.Refusal(
            sha256="75f37977f1ee" + "0" * 52,
            name="november.xml",
            reason="nobody has said whose account 'DE89' is",
            fix="name it in the banks file",
            book=DEFAULT_BOOK,
            since=BEGUN,
            decided_at=BEGUN + timedelta(minutes=minutes),
            stands=stands,
        )
    )
    return Publication(
        topics.FEEDS_AUDITS, report.id.encode(), audit_message(report, source="bank/files")
    )


async def test_refused_statement_file_stays_open_until_its_bytes_are_taken(
    rig: ReconcilerRig,
) -> None:
    life = "statement_file_refused 75f37977f1ee"
    with rig.process() as running:
        await rig.publish(refused(stands=True, minutes=0), refused(stands=True, minutes=3))
        await rig.quiet(running)
        (opened,) = await rig.reports()
        assert "november.xml was refused, and nothing of it was taken" in opened.explanation
        assert "To do: name it in the banks file" in opened.explanation
        await rig.publish(refused(stands=False, minutes=7), refused(stands=True, minutes=5))
        await rig.quiet(running)
        # What was decided earlier and told later takes nothing back.
        assert await rig.lives() == {life: ["open", "resolved"]}
        assert running.stop() == 0

"""Findings of ingest's audit: open while they stand, and gone without a trace of work after."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from services.reconciler.facts.kinds import Audited
from services.reconciler.facts.known import Facts, fold
from services.reconciler.facts.readers import facts_of
from services.reconciler.reconcile import reconcile
from shared.contracts import topics
from shared.contracts.audits import AuditReport
from shared.contracts.books import BookData, BookMap
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id
from shared.contracts.envelope import Envelope

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
KIND = DiscrepancyKind.WEBHOOK_ENDPOINT_DISABLED


def audited(*, stands: bool, minutes: int = 0, found: str = "disabled") -> Audited:
    return Audited(
        KIND, "we_1", stands=stands, told_at=AT + timedelta(minutes=minutes), found=found
    )


def judged(*facts: Audited) -> tuple[list[str], frozenset[str]]:
    known = tuple(f for f in fold(facts).values() if isinstance(f, Audited))
    result = reconcile(Facts(BookData(name="main"), audited=known), at=AT)
    return [d.id for d in result.discrepancies], result.dormant


def test_finding_that_stands_is_one_discrepancy_of_its_kind_and_subject() -> None:
    told = audited(stands=True)
    again = audited(stands=True, minutes=5)
    assert judged(told, again) == ([discrepancy_id("main", KIND, "we_1")], frozenset())


def test_finding_that_was_mended_is_none_and_is_let_go() -> None:
    mended = audited(stands=False, minutes=1)
    assert judged(audited(stands=True), mended) == ([], frozenset({mended.key}))


def test_finding_is_as_it_was_told_last_in_whatever_order_it_is_read() -> None:
    tellings = (
        audited(stands=True),
        audited(stands=False, minutes=1),
        audited(stands=True, minutes=2, found="once more"),
    )
    results = {next(iter(fold(order).values())) for order in permutations(tellings)}
    assert results == {tellings[2]}


@pytest.mark.parametrize("topic", [topics.INGEST_AUDITS, topics.LEDGER_AUDITS, topics.FEEDS_AUDITS])
def test_report_on_the_topic_is_a_finding_of_its_book(topic: str) -> None:
    report = AuditReport(
        id="dsc_1",
        book="live",
        discrepancy=KIND,
        subject="we_1",
        stands=True,
        since=AT,
        told_at=AT,
        found="disabled",
        evidence=("https://example.com",),
    )
    envelope = Envelope(
        id="dsc_1/1",
        source="tallystick/ingest",
        type="com.tallystick.ingest.audit.v1",
        time=AT,
        data=report.model_dump_json().encode(),
    )
    book, facts = facts_of(topic, envelope, received_at=AT, books=BookMap())
    assert book == "live"
    assert facts == (
        Audited(
            KIND,
            "we_1",
            stands=True,
            told_at=AT,
            found="disabled",
            evidence=("https://example.com",),
        ),
    )

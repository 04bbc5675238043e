"""The books held against their rebuilding, time and again: what is found, said and taken back.

Each check publishes one report of each book on ``ledger.audits``, also when all is well: the topic
is the record of what was checked when, and the reconciler opens or resolves a discrepancy by it.
"""

import asyncio
import re
from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from services.ledger.shell import measures
from services.ledger.shell.rebuilding.comparing import Comparison
from shared.contracts.audit_messages import audit_message
from shared.contracts.audits import AuditReport
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id
from shared.contracts.errors import Unavailable
from shared.contracts.topics import LEDGER_AUDITS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publication, offset_bounds, producer
from shared.runtime.kafka_live import follow
from shared.runtime.kafka_whole import whole
from shared.runtime.lifecycle import pause

SUBJECT: Final = "rebuild"
PUBLISH_SECONDS_MAX: Final = 30.0
RETRY_SECONDS: Final = 30.0
EVIDENCE_MAX: Final = 20
_log = log.get(__name__)


def report_of(
    compared: Comparison,
    problems: Sequence[str],
    *,
    book: str,
    at: datetime,
    before: AuditReport | None,
    books: Collection[str] = (),
) -> AuditReport:
    """What a check found of a book, after what the last one said.

    All books are rebuilt together: what names another of the ``books`` alone is left to that one,
    and what names none of them is said of each.
    """
    differences = tuple(
        said for said in (*compared.differences, *problems) if _is_about(book, said, {*books, book})
    )
    stands = bool(differences)
    used = compared.used
    is_same = before is not None and before.stands == stands
    return AuditReport(
        id=discrepancy_id(book, DiscrepancyKind.BOOKS_DIFFER, SUBJECT),
        book=book,
        discrepancy=DiscrepancyKind.BOOKS_DIFFER,
        subject=SUBJECT,
        stands=stands,
        since=before.since if before is not None and is_same else at,
        told_at=at,
        expected="the books that the topics say",
        found=f"{len(differences)} differences" if stands else f"{used.entries} entries, all equal",
        explanation=(
            f"The books were rebuilt from {compared.messages} messages and are not the same: "
            f"{differences[0]}."
            if stands
            else ""
        ),
        evidence=differences[:EVIDENCE_MAX],
    )


def _is_about(book: str, said: str, books: Collection[str]) -> bool:
    named = {each for each in books if re.search(rf"\bbook {re.escape(each)}(?![\w.-])", said)}
    return book in named or not named


async def last_report(kafka: KafkaAddress, book: str) -> AuditReport | None:
    """What the last check said; ``None`` before the first.

    Raises:
        Unavailable: Kafka is away.
    """
    last: AuditReport | None = None
    async for record in whole(kafka, [LEDGER_AUDITS]):
        report = _read(record.value)
        if report is not None and report.book == book and report.subject == SUBJECT:
            last = report
    return last


async def publish_report(kafka: KafkaAddress, report: AuditReport) -> None:
    """Say what a check found.

    Raises:
        Unavailable: Kafka is away.
    """
    envelope = audit_message(report, source="tallystick/ledger")
    async with producer(kafka) as publisher:
        await publisher.publish_all(
            [Publication(LEDGER_AUDITS, report.id.encode(), envelope)], PUBLISH_SECONDS_MAX
        )


@dataclass(frozen=True, slots=True)
class CheckWatch:
    """Shows as metrics when the last check was, and what it said."""

    kafka: KafkaAddress

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the reports until asked to stop; while Kafka is away, as they last were."""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except Unavailable as error:
                _log.info("checks.waited", reason=str(error))
                await pause(stop, RETRY_SECONDS)

    async def _follow(self, stop: asyncio.Event) -> None:
        stands: dict[str, bool] = {}
        first, _ = await offset_bounds(self.kafka, [LEDGER_AUDITS])
        async with aclosing(follow(self.kafka, first)) as batches:
            async for batch in batches:
                for report in filter(None, (_read(record.value) for record in batch)):
                    measures.CHECKED_AT.set(report.told_at.timestamp())
                    stands[report.book] = report.stands
                    measures.CHECK_DIFFERS.set(any(stands.values()))
                if stop.is_set():
                    return


def _read(value: bytes) -> AuditReport | None:
    try:
        return AuditReport.model_validate_json(value)
    except ValidationError:
        # Of a version after ours, or nobody's: the reader of the topic parks it.
        return None

"""Findings on ``ingest.audits``: what stands is read from the topic, and told when it changes."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from services.ingest.endpoint_status import Trouble
from services.ingest.findings import reports
from shared.contracts.audit_messages import audit_message
from shared.contracts.audits import AuditReport
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.envelope import Envelope
from shared.contracts.topics import INGEST_AUDITS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publication, Publisher
from shared.runtime.kafka_whole import whole

PUBLISH_SECONDS_MAX: Final = 30.0
_log = log.get(__name__)


class AuditReports:
    """What was told of one account, and what is told next."""

    def __init__(
        self,
        kafka: KafkaAddress,
        publisher: Publisher,
        *,
        book: str,
        account: str,
    ) -> None:
        self._kafka = kafka
        self._publisher = publisher
        self._book = book
        self._account = account
        self._standing: dict[str, AuditReport] | None = None
        self._turn = asyncio.Lock()

    async def tell(
        self, wanted: Iterable[Trouble], *, unknown: frozenset[DiscrepancyKind] = frozenset()
    ) -> tuple[AuditReport, ...]:
        """Publish what has changed, and give it.

        What stands is the topic's own last word, read once: a database that was lost takes
        nothing back that is still wrong, and forgets nothing that has been mended.

        Raises:
            Unavailable: Kafka is away; the same is told again the next time.
        """
        async with self._turn:
            if self._standing is None:
                self._standing = await self._told()
            told = reports(
                self._standing,
                wanted,
                unknown=unknown,
                book=self._book,
                account=self._account,
                at=datetime.now(UTC),
            )
            if told:
                await self._publisher.publish_all(
                    [Publication(INGEST_AUDITS, r.id.encode(), self._envelope(r)) for r in told],
                    PUBLISH_SECONDS_MAX,
                )
            for report in told:
                _note(self._standing, report)
                _log.warning(
                    "audit.found" if report.stands else "audit.mended",
                    kind=report.discrepancy,
                    subject=report.subject,
                    book=self._book,
                )
            return told

    async def _told(self) -> dict[str, AuditReport]:
        standing: dict[str, AuditReport] = {}
        async for record in whole(self._kafka, [INGEST_AUDITS]):
            try:
                report = AuditReport.model_validate_json(record.value)
            except ValidationError:
                # Of a version after ours, or nobody's: the reader of the topic parks it.
                continue
            if (report.book, report.account) == (self._book, self._account):
                _note(standing, report)
        return standing

    def _envelope(self, report: AuditReport) -> Envelope:
        return audit_message(report, source=f"stripe/{self._account or self._book}")


def _note(standing: dict[str, AuditReport], report: AuditReport) -> None:
    if report.stands:
        standing[report.id] = report
    else:
        standing.pop(report.id, None)

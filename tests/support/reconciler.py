"""The reconciler as a process of its own on a real stack, and the messages that it reads."""

import asyncio
import json
import os
import signal
from collections import defaultdict
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx

from services.reconciler.facts.kinds import (
    Fact,
)
from services.reconciler.facts.known import Facts, fold
from services.reconciler.facts.readers import facts_of
from services.reconciler.findings.found import Reconciliation
from services.reconciler.reconcile import reconcile
from shared.contracts import topics
from shared.contracts.books import BookData, BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Refused
from shared.contracts.messages import (
    MATCH_RECORD,
    DiscrepancyReported,
    MatchMade,
    MatchUndone,
    Progress,
)
from shared.contracts.money import Money, MoneyOnWire
from shared.contracts.observations import BankBalance, BankLine
from shared.contracts.schemas import type_of
from shared.runtime.kafka import Partition, Publication, Record, end_offsets, producer, scan
from tests.support.ingest import ServiceProcess, free_port, service
from tests.support.ledger import until
from tests.support.plain_http import TRUSTS_NOBODY

INPUTS: Final = (
    topics.STRIPE_EVENTS,
    topics.STRIPE_OBJECTS,
    topics.BANK_OBSERVATIONS,
    topics.LEDGER_ENTRIES,
    topics.LEDGER_OUTCOMES,
    topics.INGEST_AUDITS,
    topics.LEDGER_AUDITS,
    topics.FEEDS_AUDITS,
    topics.RECONCILIATION_COMMANDS,
)
LONG_AGO: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
ACCOUNT: Final = "operating"


def payout(payout_id: str, amount: int, *, arrival: datetime, status: str = "paid") -> Publication:
    """A payout's event as the door publishes it."""
    shown = {
        "id": payout_id,
        "object": "payout",
        "amount": amount,
        "arrival_date": int(arrival.timestamp()),
        "automatic": True,
        "balance_transaction": f"txn_{payout_id}",
        "created": int((arrival - timedelta(days=2)).timestamp()),
        "currency": "usd",
        "description": None,
        "destination": "ba_1",
        "failure_code": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "source_type": "card",
        "statement_descriptor": None,
        "status": status,
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }
    body = {
        "id": f"evt_{payout_id}_{status}",
        "object": "event",
        "api_version": "2026-06-24",
        "created": int(arrival.timestamp()),
        "data": {"object": shown},
        "livemode": False,
        "pending_webhooks": 1,
        "type": f"payout.{status}",
    }
    return stripe_event(body, payout_id)


def stripe_event(body: dict[str, Any], subject: str) -> Publication:  # Any: Stripe's JSON
    """An event as the door publishes it."""
    return Publication(
        topics.STRIPE_EVENTS,
        topics.stripe_key("", subject),
        Envelope(
            id=str(body["id"]),
            source="stripe/test",
            type="com.stripe.event",
            time=datetime.now(UTC),
            data=json.dumps(body).encode(),
            subject=subject,
            extensions={"book": "main", "account": "", "livemode": "false", "endpoint": "test"},
        ),
    )


def line(line_id: str, minor: int, *, on: date, text: str, revision: int = 1) -> Publication:
    """A bank line as the feed publishes it."""
    told = BankLine(
        account=ACCOUNT,
        id=line_id,
        revision=revision,
        amount=MoneyOnWire.of(Money.of(minor, "usd")),
        booked_on=on,
        description=text,
    )
    return _observed(told, f"{line_id}:{revision}", type_of(BankLine))


def balance(minor: int, *, as_of: datetime | None, reading: str) -> Publication:
    """A bank balance as the feed publishes it."""
    told = BankBalance(
        account=ACCOUNT,
        amount=MoneyOnWire.of(Money.of(minor, "usd")),
        as_of=as_of,
        reading=reading,
    )
    return _observed(told, reading, type_of(BankBalance))


def _observed(told: BankLine | BankBalance, ident: str, kind: str) -> Publication:
    return Publication(
        topics.BANK_OBSERVATIONS,
        ACCOUNT.encode(),
        Envelope(
            id=ident,
            source="feeds/test",
            type=kind,
            time=datetime.now(UTC),
            data=told.model_dump_json().encode(),
            subject=ident,
            extensions={"book": "main"},
        ),
    )


def progress(partition: Partition, next_offset: int, *, sequence: int = 0) -> Publication:
    """The ledger's word on how far it has booked a partition."""
    told = Progress(
        origin=str(partition),
        topic=partition.topic,
        partition=partition.partition,
        next_offset=next_offset,
        sequence=sequence,
        recorded_at=datetime.now(UTC),
    )
    return Publication(
        topics.LEDGER_OUTCOMES,
        str(partition).encode(),
        Envelope(
            id=f"{partition}@{next_offset}",
            source="ledger/test",
            type=type_of(Progress),
            time=datetime.now(UTC),
            data=told.model_dump_json().encode(),
            subject=str(partition),
        ),
    )


def garbage(topic: str, key: bytes, data: bytes, *, has_headers: bool = True) -> Publication:
    """Bytes that no reader can read."""
    ident = "garbage" if has_headers else " "
    return Publication(
        topic,
        key,
        Envelope(
            id=ident if has_headers else "",
            source="test",
            type="com.stripe.event",
            time=datetime.now(UTC),
            data=data,
        ),
    )


@dataclass(slots=True)
class ReconcilerRig:
    """Topics, a database, and reconciler processes over them."""

    bootstrap: str
    dsn: str
    instance: str = field(default="reconciler-0")

    @contextmanager
    def process(self, **settings: str) -> Generator[ServiceProcess]:
        """A reconciler, gone at the end."""
        port = free_port()
        with service(
            "services.reconciler",
            port=port,
            environment={
                "TALLYSTICK_KAFKA_BOOTSTRAP": self.bootstrap,
                "TALLYSTICK_POSTGRES_DSN": self.dsn,
                "TALLYSTICK_RECONCILER_PORT": str(port),
                "TALLYSTICK_RECONCILER_INSTANCE": self.instance,
                "TALLYSTICK_RECONCILER_SESSION_TIMEOUT_SECONDS": "6",
                "TALLYSTICK_RECONCILER_SWEEP_SECONDS": "0.3",
                "TALLYSTICK_RECONCILER_DUE_SECONDS": "0.1",
                "TALLYSTICK_RECONCILER_REQUIRE_READINGS": "false",
                "TALLYSTICK_LOG_FORMAT": "json",
            }
            | {f"TALLYSTICK_{name.upper()}": value for name, value in settings.items()},
        ) as running:
            yield running

    async def publish(self, *publications: Publication) -> list[Partition]:
        """Put records on the topics."""
        async with producer(self.bootstrap) as publisher:
            return await publisher.publish_all(publications, 30)

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Rows of the database."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            await connection.close()

    async def records(self, topic: str) -> list[Record]:
        """Everything on a topic, partition by partition."""
        ends = await end_offsets(self.bootstrap, [topic])
        found: list[Record] = []
        async for batch in scan(self.bootstrap, {p: (0, end) for p, end in ends.items()}):
            found.extend(batch)
        return sorted(found, key=lambda record: (record.partition, record.offset))

    async def matches(self) -> list[MatchMade | MatchUndone]:
        """All match records."""
        return [MATCH_RECORD.validate_json(r.value) for r in await self.records(topics.MATCHES)]

    async def reports(self) -> list[DiscrepancyReported]:
        """All discrepancy records."""
        return [
            DiscrepancyReported.model_validate_json(r.value)
            for r in await self.records(topics.DISCREPANCIES)
        ]

    async def lives(self) -> dict[str, list[str]]:
        """The states of each discrepancy in order, as ``kind subject``; repeats left out."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        seen: set[tuple[str, int]] = set()
        for report in await self.reports():
            if (report.id, report.revision) not in seen:
                seen.add((report.id, report.revision))
                found[f"{report.discrepancy} {report.subject}"].append(report.state)
        return dict(found)

    async def quiet(self, running: ServiceProcess, *, seconds: float = 60.0) -> None:
        """Wait until all that stands on the inputs was read, and all that was found is told.

        By a reconciler that answers: the tables alone may have been quiet before it was started.
        """
        await asyncio.to_thread(running.await_answer)
        ends = await end_offsets(self.bootstrap, INPUTS)

        async def is_quiet() -> bool:
            assert running.child.poll() is None, running.told()
            try:
                rows = await self.fetch(
                    "select topic, partition, next_offset from reconciler_read.positions"
                )
                left = await self.fetch(
                    "select 1 from reconciler.outbox"
                    " union all select 1 from reconciler.due where due_at <= now()"
                )
            except asyncpg.PostgresError:
                return False
            at = {Partition(r["topic"], r["partition"]): int(r["next_offset"]) for r in rows}
            return not left and all(at.get(p, -1) >= end for p, end in ends.items())

        try:
            await until("the reconciler to be quiet", is_quiet, seconds=seconds)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{running.told()[-6000:]}") from error

    async def offline(self, books: BookMap | None = None) -> Reconciliation:
        """What the core alone makes of all that stands on the topics."""
        known = books or BookMap()
        told: list[Fact] = []
        for topic in INPUTS:
            for record in await self.records(topic):
                try:
                    envelope = record.envelope()
                    book, facts = facts_of(
                        record.topic, envelope, received_at=record.appended_at, books=known
                    )
                except Refused:
                    continue
                if book == "main":
                    told.extend(facts)
        return reconcile(facts_from(told), at=datetime.now(UTC))


def facts_from(told: Iterable[Fact], book: BookData | None = None) -> Facts:
    """Facts of one book, merged and sorted into their kinds."""
    return Facts.of(fold(told).values(), book or BookData())


def kill(running: ServiceProcess) -> None:
    """End a process as a crash would."""
    os.kill(running.child.pid, signal.SIGKILL)
    running.child.wait(10)


def readiness(running: ServiceProcess) -> dict[str, str]:
    """Why a process is not ready; empty when it is."""
    answer = httpx.get(running.url + "/readyz", timeout=5, verify=TRUSTS_NOBODY).json()
    reasons: dict[str, str] = answer["reasons"]
    return reasons

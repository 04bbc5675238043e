"""The examples under ``examples/``, against a real broker and a real database."""

import json
import uuid
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from shared.contracts import topics
from shared.contracts.discrepancies import DiscrepancyKind, DiscrepancyState
from shared.contracts.envelope import Envelope
from shared.contracts.journal import Direction
from shared.contracts.messages import DiscrepancyReported, EntryBooked, Position, PostingOnWire
from shared.contracts.money import MoneyOnWire, currency_of
from shared.runtime.kafka import Publication, Publisher
from shared.runtime.kafka_admin import create_topics
from tests.support.example_consumers import LANGUAGES, Language, addresses, built

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

AT = datetime(2026, 11, 21, tzinfo=UTC)
# Past 2^53, where a JSON number in JavaScript loses digits, past 2^63, and with 18 decimals.
AMOUNTS = (1, 4_999, 2**53 + 1, 2**63 + 1, 10**30)
CURRENCIES = ("usd", "jpy", "kwd", "eth")
ORIGINS = ("stripe.events/0", "stripe.objects/3", "ledger.commands/1")
ENTRIES_EACH = 40


@dataclass(frozen=True, slots=True)
class Told:
    """Topics of one's own with entries and discrepancies on them, and what they come to."""

    entries_topic: str
    discrepancies_topic: str
    balances: dict[tuple[str, str], int]
    records: int
    new: int

    def settings(self, group: str) -> dict[str, str]:
        """What a consumer is told of the topics."""
        return {
            "ENTRIES_TOPIC": self.entries_topic,
            "DISCREPANCIES_TOPIC": self.discrepancies_topic,
            "CONSUMER_GROUP": group,
        }


def an_entry(origin: str, sequence: int) -> EntryBooked:
    currency = currency_of(CURRENCIES[sequence % len(CURRENCIES)])
    minor = str(AMOUNTS[sequence % len(AMOUNTS)])
    amount = MoneyOnWire(minor=minor, currency=currency.code, exponent=currency.exponent)
    return EntryBooked(
        book="main",
        reference=f"command:{origin}-{sequence}",
        kind="manual_entry",
        effective_at=AT,
        recorded_at=AT,
        postings=(
            PostingOnWire(account="assets:bank:main", direction=Direction.DEBIT, amount=amount),
            PostingOnWire(account="equity:owner", direction=Direction.CREDIT, amount=amount),
        ),
        rules_version=1,
        caused_by=Position(topic=origin.partition("/")[0], partition=0, offset=sequence),
        message_id=f"m{sequence}",
        origin=origin,
        sequence=sequence,
        digest="00",
        chain="00",
    )


def a_discrepancy(ident: str, revision: int, state: DiscrepancyState) -> DiscrepancyReported:
    return DiscrepancyReported(
        id=ident,
        revision=revision,
        book="main",
        discrepancy=DiscrepancyKind.PAYOUT_OVERDUE,
        state=state,
        subject=f"po_{ident}",
        amount=MoneyOnWire(minor=str(2**64), currency="usd", exponent=2),
        explanation=f"as it stood at {revision}",
        opened_at=AT,
        changed_at=AT,
    )


def publication(topic: str, key: str, told: EntryBooked | DiscrepancyReported) -> Publication:
    envelope = Envelope(
        id=uuid.uuid4().hex,
        source="tallystick/test",
        type="tallystick.test",
        time=AT,
        data=told.model_dump_json().encode(),
    )
    return Publication(topic, key.encode(), envelope)


@pytest.fixture
async def told(kafka_bootstrap: str) -> Told:
    """Entries of three origins, some published again as after a crash, and discrepancies."""
    prefix = f"example-{uuid.uuid4().hex[:8]}"
    names = (f"{prefix}.entries", f"{prefix}.discrepancies")
    registered = (topics.LEDGER_ENTRIES, topics.DISCREPANCIES)
    await create_topics(
        kafka_bootstrap,
        [replace(topics.TOPICS[r], name=n) for r, n in zip(registered, names, strict=True)],
    )
    out: list[Publication] = []
    balances: defaultdict[tuple[str, str], int] = defaultdict(int)
    for origin in ORIGINS:
        for sequence in range(1, ENTRIES_EACH + 1):
            entry = an_entry(origin, sequence)
            out.append(publication(names[0], origin, entry))
            if sequence % 10 == 0:
                again = range(sequence - 4, sequence + 1)
                out += [publication(names[0], origin, an_entry(origin, n)) for n in again]
            for posting in entry.postings:
                sign = 1 if posting.direction is Direction.DEBIT else -1
                at = (posting.account, posting.amount.currency)
                balances[at] += sign * int(posting.amount.minor)
    opened, resolved = DiscrepancyState.OPEN, DiscrepancyState.RESOLVED
    states = (("a", 1, opened), ("a", 2, resolved), ("a", 1, opened), ("b", 1, opened))
    out += [publication(names[1], ident, a_discrepancy(ident, r, s)) for ident, r, s in states]
    publisher = Publisher(kafka_bootstrap)
    await publisher.publish_all(out, 30)
    await publisher.stop()
    return Told(*names, dict(balances), len(out), len(ORIGINS) * ENTRIES_EACH + 3)


async def held(dsn: str) -> tuple[dict[tuple[str, str], int], dict[str, tuple[str, str]]]:
    """What a consumer has written: balances, and each discrepancy's state and explanation."""
    connection = await asyncpg.connect(dsn)
    balances = await connection.fetch("select account, currency, minor from balances")
    found = await connection.fetch("select id, state, explanation from discrepancies")
    await connection.close()
    return (
        {(row["account"], row["currency"]): int(row["minor"]) for row in balances},
        {row["id"]: (row["state"], row["explanation"]) for row in found},
    )


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
async def test_consumer_told_entries_twice_applies_each_once_and_stops_at_a_gap(
    language: Language, told: Told, kafka_bootstrap: str, database_dsn: str, tmp_path: Path
) -> None:
    example = built(language, tmp_path)
    where = addresses(kafka_bootstrap, database_dsn)

    first = example.run(where | told.settings(f"first-{language.name}"))
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"read": told.records, "new": told.new}
    expected = (
        told.balances,
        {"a": ("resolved", "as it stood at 2"), "b": ("open", "as it stood at 1")},
    )
    assert await held(database_dsn) == expected

    # A group without positions reads all of it once more, as after a loss of Kafka's offsets.
    again = example.run(where | told.settings(f"again-{language.name}"))
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == {"read": told.records, "new": 0}
    assert await held(database_dsn) == expected

    publisher = Publisher(kafka_bootstrap)
    hole = an_entry(ORIGINS[0], ENTRIES_EACH + 2)
    await publisher.publish_all([publication(told.entries_topic, ORIGINS[0], hole)], 30)
    await publisher.stop()
    stopped = example.run(where | told.settings(f"first-{language.name}"))
    assert stopped.returncode != 0
    assert f"entry {ENTRIES_EACH + 2} came after {ENTRIES_EACH}" in stopped.stderr
    assert await held(database_dsn) == expected

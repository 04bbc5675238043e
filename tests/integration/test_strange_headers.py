"""A record whose header's name is no UTF-8 on a real broker: whoever reads the topic goes on."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from services.archiver.shell.store import DirectoryStore
from shared.contracts import topics
from shared.runtime.dead_letters import dead_letter_of
from shared.runtime.kafka import (
    Partition,
    Publication,
    create_topics,
    delete_topics,
    end_offsets,
    scan,
)
from tests.integration.test_oracle import audited
from tests.support.archiver import all_copied, copier, copying, records_in
from tests.support.ledger import LedgerRig, charge, event, fresh_topics
from tests.support.raw_records import RawRecord, publish_raw
from tests.support.reconciler import LONG_AGO, ReconcilerRig, line

pytestmark = pytest.mark.stack
AT_MS = 1_795_000_000_000
ODD = (b"tr\xffce", b"\xfe\xfd")
ESCAPED = ("tr\\xffce", b"\xfe\xfd")


def odd(publication: Publication, *, data: bytes | None = None) -> RawRecord:
    """What would be published, with one header more, whose name is no text."""
    envelope = publication.envelope
    assert envelope is not None
    named = [(name.encode(), value) for name, value in envelope.headers()]
    return RawRecord(envelope.data if data is None else data, [*named, ODD], publication.key)


async def test_ledger_books_it_parks_what_it_cannot_read_and_the_oracle_agrees(
    rig: LedgerRig,
) -> None:
    where = Partition(topics.STRIPE_EVENTS, 0)
    told = [event(f"evt_{n}", charge(f"ch_{n}")) for n in range(3)]
    async with rig.ledger():
        for is_compressed in (False, True):
            batch = [
                odd(told[is_compressed]),
                odd(event(f"evt_bad_{is_compressed}", charge("ch_bad")), data=b"\xff{"),
            ]
            await publish_raw(rig.bootstrap, where, batch, at_ms=AT_MS, is_compressed=is_compressed)
        await rig.publish(told[2])
        await rig.caught_up()
        booked = [entry.reference for entry in await rig.entries()]
        assert sorted(booked) == [f"stripe:payment:ch_{n}" for n in range(3)]
        letters = await rig.fetch("select record_value, record_headers from ledger.dead_letters")
        assert [row["record_value"] for row in letters] == [b"\xff{", b"\xff{"]
        assert all(ESCAPED[0] in dict(orjson.loads(row["record_headers"])) for row in letters)
        # The letter is published, and says all that there was.
        ends = await end_offsets(rig.bootstrap, [topics.LEDGER_DEAD_LETTERS])
        spans = {p: (0, end) for p, end in ends.items()}
        found = [r async for batch in scan(rig.bootstrap, spans) for r in batch]
        assert {dead_letter_of(r.envelope()).reason for r in found} == {"unreadable"}
        assert (await audited(rig))[1]["differences"] == []


async def test_scan_gives_it_with_its_name_escaped(kafka: str) -> None:
    where = Partition(topics.STRIPE_OBJECTS, 1)
    first = await publish_raw(
        kafka, where, [RawRecord(b"one", [ODD]), RawRecord(None, [(b"ok", None)])], at_ms=AT_MS
    )
    found = [r async for batch in scan(kafka, {where: (first, first + 2)}) for r in batch]
    assert [(r.value, r.headers) for r in found] == [
        (b"one", (ESCAPED,)),
        (b"", (("ok", b""),)),
    ]
    assert [r.offset for r in found] == [first, first + 1]
    # The broker's append time, which is kept of the batch as a whole.
    assert found[0].appended_at.year == datetime.now(UTC).year


async def test_reconciler_and_its_faust_read_on(kafka_bootstrap: str, database_dsn: str) -> None:
    await fresh_topics(kafka_bootstrap)
    rig = ReconcilerRig(kafka_bootstrap, database_dsn)
    on = LONG_AGO.date()
    with rig.process() as running:
        await asyncio.to_thread(running.await_answer, "/readyz")
        await publish_raw(
            kafka_bootstrap,
            Partition(topics.BANK_OBSERVATIONS, 0),
            [
                odd(line("l1", -300, on=on, text="ACCOUNT CHARGE")),
                odd(line("l2", -300, on=on, text="ACCOUNT CHARGE"), data=b"{"),
            ],
            at_ms=AT_MS,
        )
        await rig.publish(line("l3", -400, on=on, text="ACCOUNT CHARGE"))
        await rig.quiet(running)
        lives = await rig.lives()
        assert lives["unidentified_bank_debit l1"] == ["open"]
        assert lives["unidentified_bank_debit l3"] == ["open"]
        (letter,) = await rig.records(topics.RECONCILER_DEAD_LETTERS)
        assert letter.value == b"{"


async def test_copy_of_the_topics_has_it_with_its_name_escaped(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    made = replace(
        topics.TOPICS[topics.STRIPE_EVENTS], name=f"test.{uuid.uuid4().hex[:8]}", partitions=1
    )
    await create_topics(kafka_bootstrap, [made])
    store = DirectoryStore(tmp_path)
    batch = [RawRecord(b"one", [ODD]), RawRecord(b"two")]
    await publish_raw(kafka_bootstrap, Partition(made.name, 0), batch, at_ms=AT_MS)
    async with copying(copier(kafka_bootstrap, store, [made.name])):
        await all_copied(kafka_bootstrap, store, [made.name])
    ((one, two),) = (await records_in(store)).values()
    assert (one.value, one.headers) == (b"one", (ESCAPED,))
    assert (two.value, two.headers) == (b"two", ())
    await delete_topics(kafka_bootstrap, [made.name])

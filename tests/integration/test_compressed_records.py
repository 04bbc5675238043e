"""Whatever a producer compresses its batches with, they are read: a broker keeps what it is sent."""

from typing import Any

import pytest

from shared.contracts import topics
from shared.runtime.kafka_client import LIBRARY
from tests.integration.test_oracle import audited
from tests.support.ledger import LedgerRig, charge, event

pytestmark = pytest.mark.stack
CODECS = ("gzip", "snappy", "lz4", "zstd")


async def test_ledger_and_oracle_read_every_compression_that_kafka_knows(rig: LedgerRig) -> None:
    async with rig.ledger():
        for codec in CODECS:
            told = event(f"evt_{codec}", charge(f"ch_{codec}"))
            assert told.envelope is not None
            producer: Any = LIBRARY.AIOKafkaProducer(  # Any: aiokafka has no types
                bootstrap_servers=rig.bootstrap, compression_type=codec
            )
            await producer.start()
            try:
                await producer.send_and_wait(
                    topics.STRIPE_EVENTS,
                    told.envelope.data,
                    key=told.key,
                    headers=list(told.envelope.headers()),
                )
            finally:
                await producer.stop()
        await rig.caught_up()
    booked = {entry.reference for entry in await rig.entries()}
    assert booked == {f"stripe:payment:ch_{codec}" for codec in CODECS}
    assert (await audited(rig))[1]["differences"] == []

"""What the tests of several services ask for."""

from collections.abc import AsyncGenerator

import pytest

from shared.runtime.kafka import create_topics
from tests.support.ledger import LedgerRig, fresh_topics


@pytest.fixture(scope="module")
async def kafka(kafka_bootstrap: str) -> str:
    """The address of a broker that has our topics; other tests write to them as well."""
    await create_topics(kafka_bootstrap)
    return kafka_bootstrap


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> AsyncGenerator[LedgerRig]:
    """A ledger of one's own over empty topics; the files of other services make their own rig."""
    await fresh_topics(kafka_bootstrap)
    rig = LedgerRig(kafka_bootstrap, database_dsn)
    yield rig
    rig.stop_processes()

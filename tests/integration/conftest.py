"""What the tests of several services ask for."""

import pytest

from shared.runtime.kafka import create_topics


@pytest.fixture(scope="module")
async def kafka(kafka_bootstrap: str) -> str:
    """The address of a broker that has our topics; other tests write to them as well."""
    await create_topics(kafka_bootstrap)
    return kafka_bootstrap

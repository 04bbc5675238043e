"""A key goes to the partition that every other client of Kafka would choose."""

from aiokafka.partitioner import (
    murmur2 as of_the_library,  # pyright: ignore[reportUnknownVariableType]  # it has no types
)
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.kafka_lanes import murmur2


@given(st.binary(max_size=100))
def test_key_is_hashed_as_kafkas_own_clients_hash_it(key: bytes) -> None:
    assert murmur2(key) == of_the_library(key)

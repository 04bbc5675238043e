"""The hash by which Kafka's own clients choose a key's partition."""

import struct
from typing import Final

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """MurmurHash2 as Kafka's own clients use it to choose a key's partition.

    Source: Apache Kafka, ``org.apache.kafka.common.utils.Utils.murmur2``.
    """
    words = len(data) >> 2
    found = _SEED ^ len(data)
    for word in struct.unpack_from(f"<{words}I", data):
        mixed = (word * _MIX) & _WORD
        # Cut to a word once for both products: what lies above it never comes down.
        found = ((found * _MIX) ^ ((mixed ^ (mixed >> 24)) * _MIX)) & _WORD
    rest = data[words << 2 :]
    if rest:
        found = ((found ^ int.from_bytes(rest, "little")) * _MIX) & _WORD
    found = ((found ^ (found >> 13)) * _MIX) & _WORD
    return found ^ (found >> 15)

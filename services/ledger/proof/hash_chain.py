"""The hash chain of an origin: each entry's link covers its content and the link before it.

The bytes of a link are a canonical form that does not depend on this program: UTF-8 fields, each
behind its length in bytes as eight big-endian octets, in the order given by ``content``.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from shared.contracts.envelope import rfc3339
from shared.contracts.messages import EntryBooked, PostingOnWire

GENESIS: Final = bytes(32)


class _Frames(dict[int, bytes]):
    """What stands before a field, by its length in bytes; those of nearly all are kept."""

    def __missing__(self, size: int) -> bytes:
        return size.to_bytes(8, "big")


_FRAMES: Final = _Frames((size, size.to_bytes(8, "big")) for size in range(512))
_VERSION: Final = b"tallystick.chain.v1"
_FRAMED_VERSION: Final = _FRAMES[len(_VERSION)] + _VERSION


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first record of an origin that does not follow from the one before."""

    origin: str
    sequence: int
    expected: str
    found: str


def chain_next(
    previous: bytes,
    *,
    origin: str,
    sequence: int,
    digest: bytes,
    book: str,
    reference: str,
    kind: str,
    effective_at: datetime,
    recorded_at: datetime,
    offset: int,
    message_id: str,
    rules_version: int,
    reverses: str | None,
    description: str = "",
) -> bytes:
    """The link after ``previous``, which is ``GENESIS`` for an origin's first entry.

    ``digest`` is ``Entry.digest()``, so the postings are covered by it.
    """
    number, place = str(sequence).encode(), str(offset).encode()
    fact, message, said = reference.encode(), message_id.encode(), description.encode()
    frames = _FRAMES  # asked by its items: half a dozen calls less for each entry
    fields = (
        frames[len(previous)],
        previous,
        _FRAMED_VERSION,
        _framed(origin),
        frames[len(number)],
        number,
        frames[len(digest)],
        digest,
        _framed(book),
        frames[len(fact)],
        fact,
        _framed(kind),
        _framed_time(effective_at),
        _framed_time(recorded_at),
        frames[len(place)],
        place,
        frames[len(message)],
        message,
        _framed(str(rules_version)),
        _framed(reverses or ""),
        frames[len(said)],
        said,
    )
    return hashlib.sha256(b"".join(fields)).digest()


@lru_cache(maxsize=4096)
def _framed(word: str) -> bytes:
    """A word that stands in many links, behind its length."""
    told = word.encode()
    return _FRAMES[len(told)] + told


@lru_cache(maxsize=4096)
def _framed_time(at: datetime) -> bytes:
    told = rfc3339(at).encode()
    return _FRAMES[len(told)] + told


def chain_after(previous: bytes, record: EntryBooked) -> bytes:
    """The link that a published record must carry after ``previous``, from its own content."""
    return chain_next(
        previous,
        origin=record.origin,
        sequence=record.sequence,
        digest=digest_on_wire(record),
        book=record.book,
        reference=record.reference,
        kind=record.kind,
        effective_at=record.effective_at,
        recorded_at=record.recorded_at,
        offset=record.caused_by.offset,
        message_id=record.message_id,
        rules_version=record.rules_version,
        reverses=record.reverses,
        description=record.description,
    )


def digest_on_wire(record: EntryBooked) -> bytes:
    """The content digest of a published entry, computed from its postings as they stand there."""
    said = sorted(_said(posting) for posting in record.postings)
    head = f"{record.book}\x1e{record.reference}\x1e{record.reverses or ''}"
    return hashlib.sha256("\x1e".join([head, *said]).encode()).digest()


def first_break(records: Iterable[EntryBooked]) -> ChainBreak | None:
    """The first record that breaks its origin's chain, repeats left out; ``None``: it holds.

    Records of several origins may be mixed; those of one origin come in their order.
    """
    heads: dict[str, tuple[int, bytes]] = {}
    for record in records:
        sequence, head = heads.get(record.origin, (0, GENESIS))
        if record.sequence <= sequence:
            continue
        link = chain_after(head, record)
        if record.sequence != sequence + 1 or record.chain != link.hex():
            return ChainBreak(record.origin, record.sequence, link.hex(), record.chain)
        heads[record.origin] = (record.sequence, link)
    return None


def _said(posting: PostingOnWire) -> str:
    return (
        f"{posting.account}\x1f{posting.key}\x1f{posting.direction}"
        f"\x1f{posting.amount.minor}\x1f{posting.amount.currency}"
    )

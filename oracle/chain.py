"""The hash chain of an origin, recomputed from the documented bytes.

A link is SHA-256 over fields, each behind its length as eight big-endian octets: the link before
(32 zero bytes for the first), ``tallystick.chain.v1``, origin, sequence, content digest, book,
reference, kind, effective time, recorded time, offset, message id, rules version, what it
reverses, description.

The content digest is SHA-256 over book, reference and what it reverses, joined by U+001F's
neighbour U+001E to the sorted postings, whose fields U+001F joins.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby

from oracle.journal import Booked
from oracle.report import Difference

GENESIS = bytes(32)


def digest_of(booked: Booked) -> str:
    """SHA-256 (hex) of what an entry says of money."""
    postings = sorted(
        "\x1f".join(
            (
                leg.account,
                leg.key,
                "debit" if leg.minor > 0 else "credit",
                str(abs(leg.minor)),
                leg.currency,
            )
        )
        for leg in booked.legs
    )
    head = f"{booked.name.book}\x1e{booked.name.reference}\x1e{booked.reverses}"
    return hashlib.sha256("\x1e".join((head, *postings)).encode()).hexdigest()


def link_after(previous: bytes, booked: Booked) -> bytes:
    """The link that an entry must carry after ``previous``."""
    fields = (
        previous,
        b"tallystick.chain.v1",
        booked.origin.encode(),
        str(booked.sequence).encode(),
        bytes.fromhex(digest_of(booked)),
        booked.name.book.encode(),
        booked.name.reference.encode(),
        booked.kind.encode(),
        booked.effective_at.encode(),
        booked.recorded_at.encode(),
        str(booked.caused_by.offset).encode(),
        booked.message_id.encode(),
        str(booked.rules_version).encode(),
        booked.reverses.encode(),
        booked.description.encode(),
    )
    return hashlib.sha256(
        b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    ).digest()


def chain_differences(entries: Iterable[Booked], where: str) -> Iterator[Difference]:
    """Gaps, repeats and wrong links, of each origin the first one."""
    in_order = sorted(entries, key=lambda booked: (booked.origin, booked.sequence))
    for origin, of_origin in groupby(in_order, key=lambda booked: booked.origin):
        sequence, head, offset = 0, GENESIS, -1
        for booked in of_origin:
            link = link_after(head, booked)
            subject = f"{where} {origin} sequence {booked.sequence}"
            if booked.sequence != sequence + 1:
                yield Difference("sequence_gap", subject, str(sequence + 1), str(booked.sequence))
                break
            if booked.digest != digest_of(booked):
                yield Difference("digest_differs", subject, digest_of(booked), booked.digest)
            if booked.chain != link.hex():
                yield Difference(
                    "chain_broken", subject, link.hex(), booked.chain, booked.caused_by
                )
                break
            if booked.caused_by.offset < offset:
                yield Difference(
                    "out_of_order", subject, f"offset ≥ {offset}", str(booked.caused_by.offset)
                )
            sequence, head, offset = booked.sequence, link, booked.caused_by.offset


def first_appearances(records: Iterable[Booked]) -> list[Booked]:
    """The records of a topic without what it repeats after a crash: sequence ≤ last is dropped."""
    last: dict[str, int] = {}
    kept: list[Booked] = []
    for booked in records:
        if booked.sequence > last.get(booked.origin, 0):
            last[booked.origin] = booked.sequence
            kept.append(booked)
    return kept


def publication_differences(
    journal: Iterable[Booked], published: Iterable[Booked], positions: dict[str, int]
) -> Iterator[Difference]:
    """Where ``ledger.entries`` and the journal part.

    ``positions`` are the next offsets of the snapshot by origin: what was published after it, of
    messages past them, is no difference.
    """
    booked = {(entry.origin, entry.sequence): entry for entry in journal}
    told: dict[tuple[str, int], Booked] = {}
    for record in published:
        place = (record.origin, record.sequence)
        if told.setdefault(place, record) != record:
            yield Difference(
                "published_twice", f"{record.origin} sequence {record.sequence}",
                str(told[place].name), str(record.name), record.caused_by,
            )  # fmt: skip
    for place, entry in booked.items():
        there = told.get(place)
        subject = f"{entry.origin} sequence {entry.sequence}"
        if there is None:
            yield Difference("not_published", subject, entry.name.reference, "", entry.caused_by)
        elif there != entry:
            yield Difference("published_differs", subject, str(entry), str(there), entry.caused_by)
    for place, record in told.items():
        is_later = record.caused_by.offset >= positions.get(record.origin, 0)
        if place not in booked and not is_later:
            yield Difference(
                "published_not_booked", f"{record.origin} sequence {record.sequence}",
                "", record.name.reference, record.caused_by,
            )  # fmt: skip

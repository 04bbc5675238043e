"""The journal proved: each entry by its own content, each origin by its chain, books by trees.

What is read is taken for nothing but what it is: rows that somebody with every right in the
database may have written. It is held against itself (digest, link, sums), and against witnesses
from elsewhere: heads and links that were published or printed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import JsonValue

from services.ledger.proof.hash_chain import GENESIS, chain_next
from services.ledger.proof.merkle import Frontier
from shared.contracts.money import CURRENCIES, MINOR_MAX

# So many anchors of an origin are kept: those of months at the usual pace. Beyond, every second
# one goes; the chain still proves what lies between two of them.
ANCHORS_MAX: Final = 8_192

Place = tuple[str, str, str]


class Row(NamedTuple):
    """An entry as its row has it."""

    sequence: int
    book: str
    reference: str
    kind: str
    effective_at: datetime
    recorded_at: datetime
    caused_offset: int
    message_id: str
    rules_version: int
    description: str
    reverses: str | None
    digest: bytes
    chain: bytes
    posting_count: int


class LegRow(NamedTuple):
    """A posting as its row has it."""

    sequence: int
    ordinal: int
    account: str
    key: str
    direction: str
    minor: int
    currency: str
    exponent: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing of an origin, or of something kept beside it, that does not hold.

    ``sequence`` and ``reference`` name the entry; 0 and empty where it is about no single one.
    """

    origin: str
    sequence: int
    reference: str
    said: str

    def __str__(self) -> str:
        """As a sentence."""
        place = self.origin
        if self.sequence:
            place += f" entry {self.sequence}"
        if self.reference:
            place += f" ({self.reference})"
        return f"{place}: {self.said}" if place else self.said


class Anchor(NamedTuple):
    """What a witness says of an origin: the link of an entry, and a book's tree up to there.

    ``book`` is empty where only the link is known.
    """

    sequence: int
    chain: str
    witness: str
    book: str = ""
    size: int = 0
    root: str = ""


@dataclass(slots=True)
class Anchors:
    """The anchors of each origin, in a bounded number of each."""

    by_origin: dict[str, list[Anchor]] = field(default_factory=dict[str, list[Anchor]])
    _last: dict[tuple[str, str], tuple[int, str]] = field(
        default_factory=dict[tuple[str, str], tuple[int, str]]
    )

    def add(self, origin: str, anchor: Anchor) -> None:
        """Take in an anchor; a book's tree that has not grown says nothing new."""
        place = (origin, anchor.book)
        if anchor.book and self._last.get(place) == (anchor.size, anchor.root):
            return
        self._last[place] = (anchor.size, anchor.root)
        known = self.by_origin.setdefault(origin, [])
        known.append(anchor)
        if len(known) > ANCHORS_MAX:
            # From the end, so that the last ones stay.
            known[:] = known[::-1][::2][::-1]

    def of(self, origin: str) -> dict[int, list[Anchor]]:
        """An origin's anchors by sequence."""
        found: defaultdict[int, list[Anchor]] = defaultdict(list)
        for anchor in self.by_origin.get(origin, ()):
            found[anchor.sequence].append(anchor)
        return found


@dataclass(slots=True)
class OriginProof:
    """An origin on its way through the proof: entries in order, until one does not hold.

    ``asked`` are the books whose trees are wanted at an entry; they come to stand in ``recorded``,
    with size, root and that entry's link.
    """

    name: str
    anchors: Mapping[int, Sequence[Anchor]]
    asked: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])
    sequence: int = 0
    link: bytes = GENESIS
    agreed: int = 0
    agreed_at: datetime | None = None
    sums: dict[Place, list[int]] = field(default_factory=dict[Place, list[int]])
    trees: dict[str, Frontier] = field(default_factory=dict[str, Frontier])
    tiles: dict[tuple[str, int], bytes] = field(default_factory=dict[tuple[str, int], bytes])
    recorded: dict[str, tuple[int, bytes, bytes]] = field(
        default_factory=dict[str, tuple[int, bytes, bytes]]
    )
    _leaves: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])

    def take(self, rows: Iterable[Row], legs: Mapping[int, Sequence[LegRow]]) -> Finding | None:
        """Prove entries that come next; what does not hold, ``None``: all does."""
        for row in rows:
            expected = self.sequence + 1
            if row.sequence == self.sequence:
                return self.finding(row.sequence, row.reference, "it stands twice")
            if row.sequence != expected:
                return self.finding(expected, "", f"it is missing; entry {row.sequence} follows")
            of_row = legs.get(row.sequence, ())
            if said := self._entry(row, of_row) or self._anchored(row):
                return self.finding(row.sequence, row.reference, said)
            for leg in of_row:
                place = (row.book, leg.account, leg.currency)
                both = self.sums.get(place)
                if both is None:
                    both = self.sums[place] = [0, 0]
                both[leg.direction != "debit"] += leg.minor
        self.settle()
        return None

    def finding(self, sequence: int, reference: str, said: str) -> Finding:
        """A finding of this origin."""
        return Finding(self.name, sequence, reference, said)

    def ended(self, *, sequence: int, chain: bytes) -> Finding | None:
        """Hold the end against the origin's head, and against witnesses of more entries."""
        more = [anchor for at in self.anchors if at > self.sequence for anchor in self.anchors[at]]
        if more:
            first = min(more)
            return self.finding(
                self.sequence + 1,
                "",
                f"it is missing: the journal ends with entry {self.sequence}, and"
                f" {first.witness} tells of entry {first.sequence}",
            )
        if (sequence, chain) != (self.sequence, self.link):
            said = f"the head says entry {sequence}, chain {chain.hex()}; the last one is entry"
            return self.finding(0, "", f"{said} {self.sequence}, chain {self.link.hex()}")
        return None

    def settle(self) -> None:
        """Take what was proved into the trees."""
        for book, leaves in self._leaves.items():
            if leaves:
                tree = self.trees.setdefault(book, Frontier())
                self.tiles.update(((book, at), tile) for at, tile in tree.extend(leaves))
                leaves.clear()

    def _entry(self, row: Row, legs: Sequence[LegRow]) -> str:
        """What of an entry does not hold; empty: all does."""
        if said := legs_problem(row, legs):
            return said
        if digest_of(row, legs) != row.digest:
            return "its digest is not that of its postings, book, reference and what it reverses"
        try:
            link = link_of(self.link, self.name, row)
        except (ValueError, OverflowError):
            return "its times are none that an entry can have"
        if link != row.chain:
            return "its link does not follow from the one before and from what it says"
        self.sequence, self.link = row.sequence, link
        self._leaves.setdefault(row.book, []).append(link)
        return ""

    def _anchored(self, row: Row) -> str:
        for anchor in self.anchors.get(row.sequence, ()):
            if anchor.chain != row.chain.hex():
                return (
                    "it, or one before it, is not what it was: its chain is"
                    f" {row.chain.hex()}, and {anchor.witness} has {anchor.chain}"
                )
            if anchor.book:
                self.settle()
                tree = self.trees.get(anchor.book, Frontier())
                if (tree.size, tree.root().hex()) != (anchor.size, anchor.root):
                    return (
                        f"the tree of book {anchor.book} has {tree.size} entries and the root"
                        f" {tree.root().hex()} here; {anchor.witness} has {anchor.size}"
                        f" and {anchor.root}"
                    )
            self.agreed, self.agreed_at = row.sequence, row.recorded_at
        for book in self.asked.get(row.sequence, ()):
            self.settle()
            tree = self.trees.get(book, Frontier())
            self.recorded[book] = (tree.size, tree.root(), row.chain)
        return ""


def legs_problem(row: Row, legs: Sequence[LegRow]) -> str:
    """What of an entry's postings is no balanced entry; empty: they are one."""
    if len(legs) != row.posting_count or len(legs) < 2:
        return f"it has {len(legs)} postings, and was booked with {row.posting_count}"
    excess: dict[str, int] = {}
    for ordinal, leg in enumerate(legs, 1):
        if leg.ordinal != ordinal:
            return f"its posting {ordinal} is missing"
        if leg.recorded_at != row.recorded_at:
            return f"its posting {ordinal} is recorded at another time than itself"
        currency = CURRENCIES.get(leg.currency)
        if currency is None or currency.exponent != leg.exponent:
            return f"posting {ordinal} has {leg.exponent} decimals, which {leg.currency} has not"
        if not 0 < leg.minor <= MINOR_MAX:
            return f"posting {ordinal} has the amount {leg.minor}"
        signed = leg.minor if leg.direction == "debit" else -leg.minor
        excess[leg.currency] = excess.get(leg.currency, 0) + signed
    for code, minor in sorted(excess.items()):
        if minor:
            return f"its debits less its credits are {minor} minor units of {code}, not zero"
    return ""


def digest_of(row: Row, legs: Iterable[LegRow]) -> bytes:
    """The digest that an entry must have: as ``Entry.digest`` makes it."""
    said = sorted(
        [f"{p.account}\x1f{p.key}\x1f{p.direction}\x1f{p.minor}\x1f{p.currency}" for p in legs]
    )
    head = f"{row.book}\x1e{row.reference}\x1e{row.reverses or ''}"
    return hashlib.sha256("\x1e".join([head, *said]).encode()).digest()


def link_of(previous: bytes, origin: str, row: Row) -> bytes:
    """The link that an entry must have behind another."""
    return chain_next(
        previous,
        origin=origin,
        sequence=row.sequence,
        digest=row.digest,
        book=row.book,
        reference=row.reference,
        kind=row.kind,
        effective_at=row.effective_at,
        recorded_at=row.recorded_at,
        offset=row.caused_offset,
        message_id=row.message_id,
        rules_version=row.rules_version,
        reverses=row.reverses,
        description=row.description,
    )


def differences(published: JsonValue, found: JsonValue, name: str = "") -> list[str]:
    """Where a journal's entry, as it would be published, is not what was; field by field."""
    if isinstance(published, dict) and isinstance(found, dict):
        inner = f"{name}." if name else ""
        return [
            said
            for key in dict.fromkeys([*published, *found])
            for said in differences(published.get(key), found.get(key), f"{inner}{key}")
        ]
    if isinstance(published, list) and isinstance(found, list) and len(published) == len(found):
        return [
            said
            for at, (one, other) in enumerate(zip(published, found, strict=True), 1)
            for said in differences(one, other, f"{name} {at}")
        ]
    if published == found:
        return []
    if isinstance(published, list) and isinstance(found, list):
        return [f"{name} are {len(found)} in number, and were {len(published)}"]
    return [f"{name} is {found!r}, and was {published!r}"]

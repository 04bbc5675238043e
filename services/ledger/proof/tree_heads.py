"""Heads of a book's trees: made, held against one another, and found to contradict."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from services.ledger.proof.merkle import Frontier, root_of
from shared.contracts.tree_heads import OriginHead, TreeHead

# So many heads of a book are remembered by their size: those of years at the usual pace.
HEADS_REMEMBERED_MAX: Final = 100_000


class Grown(NamedTuple):
    """A book's tree in an origin, with the last entry that is in it."""

    origin: str
    tree: Frontier
    sequence: int
    chain: bytes


def head_of(
    book: str, grown: Iterable[Grown], *, rules_version: int, made_at: datetime, public_key: str
) -> TreeHead:
    """The head of a book's trees, not signed yet."""
    origins = tuple(
        OriginHead(
            origin=each.origin,
            size=each.tree.size,
            root=each.tree.root().hex(),
            sequence=each.sequence,
            chain=each.chain.hex(),
        )
        for each in sorted(grown)
    )
    return TreeHead(
        book=book,
        size=sum(each.size for each in origins),
        root=combined_root(origins),
        origins=origins,
        rules_version=rules_version,
        made_at=made_at,
        public_key=public_key,
    )


def combined_root(origins: Iterable[OriginHead]) -> str:
    """The one root over the trees of all origins."""
    return root_of(each.leaf() for each in origins).hex()


def inner_problem(head: TreeHead) -> str:
    """What of a head does not fit the rest of it; empty: all does."""
    names = [each.origin for each in head.origins]
    if names != sorted(set(names)):
        return "its origins do not stand once each, in order"
    if sum(each.size for each in head.origins) != head.size:
        return "its size is not the sum of its origins'"
    if combined_root(head.origins) != head.root:
        return "its root is not that of its origins"
    return ""


def contradiction(earlier: TreeHead, later: TreeHead) -> str:
    """Why a head cannot come behind another of its book; empty: it can.

    That a larger tree goes on from a smaller one takes a proof or the entries; this is what two
    heads show by themselves.
    """
    now = {each.origin: each for each in later.origins}
    for before in earlier.origins:
        after = now.get(before.origin)
        if after is None:
            return f"{before.origin} had {before.size} entries, and has none any more"
        if (after.size, after.sequence) < (before.size, before.sequence):
            return (
                f"{before.origin} had {before.size} entries up to {before.sequence},"
                f" and has {after.size} up to {after.sequence}"
            )
        is_same_size = after.size == before.size
        if is_same_size and after != before:
            return f"{before.origin} has two trees of {before.size} entries"
        if not is_same_size and after.sequence == before.sequence:
            return f"{before.origin} has two numbers of entries up to {before.sequence}"
    return ""


@dataclass(slots=True)
class HeadsSeen:
    """Heads in the order of their topic: what contradicts is told, memory has a bound."""

    last: dict[str, TreeHead] = field(default_factory=dict[str, TreeHead])
    _roots: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])

    def take(self, head: TreeHead) -> str:
        """Take in a head; what it contradicts, empty: nothing.

        One that is told again, as after a crash, contradicts nothing.
        """
        roots = self._roots.setdefault(head.book, {})
        known = roots.get(head.size)
        if known is not None:
            if known != head.root:
                return f"equivocation: there is another head of {head.size} entries, root {known}"
            return ""
        roots[head.size] = head.root
        if len(roots) > HEADS_REMEMBERED_MAX:
            del roots[next(iter(roots))]
        before = self.last.get(head.book)
        if before is None:
            self.last[head.book] = head
            return ""
        if head.size < before.size:
            return contradiction(head, before)
        self.last[head.book] = head
        return contradiction(before, head)


def known_public_keys(text: str) -> Mapping[str, None]:
    """Public keys as they are listed in a setting, in hexadecimal, comma-separated.

    Raises:
        ValueError: One of them is none.
    """
    found = [each.strip() for each in text.split(",") if each.strip()]
    for each in found:
        if len(each) != 64 or set(each) - set("0123456789abcdef"):
            raise ValueError(
                f"{each[:80]!r} is no public key: 64 hexadecimal digits, small letters"
            )
    return dict.fromkeys(found)

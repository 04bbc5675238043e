"""Proofs out of the journal: an entry stands in a book, a book's trees go on from earlier ones.

What is read goes with the number of tiles, one for 1,024 entries, not with that of entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from services.ledger.proof.merkle import (
    TILE_LEAVES,
    KnownNodes,
    consistency_path,
    inclusion_path,
    tiles_for,
)
from services.ledger.shell.queries import SQL
from shared.contracts.errors import Refused
from shared.contracts.topics import origin as origin_name
from shared.contracts.tree_heads import OriginHead, TreeHead
from shared.runtime.postgres import Tx


class NotInATree(Refused):
    """What is to be proved stands in no tree whose head was published."""

    reason = "not_in_a_tree"


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where an entry stands in the tree that a head tells, and the path to its root."""

    head: TreeHead
    index: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Growth:
    """That a head goes on from an earlier one: a path for each tree of the earlier."""

    earlier: TreeHead
    later: TreeHead
    paths: Mapping[str, tuple[str, ...]]


class Prover:
    """Proves in one snapshot of the journal."""

    def __init__(self, tx: Tx, origins: Mapping[str, int]) -> None:
        self._tx = tx
        self._origins = origins

    @classmethod
    async def of(cls, tx: Tx) -> "Prover":
        """A prover of the journal that a transaction sees."""
        rows = await tx.fetch(SQL["read_origins"])
        ids = {origin_name(row["topic"], row["partition"]): row["origin_id"] for row in rows}
        return cls(tx, ids)

    async def last_heads(self) -> tuple[TreeHead, ...]:
        """The last published head of every book."""
        rows = await self._tx.fetch(SQL["last_heads"])
        return tuple(TreeHead.model_validate_json(orjson.dumps(row["head"])) for row in rows)

    async def last_head(self, book: str) -> TreeHead:
        """The last published head of a book.

        Raises:
            NotInATree: None was published.
        """
        for head in await self.last_heads():
            if head.book == book:
                return head
        raise NotInATree(f"no tree head of book {book[:80]!r} was published yet")

    async def inclusion(self, book: str, origin: str, sequence: int) -> Inclusion:
        """That an entry of a book stands in its tree.

        Raises:
            NotInATree: The last head is older than the entry.
        """
        head = await self.last_head(book)
        tree = _tree(head, origin)
        if tree is None or tree.sequence < sequence:
            raise NotInATree(
                f"the last tree head of book {book} is of {head.made_at:%Y-%m-%d %H:%M:%S} UTC and"
                f" does not tell of {origin} entry {sequence} yet"
            )
        index = await self._index(book, origin, sequence)
        nodes = await self._nodes(book, origin, tree.size, index)
        path = tuple(each.hex() for each in inclusion_path(index, tree.size, nodes))
        return Inclusion(head, index, path)

    async def growth(self, earlier: TreeHead) -> Growth:
        """That the last head of a book goes on from an earlier one.

        Raises:
            NotInATree: There is no later one, or it lacks what the earlier one told.
        """
        later = await self.last_head(earlier.book)
        paths: dict[str, tuple[str, ...]] = {}
        for was in earlier.origins:
            now = _tree(later, was.origin)
            if now is None or now.size < was.size:
                raise NotInATree(
                    f"the last tree head of book {earlier.book}, of {later.size} entries, does not"
                    f" have the {was.size} entries of {was.origin} that the given one tells"
                )
            nodes = await self._nodes(earlier.book, was.origin, now.size, was.size - 1)
            path = consistency_path(was.size, now.size, nodes)
            paths[was.origin] = tuple(each.hex() for each in path)
        return Growth(earlier, later, paths)

    async def _index(self, book: str, origin: str, sequence: int) -> int:
        """How many of a book's entries stand before an entry in its origin."""
        origin_id = self._origins[origin]
        (row,) = await self._tx.fetch(SQL["tile_before"], book, origin_id, sequence)
        position, after = row["position"], row["sequence"]
        (counted,) = await self._tx.fetch(
            SQL["leaves_between"], book, origin_id, after or 0, sequence
        )
        begin = 0 if position is None else (position + 1) * TILE_LEAVES
        return begin + int(counted["leaves"])

    async def _nodes(self, book: str, origin: str, size: int, leaf: int) -> KnownNodes:
        """The nodes of a tree of so many leaves that a proof about a leaf needs."""
        origin_id = self._origins[origin]
        rows = await self._tx.fetch(SQL["tiles_of_tree"], book, origin_id, size // TILE_LEAVES)
        leaves: dict[int, Sequence[bytes]] = {}
        for position in tiles_for(size, leaf):
            ends = await self._tx.fetch(SQL["tile_end"], book, origin_id, position - 1)
            after = ends[0]["sequence"] if ends else 0
            found = await self._tx.fetch(SQL["leaves_after"], book, origin_id, after, TILE_LEAVES)
            leaves[position] = [row["chain"] for row in found]
        return KnownNodes([row["hash"] for row in rows], leaves)


def _tree(head: TreeHead, origin: str) -> OriginHead | None:
    return next((each for each in head.origins if each.origin == origin), None)

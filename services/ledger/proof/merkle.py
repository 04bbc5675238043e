"""Merkle trees as Certificate Transparency has them: roots, inclusion, consistency.

    leaf   SHA-256(0x00 ‖ data)
    node   SHA-256(0x01 ‖ left ‖ right)

A tree that grows is kept by its ``Frontier``: the roots of the perfect subtrees that it falls
into from the left, at most one for each bit of its size. Each perfect subtree of ``TILE_LEAVES``
leaves, a *tile*, is told when it is complete; whoever keeps those proves anything with the leaves
of two tiles at most.

Source: RFC 6962, section 2.1; RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

HASH_BYTES: Final = 32
TILE_HEIGHT: Final = 10
TILE_LEAVES: Final = 1 << TILE_HEIGHT
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"

# The root of the perfect subtree of a height (leaves are 0) with so many of its kind to its left.
Nodes = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(_NODE + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """A tree that grows: its size, and the roots of its perfect subtrees, the largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list[bytes])

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"{len(self.peaks)} subtrees do not make a tree of {self.size} leaves")

    @classmethod
    def from_bytes(cls, size: int, kept: bytes) -> "Frontier":
        """The tree of ``to_bytes``.

        Raises:
            ValueError: These bytes are no tree of that size.
        """
        return cls(size, [kept[n : n + HASH_BYTES] for n in range(0, len(kept), HASH_BYTES)])

    def to_bytes(self) -> bytes:
        """The peaks one behind the other."""
        return b"".join(self.peaks)

    def extend(self, leaves: Iterable[bytes]) -> list[tuple[int, bytes]]:
        """Add leaves by their data; the tiles that became complete, each with its position."""
        tiles: list[tuple[int, bytes]] = []
        sha256, peaks, size = hashlib.sha256, self.peaks, self.size
        for data in leaves:
            top = sha256(_LEAF + data).digest()
            height = 0
            while size >> height & 1:
                top = sha256(_NODE + peaks.pop() + top).digest()
                height += 1
                if height == TILE_HEIGHT:
                    tiles.append((size >> TILE_HEIGHT, top))
            peaks.append(top)
            size += 1
        self.size = size
        return tiles

    def root(self) -> bytes:
        """The tree's root hash."""
        if not self.peaks:
            return EMPTY_ROOT
        *others, root = self.peaks
        for peak in reversed(others):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root of a tree of these leaves' data."""
    tree = Frontier()
    tree.extend(leaves)
    return tree.root()


def inclusion_path(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """What proves that a leaf stands at ``index`` of a tree of ``size``; the leaf's sibling first.

    Raises:
        ValueError: The tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has none at {index}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_subtree(middle, end, nodes))
            end = middle
        else:
            path.append(_subtree(begin, middle, nodes))
            begin = middle
    return path[::-1]


def consistency_path(first: int, second: int, nodes: Nodes) -> list[bytes]:
    """What proves that a tree of ``first`` leaves is the beginning of one of ``second``.

    Raises:
        ValueError: The first is empty or larger than the second.
    """
    if not 0 < first <= second:
        raise ValueError(f"there is no proof from {first} leaves to {second}")
    path: list[bytes] = []
    begin, end, is_known = 0, second, True
    while first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append(_subtree(middle, end, nodes))
            end = middle
        else:
            path.append(_subtree(begin, middle, nodes))
            begin, is_known = middle, False
    if not is_known:
        path.append(_subtree(begin, end, nodes))
    return path[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to from a leaf's hash; ``None``: it is of no such tree."""
    if not 0 <= index < size:
        return None
    at, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether a path proves that the first tree is the beginning of the second."""
    if first == second:
        return first_root == second_root and not path
    if not 0 < first < second:
        return first == 0 and first_root == EMPTY_ROOT and not path
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    if not steps:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    here = there = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            here, there = node_hash(step, here), node_hash(step, there)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            there = node_hash(there, step)
        at, last = at >> 1, last >> 1
    return last == 0 and here == first_root and there == second_root


class KnownNodes:
    """The nodes of a tree, from the tiles that were kept and the leaves of the tiles asked for.

    Args:
        tiles: The tiles' roots, from the first on.
        leaves: The data of the leaves of some tiles, by the tiles' positions.
    """

    def __init__(self, tiles: Sequence[bytes], leaves: Mapping[int, Sequence[bytes]]) -> None:
        self._tiles = tiles
        self._leaves = leaves
        self._made: dict[tuple[int, int], bytes] = {}

    def __call__(self, height: int, position: int) -> bytes:
        """The root of a perfect subtree.

        Raises:
            LookupError: Neither its tile nor its leaves are known.
        """
        made = self._made.get((height, position))
        if made is not None:
            return made
        if height == TILE_HEIGHT and position < len(self._tiles):
            return self._tiles[position]
        if height == 0:
            tile, place = divmod(position, TILE_LEAVES)
            made = leaf_hash(self._leaves[tile][place])
        else:
            left = self(height - 1, 2 * position)
            made = node_hash(left, self(height - 1, 2 * position + 1))
        self._made[height, position] = made
        return made


def tiles_for(size: int, *leaves: int) -> list[int]:
    """The tiles whose leaves a proof needs: those of certain leaves, and the one not complete."""
    wanted = {leaf >> TILE_HEIGHT for leaf in leaves if leaf < size}
    if size % TILE_LEAVES:
        wanted.add(size >> TILE_HEIGHT)
    return sorted(wanted)


def _split(count: int) -> int:
    """The largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1


def _subtree(begin: int, end: int, nodes: Nodes) -> bytes:
    """The root of the leaves of a span, which begins where the splitting has put it."""
    count = end - begin
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return nodes(height, begin >> height)
    middle = begin + _split(count)
    return node_hash(_subtree(begin, middle, nodes), _subtree(middle, end, nodes))

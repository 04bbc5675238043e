"""Trees against Certificate Transparency's own vectors, and against the definition in RFC 6962."""

import hashlib
import tracemalloc
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.proof.merkle import (
    EMPTY_ROOT,
    TILE_HEIGHT,
    TILE_LEAVES,
    Frontier,
    KnownNodes,
    consistency_path,
    inclusion_path,
    is_consistent,
    leaf_hash,
    root_from_inclusion,
    root_of,
    tiles_for,
)

# Source: Certificate Transparency's reference implementation, merkletree test data.
LEAVES: Final = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS: Final = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
# Source: the same, "paths" and "proofs": (leaf from 1, size) and (first, second).
PATHS: Final = {
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (3, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (2, 5): (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
PROOFS: Final[dict[tuple[int, int], tuple[str, ...]]] = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


def hashed(data: Sequence[bytes]) -> bytes:
    """The root, word by word as section 2.1 of RFC 6962 defines it."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    split = 1
    while split * 2 < len(data):
        split *= 2
    return hashlib.sha256(b"\x01" + hashed(data[:split]) + hashed(data[split:])).digest()


def nodes_of(data: Sequence[bytes], *wanted: int) -> KnownNodes:
    """What a keeper of tiles alone has, and the leaves of the tiles that a proof asks for."""
    tree = Frontier()
    tiles = [tile for _, tile in tree.extend(data)]
    asked = tiles_for(len(data), *wanted)
    leaves = {t: data[t * TILE_LEAVES : (t + 1) * TILE_LEAVES] for t in asked}
    return KnownNodes(tiles, leaves)


def numbered(count: int) -> list[bytes]:
    return [str(n).encode() for n in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_root_is_that_of_certificate_transparency(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]
    assert hashed(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("asked", "path"), PATHS.items())
def test_inclusion_path_is_that_of_certificate_transparency(
    asked: tuple[int, int], path: tuple[str, ...]
) -> None:
    leaf, size = asked
    made = inclusion_path(leaf - 1, size, nodes_of(LEAVES[:size], leaf - 1))
    assert [each.hex() for each in made] == list(path)


@pytest.mark.parametrize(("asked", "path"), PROOFS.items())
def test_consistency_path_is_that_of_certificate_transparency(
    asked: tuple[int, int], path: tuple[str, ...]
) -> None:
    first, second = asked
    made = consistency_path(first, second, nodes_of(LEAVES[:second], first - 1))
    assert [each.hex() for each in made] == list(path)


@given(st.lists(st.binary(max_size=8), max_size=70), st.integers(0, 70))
def test_tree_grown_in_two_steps_and_kept_between_has_the_defined_root(
    data: list[bytes], split: int
) -> None:
    tree = Frontier()
    tree.extend(data[:split])
    tree = Frontier.from_bytes(tree.size, tree.to_bytes())
    tree.extend(data[split:])
    assert (tree.size, tree.root()) == (len(data), hashed(data))


@given(st.data(), st.integers(1, 300))
def test_inclusion_of_every_leaf_is_proved_and_of_no_other(data: st.DataObject, size: int) -> None:
    leaves = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    path, root = inclusion_path(index, size, nodes_of(leaves, index)), hashed(leaves)
    assert root_from_inclusion(leaf_hash(leaves[index]), index, size, path) == root
    assert root_from_inclusion(leaf_hash(b"x"), index, size, path) != root
    if size > 1:
        other = (index + 1) % size
        assert root_from_inclusion(leaf_hash(leaves[index]), other, size, path) != root
        assert root_from_inclusion(leaf_hash(leaves[index]), index, size, path[:-1]) != root
        bent = [*path[:-1], leaf_hash(path[-1])]
        assert root_from_inclusion(leaf_hash(leaves[index]), index, size, bent) != root
    assert root_from_inclusion(leaf_hash(leaves[index]), index, size, [*path, root]) is None


@given(st.data(), st.integers(1, 300))
def test_consistency_is_proved_of_a_beginning_and_of_nothing_else(
    data: st.DataObject, second: int
) -> None:
    leaves = numbered(second)
    first = data.draw(st.integers(1, second))
    path = consistency_path(first, second, nodes_of(leaves, first - 1))
    before, after = hashed(leaves[:first]), hashed(leaves)
    assert is_consistent(first, before, second, after, path)
    other = hashed([*leaves[: first - 1], b"x"])
    assert not is_consistent(first, other, second, after, path)
    assert not is_consistent(first, before, second, hashed([*leaves[:-1], b"x"]), path)
    assert not is_consistent(first, before, second, after, [*path, after])
    if first < second:
        assert not is_consistent(first, before, second, after, path[:-1])
        assert not is_consistent(second, after, first, before, path)


def test_empty_tree_is_the_beginning_of_every_tree() -> None:
    assert is_consistent(0, EMPTY_ROOT, 5, hashed(numbered(5)), [])
    assert not is_consistent(0, b"x" * 32, 5, hashed(numbered(5)), [])


@pytest.mark.parametrize("size", [TILE_LEAVES - 1, TILE_LEAVES, 3 * TILE_LEAVES + 17])
def test_proofs_need_the_tiles_and_the_leaves_of_two_of_them(size: int) -> None:
    leaves = numbered(size)
    root = root_of(leaves)
    for index in (0, size // 2, size - 1):
        path = inclusion_path(index, size, nodes_of(leaves, index))
        assert root_from_inclusion(leaf_hash(leaves[index]), index, size, path) == root
        first = index + 1
        proof = consistency_path(first, size, nodes_of(leaves, first - 1))
        assert is_consistent(first, root_of(leaves[:first]), size, root, proof)
        assert len(tiles_for(size, index)) <= 2


def test_tiles_are_told_once_and_in_order() -> None:
    tree, found = Frontier(), list[tuple[int, bytes]]()
    leaves = numbered(2 * TILE_LEAVES + 5)
    for begin in range(0, len(leaves), 700):
        found += tree.extend(leaves[begin : begin + 700])
    assert [position for position, _ in found] == [0, 1]
    assert found[1][1] == root_of(leaves[TILE_LEAVES : 2 * TILE_LEAVES])
    assert 1 << TILE_HEIGHT == TILE_LEAVES


def test_tree_of_many_leaves_takes_no_more_memory_than_one_of_few() -> None:
    tree = Frontier()
    tracemalloc.start()
    for _ in range(20):
        tree.extend(b"leaf" for _ in range(10_000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tree.size == 200_000
    assert len(tree.peaks) <= 18
    assert most < 200_000


@pytest.mark.parametrize(("size", "kept"), [(1, b""), (2, b"x" * 64), (-1, b"")])
def test_frontier_of_another_size_is_refused(size: int, kept: bytes) -> None:
    with pytest.raises(ValueError, match="do not make a tree"):
        Frontier.from_bytes(size, kept)


def test_proof_of_what_the_tree_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="has none at 3"):
        inclusion_path(3, 3, nodes_of(numbered(3), 2))
    with pytest.raises(ValueError, match="no proof from 4"):
        consistency_path(4, 3, nodes_of(numbered(3), 2))
    assert root_from_inclusion(leaf_hash(b""), 3, 3, []) is None

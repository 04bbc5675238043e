"""What `verify.py` hashes and proves: links, Merkle paths, tree heads, Ed25519 signatures.

A part of the one file that leaves the house (`verifier.py` puts them together): the standard
library alone, and no import that `verify.py` does not have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, cast

Json = dict[str, Any]  # Any: JSON
HEAD_FORM = b"tallystick.tree-head.v1"
# Ed25519, RFC 8032, section 5.1 and its appendix.
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


class Wrong(Exception):
    """What does not hold; the line is added by whoever reads lines."""


class Tree:
    """A Merkle tree (RFC 6962) that grows: the roots of its perfect subtrees."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = 0, cast("list[bytes]", [])
        for data in leaves:
            self.add(data)

    def add(self, data: bytes) -> None:
        """Add a leaf."""
        top, left = hashlib.sha256(b"\0" + data).digest(), self.size
        while left & 1:
            top, left = node(self.peaks.pop(), top), left >> 1
        self.peaks.append(top)
        self.size += 1

    def root(self) -> str:
        """The root's hash."""
        root = self.peaks[-1] if self.peaks else hashlib.sha256().digest()
        for peak in self.peaks[-2::-1]:
            root = node(peak, root)
        return root.hex()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(b"\1" + left + right).digest()


def climbed(
    leaf: bytes, index: int, size: int, path: list[str], first: bytes = b""
) -> tuple[bytes, bytes]:
    """The roots of two trees that a path leads to (RFC 9162, 2.1.3.2, and 2.1.4.2 with first)."""
    last, here, there = size - 1, first, leaf
    while first and index & 1:
        index, last = index >> 1, last >> 1
    for step in map(hexed, path):
        if not last:
            break
        if index & 1 or index == last:
            here, there = node(step, here), node(step, there)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            there = node(there, step)
        index, last = index >> 1, last >> 1
    else:
        if not last:
            return here, there
    raise Wrong("the path is not of that length")


def consistent(first: int, second: int, root: str, path: list[str]) -> tuple[str, str]:
    """The roots of the earlier and the later tree that a path leads to."""
    if first == second:
        return root, root
    steps = [root, *path] if first & (first - 1) == 0 else path
    begin = hexed(steps[0])
    here, there = climbed(begin, first - 1, second, steps[1:], begin)
    return here.hex(), there.hex()


def check_inclusion(entry: Json, head: Json, index: int, path: list[str]) -> None:
    """Check that an entry's link is a leaf of the tree that a head tells."""
    at = {at["origin"]: at for at in head["origins"]}[entry["origin"]]
    leaf = hashlib.sha256(b"\0" + hexed(entry["chain"])).digest()
    fits = 0 <= index < at["size"]
    if not fits or climbed(leaf, index, at["size"], path)[1].hex() != at["root"]:
        raise Wrong(f"its path does not lead to the root in the {title(head)}")


def check_reached(head: Json, at: Json, tree: Tree, chain: str) -> None:
    """Check that a tree, grown up to the entry that a head tells, is the one it tells."""
    found = {"size": tree.size, "root": tree.root(), "chain": chain}
    if any(at[what] != value for what, value in found.items()):
        raise Wrong(f"the {title(head)} has {at} there, and the entries make {found}")


def check_growth(earlier: Json, later: Json, paths: dict[str, list[str]]) -> None:
    """Check that each tree of a head is the beginning of that of a later one."""
    now = {at["origin"]: at for at in later["origins"]}
    for was in earlier["origins"]:
        at = now.get(was["origin"], {"size": 0, "root": ""})
        roots = (was["root"], at["root"])
        if earlier["book"] != later["book"] or was["size"] > at["size"]:
            raise Wrong(f"the {title(later)} is no later one than the {title(earlier)}")
        if consistent(was["size"], at["size"], was["root"], paths[was["origin"]]) != roots:
            raise Wrong(f"the tree of {was['origin']} does not go on from the earlier one")


def title(head: Json) -> str:
    """A head's name."""
    return f"tree head of {head['size']} entries of book {head['book']}"


def check_head(head: Json, keys: set[str]) -> None:
    """Check a tree head: its sum, its root, its signature."""
    names = [at["origin"] for at in head["origins"]]
    leaves = [
        framed(at["origin"], at["size"], hexed(at["root"]), at["sequence"], hexed(at["chain"]))
        for at in head["origins"]
    ]
    whole = head["size"] == sum(at["size"] for at in head["origins"])
    if names != sorted(set(names)) or not whole or Tree(leaves).root() != head["root"]:
        raise Wrong(f"the {title(head)}: its root is not that of its origins")
    public, signature = hexed(head["public_key"]), hexed(head["signature"])
    if not signature and not keys:
        return
    said = (HEAD_FORM, head["book"], head["size"], hexed(head["root"]), head["rules_version"])
    if not is_signed(public, framed(*said, head["made_at"], public), signature):
        lacks = "its signature does not hold" if signature else "nobody signed it"
        raise Wrong(f"the {title(head)}: {lacks}")
    if keys and head["public_key"] not in keys:
        raise Wrong(f"the {title(head)}: it is signed by another key, {head['public_key']}")


def hexed(text: str) -> bytes:
    """Bytes."""
    return bytes.fromhex(text)


def framed(*fields: str | bytes | int) -> bytes:
    """Each field behind its length in eight octets."""
    raw = (f if isinstance(f, bytes) else str(f).encode() for f in fields)
    return b"".join(len(each).to_bytes(8, "big") + each for each in raw)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature holds (RFC 8032, section 5.1.7)."""
    key, point = point_of(public), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or point is None or len(signature) != 64 or s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    base = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or point
    one, other = times(s, base), plus(point, times(h, key))
    return all((one[n] * other[2] - other[n] * one[2]) % P == 0 for n in (0, 1))


def plus(one: Point, other: Point) -> Point:
    """The sum of two points, in extended coordinates."""
    a, b = (one[1] - one[0]) * (other[1] - other[0]), (one[1] + one[0]) * (other[1] + other[0])
    c, d = 2 * one[3] * other[3] * D, 2 * one[2] * other[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(count: int, point: Point) -> Point:
    """A point so many times."""
    total: Point = (0, 1, 1, 0)
    while count:
        if count & 1:
            total = plus(total, point)
        point, count = plus(point, point), count >> 1
    return total


def point_of(data: bytes) -> Point | None:
    """The point of 32 bytes; none: they are no point's."""
    y, sign = int.from_bytes(data, "little") & ~(1 << 255), data[-1:] > b"\x7f"
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT % P
    if len(data) != 32 or y >= P or x * x % P != square or (sign and not x):
        return None
    x = P - x if (x & 1) != sign else x
    return x, y, 1, x * y % P


def digest_of(line: Json) -> str:
    """The digest of what an entry says of money."""
    said = sorted(
        "\x1f".join(
            (p["account"], p["key"], p["direction"], p["amount"]["minor"], p["amount"]["currency"])
        )
        for p in line["postings"]
    )
    head = "\x1e".join((line["book"], line["reference"], line["reverses"] or ""))
    return hashlib.sha256("\x1e".join([head, *said]).encode()).hexdigest()


def link_after(previous: str, line: Json) -> str:
    """The link of an entry in the hash chain."""
    begin = (hexed(previous), b"tallystick.chain.v1", line["origin"], line["sequence"])
    money = (hexed(line["digest"]), line["book"], line["reference"], line["kind"])
    times = (line["effective_at"], line["recorded_at"], line["caused_by"]["offset"])
    end = (line["message_id"], line["rules_version"], line["reverses"] or "", line["description"])
    return hashlib.sha256(framed(*begin, *money, *times, *end)).hexdigest()


def require_shape(line: Json) -> None:
    """Refuse what would have the same digest in another type: 3 and "3", nothing and ""."""
    cause, reverses = line["caused_by"], line["reverses"]
    for number in (line["sequence"], line["rules_version"], cause["partition"], cause["offset"]):
        if type(number) is not int or number < 0:
            raise Wrong(f"{number!r} is no whole number")
    if reverses is not None and not (reverses and isinstance(reverses, str)):
        raise Wrong(f"{reverses!r} is no reference to reverse")

"""Signed heads of made-up entries, for tests."""

from collections.abc import Iterable
from typing import Final

from services.ledger.exports.journal import Told
from services.ledger.proof.merkle import Frontier
from services.ledger.proof.tree_heads import Grown, head_of
from services.ledger.shell.proof.signing import SigningKey
from shared.contracts.tree_heads import TreeHead
from tests.support.exported import NOW

KEY: Final = SigningKey.of("ed25519-secret:" + "7f" * 32)


def leaves_of(told: Iterable[Told], book: str, origin: str) -> list[bytes]:
    """The leaves of a book's tree in an origin."""
    return [bytes.fromhex(t.chain) for t in told if (t.book, t.origin) == (book, origin)]


def signed_head(
    told: Iterable[Told], *, book: str = "main", key: SigningKey | None = KEY
) -> TreeHead:
    """The head of a book with these entries."""
    entries = [each for each in told if each.book == book]
    grown: list[Grown] = []
    for origin in sorted({each.origin for each in entries}):
        tree = Frontier()
        tree.extend(leaves_of(entries, book, origin))
        last = max((e for e in entries if e.origin == origin), key=lambda e: e.sequence)
        grown.append(Grown(origin, tree, last.sequence, bytes.fromhex(last.chain)))
    head = head_of(book, grown, rules_version=3, made_at=NOW, public_key="")
    return key.signed(head) if key is not None else head

"""Whether traced entries stand in the signed heads of their books."""

from collections.abc import Sequence
from dataclasses import replace

from services.ledger.exports.journal import Told
from services.ledger.proof.merkle import leaf_hash, root_from_inclusion
from services.ledger.shell.proof.proofs import Inclusion, NotInATree, Prover
from services.ledger.shell.proof.signing import is_signed
from shared.runtime.postgres import Tx
from tallystick.trace.evidence import Evidence, Retold


async def standings_of(tx: Tx, entries: Sequence[Told]) -> list[Retold | None]:
    """Of each entry, whether its path leads to a signed root; ``None``: no head tells of it yet."""
    prover = await Prover.of(tx)
    return [await _standing(prover, told) for told in entries]


def with_standings(
    proved: Sequence[Evidence], standings: Sequence[Retold | None]
) -> list[Evidence]:
    """Evidence with what the trees say."""
    return [replace(each, head=head) for each, head in zip(proved, standings, strict=True)]


async def _standing(prover: Prover, told: Told) -> Retold | None:
    try:
        found = await prover.inclusion(told.book, told.origin, told.sequence)
    except NotInATree:
        return None
    except (LookupError, ValueError):
        return Retold(False, "the kept tree is not made of the entries; `tallystick verify`")
    return Retold(_leads(told, found) and _is_whole(found), _detail(found))


def _leads(told: Told, found: Inclusion) -> bool:
    (tree,) = (each for each in found.head.origins if each.origin == told.origin)
    leaf, path = leaf_hash(bytes.fromhex(told.chain)), [bytes.fromhex(step) for step in found.path]
    root = root_from_inclusion(leaf, found.index, tree.size, path)
    return root is not None and root.hex() == tree.root


def _is_whole(found: Inclusion) -> bool:
    return not found.head.signature or is_signed(found.head)


def _detail(found: Inclusion) -> str:
    head = found.head
    by = f"signed by key {head.key_id}" if head.signature else "not signed"
    return f"leaf {found.index} in the head of {head.size} entries of book {head.book}, {by}"

"""Tree heads: what a book was at a moment, in a few bytes that everything in it hangs on.

Of each book's entries in each origin there is a Merkle tree (RFC 6962), a leaf's data being the
32 bytes of the entry's chain link, so that a leaf covers the entry and all before it. A head tells
the trees of all origins, and one root over them.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.envelope import rfc3339

HEAD_FORM: Final = "tallystick.tree-head.v1"
KEY_ID_LENGTH: Final = 16

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OriginHead(BaseModel):
    """A book's entries of one origin: how many, their tree's root, and the last one's link."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    origin: str
    size: int = Field(ge=1)
    root: Hash
    sequence: int = Field(ge=1)
    chain: Hash

    def leaf(self) -> bytes:
        """Its bytes as a leaf of the tree over all origins."""
        return _framed(
            (
                self.origin.encode(),
                str(self.size).encode(),
                bytes.fromhex(self.root),
                str(self.sequence).encode(),
                bytes.fromhex(self.chain),
            )
        )


class TreeHead(BaseModel):
    """A book at a moment: ``size`` entries, whose trees are these.

    ``root`` is that of the Merkle tree over ``origins``, which stand in the order of their names.
    The sizes of a book's heads only grow, and two heads of one size have one root. Signed with
    Ed25519 over ``signed_bytes``; where nobody signed, ``public_key`` and ``signature`` are empty.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    book: str
    size: int = Field(ge=1)
    root: Hash
    origins: tuple[OriginHead, ...] = Field(min_length=1)
    rules_version: int
    made_at: AwareDatetime
    public_key: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    signature: str = Field(default="", pattern=r"^([0-9a-f]{128})?$")

    @property
    def key_id(self) -> str:
        """The short name of the key that signed; empty where nobody did."""
        return key_id_of(self.public_key)

    def signed_bytes(self) -> bytes:
        """The canonical form that a signature covers: everything but the signature.

        The public key is covered too. The origins are covered by the root.
        """
        return _framed(
            (
                HEAD_FORM.encode(),
                self.book.encode(),
                str(self.size).encode(),
                bytes.fromhex(self.root),
                str(self.rules_version).encode(),
                rfc3339(self.made_at).encode(),
                bytes.fromhex(self.public_key),
            )
        )


def key_id_of(public_key: str) -> str:
    """A public key's short name: the beginning of its SHA-256."""
    if not public_key:
        return ""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:KEY_ID_LENGTH]


def _framed(fields: Iterable[bytes]) -> bytes:
    """Each field behind its length in eight octets, as in the hash chain."""
    return b"".join(len(field).to_bytes(8, "big") + field for field in fields)

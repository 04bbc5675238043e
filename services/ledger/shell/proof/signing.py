"""Ed25519, by ``cryptography``: the only place that knows the library.

A signing key is one line: ``ed25519-secret:`` and the 32 bytes of RFC 8032 in hexadecimal. A
public key is 64 hexadecimal digits.
"""

import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.contracts.tree_heads import TreeHead

PREFIX: Final = "ed25519-secret:"
_SECRET: Final = re.compile(re.escape(PREFIX) + r"([0-9a-f]{64})")


class KeyInvalid(ValueError):
    """What was given is no signing key; it is not shown."""

    def __init__(self) -> None:
        super().__init__(f"no signing key of the form {PREFIX}…; `tallystick keys new` makes one")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that heads are signed with. Its text is a secret and never part of a message."""

    _key: Ed25519PrivateKey

    @classmethod
    def new(cls) -> "SigningKey":
        """A fresh key, from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, text: str) -> "SigningKey":
        """The key that a text tells.

        Raises:
            KeyInvalid: It tells none.
        """
        found = _SECRET.fullmatch(text.strip())
        if found is None:
            raise KeyInvalid
        return cls(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(found[1])))

    @property
    def text(self) -> str:
        """The key as it is kept in a file; whoever has it signs as we do."""
        return PREFIX + self._key.private_bytes_raw().hex()

    @property
    def public_key(self) -> str:
        """Its public half, in hexadecimal."""
        return self._key.public_key().public_bytes_raw().hex()

    def signed(self, head: TreeHead) -> TreeHead:
        """A head with our key's name and signature in it."""
        named = head.model_copy(update={"public_key": self.public_key})
        signature = self._key.sign(named.signed_bytes()).hex()
        return named.model_copy(update={"signature": signature})


def is_signed(head: TreeHead) -> bool:
    """Whether the key that a head names has signed it."""
    if not head.public_key or not head.signature:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head.public_key))
        key.verify(bytes.fromhex(head.signature), head.signed_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True

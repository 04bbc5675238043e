"""Who may do what: bearer tokens, of which only the SHA-256 is known here."""

import hashlib
import hmac
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Scope(StrEnum):
    """What a token opens: reading, commands to the ledger, acts about discrepancies and matches."""

    READ = "read"
    COMMAND = "command"
    RECONCILE = "reconcile"


class Token(BaseModel):
    """A token by its name, which is the actor in every record, and its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    scopes: frozenset[Scope]
    books: frozenset[str] = frozenset()

    def opens(self, scope: Scope, book: str) -> bool:
        """Whether the token opens this book for this; one that names no book opens all."""
        return scope in self.scopes and (not self.books or book in self.books)


class TokenFile(BaseModel):
    """The file of tokens: ``[[tokens]]`` with name, sha256, scopes and, where it is so, books."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: tuple[Token, ...]


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_of(tokens: Iterable[Token], authorization: str) -> Token | None:
    """The token that an ``Authorization`` header presents; every known one is compared in full."""
    scheme, _, presented = authorization.partition(" ")
    if scheme.lower() != "bearer" or not presented.strip():
        return None
    given, found = hash_of(presented.strip()), None
    for token in tokens:
        if hmac.compare_digest(token.sha256, given):
            found = token
    return found

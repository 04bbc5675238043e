"""age, the encryption of files, by ``pyrage``: the only place that knows the library."""

from collections.abc import Iterable, Sequence
from typing import Final

import pyrage

_IDENTITY: Final = "AGE-SECRET-KEY-1"
Identity = pyrage.x25519.Identity


class AgeError(ValueError):
    """What was given is no identity, no recipient, or no file that we can read; it shows nothing.

    The words of a key or of a file never stand in the message.
    """


def new_identity() -> Identity:
    """A fresh identity."""
    return Identity.generate()


def identity_text(identity: Identity) -> str:
    """The identity as it is kept in a file; whoever has it reads everything."""
    return str(identity)


def identities_of(text: str) -> tuple[Identity, ...]:
    """The identities of a file: one on a line, beside comments and empty lines.

    Raises:
        AgeError: There is none, or a line is something else.
    """
    found: list[Identity] = []
    for number, line in enumerate(text.splitlines(), 1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        if not said.startswith(_IDENTITY):
            raise AgeError(f"line {number} is no identity of the form {_IDENTITY}…")
        try:
            found.append(Identity.from_str(said))
        except pyrage.IdentityError:
            # Without the cause: a message of the library might show a part of the key.
            raise AgeError(f"line {number} is an identity that is cut short or garbled") from None
    if not found:
        raise AgeError("there is no identity in it")
    return tuple(found)


def recipient_of(identity: Identity) -> str:
    """The public half of an identity, age1…: to whom a file is encrypted."""
    return str(identity.to_public())


def check_recipient(text: str) -> str:
    """The recipient as it is written.

    Raises:
        AgeError: It is none.
    """
    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        # Somebody may have given an identity in its place.
        shown = f" {text[:80]!r}" if text.startswith("age1") else ""
        raise AgeError(f"no recipient{shown}: it is of the form age1…") from None
    return text


def encrypted(content: bytes, recipients: Iterable[str]) -> bytes:
    """The content so that each of the recipients can read it.

    Raises:
        AgeError: A recipient is none, or there is none at all.
    """
    to = [pyrage.x25519.Recipient.from_str(check_recipient(each)) for each in recipients]
    if not to:
        raise AgeError("nobody could read it: name a recipient")
    return pyrage.encrypt(content, to)


def decrypted(content: bytes, identities: Sequence[Identity]) -> bytes:
    """The content that was encrypted to one of the identities.

    Raises:
        AgeError: It was not, or it is no age file, or it was changed.
    """
    try:
        return pyrage.decrypt(content, identities)
    except pyrage.DecryptError as error:
        if "matching keys" in str(error):
            raise AgeError("it is not encrypted to the identity that was given") from None
        raise AgeError("it is no age file, or is cut short, or was changed") from None

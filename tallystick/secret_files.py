"""Makes and changes the encrypted secrets file: always whole, never in clear text on a disk.

A new file is read back before it takes the older one's place, and takes it in one step.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.runtime import age
from shared.runtime.secrets_file import SecretsInvalid, SecretsText, content_of, parsed

PRIVATE: Final = 0o600
_EMPTY: Final = """\
# One secret a line, as NAME=value, without quotes. The names of settings stand in
# docs/reference/settings.md; any other name may be meant by secret_env of an endpoints file.
# Who else may read this file: a line "# recipient: age1…" for each.
"""


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """The encrypted file, and the identities with which it is read.

    ``identity_file`` is ``None`` where the identity came from the environment.
    """

    file: Path
    identities: tuple[age.Identity, ...]
    identity_file: Path | None

    def text(self) -> str:
        """The decrypted text, comments and all.

        Raises:
            SecretsInvalid: It cannot be read.
        """
        try:
            return age.decrypted(content_of(self.file), self.identities).decode("utf-8")
        except UnicodeDecodeError:
            raise SecretsInvalid(f"{self.file}: not UTF-8 text") from None
        except age.AgeError as error:
            raise SecretsInvalid(f"{self.file}: {error}") from None

    def secrets(self) -> SecretsText:
        """The names, their values, and who else may read.

        Raises:
            SecretsInvalid: It cannot be read, or a line is broken.
        """
        return parsed(self.text().encode())

    def store(self, text: str) -> None:
        """Put this text into the file's place, for us and for whom it names as recipients.

        Raises:
            SecretsInvalid: A line is broken, or the folder cannot be written to.
        """
        readers = [age.recipient_of(each) for each in self.identities]
        _store(self.file, text, (*readers, *parsed(text.encode()).recipients), self.identities)

    def rotate(self, recipients: Sequence[str] | None, *, keeps_identity: bool) -> str:
        """Encrypt anew: to a new identity, and to these others instead of those of before.

        A service that reads while we are at it can read at each step: the identity file first
        holds both identities, then the file is changed, then the older identity goes.

        Returns:
            Whom the file is encrypted to from now on, as a public key.

        Raises:
            SecretsInvalid: A file cannot be read or written; what was in force still is.
        """
        text = self.text()
        if recipients is not None:
            text = with_recipients(text, recipients)
        others = parsed(text.encode()).recipients
        if keeps_identity:
            self.store(text)
            return age.recipient_of(self.identities[0])
        if self.identity_file is None:
            raise SecretsInvalid("the identity is in the environment: give --identity-file FILE")
        fresh = age.new_identity()
        _replace(self.identity_file, _identity_content((fresh, *self.identities)), PRIVATE)
        _store(self.file, text, (age.recipient_of(fresh), *others), (fresh,))
        _replace(self.identity_file, _identity_content((fresh,)), PRIVATE)
        return age.recipient_of(fresh)


def create(file: Path, identity_file: Path, recipients: Sequence[str]) -> str:
    """Make an identity, and an empty file that it reads; neither may be there already.

    Returns:
        The public key of the identity.

    Raises:
        SecretsInvalid: One of them is there, or cannot be made.
    """
    for path in (file, identity_file):
        if path.exists() or path.is_symlink():
            raise SecretsInvalid(f"{path} is there already; nothing was changed")
    identity = age.new_identity()
    try:
        handle = os.open(identity_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(handle, "wb") as out:
            out.write(_identity_content((identity,)))
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise SecretsInvalid(f"{identity_file}: {error.strerror}") from None
    text = with_recipients(_EMPTY, recipients)
    try:
        _store(file, text, (age.recipient_of(identity), *recipients), (identity,))
    except SecretsInvalid:
        identity_file.unlink()
        raise
    return age.recipient_of(identity)


def with_recipients(text: str, recipients: Iterable[str]) -> str:
    """The text with these recipients named in it, and no others."""
    kept = [line for line in text.splitlines() if not parsed(line.encode()).recipients]
    return "\n".join([*kept, *(f"# recipient: {each}" for each in recipients)]) + "\n"


def with_value(text: str, name: str, value: str) -> str:
    """The text with a name set: in the place where it stood, else at the end.

    Raises:
        SecretsInvalid: The name or the value cannot stand in the file.
    """
    line = f"{name}={value}"
    if "\n" in line or parsed(line.encode()).values != {name: value}:
        raise SecretsInvalid(f"{name}: the value cannot stand on one line as it is")
    lines = text.splitlines()
    places = [at for at, each in enumerate(lines) if name in parsed(each.encode()).values]
    if places:
        lines[places[0]] = line
    else:
        lines.append(line)
    return "\n".join(lines) + "\n"


def _store(
    file: Path, text: str, recipients: Sequence[str], identities: Sequence[age.Identity]
) -> None:
    content = text.encode()
    parsed(content)
    try:
        sealed = age.encrypted(content, dict.fromkeys(recipients))
        # What nobody can read any more must not take the place of what somebody can.
        if age.decrypted(sealed, identities) != content:
            raise SecretsInvalid(f"{file}: what was encrypted does not read as it was written")
    except age.AgeError as error:
        raise SecretsInvalid(f"{file}: {error}") from None
    _replace(file, sealed, PRIVATE)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Put content into a file's place, as its owner and with its mode where there is one."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise SecretsInvalid(f"{path.parent}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                # A service of another user that reads it by its group must go on doing so.
                mode = found.st_mode & 0o775
                os.fchown(out.fileno(), found.st_uid, found.st_gid)
            os.fchmod(out.fileno(), mode)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise SecretsInvalid(f"{path}: {error.strerror}") from None
    finally:
        Path(name).unlink(missing_ok=True)


def _identity_content(identities: Iterable[age.Identity]) -> bytes:
    lines = ["# age identities of the secrets file: whoever has one of them can read it."]
    for each in identities:
        lines += [f"# public key: {age.recipient_of(each)}", age.identity_text(each)]
    return ("\n".join(lines) + "\n").encode()

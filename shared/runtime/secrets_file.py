"""Secrets from an age-encrypted file of ``NAME=value`` lines, read in memory at run time.

environment: TALLYSTICK_SECRETS_FILE, …_IDENTITY or …_IDENTITY_FILE ──▶ the same environment with
the names of the file in it. Nothing of it is written, logged, or given to a child process.
"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.runtime.age import AgeError, check_recipient, decrypted, identities_of

FILE_VARIABLE: Final = "TALLYSTICK_SECRETS_FILE"
IDENTITY_VARIABLE: Final = "TALLYSTICK_SECRETS_IDENTITY"
IDENTITY_FILE_VARIABLE: Final = "TALLYSTICK_SECRETS_IDENTITY_FILE"
VARIABLES: Final = (FILE_VARIABLE, IDENTITY_VARIABLE, IDENTITY_FILE_VARIABLE)
BYTES_MAX: Final = 1_048_576

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_RECIPIENT: Final = re.compile(r"#\s*recipient:\s*(\S+)\s*", re.ASCII)
_QUOTES: Final = ("'", '"')


class SecretsInvalid(ValueError):
    """The secrets cannot be had; the message names files, lines and names, never a value."""

    what = "The secrets file cannot be used"
    fix = "docs/howto/keep-secrets.md tells how it is made, changed and moved to another identity"

    @property
    def why(self) -> str:
        """What is wrong."""
        return str(self)


@dataclass(frozen=True, slots=True)
class SecretsText:
    """What stands in the decrypted file.

    Attributes:
        values: By name, in their order.
        recipients: Whom the file says that it is encrypted to, beside whoever has the identity.
    """

    values: Mapping[str, str]
    recipients: tuple[str, ...]

    def __repr__(self) -> str:
        return f"SecretsText(names={sorted(self.values)}, recipients={self.recipients})"


def parsed(content: bytes) -> SecretsText:
    """The names and values of a decrypted file.

    Empty lines and lines that begin with ``#`` are comments; ``# recipient: age1…`` among them
    says for whom the file is encrypted when it is written again.

    Raises:
        SecretsInvalid: A line is broken; the message says which, not what stands in it.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SecretsInvalid(f"not UTF-8 text at byte {error.start}") from None
    values: dict[str, str] = {}
    recipients: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        said = line.strip()
        if told := _RECIPIENT.fullmatch(said):
            try:
                recipients.append(check_recipient(told[1]))
            except AgeError as error:
                raise SecretsInvalid(f"line {number}: {error}") from None
        elif said and not said.startswith("#"):
            name, value = _pair(said, number)
            if name in values:
                raise SecretsInvalid(f"line {number}: {name} stands there twice")
            values[name] = value
    return SecretsText(values, tuple(dict.fromkeys(recipients)))


def _pair(line: str, number: int) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in line.partition("="))
    if not equals or not _NAME.fullmatch(name):
        raise SecretsInvalid(f"line {number}: not of the form NAME=value")
    if name in VARIABLES:
        raise SecretsInvalid(f"line {number}: {name} says where this file is; it cannot be in it")
    if not value:
        raise SecretsInvalid(f"line {number}: {name} has no value")
    if not value.isprintable():
        raise SecretsInvalid(f"line {number}: the value of {name} has a control character")
    # Shells take such quotes away, others do not: a secret with a quote too many fits nothing.
    if value[0] in _QUOTES and value[-1] == value[0]:
        raise SecretsInvalid(f"line {number}: write the value of {name} without quotes around it")
    return name, value


def read(path: Path, identity_text: str) -> SecretsText:
    """The secrets of an encrypted file, by the text of an identity file.

    Raises:
        SecretsInvalid: The file or the identity cannot be read or used.
    """
    try:
        identities = identities_of(identity_text)
    except AgeError as error:
        raise SecretsInvalid(f"{IDENTITY_VARIABLE}: {error}") from None
    try:
        return parsed(decrypted(content_of(path), identities))
    except (AgeError, SecretsInvalid) as error:
        raise SecretsInvalid(f"{path}: {error}") from None


def content_of(path: Path) -> bytes:
    """The bytes of a file that only those who may can have written.

    Raises:
        SecretsInvalid: It cannot be read, is too large, or everybody may write to it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "it is no path"
        raise SecretsInvalid(f"{path}: {said}") from None
    if len(content) > BYTES_MAX:
        raise SecretsInvalid(f"{path}: larger than {BYTES_MAX} bytes")
    # age says who may read a file and not who wrote it: a stranger's would be believed.
    if path.stat().st_mode & stat.S_IWOTH:
        raise SecretsInvalid(f"{path}: everybody may write to it: chmod o-w")
    return content


def with_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the names of its secrets file; the same when it names none.

    A name may stand in one of both only; one that is empty in the environment is not there. What
    tells of the file itself is taken out, so that asking twice is asking once.

    Raises:
        SecretsInvalid: The file cannot be used, or a name is set in both.
    """
    told = {name: value for name, value in environment.items() if name not in VARIABLES}
    file = environment.get(FILE_VARIABLE, "")
    if not file:
        return told
    values = read(Path(file), _identity_text(environment)).values
    doubled = [
        each for name in values for each in (name, f"{name}_FILE") if told.get(each, "") != ""
    ]
    if doubled:
        raise SecretsInvalid(
            f"set in the environment and in {file}: {', '.join(doubled)}; leave one of both"
        )
    return told | dict(values)


def _identity_text(environment: Mapping[str, str]) -> str:
    text = environment.get(IDENTITY_VARIABLE, "")
    file = environment.get(IDENTITY_FILE_VARIABLE, "")
    if text and file:
        raise SecretsInvalid(f"{IDENTITY_VARIABLE} is set, and {IDENTITY_FILE_VARIABLE} as well")
    if not text and not file:
        raise SecretsInvalid(f"there is no identity: set {IDENTITY_FILE_VARIABLE}")
    if text:
        return text
    try:
        return content_of(Path(file)).decode("utf-8")
    except UnicodeDecodeError:
        raise SecretsInvalid(f"{file}: not UTF-8 text") from None


def cautions(environment: Mapping[str, str]) -> list[str]:
    """What a person should mend of the files' permissions, in words; empty when nothing."""
    found: list[str] = []
    wanted = (
        # Whoever reads the identity reads everything; whoever writes the file tells us secrets.
        (
            IDENTITY_FILE_VARIABLE,
            stat.S_IRWXG | stat.S_IRWXO,
            "read or written by others: chmod 600",
        ),
        (FILE_VARIABLE, stat.S_IWGRP | stat.S_IWOTH, "written by others: chmod 640"),
    )
    for variable, forbidden, said in wanted:
        if path := environment.get(variable, ""):
            mode = _mode(Path(path))
            if mode & forbidden:
                found.append(f"{path} ({variable}, mode {mode:04o}) can be {said}")
    return found


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except (OSError, ValueError):
        return 0

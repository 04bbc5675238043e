"""What the doctor says of files that tell something else of the books than what is in force."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from services.ledger.decisions import RULES_VERSION
from services.ledger.shell.beginning import files_of
from shared.contracts.errors import Unavailable
from shared.runtime.settings import Settings, SettingsInvalid
from tallystick.cli.problems import Problem
from tallystick.doctor import Finding, bad, good, warning
from tallystick.in_force_here import apart, in_force_at

_SUBJECT: Final = "in force"


def in_force_findings(environment: Mapping[str, str], dsn: str) -> Iterator[Finding]:
    """Whether the files say what is in force; nothing, where no books have begun."""
    try:
        files = files_of(Settings.load(environment).books())
    except SettingsInvalid as error:
        yield bad(_SUBJECT, str(error), "mend the file")
        return
    try:
        known = asyncio.run(in_force_at(dsn))
    except (Problem, SettingsInvalid, Unavailable):
        # Nothing has begun, or what stands above has said that the database is away.
        return
    found = apart(known, files)
    for each in found:
        book = f"book {each.book}, " if each.book else ""
        yield bad(
            _SUBJECT,
            f"{book}{each.what.replace('_', ' ')}: {each.detail}",
            "put the file back, or in force: `tallystick activate book-map FILE`",
        )
    if not found:
        version = known.last().rules_version
        said = f"rules version {version}, and the books as the files say"
        if version < RULES_VERSION:
            yield warning(
                _SUBJECT,
                f"{said}; this program has version {RULES_VERSION}",
                f"see what it books otherwise: `tallystick what-if --rules {RULES_VERSION}`; then"
                f" `tallystick activate rules {RULES_VERSION}`",
            )
        else:
            yield good(_SUBJECT, said)

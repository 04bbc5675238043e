"""What the doctor says of tree heads: whether they are signed, and by a key that is well kept."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sandbox.stack import StackSettings
from services.ledger.config import LedgerSettings
from services.ledger.proof.tree_heads import known_public_keys
from services.ledger.shell.service import signing_key_of
from shared.contracts.tree_heads import key_id_of
from shared.runtime.settings import SettingsInvalid
from tallystick.doctor import Finding, bad, good, warning
from tallystick.local_key import FILE_VARIABLE, key_variables

_SUBJECT: Final = "tree heads"
_HOW: Final = "docs/howto/prove-the-books.md"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def head_findings(
    stack_settings: StackSettings, environment: Mapping[str, str], *, is_live: bool
) -> Iterator[Finding]:
    """Whether tree heads are signed."""
    told = dict(environment) | key_variables(stack_settings, environment)
    try:
        settings = LedgerSettings.load(told)
        key = signing_key_of(settings)
        older = known_public_keys(settings.ledger_tree_head_public_keys)
    except (SettingsInvalid, ValueError) as error:
        yield bad(_SUBJECT, str(error).replace("\n", "; "), f"tallystick keys new: {_HOW}")
        return
    if key is None:
        fact = "no signing key: heads of the books are published unsigned"
        if is_live:
            yield warning(_SUBJECT, fact, f"tallystick keys new: {_HOW}")
        else:
            yield good(_SUBJECT, fact)
        return
    path = told.get(FILE_VARIABLE)
    if path and Path(path).stat().st_mode & _OTHERS:
        yield warning(_SUBJECT, f"{path} is open to others", f"chmod 600 {path}")
    more = f", and {len(older)} older" if older else ""
    yield good(_SUBJECT, f"signed by key {key_id_of(key.public_key)}{more}")

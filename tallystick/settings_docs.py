"""The page of settings, made from the classes that read them."""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from sandbox.stack import StackSettings
from services.archiver.config import ArchiverSettings
from services.console.config import ConsoleSettings
from services.feeds.config import FeedsSettings
from services.ingest.config import IngestSettings
from services.ledger.config import LedgerSettings
from services.reconciler.config import ReconcilerSettings
from shared.runtime.settings import PREFIX, Settings

_ROOMS: Final[tuple[tuple[str, type[BaseSettings], str], ...]] = (
    ("Every service", Settings, PREFIX),
    ("Ingest", IngestSettings, PREFIX),
    ("Feeds", FeedsSettings, PREFIX),
    ("Ledger", LedgerSettings, PREFIX),
    ("Reconciler", ReconcilerSettings, PREFIX),
    ("Console", ConsoleSettings, PREFIX),
    ("Archiver", ArchiverSettings, PREFIX),
    ("The embedded stack", StackSettings, f"{PREFIX}STACK_"),
)


def settings_page(made: str) -> str:
    """``settings.md``: each variable with its default and one line on what it is."""
    lines = [
        "# Settings",
        "",
        made,
        "",
        "Everything is told by environment variables, read once at the start. With `_FILE` behind",
        "its name a variable of a service names a file that holds the value: secrets come in so,",
        f"or together in one encrypted file, `{PREFIX}SECRETS_FILE` (docs/howto/keep-secrets.md).",
        f"A `{PREFIX}…` name that nobody knows refuses to start.",
    ]
    for title, settings, prefix in _ROOMS:
        common = set(Settings.model_fields) if settings is not Settings else set[str]()
        own = {n: f for n, f in settings.model_fields.items() if n not in common}
        lines += [
            "",
            f"## {title}",
            "",
            "| variable | default | what it is |",
            "|---|---|---|",
            *_rows(own.items(), prefix),
        ]
    return "\n".join(lines) + "\n"


def unknown_names(names: Iterable[str]) -> list[str]:
    """Those names that look like a setting of ours, and are one of no service."""
    known = {
        f"{prefix}{field.upper()}{end}"
        for _, settings, prefix in _ROOMS
        for field in settings.model_fields
        for end in ("", "_FILE")
    }
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


def _rows(fields: Iterable[tuple[str, FieldInfo]], prefix: str) -> list[str]:
    rows: list[str] = []
    for name, field in fields:
        about = (field.description or "").replace("|", "\\|")
        secret = " (secret)" if SecretStr in _types(field.annotation) else ""
        rows.append(f"| `{prefix}{name.upper()}` | {_default(field)} | {about}{secret} |")
    return rows


def _default(field: FieldInfo) -> str:
    value: Any = field.default  # Any: a default is of the field's own type
    if value is PydanticUndefined:
        return "of the machine" if field.default_factory else "must be set"
    if isinstance(value, SecretStr) or value in (None, ""):
        return ""
    return f"`{value}`"


def _types(annotation: object) -> set[object]:
    return {annotation, *getattr(annotation, "__args__", ())}

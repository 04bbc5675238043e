"""What the doctor says of secrets: there, well kept, young, one for each; never a value."""

import contextlib
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from services.ingest.config import IngestSettings
from services.ingest.endpoints import Endpoint, EndpointsFile, doubled_secrets
from services.ingest.signature import Secret
from shared.runtime.secrets_file import FILE_VARIABLE, cautions
from shared.runtime.settings import PREFIX
from tallystick.doctor import Finding, bad, good, warning
from tallystick.local_door import LocalDoor

OLD: Final = timedelta(days=365)
SOON: Final = timedelta(days=7)
_ROTATE: Final = "docs/howto/rotate-a-signing-secret.md"
_SUBJECT: Final = "secrets"
_WRITTEN_PLAINLY: Final = (
    "INGEST_WEBHOOK_SECRET",
    "INGEST_WEBHOOK_SECRET_PREVIOUS",
    "INGEST_STRIPE_API_KEY",
)
_FORBIDDEN: Final = stat.S_IRWXO | stat.S_IWGRP


def secret_findings(
    door: LocalDoor, *, is_live: bool, at: datetime | None = None
) -> Iterator[Finding]:
    """Whether each endpoint has a secret that counts, and nobody else can read it."""
    now = at or datetime.now(UTC)
    for caution in cautions(door.variables):
        yield warning(_SUBJECT, caution, "change its permissions, as it says")
    yield from _file_findings(door.settings, door.variables)
    if is_live:
        yield from _plain_findings(door.variables)
    if not door.endpoints:
        yield bad(
            _SUBJECT,
            door.lacking.replace("\n", "; "),
            "give the door its signing secret: docs/howto/keep-secrets.md",
        )
        return
    found = [f for e in door.endpoints.values() for f in endpoint_findings(e, now)]
    found += doubled_findings(door.endpoints.values())
    yield from found
    if not found:
        count = sum(len(endpoint.secrets) for endpoint in door.endpoints.values())
        yield good(
            _SUBJECT,
            f"{count} of {len(door.endpoints)} endpoint(s), from {door.secret_source}"
            f"{_oldest(door.endpoints.values(), now)}",
        )


def endpoint_findings(endpoint: Endpoint, now: datetime) -> Iterator[Finding]:
    """What is wrong with the secrets of one endpoint by a time."""
    name = f"endpoint {endpoint.name}"
    in_force = endpoint.secrets_in_force(now)
    if not in_force:
        yield bad(_SUBJECT, f"{name}: no secret is in force: it refuses everything", _ROTATE)
    if in_force and all(_ends_by(secret, now + SOON) for secret in endpoint.secrets):
        ends = max(s.valid_until for s in endpoint.secrets if s.valid_until is not None)
        yield warning(
            _SUBJECT, f"{name}: its last secret ends at {ends:%Y-%m-%d %H:%M} UTC", _ROTATE
        )
    for secret in endpoint.secrets:
        if secret.has_ended(now):
            yield warning(
                _SUBJECT, f"{name}: secret {secret.name} has ended", "take it out of the file"
            )
        elif secret.valid_from is not None and now - secret.valid_from > OLD:
            days = (now - secret.valid_from).days
            yield warning(_SUBJECT, f"{name}: secret {secret.name} is {days} days old", _ROTATE)
        if not secret.text.startswith("whsec_"):
            is_key = secret.text.startswith(("sk_", "rk_", "pk_"))
            yield (bad if is_key else warning)(
                _SUBJECT,
                f"{name}: secret {secret.name} is "
                + ("an API key" if is_key else "not of the form whsec_…"),
                "take the endpoint's signing secret, at Stripe under Developers, Webhooks",
            )


def doubled_findings(endpoints: Iterable[Endpoint]) -> Iterator[Finding]:
    """A secret that stands twice: Stripe gives each endpoint one of its own."""
    for held in doubled_secrets(endpoints):
        yield warning(
            _SUBJECT,
            f"one secret stands for {', '.join(held)}",
            "give each endpoint the secret that Stripe shows for it",
        )


def _oldest(endpoints: Iterable[Endpoint], now: datetime) -> str:
    told = [s.valid_from for e in endpoints for s in e.secrets if s.valid_from is not None]
    begun = [at for at in told if at <= now]
    return f"; the oldest is {(now - min(begun)).days} days old" if begun else ""


def _ends_by(secret: Secret, at: datetime) -> bool:
    return secret.valid_until is not None and secret.valid_until <= at


def _plain_findings(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Secrets in the environment itself, which whoever looks at the process sees."""
    plain = [PREFIX + name for name in _WRITTEN_PLAINLY if variables.get(PREFIX + name)]
    if plain:
        yield warning(
            _SUBJECT,
            f"in the environment itself: {', '.join(plain)}",
            f"give them as files, or in the encrypted {FILE_VARIABLE}",
        )


def _file_findings(settings: IngestSettings, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Files with a secret in clear text that others may read or change."""
    for path in dict.fromkeys(_secret_files(settings, variables)):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # that it cannot be read is said where it is needed
        if mode & _FORBIDDEN:
            yield warning(
                _SUBJECT, f"{path} is open to others (mode {mode:04o})", f"chmod 600 {path}"
            )


def _secret_files(settings: IngestSettings, variables: Mapping[str, str]) -> Iterator[Path]:
    for name in _WRITTEN_PLAINLY:
        if file := variables.get(f"{PREFIX}{name}_FILE"):
            yield Path(file)
    table = settings.ingest_endpoints_file
    with contextlib.suppress(OSError, ValueError):  # said where the endpoints are looked at
        if table is not None:
            told = EndpointsFile.model_validate(tomllib.loads(table.read_text("utf-8")))
            for secret in (s for data in told.endpoints for s in data.named_secrets()):
                if secret.file is not None:
                    yield table.parent / secret.file

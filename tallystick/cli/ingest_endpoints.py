"""`tallystick ingest endpoints`: the door's endpoints as they would come into force now."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.ingest.config import IngestSettings
from services.ingest.endpoints import ROUTE, Endpoint, doubled_secrets
from services.ingest.signature import Secret
from shared.contracts.envelope import rfc3339
from tallystick.cli.talk import Talk
from tallystick.local_door import door_variables

_COLUMNS = ("name", "path", "kind", "payload", "mode", "account", "book", "api_version")


def endpoints(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON Lines: one object an endpoint.")
    ] = False,
) -> None:
    """List the webhook endpoints and which secrets are in force; no secret is ever shown.

    Read from the same settings and files as the door reads, at this moment: a door that runs takes
    a change over within seconds, and refuses what this command refuses. Without any, those of the
    sandbox that `tallystick run --sandbox` has in this folder.
    """
    given, _ = door_variables()
    settings = IngestSettings.load(given)
    now = datetime.now(UTC)
    found = list(settings.endpoints(settings.books(), given, at=now).values())
    lines = (json.dumps(_row(each, now)) for each in found) if as_json else _table(found, now)
    for line in lines:
        print(line)
    for held in doubled_secrets(found):
        Talk().done(
            f"one secret stands for {', '.join(held)}: give each endpoint the one that Stripe shows"
            " for it"
        )


def _row(endpoint: Endpoint, now: datetime) -> dict[str, object]:
    return {
        "name": endpoint.name,
        "path": ROUTE + endpoint.path,
        "kind": endpoint.kind.value,
        "payload": endpoint.payload.value,
        "mode": None if endpoint.mode is None else endpoint.mode.value,
        "account": endpoint.account or None,
        "book": str(endpoint.book),
        "api_version": endpoint.api_version or None,
        "secrets": [_secret(secret, now) for secret in endpoint.secrets],
    }


def _secret(secret: Secret, now: datetime) -> dict[str, object]:
    if secret.is_in_force(now):
        state = "in force"
    else:
        state = "ended" if secret.has_ended(now) else "to come"
    return {
        "id": secret.name,
        "state": state,
        "from": None if secret.valid_from is None else rfc3339(secret.valid_from),
        "until": None if secret.valid_until is None else rfc3339(secret.valid_until),
    }


def _table(found: list[Endpoint], now: datetime) -> Iterator[str]:
    """The endpoints in columns, each with its secrets below it."""
    titles = [column.replace("_", " ").upper() for column in _COLUMNS]
    shown = [_row(each, now) for each in found]
    rows = [[str(row[column] or "-") for column in _COLUMNS] for row in shown]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    yield _line(titles, widths)
    for each, cells in zip(found, rows, strict=True):
        yield _line(cells, widths)
        for secret in each.secrets:
            yield f"  secret {_told(_secret(secret, now))}"


def _line(cells: list[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _told(secret: dict[str, object]) -> str:
    bounds = [f"{bound} {secret[bound]}" for bound in ("from", "until") if secret[bound]]
    return ", ".join([f"{secret['id']}: {secret['state']}", *bounds])

"""`tallystick signature check`: why a webhook was accepted or refused, offline.

The same core as the door's; no network, no Kafka, no settings but what stands on the line.
"""

import base64
import binascii
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.ingest.signature import TOLERANCE_SECONDS_DEFAULT, Secret, SignatureVerdict, verify
from shared.contracts.envelope import instant_of
from shared.contracts.errors import Unreadable

REFUSED_EXIT: Final = 1
SECRET_VARIABLE: Final = "STRIPE_WEBHOOK_SECRET"  # noqa: S105  # a variable's name

app = typer.Typer(
    help="Stripe's webhook signatures, checked offline.", no_args_is_help=True, add_completion=False
)


class _Case(BaseModel):
    """One line of a file of cases."""

    model_config = ConfigDict(extra="ignore")

    id: str | int
    secret: str
    header: str | None = None
    body_b64: str
    tolerance: int = Field(default=TOLERANCE_SECONDS_DEFAULT, ge=0)
    now: float


@app.callback()
def _signatures() -> None:
    """Stripe's webhook signatures, checked offline."""


@app.command()
def check(
    *,
    header: Annotated[
        str | None, typer.Option("--header", help="The Stripe-Signature header as it came.")
    ] = None,
    body: Annotated[
        Path | None, typer.Option("--body", help="File with the raw body; - is stdin.")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", help="File with the signing secret.")
    ] = None,
    secret_env: Annotated[
        str, typer.Option("--secret-env", help="Variable with the signing secret.")
    ] = SECRET_VARIABLE,
    at: Annotated[
        str | None, typer.Option("--at", help="When it came: Unix seconds or RFC 3339; now.")
    ] = None,
    tolerance: Annotated[
        int, typer.Option("--tolerance", min=0, help="Seconds, in both directions.")
    ] = TOLERANCE_SECONDS_DEFAULT,
    cases: Annotated[
        Path | None,
        typer.Option(
            "--cases",
            help="JSON Lines of id, secret, header, body_b64, tolerance, now; a verdict for each.",
        ),
    ] = None,
) -> None:
    """Say whether Stripe signed a body, and if not, why: JSON, exit code 0 or 1.

    The secret comes from a file, a variable, or is asked for; never from the command line, which
    other users of a machine can read.
    """
    if cases is not None:
        is_accepted = True
        for told in _verdicts(cases):
            print(json.dumps(told))
            is_accepted = is_accepted and told["verdict"] == "accepted"
        raise typer.Exit(0 if is_accepted else REFUSED_EXIT)
    if body is None:
        raise typer.BadParameter("say --body FILE or --cases FILE")
    verdict = verify(
        sys.stdin.buffer.read() if str(body) == "-" else _bytes(body),
        header,
        [_secret(secret_file, secret_env)],
        now_seconds=_seconds(at),
        tolerance_seconds=tolerance,
    )
    print(json.dumps(_told(verdict), indent=2))
    raise typer.Exit(0 if verdict.is_accepted else REFUSED_EXIT)


def _told(verdict: SignatureVerdict) -> dict[str, object]:
    return {
        "verdict": "accepted" if verdict.is_accepted else "refused",
        "reason": verdict.reason.value,
        "detail": verdict.detail,
        "signed_at": verdict.signed_at,
    }


def _verdicts(path: Path) -> Iterator[dict[str, object]]:
    lines = sys.stdin.buffer.read() if str(path) == "-" else _bytes(path)
    for number, line in enumerate(lines.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            case = _Case.model_validate_json(line)
            body = base64.b64decode(case.body_b64, validate=True)
            secret = Secret("given", case.secret)
        except ValidationError as error:
            fields = sorted({str(e["loc"][0]) for e in error.errors() if e["loc"]})
            yield _bad_case(
                number, f"fields {', '.join(fields)} do not fit" if fields else "not JSON"
            )
        except (ValueError, binascii.Error) as error:
            yield _bad_case(number, str(error))
        else:
            verdict = verify(
                body,
                case.header,
                [secret],
                now_seconds=case.now,
                tolerance_seconds=case.tolerance,
            )
            yield {"id": case.id} | _told(verdict)


def _bad_case(number: int, said: str) -> dict[str, object]:
    return {
        "id": None,
        "verdict": "refused",
        "reason": "bad_case",
        "detail": f"line {number}: {said}",
    }


def _secret(file: Path | None, variable: str) -> Secret:
    if file is not None:
        text = _bytes(file).decode("utf-8", "replace")
    elif variable in os.environ:
        text = os.environ[variable]
    else:
        text = typer.prompt("Signing secret (whsec_…)", hide_input=True, err=True)
    try:
        return Secret("given", text.strip())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from None


def _seconds(at: str | None) -> float:
    if at is None:
        return time.time()
    try:
        return float(at) if at.replace(".", "", 1).isdigit() else instant_of(at).timestamp()
    except (Unreadable, ValueError) as error:
        raise typer.BadParameter(f"--at: {error}") from None

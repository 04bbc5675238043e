"""`tallystick signature check`: why a webhook was accepted or refused, offline.

The same core as the door's; no network, no Kafka, no settings but what stands on the line.
"""

import base64
import binascii
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, cast

import typer

from services.ingest.signature import TOLERANCE_SECONDS_DEFAULT, Secret, SignatureVerdict, verify
from shared.contracts.envelope import instant_of
from shared.contracts.errors import Unreadable

REFUSED_EXIT: Final = 1
# Times beyond it are in no calendar, and seconds must still be counted exactly.
TOLERANCE_SECONDS_MAX: Final = 10**15
SECRET_VARIABLE: Final = "STRIPE_WEBHOOK_SECRET"  # noqa: S105  # a variable's name
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

app = typer.Typer(
    help="Stripe's webhook signatures, checked offline.", no_args_is_help=True, add_completion=False
)


class _BadCase(ValueError):
    """A line of cases that cannot be judged, and why."""


@dataclass(frozen=True, slots=True)
class _Case:
    secret: Secret
    header: str | None
    body: bytes
    tolerance_seconds: int
    now_seconds: float


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
        int,
        typer.Option(
            "--tolerance", min=0, max=TOLERANCE_SECONDS_MAX, help="Seconds, in both directions."
        ),
    ] = TOLERANCE_SECONDS_DEFAULT,
    cases: Annotated[
        Path | None,
        typer.Option(
            "--cases",
            help="JSON Lines of id, secret, header, body_b64, tolerance, now; a verdict for each;"
            " - is stdin.",
        ),
    ] = None,
) -> None:
    """Say whether Stripe signed a body, and if not, why: JSON, exit code 0 or 1.

    The secret comes from a file, a variable, or is asked for; never from the command line, which
    other users of a machine can read.

    A tolerance of 0 takes only a signature of this very second: no tolerance switches the check of
    the time off. In a line of cases, no tolerance or null is 300, no time or null is now, and a
    line that cannot be judged gets the verdict "error" and its reason, in its place.
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
        "accepted": verdict.is_accepted,
        "reason": verdict.reason.value,
        "detail": verdict.detail,
        "signed_at": verdict.signed_at,
    }


def _verdicts(path: Path) -> Iterator[dict[str, object]]:
    lines = sys.stdin.buffer.read() if str(path) == "-" else _bytes(path)
    # A line ends with a line feed and nothing else: bytes know no other separators of text.
    for number, line in enumerate(lines.removeprefix(_BYTE_ORDER_MARK).split(b"\n"), start=1):
        if line.strip():
            yield _verdict_of_line(number, line)


def _verdict_of_line(number: int, line: bytes) -> dict[str, object]:
    case_id: object = None
    try:
        fields = _fields(line)
        case_id = _id_of(fields)
        case = _case(fields)
    except _BadCase as bad:
        return {
            "id": case_id,
            "verdict": "error",
            "accepted": False,
            "reason": "bad_case",
            "detail": f"line {number}: {bad}",
            "signed_at": None,
        }
    verdict = verify(
        case.body,
        case.header,
        [case.secret],
        now_seconds=case.now_seconds,
        tolerance_seconds=case.tolerance_seconds,
    )
    return {"id": case_id} | _told(verdict)


def _fields(line: bytes) -> Mapping[str, object]:
    try:
        value: object = json.loads(line.decode())
    except UnicodeDecodeError:
        raise _BadCase("the line is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise _BadCase(f"the line is not JSON: {str(error)[:120]}") from None
    if not isinstance(value, dict):
        raise _BadCase("the line is not a JSON object")
    return cast("dict[str, object]", value)


def _id_of(fields: Mapping[str, object]) -> object:
    """The id as it goes back in the verdict, where every reader of JSON must be able to read it."""
    case_id = fields.get("id")
    if case_id is None:
        raise _BadCase("id is missing")
    try:
        json.dumps(case_id, allow_nan=False)
    except ValueError:
        raise _BadCase("id is not JSON: it holds NaN or Infinity") from None
    return case_id


def _case(fields: Mapping[str, object]) -> _Case:
    header = fields.get("header")
    if header is not None and not isinstance(header, str):
        raise _BadCase("header is neither a text nor null")
    tolerance, now = fields.get("tolerance"), fields.get("now")
    if tolerance is None:
        tolerance = TOLERANCE_SECONDS_DEFAULT
    # A bool is an int to Python and no number to anybody else.
    if type(tolerance) is not int or not 0 <= tolerance <= TOLERANCE_SECONDS_MAX:
        raise _BadCase("tolerance is not a whole number of seconds from 0 to 10^15")
    if now is not None and type(now) not in (int, float):
        raise _BadCase("now is not a time in Unix seconds")
    try:
        seconds = time.time() if now is None else float(cast("int | float", now))
        return _Case(_secret_of(fields), header, _body_of(fields), tolerance, seconds)
    except OverflowError:
        raise _BadCase("now is not a time in Unix seconds") from None


def _secret_of(fields: Mapping[str, object]) -> Secret:
    text = fields.get("secret")
    if not isinstance(text, str):
        raise _BadCase("secret is missing or not a text")
    try:
        return Secret("given", text)
    except ValueError as error:
        raise _BadCase(str(error)) from None


def _body_of(fields: Mapping[str, object]) -> bytes:
    text = fields.get("body_b64")
    if not isinstance(text, str):
        raise _BadCase("body_b64 is missing or not a text")
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _BadCase("body_b64 is not base64") from None


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
        is_seconds = at.isascii() and at.replace(".", "", 1).isdigit()
        return float(at) if is_seconds else instant_of(at).timestamp()
    except Unreadable as error:
        raise typer.BadParameter(f"--at: {error}") from None

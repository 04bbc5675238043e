"""The command that tells a person why a webhook was refused."""

import base64
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.ingest.signature import header_of
from tallystick.cli.signature import app

BODY = b'{"id":"evt_1"}'
SECRET = "whsec_test"
AT = 1_700_000_000
HEADER = header_of(BODY, SECRET, AT)


@pytest.fixture
def body_file(tmp_path: Path) -> str:
    path = tmp_path / "body.json"
    path.write_bytes(BODY)
    return str(path)


def run(*arguments: str, secret: str | None = SECRET, stdin: str | bytes | None = None) -> Result:
    environment = {"STRIPE_WEBHOOK_SECRET": secret}
    return CliRunner().invoke(app, ["check", *arguments], env=environment, input=stdin)


def test_check_of_a_signed_body_is_accepted_with_exit_code_zero(body_file: str) -> None:
    result = run("--body", body_file, "--header", HEADER, "--at", str(AT))
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "verdict": "accepted",
        "reason": "accepted",
        "detail": "signature and time are right",
        "signed_at": AT,
    }


def test_check_reads_the_body_from_stdin_and_the_time_as_rfc_3339() -> None:
    result = run("--body", "-", "--header", HEADER, "--at", "2023-11-14T22:13:20Z", stdin=BODY)
    assert result.exit_code == 0


def test_check_of_an_old_signature_tells_its_age_and_fails(body_file: str) -> None:
    result = run("--body", body_file, "--header", HEADER, "--at", str(AT + 301))
    told = json.loads(result.stdout)
    assert (result.exit_code, told["reason"]) == (1, "out_of_tolerance")
    assert "signed 301 s in the past" in told["detail"]
    assert run("--body", body_file, "--header", HEADER, "--at", str(AT + 301), "--tolerance", "301").exit_code == 0  # fmt: skip


def test_check_without_a_header_says_that_it_is_missing(body_file: str) -> None:
    result = run("--body", body_file, "--at", str(AT))
    assert json.loads(result.stdout)["reason"] == "missing_header"


def test_check_takes_the_secret_from_a_file_or_asks_for_it(body_file: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    line = ("--body", body_file, "--header", HEADER, "--at", str(AT))
    assert run(*line, "--secret-file", str(secret), secret=None).exit_code == 0
    asked = run(*line, secret=None, stdin=f"{SECRET}\n")
    assert asked.exit_code == 0
    assert SECRET not in asked.output


@pytest.mark.parametrize(
    "arguments",
    [(), ("--body", "/nowhere/at/all"), ("--body", "-", "--at", "soon"), ("--cases", "/nowhere")],
)
def test_check_with_arguments_that_do_not_fit_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert run(*arguments, stdin=b"").exit_code == 2


def test_check_with_a_blank_secret_is_a_usage_error(body_file: str) -> None:
    assert run("--body", body_file, "--header", HEADER, secret=" ").exit_code == 2


def test_check_of_cases_gives_a_verdict_for_each_line(tmp_path: Path) -> None:
    case = {"id": 1, "secret": SECRET, "header": HEADER, "now": AT, "tolerance": 300}
    case["body_b64"] = base64.b64encode(BODY).decode()
    lines = [
        json.dumps(case),
        json.dumps(case | {"id": "two", "now": AT + 999}),
        json.dumps(case | {"id": 3, "header": None}),
        json.dumps(case | {"id": 4, "body_b64": "%%"}),
        json.dumps({"id": 5, "secret": "whsec_hidden"}),
        "",
        "no json",
    ]
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(lines))
    result = run("--cases", str(path))
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(t["id"], t["reason"]) for t in told] == [
        (1, "accepted"),
        ("two", "out_of_tolerance"),
        (3, "missing_header"),
        (None, "bad_case"),
        (None, "bad_case"),
        (None, "bad_case"),
    ]
    assert result.exit_code == 1
    assert "whsec_hidden" not in result.output

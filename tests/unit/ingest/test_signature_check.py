"""The command that tells a person why a webhook was refused."""

import base64
import json
import time
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
        "accepted": True,
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
    [
        (),
        ("--body", "/nowhere/at/all"),
        ("--body", "-", "--at", "soon"),
        ("--body", "-", "--at", "²"),
        ("--body", "-", "--at", "٣"),
        ("--body", "-", "--tolerance", str(10**400)),
        ("--cases", "/nowhere"),
    ],
)
def test_check_with_arguments_that_do_not_fit_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert run(*arguments, stdin=b"").exit_code == 2


def test_check_with_a_blank_secret_is_a_usage_error(body_file: str) -> None:
    assert run("--body", body_file, "--header", HEADER, secret=" ").exit_code == 2


CASE: dict[str, object] = {
    "id": 1,
    "secret": SECRET,
    "header": HEADER,
    "body_b64": base64.b64encode(BODY).decode(),
    "now": AT,
    "tolerance": 300,
}


def told_of(*lines: str | bytes) -> list[dict[str, object]]:
    """The verdicts on lines of cases from stdin; there is one for each."""
    text = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    result = run("--cases", "-", stdin=text)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return [json.loads(line) for line in result.stdout.splitlines()]


def verdict_of(**changes: object) -> dict[str, object]:
    (told,) = told_of(json.dumps(CASE | changes))
    return told


def test_check_of_cases_gives_a_verdict_for_each_line_with_its_id(tmp_path: Path) -> None:
    lines = [
        json.dumps(CASE),
        json.dumps(CASE | {"id": "two", "now": AT + 999}),
        json.dumps(CASE | {"id": 3, "header": None}),
        json.dumps(CASE | {"id": 4, "body_b64": "%%"}),
        json.dumps({"id": 5, "secret": "whsec_hidden"}),
        "",
        "no json",
    ]
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(lines))
    result = run("--cases", str(path))
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(t["id"], t["verdict"], t["accepted"], t["reason"]) for t in told] == [
        (1, "accepted", True, "accepted"),
        ("two", "refused", False, "out_of_tolerance"),
        (3, "refused", False, "missing_header"),
        (4, "error", False, "bad_case"),
        (5, "error", False, "bad_case"),
        (None, "error", False, "bad_case"),
    ]
    assert told[-1]["detail"].startswith("line 7: the line is not JSON")
    assert result.exit_code == 1
    assert "whsec_hidden" not in result.output


def test_check_of_cases_that_are_all_accepted_ends_with_exit_code_zero() -> None:
    assert run("--cases", "-", stdin=json.dumps(CASE)).exit_code == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("7", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        (b"\xff", "not UTF-8"),
        (json.dumps({k: v for k, v in CASE.items() if k != "id"}), "id is missing"),
        (json.dumps(CASE | {"header": 5}), "header is neither"),
        (json.dumps(CASE | {"header": [HEADER]}), "header is neither"),
        (json.dumps(CASE | {"secret": None}), "secret is missing"),
        (json.dumps(CASE | {"secret": ""}), "is empty or has odd characters"),
        (json.dumps(CASE | {"secret": "whsec_é"}), "is empty or has odd characters"),
        (json.dumps(CASE | {"body_b64": None}), "body_b64 is missing"),
        (json.dumps(CASE | {"body_b64": "é"}), "body_b64 is not base64"),
        (json.dumps(CASE | {"body_b64": "ab"}), "body_b64 is not base64"),
        (json.dumps(CASE | {"tolerance": -1}), "tolerance is not"),
        (json.dumps(CASE | {"tolerance": "300"}), "tolerance is not"),
        (json.dumps(CASE | {"tolerance": True}), "tolerance is not"),
        (json.dumps(CASE | {"tolerance": 1.5}), "tolerance is not"),
        (json.dumps(CASE | {"tolerance": 10**400}), "tolerance is not"),
        (json.dumps(CASE | {"id": float("nan")}), "id is not"),
        (json.dumps(CASE | {"id": {"a": [float("inf")]}}), "id is not"),
        (json.dumps(CASE | {"now": "soon"}), "now is not"),
        (json.dumps(CASE | {"now": False}), "now is not"),
        (json.dumps(CASE | {"now": 10**400}), "now is not"),
    ],
)
def test_check_of_a_case_that_cannot_be_judged_is_an_error_in_its_place(
    line: str | bytes, words: str
) -> None:
    before, told, after = told_of(json.dumps(CASE), line, json.dumps(CASE | {"id": 9}))
    assert (told["verdict"], told["accepted"]) == ("error", False)
    assert str(told["detail"]).startswith("line 2: ")
    assert words in str(told["detail"])
    assert (before["accepted"], after["accepted"], after["id"]) == (True, True, 9)


def test_check_of_a_case_with_tolerance_zero_takes_this_very_second_alone() -> None:
    assert verdict_of(tolerance=0)["accepted"] is True
    for now in (AT - 1, AT + 0.5, AT + 86_400):
        assert verdict_of(tolerance=0, now=now)["reason"] == "out_of_tolerance"


def test_check_of_a_case_without_a_tolerance_has_the_tolerance_of_the_door() -> None:
    assert verdict_of(tolerance=None, now=AT + 300)["accepted"] is True
    assert verdict_of(tolerance=None, now=AT + 301)["reason"] == "out_of_tolerance"


def test_check_of_a_case_without_a_time_is_judged_now() -> None:
    assert verdict_of(now=None)["reason"] == "out_of_tolerance"
    header = header_of(BODY, SECRET, int(time.time()))
    assert verdict_of(now=None, header=header)["accepted"] is True


def test_check_of_a_case_with_a_time_that_is_no_number_is_refused() -> None:
    for now in (float("nan"), float("inf"), float("-inf")):
        assert verdict_of(now=now)["reason"] == "out_of_tolerance"


@pytest.mark.parametrize(
    "header", ["\ud800", f"t={AT},v1=\ud800", f"t={AT},v1=é,{HEADER}", "é" * 9, ""]
)
def test_check_of_a_case_with_any_text_as_header_is_a_refusal(header: str) -> None:
    assert verdict_of(header=header)["verdict"] == "refused"


def test_check_of_cases_reads_a_file_with_a_byte_order_mark_and_dos_line_ends() -> None:
    line = json.dumps(CASE)
    told = told_of(b"\xef\xbb\xbf" + line.encode() + b"\r", line + "\r", "")
    assert [t["accepted"] for t in told] == [True, True]

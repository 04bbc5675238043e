"""`tallystick doctor ingest`: what it says of secrets, keys, registration and walls."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from services.ingest.allow_list import Allowed, AllowList, network_of
from services.ingest.config import IngestSettings
from services.ingest.endpoint_status import Registered
from services.ingest.endpoints import Endpoint, EndpointKind, Whose
from services.ingest.polled import Connected, PolledAccount
from services.ingest.shell.allow_list_file import write_allow_list
from services.ingest.signature import Secret
from shared.contracts.books import Mode
from shared.contracts.journal import Book
from tallystick.doctor import Finding, Verdict
from tallystick.doctor_door import allow_list_findings, bind_findings
from tallystick.doctor_secrets import doubled_findings, endpoint_findings
from tallystick.doctor_stripe import Asked, clock_finding, key_findings, registration_findings

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
DAY: Final = timedelta(days=1)
TEXT: Final = "whsec_canary_of_the_doctor"


def endpoint(*secrets: Secret, name: str = "main") -> Endpoint:
    return Endpoint(name, Mode.LIVE, "acct_1", Book("main"), EndpointKind.ACCOUNT, secrets)


def account(key: str) -> PolledAccount:
    whose = Whose("main", Mode.LIVE, "acct_1", Book("main"))
    return PolledAccount(whose, Mode.LIVE, SecretStr(key), Connected())


def said(findings: Iterable[Finding]) -> list[tuple[Verdict, str]]:
    found = list(findings)
    assert all(bool(each.fix) is (each.verdict is not Verdict.GOOD) for each in found)
    assert TEXT not in str(found)
    return [(each.verdict, each.fact) for each in found]


@pytest.mark.parametrize(
    ("secrets", "verdict", "fact"),
    [
        ([Secret("a", TEXT, None, NOW + 2 * DAY)], Verdict.WARNING, "its last secret ends at"),
        ([Secret("a", TEXT, NOW + DAY)], Verdict.BAD, "no secret is in force"),
        ([Secret("a", TEXT, NOW - 400 * DAY)], Verdict.WARNING, "secret a is 400 days old"),
        ([Secret("a", "sk_live_x")], Verdict.BAD, "secret a is an API key"),
        ([Secret("a", "hunter2")], Verdict.WARNING, "secret a is not of the form whsec_"),
        (
            [Secret("a", TEXT, None, NOW - DAY), Secret("b", "whsec_b")],
            Verdict.WARNING,
            "secret a has ended",
        ),
    ],
)
def test_secret_that_is_not_as_it_should_be_is_found(
    secrets: list[Secret], verdict: Verdict, fact: str
) -> None:
    ((found_verdict, found_fact),) = said(endpoint_findings(endpoint(*secrets), NOW))
    assert found_verdict is verdict
    assert fact in found_fact


def test_secret_that_is_rotated_in_time_is_no_finding() -> None:
    old, new = Secret("a", TEXT, None, NOW + DAY), Secret("b", "whsec_b", NOW - DAY)
    assert said(endpoint_findings(endpoint(old, new), NOW)) == []


def test_secret_of_two_endpoints_is_found_and_not_shown() -> None:
    one, two = endpoint(Secret("a", TEXT)), endpoint(Secret("b", TEXT), name="other")
    ((verdict, fact),) = said(doubled_findings([one, two]))
    assert verdict is Verdict.WARNING
    assert fact == "one secret stands for main (a), other (b)"


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("rk_live_x", Verdict.GOOD),
        ("sk_live_x", Verdict.WARNING),
        ("pk_live_x", Verdict.BAD),
    ],
)
def test_key_that_may_more_than_it_must_is_warned_of(key: str, verdict: Verdict) -> None:
    ((found, fact),) = said(key_findings([account(key)], is_live=True))
    assert found is verdict
    assert key not in fact


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(-1.2, Verdict.GOOD), (9, Verdict.WARNING), (-40, Verdict.BAD)]
)
def test_clock_is_judged_by_how_far_it_is_off(seconds: float, verdict: Verdict) -> None:
    assert clock_finding(seconds).verdict is verdict


def asked(*listed: Registered) -> Asked:
    return Asked(account("rk_live_x"), 0.0, listed, "")


def listed(status: str = "enabled", version: str = "") -> Registered:
    url = "https://a.example/webhooks/stripe/main"
    return Registered("we_1", url, status == "enabled", status, version, frozenset({"*"}))


@pytest.mark.parametrize(
    ("told", "url", "verdict", "fact"),
    [
        (asked(listed()), "", Verdict.GOOD, "1 endpoint(s) at Stripe send here"),
        (asked(listed("disabled")), "", Verdict.BAD, "we_1 is disabled"),
        (asked(), "https://a.example", Verdict.BAD, "endpoint 'main' is deaf"),
        (asked(), "", Verdict.WARNING, "none of 0 endpoints"),
        (
            Asked(account("rk_live_x"), None, None, "PermissionError"),
            "",
            Verdict.WARNING,
            "does not list its endpoints to main: PermissionError",
        ),
    ],
)
def test_endpoint_at_stripe_that_does_not_send_here_is_found(
    told: Asked, url: str, verdict: Verdict, fact: str
) -> None:
    found = said(
        registration_findings([told], [endpoint(Secret("a", TEXT))], public_url=url, is_live=True)
    )
    ((found_verdict, found_fact),) = found
    assert found_verdict is verdict
    assert fact in found_fact


def test_endpoint_that_no_key_can_ask_about_is_named() -> None:
    ours = endpoint(Secret("a", TEXT))
    others = [
        replace(ours, name="trying", mode=Mode.TEST),
        replace(ours, name="second", account="acct_2"),
    ]
    found = said(
        registration_findings([asked(listed())], [ours, *others], public_url="", is_live=True)
    )
    (good, _), (verdict, fact) = found
    assert (good, verdict) == (Verdict.GOOD, Verdict.WARNING)
    assert "no API key here is of the account and mode of second, trying" in fact


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({}, Verdict.GOOD),
        ({"DOOR_HOST": "0.0.0.0"}, Verdict.WARNING),
        ({"TRUSTED_HOPS": "1"}, Verdict.GOOD),
        (
            {"DOOR_HOST": "0.0.0.0", "TRUSTED_HOPS": "1", "TRUSTED_PROXIES": ""},
            Verdict.BAD,
        ),
        ({"ALLOW_LIST_FILE": "x"}, Verdict.BAD),
        ({"ALLOW_LIST_FILE": "x", "TRUSTED_HOPS": "1"}, Verdict.GOOD),
    ],
)
def test_bind_that_does_not_fit_who_is_believed_is_found(
    told: dict[str, str], verdict: Verdict
) -> None:
    settings = IngestSettings.load({f"TALLYSTICK_INGEST_{n}": v for n, v in told.items()})
    assert [found[0] for found in said(bind_findings(settings, is_live=True))] == [verdict]


def test_allow_list_that_is_off_old_or_broken_is_found(tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    settings = IngestSettings.load({"TALLYSTICK_INGEST_ALLOW_LIST_FILE": str(file)})

    def verdicts(given: IngestSettings = settings) -> list[Verdict]:
        return [found[0] for found in said(allow_list_findings(given, is_live=True, at=NOW))]

    assert verdicts(IngestSettings.load({})) == [Verdict.WARNING]
    assert verdicts() == [Verdict.BAD]
    for age, verdict in ((1, Verdict.GOOD), (8, Verdict.WARNING)):
        write_allow_list(file, AllowList(NOW - age * DAY, (Allowed(network_of("203.0.113.7")),)))
        assert verdicts() == [verdict]


def test_command_tells_findings_as_data_and_ends_with_one(tmp_path: Path) -> None:
    # Port 1 is nobody's: every question ends at once, and nothing outside is asked.
    secret_file = tmp_path / "main.secret"
    secret_file.write_text(f"{TEXT}\n")
    secret_file.chmod(0o644)
    given = {n: v for n, v in os.environ.items() if not n.startswith("TALLYSTICK_")} | {
        "TALLYSTICK_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "TALLYSTICK_STACK_DIR": str(tmp_path),
        "TALLYSTICK_INGEST_WEBHOOK_SECRET_FILE": str(secret_file),
        "TALLYSTICK_INGEST_DOOR_PORT": "1",
        "TALLYSTICK_INGEST_POLLER_PORT": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "doctor", "ingest", "--live", "--json"],
        check=False,
        capture_output=True,
        text=True,
        env=given,
    )
    assert done.returncode == 1, done.stderr
    assert TEXT not in done.stdout + done.stderr
    told = {each["subject"]: each for each in json.loads(done.stdout)["findings"]}
    assert told["Kafka"]["verdict"] == "bad"
    assert told["API key"]["verdict"] == "warning"
    assert told["allow-list"]["verdict"] == "warning"
    assert told["clock"]["verdict"] == "warning"
    assert f"chmod 600 {secret_file}" in {e["fix"] for e in json.loads(done.stdout)["findings"]}

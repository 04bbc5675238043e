"""The oracle's command and report, where nothing is to be had."""

import json

import pytest

from oracle.__main__ import main
from oracle.report import Difference, Report, as_json, as_text, sorted_differences
from oracle.truth import truth_of
from oracle.values import CannotDecide, Position

COUNTED = {"records": 3, "entries": 2}
FOUND = (
    Difference("cached_balance_differs", "main:assets:a:usd", "1", "2"),
    Difference("missing", "stripe:payment:ch_2", "Dr …", "", Position("stripe.events", 1, 7)),
    Difference("missing", "stripe:payment:ch_1", "Dr …", "", Position("stripe.events", 0, 9)),
)


def test_command_without_postgres_does_not_decide(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TALLYSTICK_POSTGRES_DSN", raising=False)
    assert main(["--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verdict"] == "undecided"


def test_command_with_a_truth_that_cannot_be_read_does_not_decide(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--truth", "/no/such/file"]) == 2
    assert "Not decided" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"balances": []}', '{"balances": [{"account": "a"}]}',
     '{"balances": [{"account": "a", "currency": "usd", "minor": 1.5}]}'],
)  # fmt: skip
def test_truth_of_another_form_decides_nothing(text: str) -> None:
    with pytest.raises(CannotDecide):
        truth_of(text)


def test_report_names_the_earliest_difference_first_and_counts_the_others() -> None:
    report = Report(COUNTED, sorted_differences([*FOUND, *FOUND]))
    assert [d.subject for d in report.differences] == [
        "stripe:payment:ch_1", "stripe:payment:ch_2", "main:assets:a:usd",
    ]  # fmt: skip
    text = as_text(report)
    assert "3 places (cached_balance_differs: 1, missing: 2)" in text
    assert "First difference: missing, stripe:payment:ch_1 at stripe.events/0 offset 9" in text


def test_report_for_machines_holds_the_first_thousand_and_the_count_of_all() -> None:
    many = [Difference("missing", f"r{n}") for n in range(1_500)]
    told = json.loads(as_json(Report(COUNTED, sorted_differences(many))))
    assert (len(told["differences"]), told["differences_total"]) == (1_000, 1_500)


@pytest.mark.parametrize("compared", [{}, {"records": 3}, {"records": 3, "entries": 0}])
def test_report_that_compared_nothing_is_never_green(compared: dict[str, int]) -> None:
    report = Report(compared)
    assert report.verdict == 2
    assert report.why_undecided

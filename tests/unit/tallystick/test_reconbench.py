"""reconbench as a command, and other rules tried over files."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandbox.reconbench.generate import world_of
from sandbox.reconbench.model import CASES
from services.reconciler.rules.matching_rules import RULES_FILE
from tallystick.cli.bench import app as bench
from tallystick.cli.rules import app as rules
from tallystick.reconbench.run import run

LINES = 2_000


def test_goals_are_met_and_every_simpler_way_is_beaten() -> None:
    result = run(3, LINES)
    assert result.unmet == ()
    ours, *others = result.ways
    assert ours.scores.overall.false == 0
    for other in others:
        assert ours.scores.overall.recall > other.scores.overall.recall
        assert ours.scores.macro_f1 > other.scores.macro_f1
    assert set(ours.scores.by_case) == set(CASES)


def test_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    one, again, other = world_of(5, 200), world_of(5, 200), world_of(6, 200)
    assert (one.lines, one.payouts, one.of_lines) == (again.lines, again.payouts, again.of_lines)
    assert one.lines != other.lines


def test_bench_recon_writes_measures_as_json_and_the_world_as_files(tmp_path: Path) -> None:
    told = CliRunner().invoke(
        bench, ["recon", "--lines", "400", "--json", "--out", str(tmp_path / "world")]
    )
    assert told.exit_code == 0, told.output
    measures = json.loads(told.stdout)
    assert measures["ways"][0]["name"] == "tallystick"
    assert len(measures["ways"]) == 4
    assert re.fullmatch(r"\d\.\d{6}", measures["ways"][0]["overall"]["auto_match_rate"])
    files = sorted(path.name for path in (tmp_path / "world").iterdir())
    assert files == ["bank.jsonl", "ledger.jsonl", "truth.jsonl"]
    first = json.loads((tmp_path / "world" / "truth.jsonl").read_text().splitlines()[0])
    assert first["what"] == "line"


def test_worse_rules_miss_the_goals_and_the_command_says_so(tmp_path: Path) -> None:
    worse = tmp_path / "worse.toml"
    text = RULES_FILE.read_text("utf-8")
    worse.write_text(re.sub(r'    "(amount|assignment|tolerance|parts)",', "    #", text))
    told = CliRunner().invoke(bench, ["recon", "--lines", "400", "--rules", str(worse)])
    assert told.exit_code == 1
    assert "not met" in told.stdout


def written(folder: Path) -> Path:
    """A payout, told by Stripe, and the line that is short of it by a fee that it speaks of."""
    payout = {
        "id": "po_1QK7mWLkdIwHu7ixRt5vXa2B", "object": "payout", "amount": 10_000,
        "currency": "usd", "arrival_date": 1_799_798_400, "created": 1_799_600_000,
        "status": "paid", "method": "standard", "type": "bank_account", "livemode": False,
    }  # fmt: skip
    event = {
        "id": "evt_1", "object": "event", "type": "payout.paid", "created": 1_799_800_000,
        "livemode": False, "data": {"object": payout},
    }  # fmt: skip
    line = {
        "kind": "line", "account": "ops", "id": "l1", "booked_on": "2027-01-13",
        "amount": {"minor": "9900", "currency": "usd", "exponent": 2},
        "description": "STRIPE po_1QK7mWLkdIwHu7ixRt5vXa2B LESS CHARGES",
    }  # fmt: skip
    path = folder / "told.jsonl"
    rows = [
        {"topic": "stripe.events", "value": event},
        {"topic": "bank.observations", "value": line},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_changed_rules_say_what_they_would_match_otherwise(tmp_path: Path) -> None:
    told, changed = written(tmp_path), tmp_path / "changed.toml"
    text = RULES_FILE.read_text("utf-8")
    changed.write_text(text.replace("per_mille_max = 50", "per_mille_max = 5"))
    found = CliRunner().invoke(
        rules, ["test", str(changed), str(told), "--against", str(RULES_FILE), "--json"]
    )
    assert found.exit_code == 1, found.output
    differs = json.loads(found.stdout)
    (moved,) = differs["moved"]
    assert moved["line"] == "ops/l1"
    assert (moved["before"]["posted"], moved["after"]["posted"]) == ("fee -100", "short -100")
    assert [each["kind"] for each in differs["opened"]] == ["payout_amount_mismatch"]


def test_same_rules_say_that_nothing_would_differ(tmp_path: Path) -> None:
    told = written(tmp_path)
    found = CliRunner().invoke(
        rules, ["test", str(RULES_FILE), str(told), "--against", str(RULES_FILE)]
    )
    assert found.exit_code == 0, found.output
    assert "Nothing would differ." in found.stdout


@pytest.mark.parametrize("text", ["", "version = 1\npasses = []\n"])
def test_rules_that_cannot_be_are_refused_before_anything_is_read(
    tmp_path: Path, text: str
) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(text)
    found = CliRunner().invoke(rules, ["test", str(broken)])
    assert found.exit_code != 0
    assert "cannot be used" in str(found.exception)

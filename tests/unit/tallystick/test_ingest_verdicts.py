"""`tallystick ingest verdicts` over a folder as the door writes it."""

import json
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.ingest.shell.verdict_folder import FolderLimits, VerdictFolder, files_in
from services.ingest.verdict_lines import Said, line_of
from shared.contracts.messages import VerdictReason
from tallystick.cli.ingest import app
from tallystick.cli.problems import Problem

AT = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten verdicts: each third one is refused, one of them for a whole flood."""
    writer = VerdictFolder(tmp_path, FolderLimits(4_096, 100, 400))
    for n in range(10):
        refused = n % 3 == 2
        said = Said(
            endpoint="main",
            reason=VerdictReason.BAD_SIGNATURE if refused else VerdictReason.ACCEPTED,
            status=400 if refused else 200,
            received_at=AT + timedelta(hours=6 * n),
            peer="203.0.113.9" if refused else "203.0.113.7",
            event_id="" if refused else f"evt_{n}",
            deliveries=500 if n == 8 else 1,
            judged_microseconds=100 * n,
            ack_microseconds=0 if refused else 1_000 * n,
        )
        writer.write(deque([line_of(said, ident=f"a-{n}", book="main")]), at=said.received_at)
    writer.close()
    return tmp_path


def run(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["verdicts", "--dir", str(folder), *options])


def events(result: Result) -> list[str]:
    return [json.loads(line)["event_id"] for line in result.stdout.splitlines()]


def test_list_is_the_newest_in_the_order_in_which_they_came(folder: Path) -> None:
    assert events(run(folder, "--json", "--limit", "3")) == ["evt_7", "", "evt_9"]
    assert len(events(run(folder, "--json"))) == 10


def test_list_takes_time_reason_peer_and_event(folder: Path) -> None:
    day = ("--since", "2026-11-22", "--until", "2026-11-23")
    assert events(run(folder, "--json", *day)) == ["evt_3", "evt_4", "", "evt_6"]
    assert len(events(run(folder, "--json", "--reason", "bad_signature"))) == 3
    assert len(events(run(folder, "--json", "--refused"))) == 3
    assert len(events(run(folder, "--json", "--peer", "203.0.113.7"))) == 7
    assert events(run(folder, "--json", "--event", "evt_4")) == ["evt_4"]
    assert events(run(folder, "--json", "--endpoint", "other")) == []


def test_table_tells_how_many_deliveries_a_line_stands_for(folder: Path) -> None:
    told = run(folder).stdout
    assert "500 deliveries" in told
    assert "bad_signature" in told


def test_summary_counts_deliveries_by_reason_and_peer(folder: Path) -> None:
    told = json.loads(run(folder, "--summary", "--json").stdout)
    assert told["reasons"] == {"bad_signature": 502, "accepted": 7}
    assert told["refused_peers"] == {"203.0.113.9": 502}
    assert (told["deliveries"], told["ack_microseconds_p99"]) == (509, 9_000)
    assert "509 deliveries" in run(folder, "--summary").stdout


def test_verdict_that_stands_twice_is_shown_once(folder: Path) -> None:
    path = files_in(folder)[-1]
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])
    assert len(events(run(folder, "--json"))) == 10


def test_check_names_the_file_after_one_that_was_edited(folder: Path) -> None:
    assert run(folder, "--check").exit_code == 0
    first = files_in(folder)[0]
    first.write_bytes(first.read_bytes().replace(b"203.0.113.9", b"203.0.113.8"))
    error = run(folder, "--check").exception
    assert isinstance(error, Problem)
    assert files_in(folder)[1].name in error.why


def test_folder_that_is_not_there_is_said_with_a_way_out(tmp_path: Path) -> None:
    error = run(tmp_path / "none").exception
    assert isinstance(error, Problem)
    assert "--topic" in error.fix


def test_letters_that_would_move_a_cursor_are_not_written_to_a_terminal(tmp_path: Path) -> None:
    writer = VerdictFolder(tmp_path, FolderLimits(4_096, 100, 400))
    said = Said("main", VerdictReason.NOT_JSON, 400, AT, detail="\x1b[2J")
    writer.write(deque([line_of(said, ident="a", book="")]), at=AT)
    writer.close()
    assert "\x1b" not in run(tmp_path).stdout

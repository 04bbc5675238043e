"""The desk on the command line: what a person asks for, and what is said of it."""

import asyncio
import getpass
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tallystick.cli.main import build
from tallystick.cli.problems import problem_from, show
from tests.support.ledger import LedgerRig, fresh_topics

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


@dataclass(frozen=True, slots=True)
class Desk:
    """`tallystick` as a person types it."""

    printed: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        code = 0
        try:
            build(words)(list(words), standalone_mode=False)
        except Exception as error:  # noqa: BLE001  # as the top of the command line does
            problem = problem_from(error)
            show(problem)
            code = int(problem.code)
        said = self.printed.readouterr()
        return code, said.out, said.err

    def booked(self, *words: str) -> str:
        """What is printed of a command that is accepted."""
        code, out, err = self(*words)
        assert code == 0, err
        return out

    def refused(self, *words: str) -> str:
        """What is said of one that is refused."""
        code, out, err = self(*words)
        assert (code, out) == (4, ""), (out, err)
        return err


def test_what_is_asked_for_by_hand_is_booked_once_or_refused_with_the_way_out(
    kafka_bootstrap: str,
    database_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asyncio.run(fresh_topics(kafka_bootstrap))
    rig = LedgerRig(kafka_bootstrap, database_dsn)
    monkeypatch.setenv("TALLYSTICK_KAFKA_BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setenv("TALLYSTICK_POSTGRES_DSN", database_dsn)
    monkeypatch.setenv("TALLYSTICK_STACK_DIR", str(tmp_path / "stack"))
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    desk = Desk(capsys)
    rig.start_process()
    try:
        asyncio.run(rig.caught_up())
        capital = ("book", "capital", "contribute", "100 usd", "--account", "assets:bank:main")
        first = desk.booked(*capital, "--on", "2026-11-01", "--key", "k1")
        assert first.splitlines()[:3] == [
            "booked",
            "  reference  command:ada@cli:k1",
            "  command    ada@cli:k1",
        ]
        again = desk.booked(*capital, "--on", "2026-11-01", "--key", "k1")
        assert again.startswith("booked (asked before under this key)")
        other = desk.refused(*capital, "--on", "2026-11-02", "--key", "k1")
        assert "This key was used for another command" in other

        short = desk.refused("hold", "place", "assets:bank:main", "100.01 usd")
        assert "has 100.00 USD available, not 100.01 USD" in short
        assert "do:  take less" in short
        assert "held" in desk.booked("hold", "place", "assets:bank:main", "60 usd", "--key", "h")
        desk.booked("hold", "settle", "ada@cli:h", "expenses:compute", "--amount", "40 usd")

        desk.booked("accounts", "open", "expenses:office", "Office")
        bought = ("book", "expense", "office", "5 usd", "--from", "assets:bank:main")
        untold = (*bought, "--key", "k2", "--reason", "asked twice, a moment apart")
        assert desk.booked(*untold).startswith("booked\n")
        assert desk.booked(*untold).startswith("booked (asked before under this key)")
        desk.booked(*bought, "--on", "2026-11-02")
        desk.booked("period", "close", "--through", "2026-11-02")
        closed = desk.refused(*bought, "--on", "2026-11-02")
        assert "the books are closed through 2026-11-02" in closed
        assert "2026-11-03 or later" in closed
        desk.booked("book", "reverse", "command:ada@cli:k1", "--reason", "not ours")

        file = tmp_path / "commands.jsonl"
        rate = {"kind": "exchange_rate", "base": "eur", "quote": "usd", "on": "2026-11-03"}
        lines = [
            rate | {"rate": "1.08"},
            rate | {"quote": "eur", "rate": "1"},
            rate | {"rate": "1.09"},
        ]
        file.write_text("\n".join(json.dumps(line) for line in lines))
        code, _, said = desk("book", "send", str(file))
        assert code == 4
        assert "Line 2 of" in said
        lines[1] = rate | {"base": "gbp", "rate": "1.25"}
        file.write_text("\n".join(json.dumps(line) for line in lines))
        assert "3 accepted, 1 of them before" in desk.booked("book", "send", str(file))

        trial = desk.booked("report", "trial-balance", "--format", "csv")
    finally:
        rig.stop_processes()
    assert "assets:bank:main" in trial
    account = "assets:bank:main"
    net = asyncio.run(
        rig.value("select net_minor from ledger_read.trial_balance where account = $1", account)
    )
    assert net == -5_000

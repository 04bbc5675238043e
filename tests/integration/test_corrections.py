"""History corrected: a what-if writes the commands, and sent once they make the books say it."""

import json
from pathlib import Path

import pytest

from tests.integration.test_cli_ledger import tallystick
from tests.integration.test_put_in_force import billed
from tests.support.ledger import LedgerRig, charge, event

pytestmark = pytest.mark.stack


async def balances(rig: LedgerRig) -> dict[str, int]:
    rows = await rig.fetch("select account, minor from ledger_read.balances where minor <> 0")
    return {row["account"]: int(row["minor"]) for row in rows}


async def test_corrections_of_a_what_if_make_the_books_say_it_and_are_done_once(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "corrections.jsonl"
    async with rig.ledger():
        await rig.publish(billed(1), billed(2), event("evt_1", charge("ch_1", 700)))
        await rig.caught_up()
        before = await balances(rig)
        supposed = ("what-if", "--basis", "accrual", "--format", "json")
        done = await tallystick(rig, tmp_path, *supposed, "--write-corrections", str(file))
        assert done.returncode == 0, done.stderr
        assert "2 commands in" in done.stderr
        would_be = {
            each["account"]: int(each["would_be_minor"])
            for each in json.loads(done.stdout)["balances"]
        }
        for expected in ("2 accepted\n", "2 accepted, 2 of them before\n"):
            sent = await tallystick(rig, tmp_path, "book", "send", str(file))
            assert sent.returncode == 0, sent.stderr
            assert sent.stdout.endswith(expected)
            await rig.caught_up()
            assert await balances(rig) == before | would_be
        again = await tallystick(rig, tmp_path, *supposed, "--write-corrections", str(file))
        assert "2 facts were corrected before" in again.stderr
        assert file.stat().st_size == 0
    rows = await rig.fetch(
        "select description from ledger_read.entries where kind = 'manual_entry' order by 1"
    )
    assert [row["description"] for row in rows] == [
        "Corrects stripe:invoice:in_1",
        "Corrects stripe:invoice:in_2",
    ]


async def test_facts_that_were_taken_back_are_not_taken_back_again_by_the_same_what_if(
    rig: LedgerRig, tmp_path: Path
) -> None:
    books, file = tmp_path / "books.toml", tmp_path / "corrections.jsonl"
    books.write_text('books = [{name = "main", basis = "accrual"}]\n', encoding="utf-8")
    supposed = ("what-if", "--basis", "cash", "--write-corrections", str(file))
    async with rig.ledger(books_file=books):
        await rig.publish(billed(1), billed(2))
        await rig.caught_up()
        for expected in ("2 commands in", "2 facts were corrected before"):
            done = await tallystick(rig, tmp_path, *supposed)
            assert expected in done.stderr
            sent = await tallystick(rig, tmp_path, "book", "send", str(file))
            assert sent.returncode == 0, sent.stderr
            await rig.caught_up()
            assert await balances(rig) == {}

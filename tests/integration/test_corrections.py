"""History corrected: a what-if writes the commands, and sent once they make the books say it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from services.ledger.shell import service
from services.ledger.shell.beginning import Files, files_of
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from shared.contracts.books import Basis, BookData, BookMap
from tests.integration.test_cli_ledger import tallystick
from tests.integration.test_oracle import audited
from tests.integration.test_passing_on import sales, tellings
from tests.integration.test_put_in_force import billed
from tests.support.ledger import LedgerRig, charge, event, polled

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


def of_first_rules(book_map: BookMap) -> Files:
    """What files said before there was a second version."""
    told = files_of(book_map)
    return replace(told, in_force=replace(told.in_force, rules_version=1))


@pytest.mark.parametrize("is_told_again_first", [False, True])
async def test_what_the_first_rules_left_of_a_loss_is_corrected_by_the_second(
    rig: LedgerRig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_told_again_first: bool,
) -> None:
    """By a what-if of them once they are in force, before or after the invoice is told again."""
    file = tmp_path / "corrections.jsonl"
    files = tmp_path / "books.toml"
    files.write_text('books = [{name = "main", basis = "accrual"}]\n', encoding="utf-8")
    told = [polled(each | {"livemode": False}) for each in tellings("1")]
    right = {"liabilities:tax": -1_900, "revenue:stripe": 1_900}
    monkeypatch.setattr(service, "files_of", of_first_rules)
    async with rig.ledger(books_file=files):
        for each in told:
            await rig.publish(each)
            await rig.caught_up()
        wrong = {"assets:receivable": 4_000, "expenses:bad-debt": -4_000}
        assert await balances(rig) == right | wrong
        done = await tallystick(rig, tmp_path, "activate", "rules", "2")
        assert done.returncode == 0, done.stderr
        if is_told_again_first:
            await rig.publish(*told)
            await rig.caught_up()
            assert await balances(rig) == right
        supposed = ("what-if", "--rules", "2", "--write-corrections", str(file))
        done = await tallystick(rig, tmp_path, *supposed)
        assert done.returncode == 0, done.stderr
        sent = await tallystick(rig, tmp_path, "book", "send", str(file))
        assert sent.returncode == 0, sent.stderr
        await rig.caught_up()
        assert await balances(rig) == right
        await rig.publish(*told)
        await rig.caught_up()
        assert await balances(rig) == right
        assert (await audited(rig))[1]["differences"] == []
        books = BookMap(books=(BookData(basis=Basis.ACCRUAL),))
        compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, books)
        assert compared.differences == ()


async def test_book_that_begins_to_sell_credits_is_told_again_who_had_bought_some(
    rig: LedgerRig, tmp_path: Path
) -> None:
    """Who it was came before what was bought, so both messages are told again for one fact."""
    file, new = tmp_path / "corrections.jsonl", tmp_path / "books.toml"
    new.write_text('books = [{name = "main", sells_credits = true}]\n', encoding="utf-8")
    bought, _, _, checkout = sales("1")
    async with rig.ledger():
        for shown in (checkout, bought):
            await rig.publish(polled(shown | {"livemode": False}))
            await rig.caught_up()
        done = await tallystick(rig, tmp_path, "activate", "book-map", str(new))
        assert done.returncode == 0, done.stderr
        supposed = ("what-if", "--books", str(new), "--write-corrections", str(file))
        done = await tallystick(rig, tmp_path, *supposed)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert [(line["fact"], bool(line["also"])) for line in lines] == [
            ("credits_assigned", True),
            ("credits_issued", False),
        ]
        sent = await tallystick(rig, tmp_path, "book", "send", str(file))
        assert sent.returncode == 0, sent.stderr
        await rig.caught_up()
        rows = await rig.fetch("select customer, minor::int from ledger_read.customer_credits")
        assert {row["customer"]: row["minor"] for row in rows} == {"1@x.y": 5_000}
        assert (await audited(rig))[1]["differences"] == []

"""What files say at the first start, and what commands put in force later, on a running ledger."""

import asyncio
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from pydantic import JsonValue

from services.ledger.activation.activations import book_map_value
from services.ledger.chart import DEFAULT_CHART
from services.ledger.shell import service
from services.ledger.shell.beginning import Files, files_of
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.commands import Activate, Activated
from shared.contracts.envelope import Envelope
from shared.contracts.topics import LEDGER_COMMANDS
from shared.runtime.kafka import KafkaAddress, Publication
from shared.runtime.postgres import Database
from shared.runtime.settings import SettingsInvalid
from tallystick.doctor import Verdict
from tallystick.doctor_in_force import in_force_findings
from tests.integration.test_cli_ledger import tallystick
from tests.support.ledger import LedgerRig, charge, event, polled, until
from tests.unit.ledger.invoicing import invoice, line
from tests.unit.ledger.telling import NOW

pytestmark = pytest.mark.stack

ACCRUAL: Final = 'books = [{name = "main", basis = "accrual"}]\n'
TWO: Final = 'books = [{name = "main"}, {name = "other", stripe_accounts = ["acct_2"]}]\n'


def billed(number: int) -> Publication:
    """A finalized invoice of a month."""
    shown = invoice(line(id=f"il_{number}", days=30, invoice=f"in_{number}"), id=f"in_{number}")
    return polled(shown | {"livemode": False})


def asking(key: str, what: Activated, value: JsonValue) -> Publication:
    command = Activate(idempotency_key=key, actor="ana", what=what, value=value)
    envelope = Envelope(
        id=f"cmd_{key}",
        source="test",
        type="com.tallystick.ledger.activate.v1",
        time=NOW,
        data=command.model_dump_json().encode(),
        extensions={"book": "main"},
    )
    return Publication(LEDGER_COMMANDS, f"main|{key}".encode(), envelope)


async def receivables(rig: LedgerRig) -> list[str]:
    rows = await rig.fetch(
        "select distinct key from ledger_read.postings where account = 'assets:receivable'"
        " order by key"
    )
    return [row["key"] for row in rows]


async def test_basis_put_in_force_by_the_command_line_holds_from_then_on_and_in_a_rebuild(
    rig: LedgerRig, tmp_path: Path
) -> None:
    async with rig.ledger(), rig.ledger():
        await rig.publish(billed(1))
        await rig.caught_up()
        asked = ("activate", "basis", "accrual", "--reason", "audit", "--key", "a1")
        done = await tallystick(rig, tmp_path, *asked)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("2  basis accrual, book main\n")
        assert ": audit" in done.stdout
        again = await tallystick(rig, tmp_path, *asked)
        assert again.stdout.startswith(
            "2  basis accrual, book main (asked before under this key)\n"
        )
        await rig.publish(billed(2), event("evt_1", charge("ch_1")))
        await rig.caught_up()
        assert await receivables(rig) == ["in_2"]
        listed = await tallystick(rig, tmp_path, "activate", "list", "--json")
        told = json.loads(listed.stdout)
        assert [each["what"] for each in told] == ["genesis", "basis"]
        shown = await tallystick(rig, tmp_path, "activate", "show")
        assert "book main: accrual basis" in shown.stdout
        # The file of the rebuilding process says cash: it counts for nothing any more.
        compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()
    assert compared.rebuilt.entries == await rig.value("select count(*) from ledger.entries")


async def test_file_that_changed_since_the_first_start_stops_the_next_with_the_way_out(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "books.toml"
    file.write_text('books = [{name = "main"}]\n', encoding="utf-8")
    async with rig.ledger(books_file=file):
        await rig.publish(billed(1))
        await rig.caught_up()
    file.write_text(ACCRUAL, encoding="utf-8")
    given = {"TALLYSTICK_BOOKS_FILE": str(file)}
    said = await asyncio.to_thread(lambda: list(in_force_findings(given, rig.dsn)))
    assert [(each.verdict, each.fact) for each in said] == [
        (Verdict.BAD, "book main, basis: in force is cash, the books file says accrual")
    ]
    with pytest.raises(SettingsInvalid, match="in force is cash, the books file says accrual"):
        async with rig.ledger(books_file=file) as task:
            await task
    # Asked for while no ledger runs, it is decided by the one that starts with the file.
    await rig.publish(asking("k1", Activated.BASIS, "accrual"))
    async with rig.ledger(books_file=file):
        await rig.caught_up()
        await rig.publish(billed(2))
        await rig.caught_up()
        assert await receivables(rig) == ["in_2"]


async def test_what_was_put_in_force_holds_after_a_kill_though_the_file_says_nothing_of_it(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "books.toml"
    file.write_text('books = [{name = "main"}]\n', encoding="utf-8")
    rent = '\n[[account]]\nname = "expenses:rent"\ndisplay = "Rent"\n'
    given = {"TALLYSTICK_BOOKS_FILE": str(file), "TALLYSTICK_LEDGER_INSTANCE": "one"}
    process = rig.start_process(**given)
    await rig.caught_up()
    # The map is what other services read from the file as well, so there both say the same.
    file.write_text(TWO, encoding="utf-8")
    await rig.publish(
        asking("k1", Activated.CHART, DEFAULT_CHART.read_text("utf-8") + rent),
        asking("k2", Activated.BASIS, "accrual"),
        asking("k3", Activated.RULES_VERSION, 1),
        asking("k4", Activated.BOOK_MAP, book_map_value(rig.settings(books_file=file).books())),
    )
    await rig.caught_up()
    process.kill()
    process.wait()
    rig.start_process(**given)
    await rig.publish(billed(2))
    await rig.caught_up()
    assert await receivables(rig) == ["in_2"]
    shown = await tallystick(rig, tmp_path, "activate", "show")
    accounts = DEFAULT_CHART.read_text("utf-8").count("[[account]]")
    assert "rules version 1, after 5 activations" in shown.stdout
    assert f"book main: accrual basis, {accounts + 1} accounts in its chart" in shown.stdout
    assert f"book other: cash basis, {accounts} accounts in its chart" in shown.stdout
    booking = ("entry", "--debit", "expenses:rent=1 usd", "--credit", "equity:owner=1 usd")
    booked = await tallystick(rig, tmp_path, "book", *booking)
    assert (booked.returncode, booked.stderr) == (0, "")
    report = await tallystick(rig, tmp_path, "report", "trial-balance")
    assert "Rent (expenses:rent)" in report.stdout


async def test_book_map_file_is_put_in_force_with_all_that_differs(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "books.toml"
    file.write_text(TWO, encoding="utf-8")
    async with rig.ledger():
        await rig.caught_up()
        looked = await tallystick(rig, tmp_path, "activate", "book-map", str(file), "--dry-run")
        assert "book other is in the file and not in force" in looked.stdout
        done = await tallystick(rig, tmp_path, "activate", "book-map", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        again = await tallystick(rig, tmp_path, "activate", "book-map", str(file))
        assert "all of it is in force already" in again.stdout
    async with rig.ledger(books_file=file):
        await rig.publish(event("evt_1", charge("ch_1")))
        await rig.caught_up()


async def test_database_that_was_lost_books_by_what_the_log_says_was_in_force(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "books.toml"
    file.write_text(ACCRUAL, encoding="utf-8")
    async with rig.ledger(books_file=file):
        await rig.publish(billed(1))
        await rig.caught_up()
        await rig.publish(asking("k1", Activated.BASIS, "cash"))
        await rig.caught_up()
        await rig.publish(billed(2))
        await rig.caught_up()
        assert await receivables(rig) == ["in_1"]
    await rig.fetch("drop schema ledger_read cascade")
    await rig.fetch("drop schema ledger cascade")
    with pytest.raises(SettingsInvalid, match="in force is cash, the books file says accrual"):
        async with rig.ledger(books_file=file) as task:
            await task
    async with rig.ledger():
        await rig.caught_up()
    assert await receivables(rig) == ["in_1"]
    told = [r for r in await rig.records(LEDGER_COMMANDS) if b"genesis" in r.value]
    assert len(told) == 1
    known = BookMap(books=(BookData(basis=Basis.ACCRUAL),))
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, known)
    assert compared.differences == ()


async def test_journal_from_before_activations_goes_on_with_the_first_rules_and_is_rebuilt(
    rig: LedgerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begun(_: Database, __: KafkaAddress, ___: Files) -> bool:
        return False

    def of_first_rules(book_map: BookMap) -> Files:
        told = files_of(book_map)
        return replace(told, in_force=replace(told.in_force, rules_version=1))

    # The program of before had one version, and said nothing of what its books begin with.
    with monkeypatch.context() as of_old:
        of_old.setattr(service, "begin_books", begun)
        of_old.setattr(service, "files_of", of_first_rules)
        async with rig.ledger():
            await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(5)))
            await until("the old books", partial(_published, rig, 5))
    assert await rig.value("select count(*) from ledger.activations") == 0
    before = await rig.fetch("select origin_id, sequence, chain from ledger.entries order by 1, 2")
    async with rig.ledger():
        await rig.publish(event("evt_9", charge("ch_9")))
        await rig.caught_up()
        (row,) = await rig.fetch("select record from ledger.activations")
        told = json.loads(row["record"])
        assert (told["what"], told["value"]["rules_version"]) == ("genesis", 1)
        assert told["value"]["default_chart"] == DEFAULT_CHART.read_text("utf-8")
    after = await rig.fetch("select origin_id, sequence, chain from ledger.entries order by 1, 2")
    assert set(before) < set(after)
    (said,) = await asyncio.to_thread(lambda: list(in_force_findings({}, rig.dsn)))
    assert said.verdict is Verdict.WARNING
    assert "rules version 1" in said.fact
    assert "this program has version 2" in said.fact
    assert "tallystick activate rules 2" in said.fix
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()


async def _published(rig: LedgerRig, count: int) -> bool:
    try:
        return bool(await rig.value("select sum(sequence) from ledger.published") == count)
    except asyncpg.PostgresError:
        return False

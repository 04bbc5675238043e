"""`tallystick export` over a real journal: every form, in parts too, and proved afterwards."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from arro3.io import read_parquet

from tests.support.ledger import ROOT, LedgerRig, charge, event, polled
from tests.support.plain_text_tools import bean_check, hledger_program

pytestmark = pytest.mark.stack
CHARGES = 30
EXPORT = f"{sys.executable} -m tallystick export"


async def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=ROOT,
        env=given | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def tallystick(
    rig: LedgerRig, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return await run(
        *(sys.executable, "-m", "tallystick", *arguments),
        TALLYSTICK_KAFKA_BOOTSTRAP=rig.bootstrap,
        TALLYSTICK_POSTGRES_DSN=rig.dsn,
        TALLYSTICK_STACK_DIR=str(folder),
    )


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def book(rig: LedgerRig, first: int, last: int) -> None:
    """Charges of different months and currencies, by events and by polls."""
    codes = ("usd", "jpy", "kwd")
    shown = [
        charge(f"ch_{n}", 1000 + n, currency=codes[n % 3], created=1_790_000_000 + n * 500_000)
        for n in range(first, last)
    ]
    async with rig.ledger():
        await rig.publish(*(event(f"evt_{c['id']}", c) for c in shown), *map(polled, shown))
        await rig.caught_up()


async def test_export_in_every_form_tells_the_same_books(rig: LedgerRig, tmp_path: Path) -> None:
    await book(rig, 0, CHARGES)
    names = {form: tmp_path / f"books.{form}" for form in ("jsonl", "csv", "parquet")}
    names |= {form: tmp_path / f"books.{form}" for form in ("beancount", "hledger")}
    for form, path in names.items():
        beside = ["--with-verifier"] if form == "jsonl" else []
        done = await tallystick(rig, tmp_path, "export", "--format", form, "-o", str(path), *beside)
        assert done.returncode == 0, done.stderr
        assert f"{CHARGES} entries, {2 * CHARGES} postings" in done.stderr
    proved = await run(
        *(sys.executable, "-I", str(tmp_path / "verify.py"), str(names["jsonl"])),
    )
    assert (proved.returncode, proved.stderr) == (0, "")
    assert proved.stdout.startswith(f"holds: {CHARGES} entries")
    postings = [
        row
        for row in csv.DictReader(io.StringIO(names["csv"].read_bytes().decode(), newline=""))
        if row["key"]
    ]
    assert len(postings) == CHARGES
    columns: Any = read_parquet(names["parquet"]).read_all()  # Any: its types are half told
    references, keys, minors = (
        columns.column(name).to_pylist() for name in ("reference", "key", "minor")
    )
    told = [(r, int(m)) for r, key, m in zip(references, keys, minors, strict=True) if key]
    assert told == [(row["reference"], int(row["minor"])) for row in postings]
    for command in (
        (bean_check(), "--no-cache", str(names["beancount"])),
        (hledger_program(), "-f", str(names["hledger"]), "check", "--strict"),
    ):
        done = await run(*command)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_export_since_an_earlier_one_goes_on_where_that_ended(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 12)
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    assert (
        await tallystick(rig, tmp_path, "export", "--format", "jsonl", "-o", str(first))
    ).returncode == 0
    await book(rig, 12, 20)
    since = ("--since", str(first))
    done = await tallystick(
        rig, tmp_path, "export", "--format", "jsonl", "-o", str(second), *since, "--json"
    )
    assert json.loads(done.stdout)["entries"] == 8
    verify = (sys.executable, "tallystick/exports/verify.py", str(second), "--earlier", str(first))
    proved = await run(*verify)
    assert (proved.returncode, proved.stderr) == (0, "")
    for form, command in (
        ("beancount", (bean_check(), "--no-cache")),
        ("hledger", (hledger_program(), "check", "--strict", "-f")),
    ):
        path = tmp_path / f"rest.{form}"
        done = await tallystick(rig, tmp_path, "export", "--format", form, "-o", str(path), *since)
        assert "What stood before" in path.read_text()
        done = await run(*command, str(path))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_export_since_one_of_another_journal_is_refused(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 4)
    earlier = tmp_path / "earlier.jsonl"
    export = ("export", "--format", "jsonl")
    await tallystick(rig, tmp_path, *export, "-o", str(earlier))
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute("alter table ledger.entries disable trigger all")
    await owner.execute("update ledger.entries set chain = decode(repeat('ab', 32), 'hex')")
    await owner.close()
    done = await tallystick(rig, tmp_path, *export, "--since", str(earlier))
    assert done.returncode == 4
    assert "is not what it was" in done.stderr
    assert done.stdout == ""


async def test_export_of_a_period_has_its_entries_alone_and_can_be_proved(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 20)
    done = await tallystick(
        rig,
        tmp_path,
        *("export", "--format", "jsonl", "--from", "2026-10-01", "--to", "2026-11-01"),
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    days = [line["effective_at"][:10] for line in lines if line["line"] == "entry"]
    assert days
    assert all("2026-10-01" <= day < "2026-11-01" for day in days)
    path = tmp_path / "october.jsonl"
    path.write_text(done.stdout)
    proved = await run(sys.executable, "tallystick/exports/verify.py", str(path))
    assert (proved.returncode, proved.stderr) == (0, "")
    assert "a part of the journal" in proved.stdout
    table = await tallystick(
        rig, tmp_path, "export", "--format", "csv", "--axis", "recorded", "--from", "2030-01-01"
    )
    kinds = [row["row"] for row in csv.DictReader(io.StringIO(table.stdout, newline=""))]
    assert "posting" not in kinds
    assert "no entry fits" in table.stderr


async def test_verify_of_an_export_from_a_journal_that_was_touched_names_the_entry(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 9)
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute("alter table ledger.entries disable trigger all")
    await owner.execute(
        "update ledger.entries set kind = 'made_up' where reference = 'stripe:payment:ch_4'"
    )
    await owner.close()
    path = tmp_path / "books.jsonl"
    await tallystick(rig, tmp_path, "export", "--format", "jsonl", "-o", str(path))
    proved = await run(sys.executable, "tallystick/exports/verify.py", str(path))
    assert proved.returncode == 1
    assert "(stripe:payment:ch_4): its link does not follow" in proved.stderr


async def test_export_whose_reader_goes_away_ends_without_a_word(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 300)
    done = await run(
        *("bash", "-c", f"{EXPORT} --format jsonl | true; exit ${{PIPESTATUS[0]}}"),
        TALLYSTICK_KAFKA_BOOTSTRAP=rig.bootstrap,
        TALLYSTICK_POSTGRES_DSN=rig.dsn,
        TALLYSTICK_STACK_DIR=str(tmp_path),
    )
    assert done.returncode == 1
    assert "rror" not in done.stderr
    assert "do:" not in done.stderr


async def test_export_to_a_full_disk_says_so(rig: LedgerRig, tmp_path: Path) -> None:
    await book(rig, 0, 3)
    done = await run(
        *("bash", "-c", f"{EXPORT} --format jsonl > /dev/full"),
        TALLYSTICK_KAFKA_BOOTSTRAP=rig.bootstrap,
        TALLYSTICK_POSTGRES_DSN=rig.dsn,
        TALLYSTICK_STACK_DIR=str(tmp_path),
    )
    assert done.returncode == 1
    assert done.stderr.startswith("- was not written\n  why: No space left on device")


async def test_export_that_cannot_be_made_says_why_and_leaves_nothing(
    rig: LedgerRig, empty_database_dsn: str, tmp_path: Path
) -> None:
    export = ("export", "--format", "jsonl")
    none = await tallystick(replace(rig, dsn=empty_database_dsn), tmp_path, *export)
    assert none.returncode == 1
    assert none.stderr.startswith("There are no books here yet")
    await book(rig, 0, 3)
    there = tmp_path / "there"
    there.write_text("mine")
    kept = await tallystick(rig, tmp_path, *export, "-o", str(there))
    assert (kept.returncode, there.read_text()) == (4, "mine")
    unknown = await tallystick(rig, tmp_path, *export, "--book", "other", "-o", str(there) + "2")
    assert unknown.returncode == 4
    assert unknown.stderr.startswith("no entry is of book 'other'")
    late = await tallystick(rig, tmp_path, *export, "--since", "stripe.events/0#99999")
    assert late.returncode == 4
    assert "before 99999" in late.stderr or "no entry of" in late.stderr
    for wrong in (
        ("--since", "nowhere"),
        ("--from", "2026-02-30"),
        ("--from", "2026-02-02", "--to", "2026-02-01"),
        ("--with-verifier",),
        ("--format", "beancount", "--all-books"),
    ):
        assert (await tallystick(rig, tmp_path, *export, *wrong)).returncode == 2
    assert names_in(tmp_path) == ["there"]

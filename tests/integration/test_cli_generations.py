"""`tallystick rebuild --swap`, `status` and `drop-old` as a person runs them."""

import json
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from shared.contracts import topics
from shared.contracts.audits import AuditReport
from tests.integration.test_cli_ledger import tallystick
from tests.support.ledger import LedgerRig, charge, event, polled, until
from tests.unit.ledger.invoicing import invoice, line

pytestmark = pytest.mark.stack


async def test_rebuild_swap_status_back_and_drop_old(rig: LedgerRig, tmp_path: Path) -> None:
    async with rig.ledger():
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(20)))
        await rig.caught_up()
        swapped = await tallystick(rig, tmp_path, "rebuild", "--swap", "--json")
        assert swapped.returncode == 0, swapped.stderr
        told = json.loads(swapped.stdout)
        assert (told["swapped"], told["kept"], told["differences"]) == (True, "ledger_g1", [])
        assert "20 entries equal" in swapped.stderr
        kept = await tallystick(rig, tmp_path, "rebuild", "--keep")
        assert "what was built is in the schema ledger_g3" in kept.stderr
        shown = await tallystick(rig, tmp_path, "rebuild", "status", "--json")
        assert [(g["number"], g["state"], g["entries"]) for g in json.loads(shown.stdout)] == [
            (2, "in use", 20),
            (1, "before", 20),
            (3, "unfinished", 20),
        ]
        back = await tallystick(rig, tmp_path, "rebuild", "--swap", "--generation", "1")
        assert back.returncode == 0, back.stderr
        assert "the books from before are in ledger_g2" in back.stderr
    left = await tallystick(rig, tmp_path, "rebuild", "drop-old", "--keep", "1")
    assert [line.split(",")[0] for line in left.stderr.splitlines()] == ["dropped ledger_g3"]
    dropped = await tallystick(rig, tmp_path, "rebuild", "drop-old")
    assert dropped.stderr.startswith("dropped ledger_g2")
    shown = await tallystick(rig, tmp_path, "rebuild", "status")
    assert [line.split()[:4] for line in shown.stdout.splitlines()[1:]] == [
        ["1", "ledger", "in", "use"]
    ]


async def test_rebuild_swap_of_books_that_differ_says_where_and_stays(
    rig: LedgerRig, tmp_path: Path
) -> None:
    async with rig.ledger():
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(5)))
        await rig.caught_up()
    await rig.fetch(
        "update ledger.balances set debit_minor = debit_minor + 1"
        " where account = 'assets:stripe:settling'"
    )
    refused = await tallystick(rig, tmp_path, "rebuild", "--swap")
    assert refused.returncode == 1
    assert "assets:stripe:settling" in refused.stderr
    unknown = await tallystick(rig, tmp_path, "rebuild", "--swap", "--generation", "7")
    assert unknown.returncode == 4
    assert "there is no generation ledger_g7 beside the one in use" in unknown.stderr
    without = await tallystick(rig, tmp_path, "rebuild", "--generation", "7")
    assert without.returncode == 2


async def test_what_if_of_another_basis_tells_balances_and_entries(
    rig: LedgerRig, tmp_path: Path
) -> None:
    billed = invoice(line(10_000, 31), livemode=False)
    async with rig.ledger():
        await rig.publish(polled(billed), *(polled(charge(f"ch_{n}")) for n in range(3)))
        await rig.caught_up()
    asked = ("what-if", "--basis", "accrual", "--entries")
    shown = await tallystick(rig, tmp_path, *asked)
    assert shown.returncode == 0, shown.stderr
    assert "stripe:invoice:in_1 would be booked" in shown.stdout
    told = json.loads((await tallystick(rig, tmp_path, *asked, "--format", "json")).stdout)
    assert [(b["account"], b["difference_minor"]) for b in told["balances"]] == [
        ("assets:receivable", "10000"),
        ("revenue:stripe", "-10000"),
    ]
    assert (told["summary"]["entries"], told["summary"]["entries_then"]) == (3, 4)
    assert (told["summary"]["booked"], told["entries"][0]["is"]) == (1, None)
    rows = (await tallystick(rig, tmp_path, *asked, "--format", "csv")).stdout.splitlines()
    assert rows[0].startswith("what,book,account")
    assert rows[-1].startswith("booked,main,revenue:stripe,usd,0.00,-100.00,-100.00,stripe:")
    nothing = await tallystick(rig, tmp_path, "what-if", "--basis", "cash")
    assert nothing.stdout.startswith("no balance would differ")
    unknown = await tallystick(rig, tmp_path, "what-if", "--rules", "99")
    assert unknown.returncode == 4
    assert "There is no rules version 99; this program has 1" in unknown.stderr
    assert "do:  name one of these" in unknown.stderr
    missing = await tallystick(rig, tmp_path, "what-if", "--chart", str(tmp_path / "none.toml"))
    assert missing.returncode == 2
    assert (await tallystick(rig, tmp_path, "what-if")).returncode == 2


async def test_check_puts_on_record_that_books_differ_and_that_they_are_the_same_again(
    rig: LedgerRig, tmp_path: Path
) -> None:
    damage = (
        "update ledger.balances set debit_minor = debit_minor + {}"
        " where account = 'assets:stripe:settling'"
    )
    async with rig.ledger():
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(5)))
        await rig.caught_up()
        assert (await tallystick(rig, tmp_path, "rebuild", "check")).returncode == 0
        await rig.fetch(damage.format(1))
        found = await tallystick(rig, tmp_path, "rebuild", "check")
        assert found.returncode == 1
        assert "assets:stripe:settling" in found.stderr

        async def is_shown() -> bool:
            return REGISTRY.get_sample_value("tallystick_ledger_rebuild_check_differs") == 1

        await until("the metric to say so", is_shown)
        await rig.fetch(damage.format(-1))
        assert (await tallystick(rig, tmp_path, "rebuild", "check")).returncode == 0
    reports = [
        AuditReport.model_validate_json(record.value)
        for record in await rig.records(topics.LEDGER_AUDITS)
    ]
    assert [report.stands for report in reports] == [False, True, False]
    assert len({report.id for report in reports}) == 1
    assert REGISTRY.get_sample_value("tallystick_ledger_rebuild_check_timestamp_seconds")

"""`tallystick rebuild --swap`, `status` and `drop-old` as a person runs them."""

import json
from pathlib import Path

import pytest

from tests.integration.test_cli_ledger import tallystick
from tests.support.ledger import LedgerRig, charge, event

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

"""`verify`, `heads`, `prove`, `keys` over a real journal; proofs checked by the one file alone."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from services.ledger.proof.merkle import TILE_LEAVES, leaf_hash, root_from_inclusion
from services.ledger.proof.tree_heads import combined_root
from services.ledger.shell.proof.proofs import Prover
from services.ledger.shell.store import open_journal
from shared.contracts import topics
from shared.contracts.envelope import Envelope
from shared.contracts.tree_heads import OriginHead, TreeHead, key_id_of
from shared.runtime.kafka import Publication
from tests.support.ledger import ROOT, LedgerRig, charge, event, until
from tests.support.tree_heads import KEY

pytestmark = pytest.mark.stack
KEY_ID: Final = key_id_of(KEY.public_key)


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
    rig: LedgerRig, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return await run(
        *(sys.executable, "-m", "tallystick", *arguments),
        TALLYSTICK_KAFKA_BOOTSTRAP=rig.bootstrap,
        TALLYSTICK_POSTGRES_DSN=rig.dsn,
        TALLYSTICK_STACK_DIR=str(folder),
        **environment,
    )


async def book(rig: LedgerRig, first: int, last: int) -> None:
    """Charges, published, and a head of all of them."""
    seconds = {"ledger_tree_head_seconds": 0.01, "ledger_tree_head_key": KEY.text}
    async with rig.ledger(**seconds):
        await rig.publish(
            *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(first, last))
        )
        await rig.caught_up()

        async def told() -> bool:
            return bool(await rig.value("select size from ledger.tree_heads") == last)

        await until("the head", told)


async def test_books_are_verified_and_a_touched_row_is_named(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 40)
    key = {"TALLYSTICK_LEDGER_TREE_HEAD_KEY": KEY.text}
    done = await tallystick(rig, tmp_path, "verify", **key)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("40 entries hold, each by its content and its chain\n")
    assert "main: 40 entries, " in done.stdout
    assert f"signed by key {KEY_ID}" in done.stdout
    alone = await tallystick(rig, tmp_path, "verify", "--journal-only")
    assert alone.returncode == 0
    assert "no witness was asked" in alone.stdout
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute(
        "set session_replication_role = replica;"
        " update ledger.entries set description = 'x' where reference = 'stripe:payment:ch_7'"
    )
    place = await owner.fetchval(
        "select topic || '/' || partition || ' entry ' || e.sequence from ledger.entries e"
        " join ledger.origins using (origin_id) where reference = 'stripe:payment:ch_7'"
    )
    await owner.close()
    done = await tallystick(rig, tmp_path, "verify")
    assert done.returncode == 1
    named = f"{place} (stripe:payment:ch_7): description is 'x', and was 'Charge ch_7 captured'"
    assert named in done.stderr
    assert "do:  keep the data as it is" in done.stderr
    told = json.loads((await tallystick(rig, tmp_path, "verify", "--json")).stdout)
    assert told["sound"] is False
    assert told["findings"][0]["reference"] == "stripe:payment:ch_7"


async def test_head_of_another_key_or_of_another_history_is_told(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 10)
    done = await tallystick(
        rig, tmp_path, "verify", TALLYSTICK_LEDGER_TREE_HEAD_PUBLIC_KEYS="ab" * 32
    )
    assert done.returncode == 1
    assert f"it is signed by {KEY.public_key}" in done.stderr
    shown = await tallystick(rig, tmp_path, "heads", "--json")
    (head,) = json.loads(shown.stdout)["heads"]
    forged = head | {"size": head["size"] + 1, "signature": "", "public_key": ""}
    first, *rest = forged["origins"]
    forged["origins"] = [first | {"size": first["size"] + 1, "root": "ab" * 32}, *rest]
    forged["root"] = combined_root(map(OriginHead.model_validate, forged["origins"]))
    envelope = Envelope(
        id="x",
        source="x",
        type="com.tallystick.ledger.tree-head.v1",
        time=datetime.now(UTC),
        data=json.dumps(forged).encode(),
    )
    await rig.publish(Publication(topics.LEDGER_TREE_HEADS, b"main", envelope))
    done = await tallystick(rig, tmp_path, "verify")
    assert done.returncode == 1
    assert f"had {first['size']} entries" in done.stderr or "two numbers of" in done.stderr


async def test_entry_and_growth_are_proved_to_somebody_with_the_public_key_alone(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 30)
    earlier = tmp_path / "earlier.json"
    shown = await tallystick(rig, tmp_path, "heads", "--json")
    earlier.write_text(shown.stdout)
    await book(rig, 30, 50)
    entry, growth = tmp_path / "entry.json", tmp_path / "growth.json"
    export = tmp_path / "books.jsonl"
    for command in (
        ("prove", "stripe:payment:ch_7", "--output", str(entry), "--with-verifier"),
        ("prove", "--from", str(earlier), "--output", str(growth)),
        ("export", "--format", "jsonl", "--output", str(export)),
    ):
        done = await tallystick(rig, tmp_path, *command)
        assert done.returncode == 0, done.stderr
    for file in (entry, growth, export):
        proved = await run(
            *(sys.executable, "-I", "-S", str(tmp_path / "verify.py"), str(file)),
            *("--key", KEY.public_key),
        )
        assert (proved.returncode, proved.stderr) == (0, ""), file
    for file in (earlier, entry, growth, export):
        done = await tallystick(rig, tmp_path, "verify", "--journal-only", "--head", str(file))
        assert done.returncode == 0, done.stderr
    lacking = await tallystick(rig, tmp_path, "prove", "stripe:payment:nothing")
    assert lacking.returncode == 1
    assert "There is no such entry" in lacking.stderr


async def test_every_form_of_an_export_tells_the_signed_head(
    rig: LedgerRig, tmp_path: Path
) -> None:
    await book(rig, 0, 10)
    head = json.loads((await tallystick(rig, tmp_path, "heads", "--json")).stdout)["heads"][0]
    for form in ("jsonl", "csv", "beancount", "hledger"):
        path = tmp_path / f"books.{form}"
        done = await tallystick(rig, tmp_path, "export", "--format", form, "-o", str(path))
        assert done.returncode == 0, done.stderr
        assert head["signature"] in path.read_text()
        assert f"signed by key {KEY_ID}" in done.stderr
    path = tmp_path / "books.parquet"
    done = await tallystick(rig, tmp_path, "export", "--format", "parquet", "-o", str(path))
    assert done.returncode == 0, done.stderr


async def test_proofs_of_entries_in_complete_tiles_hold(rig: LedgerRig) -> None:
    count = 2 * TILE_LEAVES + 200
    seconds = {"ledger_tree_head_seconds": 0.01}
    async with rig.ledger(**seconds):
        told = (event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(count))
        # Under one key they are of one origin.
        await rig.publish(*(replace(each, key=b"one") for each in told))
        await rig.caught_up()

        async def there() -> bool:
            return bool(await rig.value("select size from ledger.tree_heads") == count)

        await until("the head", there)
    journal = await open_journal(rig.dsn)
    try:
        async with journal.transaction("repeatable_read") as tx:
            prover = await Prover.of(tx)
            (tree,) = (head := await prover.last_head("main")).origins
            for sequence in (1, 2, 1023, 1024, 1025, 2047, 2048, 2049, count - 1, count):
                proved = await prover.inclusion("main", tree.origin, sequence)
                assert proved.index == sequence - 1
                link = await rig.value(
                    "select e.chain from ledger.entries e join ledger.origins o using (origin_id)"
                    " where e.sequence = $1 and o.sequence = $2",
                    *(sequence, count),
                )
                path = [bytes.fromhex(step) for step in proved.path]
                root = root_from_inclusion(leaf_hash(link), proved.index, tree.size, path)
                assert root == bytes.fromhex(tree.root)
            earlier = await rig.value("select head from ledger.tree_heads")
            grown = await prover.growth(TreeHead.model_validate_json(earlier))
            assert grown.later == head
    finally:
        await journal.close()


async def test_key_is_made_into_a_file_or_a_pipe_and_its_public_half_shown(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "tallystick", "keys")
    file = tmp_path / "key"
    made = await run(*command, "new", "--output", str(file))
    assert (made.returncode, made.stdout) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() not in made.stderr
    again = await run(*command, "new", "--output", str(file))
    assert again.returncode == 4
    piped = await run(*command, "new")
    assert piped.stdout.startswith("ed25519-secret:")
    shown = await run(*command, "show", "--json", TALLYSTICK_LEDGER_TREE_HEAD_KEY_FILE=str(file))
    assert json.loads(shown.stdout)["public_key"] in made.stderr
    none = await run(*command, "show")
    assert "no key" in none.stdout

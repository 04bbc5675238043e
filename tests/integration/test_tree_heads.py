"""Trees and their heads on a real stack: in step with what was published, whatever happens."""

import itertools
import json
import subprocess
from collections import defaultdict
from typing import Final

import asyncpg
import pytest

from services.ledger.proof.merkle import TILE_LEAVES, root_of
from services.ledger.proof.tree_heads import HeadsSeen, inner_problem
from services.ledger.shell.failpoints import EXIT_CODE
from services.ledger.shell.proof.signing import SigningKey, is_signed
from shared.contracts import topics
from shared.contracts.tree_heads import TreeHead
from tests.support.ledger import LedgerRig, charge, event, until

pytestmark = pytest.mark.stack
KEY: Final = SigningKey.of("ed25519-secret:" + "7f" * 32)
SOON: Final = {"ledger_tree_head_key": KEY.text, "ledger_tree_head_seconds": 0.01}


async def tell(rig: LedgerRig, first: int, last: int) -> None:
    await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(first, last)))


async def heads(rig: LedgerRig) -> list[TreeHead]:
    """Every head that was published, those of a book in their order."""
    return [
        TreeHead.model_validate_json(record.value)
        for record in await rig.records(topics.LEDGER_TREE_HEADS)
    ]


async def head_of_size(rig: LedgerRig, size: int, book: str = "main") -> TreeHead:
    """The head of that many entries, once it is there."""

    async def there() -> TreeHead | None:
        found = [h for h in await heads(rig) if h.book == book and h.size == size]
        return found[0] if found else None

    return await until(f"a head of {size} entries", there)


async def links(rig: LedgerRig) -> dict[tuple[str, str], list[bytes]]:
    """The published links of each book and origin, in order."""
    found: defaultdict[tuple[str, str], dict[int, bytes]] = defaultdict(dict)
    for entry in await rig.entries():
        found[entry.book, entry.origin][entry.sequence] = bytes.fromhex(entry.chain)
    return {place: [at[n] for n in sorted(at)] for place, at in found.items()}


async def test_heads_are_the_roots_of_what_was_published_and_signed(rig: LedgerRig) -> None:
    async with rig.ledger(**SOON, ledger_batch_messages_max=7):
        await tell(rig, 0, 40)
        await head_of_size(rig, 40)
        await tell(rig, 40, 45)
        last = await head_of_size(rig, 45)
    published = await links(rig)
    told = await heads(rig)
    seen = HeadsSeen()
    for head in told:
        assert (seen.take(head), inner_problem(head)) == ("", "")
        assert is_signed(head)
        assert head.public_key == KEY.public_key
        for origin in head.origins:
            of_origin = published["main", origin.origin][: origin.size]
            assert root_of(of_origin).hex() == origin.root
            assert of_origin[-1].hex() == origin.chain
    assert len(told) >= 2
    assert sum(len(each) for each in published.values()) == last.size
    assert {r.key for r in await rig.records(topics.LEDGER_TREE_HEADS)} == {b"main"}


async def test_heads_come_by_count_or_by_time_and_not_for_nothing(rig: LedgerRig) -> None:
    slow = {"ledger_tree_head_seconds": 3600, "ledger_tree_head_entries": 20}
    async with rig.ledger(**slow):
        await tell(rig, 0, 5)
        await head_of_size(rig, 5)
        await tell(rig, 5, 24)
        await rig.caught_up()
        await tell(rig, 24, 25)
        await head_of_size(rig, 25)
    told = await heads(rig)
    assert [head.size for head in told] == [5, 25]
    assert not any(map(is_signed, told))
    async with rig.ledger(**SOON):
        await rig.caught_up()
        await tell(rig, 25, 26)
        await head_of_size(rig, 26)
    assert [head.size for head in await heads(rig)] == [5, 25, 26]


async def test_ledger_killed_between_head_and_note_tells_it_again_or_a_larger_one(
    rig: LedgerRig,
) -> None:
    environment = {
        "TALLYSTICK_LEDGER_TREE_HEAD_KEY": KEY.text,
        "TALLYSTICK_LEDGER_TREE_HEAD_SECONDS": "0.01",
    }
    told = itertools.count()
    for failpoint in ("after_head:2", "before_head:2", "after_head", "after_publish:3"):
        process = rig.start_process(**environment, TALLYSTICK_LEDGER_FAILPOINT=failpoint)

        async def ended(process: subprocess.Popen[bytes] = process) -> bool:
            first = 5 * next(told)
            await tell(rig, first, first + 5)
            return process.poll() is not None

        await until(f"the end at {failpoint}", ended)
        assert process.returncode == EXIT_CODE
    async with rig.ledger(**SOON):
        await rig.caught_up()
        total = len({(e.origin, e.sequence) for e in await rig.entries()})
        await head_of_size(rig, total)
    seen = HeadsSeen()
    assert [said for head in await heads(rig) if (said := seen.take(head))] == []


async def test_ledger_after_a_lost_database_tells_no_head_that_it_told_before(
    rig: LedgerRig,
) -> None:
    async with rig.ledger(**SOON, ledger_batch_messages_max=5):
        await tell(rig, 0, 30)
        await head_of_size(rig, 30)
    before = await heads(rig)
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute("drop schema ledger_read cascade")
    await owner.execute("drop schema ledger cascade")
    await owner.close()
    async with rig.ledger(**SOON, ledger_batch_messages_max=3):
        await rig.caught_up()

        async def regrown() -> bool:
            return bool(await rig.value("select sum(size) from ledger.trees") == 30)

        await until("the trees to be grown again", regrown)
        await tell(rig, 30, 31)
        await head_of_size(rig, 31)
    after = await heads(rig)
    assert len(after) == len(before) + 1
    seen = HeadsSeen()
    assert [said for head in after if (said := seen.take(head))] == []


async def test_two_ledgers_tell_heads_that_do_not_contradict(rig: LedgerRig) -> None:
    async with rig.ledger(**SOON, ledger_group="one"), rig.ledger(**SOON, ledger_group="one"):
        for n in range(6):
            await tell(rig, 10 * n, 10 * n + 10)
        await head_of_size(rig, 60)
    seen = HeadsSeen()
    told = await heads(rig)
    assert [said for head in told if (said := seen.take(head))] == []
    assert [head.size for head in told] == sorted({head.size for head in told})


async def test_tiles_are_kept_with_the_last_entry_in_each(rig: LedgerRig) -> None:
    count = 2 * TILE_LEAVES + 100
    subject = {"payment_intent": None}
    async with rig.ledger(**SOON):
        # One object's events share a partition, so all of these are of one origin.
        await rig.publish(
            *(
                event(f"evt_{n}", charge(f"ch_{n}", 100 + n, **subject), "charge.succeeded")
                for n in range(8 * count // 7)
            )
        )
        await rig.caught_up()

        async def grown() -> bool:
            behind = "select sum(p.sequence - t.sequence) from ledger.published p join"
            behind += " ledger.tree_origins t using (origin_id)"
            return bool(await rig.value(behind) == 0)

        await until("the trees to be grown", grown)
    published = await links(rig)
    rows = await rig.fetch(
        "select t.position, t.hash, o.topic || '/' || o.partition as origin"
        " from ledger.tree_tiles t join ledger.origins o using (origin_id)"
    )
    sizes = {origin: len(each) for (_, origin), each in published.items()}
    assert len(rows) == sum(size // TILE_LEAVES for size in sizes.values())
    for row in rows:
        begin = row["position"] * TILE_LEAVES
        leaves = published["main", row["origin"]][begin : begin + TILE_LEAVES]
        assert root_of(leaves) == row["hash"]


async def test_ledger_with_a_key_that_is_none_does_not_start(rig: LedgerRig) -> None:
    process = rig.start_process(TALLYSTICK_LEDGER_TREE_HEAD_KEY=json.dumps("no key"))
    assert process.wait(60) == 78

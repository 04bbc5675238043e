"""Clock ticks while the ledger is killed at each failpoint: what is earned comes out once."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from services.ledger.shell.failpoints import EXIT_CODE, Failpoint
from shared.runtime.kafka import Publication
from tests.integration.test_clock_and_credits import BEGAN, BOOKS, DAY, Json, invoice, tick
from tests.integration.test_oracle import audited
from tests.support.ledger import LedgerRig, event
from tests.support.tampering import KEY

pytestmark = [pytest.mark.stack, pytest.mark.fault]

DAYS_EACH: Final = 9
SOLD: Final = 3


@pytest.fixture
async def killed(rig: LedgerRig) -> AsyncGenerator[LedgerRig]:
    yield rig
    await asyncio.to_thread(rig.stop_processes)


def sold(n: int) -> Publication:
    """An invoice whose year began a hundred days ago; two in three in a partition of their own."""
    line: Json = {
        "id": f"il_{n}", "object": "line_item", "amount": 36_500 + n, "currency": "usd",
        "period": {"start": BEGAN + n * DAY, "end": BEGAN + (365 + n) * DAY},
    }  # fmt: skip
    told = invoice(
        id=f"in_{n}", total=36_500 + n, amount_due=36_500 + n, amount_remaining=36_500 + n,
        total_excluding_tax=36_500 + n, lines={"object": "list", "has_more": False, "data": [line]},
    )  # fmt: skip
    return event(f"evt_in_{n}", told, "invoice.finalized")


def taken_back(n: int) -> Publication:
    note: Json = {
        "id": f"cn_{n}", "object": "credit_note", "invoice": f"in_{n}", "customer": "cus_1",
        "amount": 5_000, "total": 5_000, "currency": "usd", "status": "issued",
        "created": BEGAN + 20 * DAY, "pre_payment_amount": 5_000, "refunds": [],
        "lines": {"object": "list", "data": [
            {"id": f"cnli_{n}", "invoice_line_item": f"il_{n}", "amount": 5_000}]},
    }  # fmt: skip
    return event(f"evt_cn_{n}", note, "credit_note.created")


async def test_ledger_killed_at_each_failpoint_earns_what_the_oracle_makes_of_its_ticks(
    killed: LedgerRig, tmp_path: Path
) -> None:
    rig, books_file = killed, tmp_path / "books.toml"
    books_file.write_text(BOOKS, encoding="utf-8")
    for turn, place in enumerate(Failpoint, 1):
        await rig.publish(*(sold(turn * SOLD + n) for n in range(SOLD)))
        await rig.publish(tick(f"tick-{turn}", turn * DAYS_EACH), taken_back(turn * SOLD))
        dying = rig.start_process(
            TALLYSTICK_LEDGER_FAILPOINT=place,
            TALLYSTICK_LEDGER_INSTANCE="only",
            TALLYSTICK_LEDGER_BATCH_MESSAGES_MAX="3",
            TALLYSTICK_LEDGER_TREE_HEAD_SECONDS="0.01",
            TALLYSTICK_LEDGER_TREE_HEAD_KEY=KEY.text,
            TALLYSTICK_BOOKS_FILE=str(books_file),
        )
        assert await asyncio.to_thread(dying.wait, 60) == EXIT_CODE, place
    async with rig.ledger(books_file=books_file):
        await rig.caught_up()
        await rig.publish(tick("tick-last", len(Failpoint) * DAYS_EACH + 1))
        await rig.caught_up()
    code, report = await audited(rig, "--books", str(books_file))
    assert (code, report["differences"]) == (0, []), report
    assert report["compared"]["ticks"] == len(Failpoint) + 1
    # The oracle makes the ticks itself: one cent moved from one line to another is too much.
    owner = await asyncpg.connect(rig.dsn)
    await owner.execute("set session_replication_role = replica")
    await owner.execute(
        "update ledger.postings set minor = minor + 1 where (origin_id, sequence) in (select"
        " origin_id, sequence from ledger.entries where kind = 'revenue_released'"
        " order by recorded_at desc limit 1)"
    )
    await owner.close()
    code, report = await audited(rig, "--books", str(books_file))
    assert code == 1
    assert "release_differs" in {each["kind"] for each in report["differences"]}

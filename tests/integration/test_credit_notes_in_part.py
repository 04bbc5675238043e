"""A credit note that an event shows in part, and the API whole: ticks, a rebuild and the oracle."""

from pathlib import Path

import pytest

from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from tests.integration.test_clock_and_credits import BEGAN, DAY, Json, balances, tick
from tests.integration.test_oracle import audited
from tests.support.ledger import LedgerRig, event, polled

pytestmark = pytest.mark.stack

SEATS = [f"il_{number:02}" for number in range(12)]
SHOWN = 10
YEAR = 36_500
LEFT = 32_500


def bill() -> Json:
    """Twelve seats for a year, each a hundred a day."""
    total = YEAR * len(SEATS)
    return {
        "id": "in_1", "object": "invoice", "status": "open", "created": BEGAN, "currency": "usd",
        "customer": "cus_1", "total": total, "total_excluding_tax": total, "amount_due": total,
        "amount_paid": 0, "amount_remaining": total, "starting_balance": 0, "ending_balance": 0,
        "status_transitions": {"finalized_at": BEGAN + 60},
        "lines": {"object": "list", "has_more": False, "data": [
            {"id": line, "object": "line_item", "amount": YEAR, "currency": "usd",
             "period": {"start": BEGAN, "end": BEGAN + 365 * DAY}} for line in SEATS]},
    }  # fmt: skip


def note(*lines: str) -> Json:
    """After forty days all that is left of all seats is taken back; it shows these lines."""
    total = LEFT * len(SEATS)
    return {
        "id": "cn_1", "object": "credit_note", "invoice": "in_1", "customer": "cus_1",
        "amount": total, "total": total, "currency": "usd", "status": "issued",
        "created": BEGAN + 40 * DAY, "pre_payment_amount": total, "refunds": [],
        "lines": {"object": "list", "has_more": len(lines) < len(SEATS), "data": [
            {"id": f"cnli_{line}", "invoice_line_item": line, "amount": LEFT} for line in lines]},
    }  # fmt: skip


async def test_note_shown_in_part_and_told_whole_is_the_same_to_a_rebuild_and_to_the_oracle(
    rig: LedgerRig, tmp_path: Path
) -> None:
    books_file = tmp_path / "books.toml"
    books_file.write_text('[[books]]\nname = "main"\nbasis = "accrual"\n', encoding="utf-8")
    async with rig.ledger(books_file=books_file):
        shown = event("evt_2", note(*SEATS[:SHOWN]), "credit_note.created")
        await rig.publish(event("evt_1", bill(), "invoice.finalized"), shown)
        await rig.caught_up()
        await rig.publish(tick("tick-1", 50))
        await rig.caught_up()
        # Of the two that the event does not show, ten more days count as earned.
        first = await balances(rig)
        assert {k: v for k, v in first.items() if "unearned[" in k} == {
            f"liabilities:unearned[{line}]": 5_000 - YEAR for line in SEATS[SHOWN:]
        }
        said = [each.subject for each in await rig.outcomes() if each.outcome == "noted"]
        assert said == ["cn_1"]

        await rig.publish(polled(note(*SEATS)))
        await rig.caught_up()
        await rig.publish(tick("tick-2", 60))
        await rig.caught_up()
        last = await balances(rig)
        assert not [key for key in last if "unearned" in key]
        assert last["revenue:stripe"] == (LEFT - YEAR) * len(SEATS)
        code, report = await audited(rig)
        assert (code, report["differences"]) == (0, [])
    books = rig.settings(books_file=books_file).books()
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, books)
    assert compared.differences == ()

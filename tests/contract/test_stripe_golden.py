"""One golden event of each type, as the simulated Stripe tells it in API version 2026-10-28.endive.

Whoever reads events can be tried on the files in ``stripe/``. This test holds them to what the
simulator tells today; ``python tests/contract/test_stripe_golden.py`` writes them anew, and the
difference is then to be looked at.
"""

import json
import sys
from datetime import date
from pathlib import Path

import pytest

from sandbox.stripe.facts import BalanceTransaction, Event
from sandbox.stripe.shapes.render import event_object
from sandbox.world.scenario import scenario_named
from sandbox.world.state import Plan
from sandbox.world.world import World

FOLDER = Path(__file__).parent / "stripe"


def golden() -> dict[str, str]:
    """The text of each golden file by its name: events by type, then balance transactions."""
    files: dict[str, str] = {}
    for name in ("faults", "troubles"):
        scenario = scenario_named(name)
        plan = Plan(scenario=scenario, seed=5, payments=150, end=date(2026, 11, 21))
        world = World.begun(plan)
        world.run_until(plan.end_at)
        store = world.state.stripe.store
        for event in store.every(Event):
            if str(event.data.get("id", "")).startswith("ch_") and not _is_sound(event):
                continue
            body = event_object(event, pending_webhooks=1, platform=store.account)
            kind = event.type if event.owner == store.account else f"connected.{event.type}"
            files.setdefault(f"event.{kind}.json", _text(body))
        for txn in store.every(BalanceTransaction):
            if txn.owner == store.account:
                shown = store.shown(txn, plan.end_at)
                what = f"{txn.type}.{txn.reporting_category}.{txn.balance_type}"
                files.setdefault(f"balance_transaction.{what}.json", _text(shown))
    return files


def _is_sound(event: Event) -> bool:
    """Whether an event tells of a charge that the scenario did not spoil on purpose."""
    amount = event.data["amount"]
    return (
        isinstance(amount, int)
        and amount > 0
        and event.data["description"] != "Order told otherwise"
    )


def _text(body: object) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def test_every_golden_file_is_what_the_simulator_tells() -> None:
    told = golden()
    assert {path.name for path in FOLDER.glob("*.json")} == set(told)
    for name, text in told.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, name


@pytest.mark.parametrize(
    "event_type",
    [
        "charge.succeeded",
        "charge.updated",
        "charge.refunded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
        "payment_intent.succeeded",
        "refund.created",
        "refund.failed",
        "payout.created",
        "payout.paid",
        "payout.failed",
        "payout.reconciliation_completed",
        "topup.created",
        "topup.succeeded",
        "transfer.created",
        "transfer.reversed",
        "application_fee.created",
        "application_fee.refunded",
        "balance.available",
        "widget.flipped",
    ],
)
def test_there_is_a_golden_file_of_each_type_that_matters(event_type: str) -> None:
    body = json.loads((FOLDER / f"event.{event_type}.json").read_text(encoding="utf-8"))
    assert body["type"] == event_type
    assert body["api_version"] == "2026-10-28.endive"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for file_name, content in golden().items():
        (FOLDER / file_name).write_text(content, encoding="utf-8")
    sys.stdout.write(f"{len(golden())} files\n")

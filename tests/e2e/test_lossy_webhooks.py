"""One webhook in ten is never delivered, and nothing mirrors Stripe: the gap audit alone asks."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sandbox.stack import Stack, StackSettings
from sandbox.world.known import API_KEY
from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from tests.support.demo import RunningDemo, demo
from tests.support.ingest import records_since
from tests.support.stack import scratch_folder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

PAYMENTS = "80"


async def test_lost_webhooks_are_repaired_by_the_gap_audit_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TALLYSTICK_INGEST_MIRROR", "false")
    monkeypatch.setenv("TALLYSTICK_INGEST_AUDIT_INTERVAL_SECONDS", "1")
    monkeypatch.setenv("TALLYSTICK_INGEST_AUDIT_WINDOW_DAYS", "60")
    with (
        scratch_folder() as folder,
        demo(
            folder / "demo",
            *("--scenario", "lossy"),
            *("--payments", PAYMENTS),
            *("--speed", "0"),
            "--keep",
        ) as running,
    ):
        running.until(lambda: "it goes on running" in running.output, "its verdict", 300)
        said = running.output
        assert "FAILED" not in said, said[-6000:] + running.logs()
        assert "DIFFERS" not in said, said[-6000:]
        assert "the independent audit agrees" in said
        kafka = kafka_of(folder / "demo")
        events = await records_since(kafka, STRIPE_EVENTS, {})
        objects = await records_since(kafka, STRIPE_OBJECTS, {})
        listed = ids_of(running, "/v1/events")
        money = ids_of(running, "/v1/balance_transactions")
    came = {record.envelope().id: record.envelope().extension("via") for record in events}
    assert came.keys() >= listed
    assert {record.envelope().subject for record in objects} >= money
    # The balance alone tells of the mirror: nobody else asks for it.
    assert "balance" not in {record.envelope().subject for record in objects}
    fetched = sum(1 for event in listed if came[event] == "fetched")
    assert fetched >= len(listed) // 20
    assert fetched < len(listed)


def kafka_of(folder: Path) -> str:
    stack = Stack(StackSettings(dir=folder, kafka_port=0, postgres_port=0))
    return stack.environment()["TALLYSTICK_KAFKA_BOOTSTRAP"]


def ids_of(running: RunningDemo, path: str) -> set[str]:
    """The ids of a whole list of the simulated Stripe."""
    port = json.loads((running.folder / "demo.json").read_text("utf-8"))["ports"]["stripe"]
    found: list[str] = []
    while True:
        after = f"&starting_after={found[-1]}" if found else ""
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}?limit=100{after}",
            headers={"Authorization": f"Bearer {API_KEY}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)  # Any: JSON
        found.extend(item["id"] for item in told["data"])
        if not told["has_more"]:
            return set(found)

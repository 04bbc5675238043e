"""People's acts over real topics: decided once, on record, and known again to a new database."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts import topics
from shared.contracts.acts import ACT_DECIDED, RECONCILER_ACT, ActDecided
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of
from shared.runtime.kafka import Publication
from tests.support.ledger import fresh_topics
from tests.support.reconciler import (
    ACCOUNT,
    LONG_AGO,
    ReconcilerRig,
    line,
    payout,
)

pytestmark = [pytest.mark.stack]
PAYOUT = "po_1QK7mWLkdIwHu7ixRt5vXa2B"
FAILED = "po_1QJ3nZLkdIwHu7ixPq8sYc9D"


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> ReconcilerRig:
    await fresh_topics(kafka_bootstrap)
    return ReconcilerRig(kafka_bootstrap, database_dsn)


def act(key: str, **told: Any) -> Publication:  # Any: fields of an act
    asked = RECONCILER_ACT.validate_json(
        json.dumps({"idempotency_key": key, "actor": "ada", "reason": "why"} | told)
    )
    return Publication(
        topics.RECONCILIATION_COMMANDS,
        f"main|{key}".encode(),
        Envelope(
            id=f"act_{key}_{told.get('force', '')}",
            source="test",
            type=type_of(type(asked)),
            time=datetime.now(UTC),
            data=asked.model_dump_json().encode(),
            extensions={"book": "main"},
        ),
    )


def paired(line_id: str, name: str) -> list[dict[str, Any]]:
    return [{"lines": [{"account": ACCOUNT, "id": line_id}], "objects": [{"object": name}]}]


async def decisions(rig: ReconcilerRig) -> dict[str, ActDecided]:
    told = [ACT_DECIDED.validate_json(r.value) for r in await rig.records(topics.DECISIONS)]
    return {each.message_id: each for each in told}


async def test_acts_are_decided_once_and_known_again_when_the_tables_are_lost(
    rig: ReconcilerRig,
) -> None:
    await rig.publish(
        payout(PAYOUT, 10_000, arrival=LONG_AGO),
        payout(FAILED, 500, arrival=LONG_AGO, status="failed"),
        line("l1", 10_000, on=LONG_AGO.date(), text="CASH DEPOSIT ACME WIDGETS"),
        line("l2", -300, on=LONG_AGO.date(), text="ACCOUNT CHARGE"),
    )
    with rig.process() as running:
        await rig.quiet(running)
        lives = await rig.lives()
        failed = next(r.id for r in await rig.reports() if r.discrepancy == "payout_failed")
        assert lives[f"payout_overdue {PAYOUT}"] == ["open"]
        resolve = {"kind": "discrepancies", "act": "resolve", "code": "accepted"}
        match = act("k1", kind="match_by_hand", matches=paired("l1", PAYOUT))
        await rig.publish(
            match,
            act("k2", kind="match_by_hand", matches=paired("l9", PAYOUT)),
            act("k3", **resolve, discrepancies=[failed]),
            act(
                "k4",
                kind="write_off",
                items=[{"line": {"account": ACCOUNT, "id": "l2"}}],
            ),
            act("k5", kind="sign_off", account=ACCOUNT, currency="usd", through="2026-01-31"),
        )
        await rig.quiet(running)
        await rig.publish(
            match, act("k1", kind="match_by_hand", matches=paired("l1", PAYOUT), force=True)
        )
        await rig.quiet(running)
        assert running.stop() == 0
    told = await decisions(rig)
    assert {key: d.outcome.value for key, d in sorted(told.items())} == {
        "act_k1_": "accepted",
        "act_k1_True": "conflict",
        "act_k2_": "refused",
        "act_k3_": "accepted",
        "act_k4_": "accepted",
        "act_k5_": "refused",
    }
    assert "no posted line l9" in told["act_k2_"].detail
    assert "no bank balance" in told["act_k5_"].detail
    lives = await rig.lives()
    assert lives[f"payout_overdue {PAYOUT}"] == ["open", "resolved"]
    assert lives["unidentified_bank_debit l2"] == ["open", "resolved"]
    assert lives[f"payout_failed {FAILED}"] == ["open", "resolved"]
    await assert_nothing_is_told_anew_from_empty_tables(rig)


async def assert_nothing_is_told_anew_from_empty_tables(rig: ReconcilerRig) -> None:
    matches, reports = await rig.matches(), await rig.reports()
    assert len(matches) == 2
    await rig.fetch("drop schema reconciler cascade")
    await rig.fetch("drop schema reconciler_read cascade")
    with rig.process() as running:
        await rig.quiet(running)
        assert running.stop() == 0
    assert await rig.matches() == matches
    assert await rig.reports() == reports
    assert len(await decisions(rig)) == 6
    rows = await rig.fetch("select key, outcome from reconciler_read.decisions order by number")
    assert len(rows) == 6

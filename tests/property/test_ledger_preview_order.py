"""A preview says the same in any order of the lines, and however often each is told."""

import json
import random
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.preview.options import Options
from tallystick.preview.report import Json
from tallystick.preview.run import preview

T0 = 1_793_000_000
DAY = 86_400
AS_OF = datetime.fromtimestamp(T0 + 12 * DAY, UTC)


def _line(topic: str, value: Json, at: int) -> bytes:
    return json.dumps({"topic": topic, "value": value, "received_at": at}).encode()


def _txn(tid: str, kind: str, amount: int, fee: int, source: str) -> Json:
    return {
        "id": tid, "object": "balance_transaction", "type": kind, "reporting_category": kind,
        "amount": amount, "fee": fee, "net": amount - fee, "currency": "usd", "source": source,
        "created": T0, "balance_type": "payments", "status": "available",
    }  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> list[bytes]:
    """Sales, refunds, payouts in several states, and bank lines that may or may not be theirs."""
    amounts = draw(st.lists(st.sampled_from([5_000, 9_680, 9_681, 12_345]), max_size=4))
    lines: list[bytes] = []
    for n, amount in enumerate(amounts):
        charge: Json = {
            "id": f"ch_{n}", "object": "charge", "status": "succeeded", "captured": True,
            "amount": amount, "amount_captured": amount, "currency": "usd", "created": T0 + n,
            "livemode": True,
        }  # fmt: skip
        event: Json = {"id": f"evt_{n}", "object": "event", "created": T0, "type": "charge.succeeded",
                       "livemode": True, "data": {"object": charge}}  # fmt: skip
        lines.append(_line("stripe.events", event, T0 + 1))
        if draw(st.booleans()):
            txn = _txn(f"txn_{n}", "charge", amount, draw(st.integers(0, 300)), f"ch_{n}")
            lines.append(_line("stripe.objects", txn, T0 + 60))
        created = T0 + draw(st.integers(0, 3)) * DAY
        payout: Json = {
            "id": f"po_{n}", "object": "payout", "amount": amount, "currency": "usd",
            "created": created, "arrival_date": created + 2 * DAY, "automatic": True,
            "balance_transaction": f"txn_po_{n}", "destination": "ba_1", "livemode": True,
            "failure_balance_transaction": None, "failure_code": None, "method": "standard",
            "statement_descriptor": None, "trace_id": None, "type": "bank_account",
            "source_type": "card",
        }  # fmt: skip
        for state in draw(st.sampled_from([["pending"], ["pending", "paid"], ["paid", "failed"]])):
            told: Json = {
                "id": f"evt_po_{n}_{state}", "object": "event", "type": f"payout.{state}",
                "created": created + 5, "livemode": True,
                "data": {"object": payout | {"status": state}},
            }  # fmt: skip
            lines.append(_line("stripe.events", told, created + 9))
        lines.append(
            _line("stripe.objects", _txn(f"txn_po_{n}", "payout", -amount, 0, f"po_{n}"), created)
        )
    for n in range(draw(st.integers(0, 4))):
        text = draw(st.sampled_from(["STRIPE", "STRIPE po_0", "STRIPE po_1", "ACME GMBH", ""]))
        booked = datetime.fromtimestamp(T0, UTC) + timedelta(days=draw(st.integers(1, 7)))
        minor = draw(st.sampled_from([5_000, 9_680, 9_681, 12_345, 14_680, -700]))
        line: Json = {
            "kind": "line", "account": "main", "id": f"l_{n}", "booked_on": f"{booked:%Y-%m-%d}",
            "amount": {"minor": str(minor), "currency": "usd", "exponent": 2},
            "description": text, "reference": "",
        }  # fmt: skip
        lines.append(_line("bank.observations", line, int(booked.timestamp()) + 3_600))
    return lines


def told(lines: list[bytes]) -> Json:
    return preview([("f", lines)], Options(as_of=AS_OF)).as_json()


@settings(max_examples=120, deadline=None)
@given(worlds(), st.integers())
def test_preview_says_the_same_in_any_order_and_however_often(
    lines: list[bytes], seed: int
) -> None:
    dice = random.Random(seed)
    shuffled = [*lines, *(line for line in lines if dice.random() < 0.4)]
    dice.shuffle(shuffled)
    in_order = told(lines)
    assert told(shuffled) == in_order
    assert told(lines[::-1]) == in_order

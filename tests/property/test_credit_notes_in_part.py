"""Credit notes told in part and whole: what stands unearned after it is the same in any order."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Input, decide
from shared.contracts import topics
from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.envelope import Envelope
from tallystick.preview.books import Books

Json = dict[str, Any]  # Any: JSON
Told = tuple[str, Json]
DAY: Final = 86_400
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
AT: Final = int(BEGAN.timestamp())
NOW: Final = BEGAN + timedelta(days=400)
NET: Final = 36_500
# So many lines an event shows.
SHOWN: Final = 10


def list_of(*items: Json, has_more: bool = False) -> Json:
    return {"object": "list", "data": list(items), "has_more": has_more}


def bill(count: int) -> Json:
    """An invoice of so many lines, each of a hundred a day for a year."""
    total = NET * count
    lines = [
        {"id": f"il_{n}", "object": "line_item", "amount": NET, "currency": "usd",
         "period": {"start": AT, "end": AT + 365 * DAY}}
        for n in range(count)
    ]  # fmt: skip
    return {
        "id": "in_1", "object": "invoice", "status": "open", "created": AT, "currency": "usd",
        "customer": "cus_1", "total": total, "total_excluding_tax": total, "amount_due": total,
        "amount_paid": 0, "amount_remaining": total, "starting_balance": 0, "ending_balance": 0,
        "status_transitions": {"finalized_at": AT + 60}, "lines": list_of(*lines),
    }  # fmt: skip


def note(amounts: list[int], *, is_void: bool) -> Json:
    """A credit note that takes so much back of each line, forty days later."""
    total = sum(amounts)
    lines = [
        {"id": f"cnli_{n}", "invoice_line_item": f"il_{n}", "amount": amount}
        for n, amount in enumerate(amounts)
    ]
    voided: Json = {"status": "void", "voided_at": AT + 50 * DAY} if is_void else {}
    issued: Json = {
        "id": "cn_1", "object": "credit_note", "invoice": "in_1", "customer": "cus_1",
        "amount": total, "total": total, "currency": "usd", "status": "issued",
        "created": AT + 40 * DAY, "pre_payment_amount": total, "refunds": [],
        "lines": list_of(*lines),
    }  # fmt: skip
    return issued | voided


def in_part(whole: Json) -> Json:
    """As an event shows it."""
    lines = whole["lines"]["data"]
    return whole | {"lines": list_of(*lines[:SHOWN], has_more=len(lines) > SHOWN)}


def event(shown: Json, number: int) -> Told:
    value = {"id": f"evt_{number}", "object": "event", "type": "x.y", "created": AT}
    return topics.STRIPE_EVENTS, value | {"data": {"object": shown}}


def tick(days: int) -> Told:
    until = (BEGAN + timedelta(days=days)).isoformat()
    return topics.LEDGER_COMMANDS, {
        "kind": "tick_clock", "idempotency_key": f"tick-{days}", "book": "main", "until": until,
    }  # fmt: skip


def unearned(told: list[Told], rules: int) -> dict[str, int]:
    """What stands unearned of each line."""
    book_map = BookMap(books=(BookData(basis=Basis.ACCRUAL),))
    in_force, books = InForce(book_map, rules_version=rules), Books()
    for number, (topic, value) in enumerate(told):
        at = NOW + timedelta(seconds=number)
        message = Input(topic, Envelope("m", "s", "t", at, json.dumps(value).encode()), at)
        for remark in books.take(decide(message, in_force), at):
            assert remark.outcome in ("noted", "accepted"), remark
    return {b.key: b.minor for b in books.balances() if b.account == "liabilities:unearned"}


@pytest.mark.parametrize("rules", [1, 2])
@given(
    amounts=st.lists(st.integers(0, NET), min_size=8, max_size=14).filter(any),
    is_void=st.booleans(),
    last=st.integers(1, 364),
    draw=st.data(),
)
def test_note_told_in_part_and_whole_leaves_the_same_unearned_in_any_order(
    *, rules: int, amounts: list[int], is_void: bool, last: int, draw: st.DataObject
) -> None:
    invoice: Told = (topics.STRIPE_OBJECTS, bill(len(amounts)))
    notes = [note(amounts, is_void=False)]
    if is_void:
        notes.append(note(amounts, is_void=True))
    whole: list[Told] = [(topics.STRIPE_OBJECTS, each) for each in notes]
    shown = [event(in_part(each), number) for number, each in enumerate(notes)]
    days = draw.draw(st.lists(st.integers(0, last - 1), max_size=2))
    told = draw.draw(st.permutations([invoice, *whole, *shown, *map(tick, days)]))
    straight = unearned([invoice, *whole, tick(last)], rules)
    assert unearned([*told, tick(last)], rules) == straight

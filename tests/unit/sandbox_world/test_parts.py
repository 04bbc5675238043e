"""The small parts of the world: dice, calendar, settlement, faults, pages, parameters."""

import time
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
import stripe

from sandbox.bank.core import SimulatedBank
from sandbox.bank.facts import Wording
from sandbox.bank.paging import Cursor, CursorRefused, page
from sandbox.stripe.expansion import Lookup, expanded
from sandbox.stripe.queries import Parameters, StripeRefusal
from sandbox.stripe.settlement import available_on, exchanged, settled_charge, share
from sandbox.stripe.shell.webhooks import signature
from sandbox.world.books import Books, BooksUnbalanced, Leg
from sandbox.world.calendar import (
    business_day_from,
    business_days_between,
    day_of,
    midnight,
    text_of,
)
from sandbox.world.dice import Dice
from sandbox.world.faults import FaultGate, Knobs, Mishap
from sandbox.world.jsons import JsonObject

DICE = Dice(1)
FRIDAY = date(2026, 11, 20)
MONDAY = date(2026, 11, 23)


def test_dice_of_one_seed_answer_a_label_always_the_same() -> None:
    assert [DICE.below("a", 100) for _ in range(3)] == [Dice(1).below("a", 100)] * 3
    assert DICE.token("a", 23) != Dice(2).token("a", 23)
    assert len(DICE.token("a", 23)) == 23


def test_dice_happen_as_often_as_their_rate_says() -> None:
    assert 900 < sum(DICE.happens(f"x{n}", 0.1) for n in range(10_000)) < 1_100
    assert not DICE.happens("never", 0.0)
    assert DICE.happens("always", 1.0)


def test_a_weekend_is_skipped_when_business_days_are_counted() -> None:
    assert business_day_from(FRIDAY, count=1) == MONDAY
    assert business_day_from(date(2026, 11, 21), count=0) == MONDAY
    assert business_day_from(FRIDAY, count=0) == FRIDAY
    assert business_days_between(FRIDAY, MONDAY) == 1
    assert text_of(midnight(FRIDAY)) == "2026-11-20T00:00:00Z"
    assert day_of(available_on(midnight(FRIDAY) + 1)) == date(2026, 11, 24)


def test_a_share_is_rounded_once_and_the_half_goes_up() -> None:
    assert share(10_000, 290) == 290
    assert share(50, 100) == 1
    assert share(49, 100) == 0
    assert exchanged(100, 1_085_000) == 109
    assert exchanged(-100, 1_085_000) == -109


def test_a_charge_in_euro_settles_in_dollars_with_a_rate_and_a_fee() -> None:
    settled = settled_charge(DICE, amount=1_000, currency="eur", settles_in="usd", at=0)
    assert settled.currency == "usd"
    assert settled.exchange_rate_micros is not None
    assert settled.amount == exchanged(1_000, settled.exchange_rate_micros)
    assert settled.net == settled.amount - settled.fee


def test_a_charge_in_yen_has_no_fixed_fee() -> None:
    settled = settled_charge(DICE, amount=1_000, currency="jpy", settles_in="jpy", at=0)
    assert (settled.amount, settled.fee, settled.exchange_rate_micros) == (1_000, 36, None)


def test_books_refuse_a_record_that_does_not_add_up() -> None:
    with pytest.raises(BooksUnbalanced):
        Books().record(0, "f", "t", Leg("a", "usd", 1), Leg("b", "usd", -2))
    with pytest.raises(BooksUnbalanced):
        Books().record(0, "f", "t", Leg("a", "usd", 1), Leg("b", "eur", -1))


def test_books_leave_out_what_is_zero() -> None:
    books = Books()
    books.record(0, "f", "t", Leg("a", "usd", 0), Leg("b", "usd", 0))
    books.record(0, "g", "t", Leg("a", "usd", 5, "k"), Leg("b", "usd", -5))
    books.record(0, "h", "t", Leg("a", "usd", -5, "k"), Leg("b", "usd", 5))
    assert len(books.records) == 2
    assert books.balances() == {}


def test_a_fault_gate_meets_requests_with_what_its_knobs_say() -> None:
    gate = FaultGate(Knobs(server_error_every=3, next_requests=(Mishap.TIMEOUT,)))
    met = [gate.mishap(0) for _ in range(6)]
    assert met == [
        Mishap.TIMEOUT,
        Mishap.NONE,
        Mishap.SERVER_ERROR,
        Mishap.NONE,
        Mishap.NONE,
        Mishap.SERVER_ERROR,
    ]


def test_a_fault_gate_limits_the_requests_of_each_second() -> None:
    gate = FaultGate(Knobs(requests_per_second_max=2))
    assert [gate.mishap(9) for _ in range(3)][-1] is Mishap.RATE_LIMITED
    assert gate.mishap(10) is Mishap.NONE


def test_a_signature_is_one_that_the_library_verifies() -> None:
    now = int(time.time())
    header = signature("whsec_x", b'{"id": "evt_1"}', at=now)
    library: Any = stripe  # Any: this part of the library has no types
    verify = library.WebhookSignature.verify_header
    assert verify('{"id": "evt_1"}', header, "whsec_x", 300)
    for body, secret in (('{"id": "evt_2"}', "whsec_x"), ('{"id": "evt_1"}', "whsec_y")):
        with pytest.raises(stripe.SignatureVerificationError):
            verify(body, header, secret, 300)


@dataclass(frozen=True, slots=True)
class Thing:
    created: int
    sequence: int


def test_a_cursor_goes_on_where_the_page_before_ended() -> None:
    things = [Thing(n // 2, n) for n in range(7, 0, -1)]
    seen: list[Thing] = []
    text: str | None = None
    for _ in range(3):
        cursor = None if text is None else Cursor.read(text, generation=0)
        shown, text = page(things, cursor=cursor, limit=3, generation=0)
        seen += shown
    assert seen == things
    assert text is None


@pytest.mark.parametrize("text", ["", "x", "e30", "WzEsMl0", "bnVsbA", "é"])
def test_a_cursor_that_was_never_handed_out_is_refused(text: str) -> None:
    with pytest.raises(CursorRefused):
        Cursor.read(text, generation=0)


def test_a_cursor_of_an_earlier_generation_is_refused() -> None:
    with pytest.raises(CursorRefused, match="expired"):
        Cursor.read(Cursor(0, 1, 1).text(), generation=1)


def test_arrays_in_a_query_are_gathered_whatever_their_index() -> None:
    read = Parameters.read([("expand[0]", "a"), ("expand[]", "b"), ("created[gte]", "5")])
    assert read.arrays == {"expand": ("a", "b")}
    assert read.number("created[gte]") == 5


@pytest.mark.parametrize("limit", ["0", "101", "ten", "1.5", ""])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(StripeRefusal) as refused:
        Parameters.read([("limit", limit)]).limit()
    assert refused.value.status == 400


def test_expansion_replaces_an_id_on_every_level() -> None:
    charge: JsonObject = {"id": "ch_1", "object": "charge", "balance_transaction": "txn_1"}
    known: dict[str, JsonObject] = {"ch_1": charge, "txn_1": {"id": "txn_1", "source": "ch_1"}}
    lookup = Lookup(lambda i: dict(known[i]) if i in known else None, lambda _: {}, lambda _: {})
    listed: JsonObject = {"data": [{"id": "txn_2", "source": "ch_1"}, {"id": "t", "source": None}]}
    shown = expanded(listed, ["data.source.balance_transaction"], lookup)
    assert shown == {
        "data": [
            {
                "id": "txn_2",
                "source": {**charge, "balance_transaction": {"id": "txn_1", "source": "ch_1"}},
            },
            {"id": "t", "source": None},
        ]
    }


def test_expansion_of_what_cannot_be_expanded_is_refused() -> None:
    lookup = Lookup(lambda _: None, lambda _: {}, lambda _: {})
    with pytest.raises(StripeRefusal, match="cannot be expanded"):
        expanded({"id": "ch_1"}, ["nonsense"], lookup)
    with pytest.raises(StripeRefusal, match="more than 4 levels"):
        expanded({"id": "ch_1"}, ["a.b.c.d.e"], lookup)


def bank_with_line() -> tuple[SimulatedBank, str, str]:
    bank = SimulatedBank(DICE)
    account = bank.open_account(0, "main_usd", "usd")
    line = bank.post(100, account.id, 500, Wording(description="x"))
    return bank, account.id, line.id


def test_a_late_line_moves_the_balance_before_the_list_shows_it() -> None:
    bank, account, line = bank_with_line()
    late = bank.post(100, account, 70, Wording(description="late"), visible_from=900)
    assert bank.told_balance(account, 100) == (570, 570)
    assert [shown.id for shown in bank.lines(100)] == [line]
    assert [shown.id for shown in bank.lines(900)] == [late.id, line]


def test_a_line_that_changes_changes_the_balance_and_keeps_its_id() -> None:
    bank, account, line = bank_with_line()
    bank.amend(200, line, 450)
    assert bank.balance(account) == 450
    assert bank.line(line).amount == 450
    bank.remove(300, line)
    assert bank.balance(account) == 0
    assert bank.lines(400) == []


def test_a_lagging_balance_tells_what_was() -> None:
    bank, account, _ = bank_with_line()
    bank.balance_lag_seconds = 50
    assert bank.told_balance(account, 120) == (0, 0)
    assert bank.told_balance(account, 150) == (500, 500)


def test_a_pending_debit_lowers_what_is_available_alone() -> None:
    bank, account, _ = bank_with_line()
    pending = bank.announce(110, account, -200, "held")
    assert bank.told_balance(account, 120) == (500, 300)
    bank.complete(130, pending.id)
    assert bank.told_balance(account, 140) == (500, 500)
    bank.withdraw(bank.announce(150, account, -10, "gone").id)
    assert len(bank.pending()) == 1


def test_an_unseen_movement_makes_balance_and_lines_differ() -> None:
    bank, account, line = bank_with_line()
    bank.move_unseen(200, account, -30)
    assert bank.balance(account) == 470
    assert sum(shown.amount for shown in bank.lines(300)) == 500
    assert bank.tell_again(line, 2).tellings == 2


def test_knobs_are_replaced_as_a_whole() -> None:
    gate = FaultGate()
    gate.knobs = replace(gate.knobs, rate_limited_every=1)
    assert gate.mishap(0) is Mishap.RATE_LIMITED

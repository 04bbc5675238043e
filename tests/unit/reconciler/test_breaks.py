"""Discrepancies: what opens each kind, when, about what and of how much, and what closes it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.reconciler.breaks.balances import cash_at, drifts, latest_proofs
from services.reconciler.facts.kinds import Booking, Concern, Leg, Reading, StripeBalance
from services.reconciler.facts.known import Facts, Proof
from services.reconciler.findings.explain import NEXT_STEPS
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Stage
from shared.contracts.books import BankAccount, BookData
from shared.contracts.discrepancies import DiscrepancyKind
from tests.support.reconciler_facts import (
    ANYWHERE,
    ARRIVAL,
    BOOK,
    LATER,
    SOON,
    A,
    B,
    booking,
    facts_of,
    found,
    line,
    payout,
    said,
    topup,
)

OVERDUE = [f"payout_overdue {A} 10000"]
DUE = datetime(2026, 11, 16, tzinfo=UTC)  # the third business day after Wednesday the 11th
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("zone", "due"),
    [
        ("UTC", DUE),
        ("Asia/Tokyo", datetime(2026, 11, 15, 15, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 16, 5, tzinfo=UTC)),
    ],
)
def test_payout_is_overdue_when_its_third_business_day_begins_in_the_books_zone(
    zone: str, due: datetime
) -> None:
    book = BookData(time_zone=zone)
    before = found(payout(), at=due - TICK, book=book)
    assert (said(before), before.wake_at) == ([], due)
    assert said(found(payout(), at=due, book=book)) == OVERDUE


@pytest.mark.parametrize(
    ("arrival", "due"),
    [
        (date(2026, 11, 13), date(2026, 11, 18)),  # over a weekend
        (date(2026, 11, 14), date(2026, 11, 18)),
        (date(2026, 11, 16), date(2026, 11, 19)),
        (date(2026, 11, 6), date(2026, 11, 12)),  # and over Veterans Day, Wednesday the 11th
        (date(2026, 11, 9), date(2026, 11, 13)),
    ],
)
def test_weekends_and_bank_holidays_are_no_business_days(arrival: date, due: date) -> None:
    at = datetime(due.year, due.month, due.day, tzinfo=UTC)
    assert said(found(payout(arrival=arrival), at=at - TICK)) == []
    assert said(found(payout(arrival=arrival), at=at)) == OVERDUE


@pytest.mark.parametrize(
    ("book", "where"), [(BOOK, "on bank account ops"), (ANYWHERE, "on any bank account in USD")]
)
def test_overdue_payout_says_on_which_account_it_was_expected(book: BookData, where: str) -> None:
    (overdue,) = found(payout(), at=DUE, book=book).discrepancies
    assert overdue.expected == f"100.00 USD {where} by 2026-11-16T00:00:00Z"


def test_topup_is_overdue_ten_business_days_after_its_creation() -> None:
    made = topup("tu_1", 10_000, created=datetime(2026, 11, 6, 9, tzinfo=UTC))
    due = datetime(2026, 11, 23, tzinfo=UTC)
    assert said(found(made, at=due - TICK)) == []
    assert said(found(made, at=due)) == ["topup_overdue tu_1 10000"]


def test_overdue_payout_that_comes_after_all_is_no_discrepancy_any_more() -> None:
    assert said(found(payout(), at=LATER)) == OVERDUE
    assert said(found(payout(), line(A, on=date(2027, 1, 8)), at=LATER)) == []


@pytest.mark.parametrize(
    ("stage", "wrong"),
    [
        (Stage.PENDING, OVERDUE),
        (Stage.IN_TRANSIT, OVERDUE),
        (Stage.PAID, OVERDUE),
        (Stage.CANCELED, []),
        (Stage.FAILED, [f"payout_failed {A} 10000"]),
    ],
)
def test_state_at_stripe_decides_what_is_still_expected(stage: Stage, wrong: list[str]) -> None:
    assert said(found(payout(stage=stage), at=LATER)) == wrong


def test_payout_of_nothing_is_never_overdue() -> None:
    assert said(found(payout(minor=0), at=LATER)) == []


def test_negative_payout_that_the_bank_never_took_is_overdue_by_its_amount() -> None:
    assert said(found(payout(minor=-700), at=LATER)) == [f"payout_overdue {A} 700"]


def test_failed_topup_is_no_discrepancy() -> None:
    made = topup("tu_1", 10_000, created=DUE, stage=Stage.FAILED)
    assert said(found(made, at=LATER)) == []


READ = DUE + timedelta(hours=6)


@pytest.mark.parametrize(
    ("read_until", "heard_at", "at", "wrong"),
    [
        # Read past the due time: it is known that nothing came.
        ({"ops": DUE}, {"ops": READ}, READ, OVERDUE),
        # Read up to before it: the line may stand there unread.
        ({"ops": DUE - TICK}, {"ops": READ}, READ, []),
        # The bank's clock stands over a weekend while we hear of it: still unknown.
        ({"ops": DUE - timedelta(days=2)}, {"ops": READ}, READ + timedelta(hours=23), []),
        # Nothing heard for more than a day holds nothing back.
        ({"ops": DUE - TICK}, {"ops": READ}, READ + timedelta(hours=24), []),
        ({"ops": DUE - TICK}, {"ops": READ}, READ + timedelta(hours=24) + TICK, OVERDUE),
        # A bank that is never read at all.
        ({}, {}, DUE, OVERDUE),
        # What another account was read until says nothing.
        ({"ops": DUE - TICK, "eur": READ}, {"ops": READ, "eur": READ}, READ, []),
    ],
)
def test_payout_is_overdue_only_when_its_account_was_read_past_the_due_time(
    read_until: dict[str, datetime], heard_at: dict[str, datetime], at: datetime, wrong: list[str]
) -> None:
    known = facts_of((payout(),), require_readings=True, read_until=read_until, heard_at=heard_at)
    assert said(reconcile(known, at=at)) == wrong


def test_bank_that_was_never_read_is_waited_for_a_day_after_stripe_told() -> None:
    # A first start: Stripe's last months are read before any bank is.
    told = replace(payout(), told_at=LATER)
    before = reconcile(facts_of((told,), require_readings=True), at=LATER + timedelta(hours=23))
    assert (said(before), before.wake_at) == ([], LATER + timedelta(hours=24))
    after = reconcile(facts_of((told,), require_readings=True), at=LATER + timedelta(hours=24))
    assert said(after) == OVERDUE


def test_of_several_accounts_the_one_read_least_decides() -> None:
    two = BookData(
        bank_accounts=(
            BankAccount(name="ops", currency="usd"),
            BankAccount(name="tax", currency="usd"),
        )
    )
    heard = {"ops": READ, "tax": READ}
    for least, wrong in ((DUE - TICK, list[str]()), (DUE, OVERDUE)):
        known = facts_of(
            (payout(),),
            book=two,
            require_readings=True,
            read_until={"ops": READ, "tax": least},
            heard_at=heard,
        )
        assert said(reconcile(known, at=READ)) == wrong


@pytest.mark.parametrize(
    ("minor", "kind"), [(5, "unidentified_bank_credit"), (-5, "unidentified_bank_debit")]
)
def test_line_that_nothing_explains_is_said_at_once(minor: int, kind: str) -> None:
    assert said(found(line("WIRE FROM ACME", minor))) == [f"{kind} l1 5"]


def test_lines_of_two_accounts_with_one_id_are_two_discrepancies() -> None:
    result = found(line("ACME", 5), line("ACME", 5, account="tax"), book=ANYWHERE)
    assert said(result) == ["unidentified_bank_credit l1 5"] * 2
    assert len({d.id for d in result.discrepancies}) == 2


def proof(drift: int, *, hour: int, account: str = "ops") -> Proof:
    at = datetime(2026, 11, 12, hour, tzinfo=UTC)
    return Proof(account, "usd", at, 1_000 + drift, 1_000)


@pytest.mark.parametrize(
    ("row", "needed", "wrong"),
    [
        ((7,), 1, ["balance_drift ops 7"]),
        ((7,), 2, []),
        ((7, 7), 2, ["balance_drift ops 7"]),
        ((7, -9), 2, ["balance_drift ops 9"]),
        ((7, 0), 1, []),
        ((0, 7), 2, []),
        ((7, 0, 7), 2, []),
        ((7, 7, 0), 2, []),
    ],
)
def test_balances_that_stay_apart_are_a_drift(
    row: tuple[int, ...], needed: int, wrong: list[str]
) -> None:
    proofs = [proof(drift, hour=hour) for hour, drift in enumerate(row)]
    known = facts_of((), proofs=proofs, proofs_needed=needed)
    assert said(reconcile(known, at=SOON)) == wrong
    assert drifts(reversed(proofs), needed=needed) == drifts(proofs, needed=needed)


def test_account_in_two_currencies_may_drift_in_both() -> None:
    euros = Proof("ops", "eur", SOON, 30, 0)
    result = reconcile(facts_of((), proofs=(proof(7, hour=1), euros)), at=SOON)
    assert said(result) == ["balance_drift ops 30", "balance_drift ops 7"]
    assert len({d.id for d in result.discrepancies}) == 2


def cash(minor: int, *, zone: str, on: date, kind: str = "bank_line") -> Booking:
    midnight = datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    leg = Leg("assets:bank:ops", "", "usd", minor)
    return booking(f"bank:ops:line:{on}:r1", leg, kind=kind, on=midnight)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "Pacific/Auckland", "America/Los_Angeles"])
def test_balance_has_the_lines_of_its_own_day_in_the_books_zone(zone: str) -> None:
    lines = [cash(1, zone=zone, on=date(2026, 11, 10)), cash(20, zone=zone, on=ARRIVAL)]
    lines.append(cash(300, zone=zone, on=date(2026, 11, 12)))
    for hour in (0, 12, 23):
        as_of = datetime(2026, 11, 11, hour, 30, tzinfo=ZoneInfo(zone))
        reading = Reading("ops", 21, "usd", as_of=as_of, told_at=SOON)
        assert cash_at(lines, reading, ZoneInfo(zone)) == 21
        assert latest_proofs([reading], lines, ZoneInfo(zone))[0].drift_minor == 0
    whenever = Reading("ops", 321, "usd", as_of=None, told_at=SOON)
    assert cash_at(lines, whenever, ZoneInfo(zone)) == 321


def test_balance_of_a_western_evening_has_the_lines_that_its_bank_dates_in_utc() -> None:
    zone = "America/Los_Angeles"
    lines = [cash(1, zone=zone, on=ARRIVAL), cash(20, zone=zone, on=date(2026, 11, 12))]
    evening = datetime(2026, 11, 12, 1, tzinfo=UTC)
    reading = Reading("ops", 21, "usd", as_of=evening, told_at=SOON)
    assert cash_at(lines, reading, ZoneInfo(zone)) == 21


def test_manual_entry_counts_by_its_moment() -> None:
    noon = datetime(2026, 11, 11, 12, tzinfo=UTC)
    by_hand = booking(
        "command:1", Leg("assets:bank:ops", "", "usd", 5), kind="manual_entry", on=noon
    )
    for as_of, counted in ((noon - TICK, 0), (noon, 5)):
        reading = Reading("ops", 0, "usd", as_of=as_of, told_at=SOON)
        assert cash_at([by_hand], reading, BOOK.zone) == counted


def test_reading_that_did_not_agree_proves_nothing() -> None:
    early = Reading("ops", 5, "usd", as_of=SOON - timedelta(hours=1), told_at=SOON)
    torn = Reading("ops", 9, "usd", as_of=SOON, told_at=SOON, agreed=False)
    assert [p.bank_minor for p in latest_proofs([early, torn], [], BOOK.zone)] == [5]


def test_stripe_balance_below_zero_is_stripes_word_before_the_ledgers() -> None:
    told = StripeBalance("acct_1", "usd", -500, SOON)
    healed = StripeBalance("acct_1", "usd", 0, SOON + TICK)
    ledger = {"usd": -700, "eur": -30, "jpy": 0}
    wrong = [
        "negative_stripe_balance acct_1 500",
        "negative_stripe_balance assets:stripe:balance 30",
    ]
    assert said(reconcile(facts_of((told,), ledger_stripe=ledger), at=SOON)) == wrong
    assert said(reconcile(facts_of((healed, told), ledger_stripe={"usd": -700}), at=SOON)) == []


def half(reference: str, key: str, minor: int, *, on: datetime = SOON) -> Booking:
    return booking(reference, Leg("assets:stripe:settling", key, "usd", minor), on=on)


def test_settling_key_is_overdue_three_days_after_its_first_half() -> None:
    one = half("stripe:payment:ch_1", "ch_1", 900)
    due = SOON + timedelta(days=3)
    assert said(found(one, at=due - TICK)) == []
    assert said(found(one, at=due)) == ["clearing_overdue ch_1 900"]
    other = half("stripe:balance_transaction:txn_1", "ch_1", -900, on=due)
    assert said(found(one, other, at=LATER)) == []
    differs = half("stripe:balance_transaction:txn_1", "ch_1", -850, on=SOON)
    assert said(found(one, differs, at=LATER)) == ["clearing_overdue ch_1 50"]


def test_age_of_a_half_counts_from_when_it_was_both_done_and_recorded() -> None:
    legs = (Leg("assets:stripe:settling", "ch_1", "usd", 900),)
    old = datetime(2026, 1, 5, tzinfo=UTC)
    one = Booking("stripe:payment:ch_1", "payment", old, SOON, legs)
    assert said(found(one, at=SOON + timedelta(days=3) - TICK)) == []
    assert said(found(one, at=SOON + timedelta(days=3))) == ["clearing_overdue ch_1 900"]


@pytest.mark.parametrize(
    "kind",
    [
        DiscrepancyKind.EVENT_CONFLICT,
        DiscrepancyKind.REFERENCE_CONFLICT,
        DiscrepancyKind.MODE_MISMATCH,
        DiscrepancyKind.INVALID_AMOUNT,
        DiscrepancyKind.REFUND_FAILED,
        DiscrepancyKind.UNKNOWN_BALANCE_TRANSACTION,
    ],
)
def test_what_one_message_shows_to_be_wrong_is_a_discrepancy_once(kind: DiscrepancyKind) -> None:
    told = Concern(kind, "x_1", 777, "usd")
    again = Concern(kind, "x_1", 777, "usd", detail="said again")
    assert said(found(told, again, told)) == [f"{kind} x_1 777"]
    assert said(found(Concern(kind, "x_1"))) == [f"{kind} x_1"]


def test_unknown_balance_transaction_is_closed_by_the_entry_that_clears_it() -> None:
    told = Concern(DiscrepancyKind.UNKNOWN_BALANCE_TRANSACTION, "txn_1", 777, "usd")
    leg = Leg("liabilities:suspense", "txn_1", "usd", -777)
    booked = booking("stripe:balance_transaction:txn_1", leg, kind="unknown_balance_transaction")
    cleared = booking(
        "command:1", Leg("liabilities:suspense", "txn_1", "usd", 777), kind="manual_entry"
    )
    assert said(found(told, booked)) == ["unknown_balance_transaction txn_1 777"]
    assert said(found(told, booked, cleared)) == []


def test_every_kind_has_a_next_step_and_a_sentence() -> None:
    assert set(NEXT_STEPS) == set(DiscrepancyKind)
    known: Facts = facts_of((payout(), payout(B, stage=Stage.FAILED), line("ACME", 5)))
    for each in reconcile(known, at=LATER).discrepancies:
        assert each.explanation.endswith(".")
        assert all((each.expected, each.found, each.next_step))

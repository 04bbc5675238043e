"""No reference: whose name a line bears, windows, twins, batches, and what cannot be told."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.reconciler.facts.kinds import Leg
from services.reconciler.matching.table import AMOUNT, COMBINATION
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Expectation, Stage
from shared.contracts.books import BankAccount, BookData
from shared.contracts.observations import LineState
from tests.support.reconciler_facts import (
    ANYWHERE,
    ARRIVAL,
    LATER,
    SOON,
    A,
    B,
    C,
    booking,
    facts_of,
    found,
    line,
    payout,
    said,
    settled,
    the_match,
    topup,
)

THURSDAY = ARRIVAL + timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DEPOSIT",
        "Payout",
        "STRIPE",
        "Stripe, Inc. payout",
        "ACH CREDIT STRIPE TRANSFER",
        "CCD STRIPE;ST-A1B2C3",
        "SEPA GUTSCHRIFT STRIPE PAYMENTS EUROPE LTD",
        "Stripe Payments UK Ltd STRIPE FPI",
        "BGC STRIPE PAYMENTS UK",
        "STRIPE PAYMENTS AUSTRALIA PTY LTD DIRECT CREDIT 123456",
        "VIR SEPA STRIPE PAYMENTS EUROPE LTD /REF STRIPE",
        "TRANSFERENCIA DE STRIPE PAYMENTS EUROPE LTD",
        "EREF+NOTPROVIDED SVWZ+STRIPE ABWA+",
        "PREAUTHORIZED ACH CREDIT STRIPE TRANSFER",
        "STRIPE DES:TRANSFER ID:ST-A1B2C3D4E5 INDN:ACME WIDGETS LLC CO ID:1800948598 CCD",
        "ORIG CO NAME:STRIPE ORIG ID:1800948598 CO ENTRY DESCR:TRANSFER SEC:CCD TRACE#:0910000164918",
        "ORIG CO NAME:STRIPE EED:261111 IND ID:ST-Q1R2S3T4U5V6 IND NAME:ACME WIDGETS LLC TRN: 31564TC",
        "FED WIRE INCOMING",
    ],
)
def test_bank_text_that_names_nobody_else_lets_amount_and_date_decide(text: str) -> None:
    result = found(payout(), line(text))
    assert the_match(result).rule == AMOUNT
    assert said(result) == []


@pytest.mark.parametrize(
    "text",
    [
        "WIRE FROM ACME GMBH INV 4711",
        "ACH CREDIT PAYPAL TRANSFER",
        "SQUARE INC 261111P2",
        "SHOPIFY PAYOUT",
        "ADYEN NV",
        "GoCardless Ltd",
        "KLARNA BANK AB",
        "SEPA GUTSCHRIFT M\N{LATIN SMALL LETTER U WITH DIAERESIS}ller GmbH",
        "John Smith",
        "CARD REFUND AMAZON",
        "TAX REFUND IRS TREAS 310",
        "INTEREST PAID",
        "CHECK DEPOSIT 1032",
        "TRANSFER FROM SAVINGS",
        "STRIPES & CO LTD",
        "PINSTRIPE LTD",
        "STRIPE CAPITAL LOAN",
        "STRIPE TRANSFER FROM ACME GMBH",
    ],
)
def test_line_that_bears_another_payers_name_is_never_matched_by_amount(text: str) -> None:
    result = found(payout(), line(text))
    assert settled(result) == {}
    assert said(result) == ["unidentified_bank_credit l1 10000"]


def test_payer_is_known_by_the_books_own_names_and_the_payouts_descriptor() -> None:
    katakana = "\u30b9\u30c8\u30e9\u30a4\u30d7"
    assert settled(found(payout(), line(katakana))) == {}
    named = BookData(payer_names=(katakana, "Tallyco"))
    assert settled(found(payout(), line(katakana), book=named)) == {"l1": (A,)}
    assert settled(found(payout(), line("TALLYCO LTD"), book=named)) == {"l1": (A,)}
    with_text = payout(descriptor="ACME SHOP")
    assert settled(found(with_text, line("ACME SHOP"))) == {"l1": (A,)}
    assert settled(found(with_text, line("OTHER SHOP"))) == {}


@pytest.mark.parametrize(
    ("arrival", "on", "fits"),
    [
        # From the business day before to the fifth after: Friday 6 to Tuesday 17 November, since
        # the Reserve Banks are closed on Wednesday 11, Veterans Day.
        (date(2026, 11, 9), date(2026, 11, 5), False),
        (date(2026, 11, 9), date(2026, 11, 6), True),
        (date(2026, 11, 9), date(2026, 11, 7), True),
        (date(2026, 11, 9), date(2026, 11, 17), True),
        (date(2026, 11, 9), date(2026, 11, 18), False),
        # A Friday's window passes a weekend.
        (date(2026, 11, 6), date(2026, 11, 4), False),
        (date(2026, 11, 6), date(2026, 11, 5), True),
        (date(2026, 11, 6), date(2026, 11, 16), True),
        (date(2026, 11, 6), date(2026, 11, 17), False),
        # An arrival on a Saturday counts from there.
        (date(2026, 11, 7), date(2026, 11, 6), True),
        (date(2026, 11, 7), date(2026, 11, 16), True),
        (date(2026, 11, 7), date(2026, 11, 17), False),
        # No holiday in between.
        (date(2026, 11, 16), date(2026, 11, 23), True),
        (date(2026, 11, 16), date(2026, 11, 24), False),
    ],
)
def test_window_is_one_business_day_before_to_five_after(
    arrival: date, on: date, *, fits: bool
) -> None:
    result = found(payout(arrival=arrival), line("STRIPE", on=on), at=SOON)
    assert bool(result.matches) is fits


@pytest.mark.parametrize(
    ("on", "fits"),
    [
        (date(2026, 11, 4), False),
        (date(2026, 11, 5), True),
        (date(2026, 11, 23), True),
        (date(2026, 11, 24), False),
    ],
)
def test_window_of_a_topup_is_ten_business_days_from_its_creation(on: date, *, fits: bool) -> None:
    made = topup(
        "tu_1QK7mWLkdIwHu7ixRt5vXa2B", 10_000, created=datetime(2026, 11, 6, 9, tzinfo=UTC)
    )
    result = found(made, line("STRIPE TOPUP", -10_000, on=on), at=SOON)
    assert bool(result.matches) is fits


def test_window_of_a_topup_ends_on_its_due_day_in_the_books_zone() -> None:
    # Thursday evening in UTC is Friday in Tokyo: ten business days later is a Friday too.
    made = topup(A.replace("po", "tu"), 10_000, created=datetime(2026, 11, 5, 20, tzinfo=UTC))
    last = line("STRIPE TOPUP", -10_000, on=date(2026, 11, 23))
    tokyo = BookData(time_zone="Asia/Tokyo")
    assert [m.line for m in found(made, last, at=SOON, book=tokyo).matches] == [last]


@pytest.mark.parametrize("line_minor", [10_000, -10_000])
def test_topup_and_negative_payout_are_debits(line_minor: int) -> None:
    fits = line_minor < 0
    made = topup("tu_1", 10_000, created=datetime(2026, 11, 10, 9, tzinfo=UTC))
    assert bool(found(made, line("STRIPE", line_minor)).matches) is fits
    assert bool(found(payout(minor=-10_000), line("STRIPE", line_minor)).matches) is fits


def test_interchangeable_twins_are_taken_oldest_first() -> None:
    first = payout(B, created=datetime(2026, 11, 8, tzinfo=UTC))
    second = payout(A, created=datetime(2026, 11, 9, tzinfo=UTC))
    result = found(first, second, line("STRIPE"), line("STRIPE", id="l2", on=THURSDAY))
    assert settled(result) == {"l1": (B,), "l2": (A,)}
    assert settled(found(first, second, line("STRIPE"))) == {"l1": (B,)}


@pytest.mark.parametrize("other", [payout(B, arrival=THURSDAY), payout(B, method="instant")])
def test_twins_of_another_day_or_rail_are_not_interchangeable(other: Expectation) -> None:
    result = found(payout(), other, line("STRIPE"))
    assert settled(result) == {}
    assert said(result) == ["ambiguous_match l1 10000"]


def test_two_lines_for_one_payout_on_different_days_are_both_left_to_a_person() -> None:
    result = found(payout(), line("STRIPE"), line("STRIPE", id="l2", on=THURSDAY))
    assert settled(result) == {}
    assert said(result) == ["ambiguous_match l1 10000", "ambiguous_match l2 10000"]


def test_two_lines_for_one_payout_on_one_day_are_interchangeable() -> None:
    result = found(payout(), line("STRIPE"), line("STRIPE", id="l2"))
    assert settled(result) == {"l1": (A,)}
    assert said(result) == ["unidentified_bank_credit l2 10000"]


def test_line_that_names_the_payer_goes_before_one_that_names_nobody() -> None:
    result = found(payout(), line("DEPOSIT"), line("STRIPE", id="l2", on=THURSDAY))
    assert settled(result) == {"l2": (A,)}
    assert said(result) == ["unidentified_bank_credit l1 10000"]


def test_third_line_for_two_twins_spares_only_what_is_interchangeable() -> None:
    twins = (payout(), payout(B))
    lines = [line("STRIPE"), line("STRIPE", id="l2"), line("STRIPE", id="l3", on=THURSDAY)]
    result = found(*twins, *lines)
    assert set(settled(result)) <= {"l1", "l2"}
    assert "ambiguous_match l3 10000" in said(result)
    other_days = [line("STRIPE", id=f"l{n}", on=ARRIVAL + timedelta(days=n)) for n in range(3)]
    assert settled(found(*twins, *other_days)) == {}


def test_rival_is_followed_over_what_its_holder_could_settle_instead() -> None:
    # l1 fits the first alone, l2 both, l3 the second alone: any one of them may be a stranger.
    early, late = payout(arrival=date(2026, 11, 6)), payout(B, arrival=date(2026, 11, 18))
    lines = [
        line("STRIPE", on=date(2026, 11, 10)),
        line("STRIPE", id="l2", on=date(2026, 11, 17)),
        line("STRIPE", id="l3", on=date(2026, 11, 19)),
    ]
    assert settled(found(early, late, lines[0], lines[2])) == {"l1": (A,), "l3": (B,)}
    with_one_more = found(early, late, *lines)
    assert settled(with_one_more) == {"l1": (A,)}
    assert said(with_one_more) == ["ambiguous_match l2 10000", "ambiguous_match l3 10000"]


def test_line_that_names_the_payer_keeps_a_payout_but_may_move_on_and_push_another() -> None:
    known = [
        payout(A, arrival=date(2026, 11, 13)),
        payout(B, arrival=date(2026, 11, 20)),
        payout(C, arrival=date(2026, 11, 25)),
    ]
    lines = [
        line("", id="stranger", on=date(2026, 11, 16)),  # fits the first alone
        line("", id="l1", on=date(2026, 11, 20)),  # the first or the second
        line("STRIPE", id="l2", on=date(2026, 11, 24)),  # the second or the third
        line("", id="l3", on=date(2026, 12, 1)),  # the third alone
    ]
    assert settled(found(*known, *lines)) == {}
    assert settled(found(*known, lines[1], lines[3])) == {"l3": (C,)}


@pytest.mark.parametrize(
    ("minor", "others", "settles", "wrong"),
    [
        (15_500, [(B, 5_500), (C, 7_700)], {"l1": (B, A)}, []),
        (15_500, [(B, 5_500), (C, 5_500)], {"l1": (B, A)}, []),
        (15_500, [(B, 5_501), (C, 7_700)], {}, ["unidentified_bank_credit l1 15500"]),
        (
            15_500,
            [(B, 5_500), (C, 7_700), ("po_1QD", 7_800)],
            {},
            ["ambiguous_match l1 15500"],
        ),
    ],
)
def test_line_settles_the_only_combination_of_payouts_that_adds_up(
    minor: int,
    others: list[tuple[str, int]],
    settles: dict[str, tuple[str, ...]],
    wrong: list[str],
) -> None:
    known = [payout(), *(payout(id_, amount) for id_, amount in others)]
    result = found(*known, line("STRIPE", minor))
    first = {key: tuple(sorted(ids)) for key, ids in settles.items()}
    if (C, 5_500) in others:
        # The two of 5,500 are interchangeable; the smaller id of the same moment goes first.
        first = {"l1": tuple(sorted((A, min(B, C))))}
    assert settled(result) == first
    assert said(result) == wrong
    assert all(m.rule == COMBINATION and m.delta_minor == 0 for m in result.matches)


def test_two_lines_that_need_one_payout_for_their_combinations_are_both_left() -> None:
    known = (payout(), payout(B, 5_500), payout(C, 7_700))
    lines = (line("STRIPE", 15_500), line("STRIPE", 17_700, id="l2"))
    result = found(*known, *lines)
    assert settled(result) == {}
    assert said(result) == ["ambiguous_match l1 15500", "ambiguous_match l2 17700"]


def test_single_payout_goes_before_a_combination() -> None:
    known = (payout(minor=15_500), payout(B, 5_500), payout(C, 10_000))
    assert settled(found(*known, line("STRIPE", 15_500))) == {"l1": (A,)}


TWO_ACCOUNTS = BookData(
    bank_accounts=(
        BankAccount(name="ops", currency="usd", destinations=("ba_ops",)),
        BankAccount(name="tax", currency="usd", destinations=("ba_tax",)),
    )
)


def test_destination_says_which_bank_account_shows_the_payout() -> None:
    here, there = payout(destination="ba_ops"), payout(B, destination="ba_tax")
    lines = (line("STRIPE", account="tax"), line("STRIPE", id="l2"))
    result = found(here, there, *lines, book=TWO_ACCOUNTS)
    assert settled(result) == {"l1": (B,), "l2": (A,)}
    assert settled(found(here, lines[0], book=TWO_ACCOUNTS)) == {}


def test_destination_that_nobody_names_may_be_any_account_in_the_currency() -> None:
    assert settled(found(payout(destination="ba_x"), line("STRIPE"), book=TWO_ACCOUNTS)) == {
        "l1": (A,)
    }
    assert settled(found(payout(), line("STRIPE", account="any"), book=ANYWHERE)) == {"l1": (A,)}


@pytest.mark.parametrize("state", [LineState.PENDING, LineState.REMOVED])
def test_line_that_is_not_posted_settles_nothing_and_is_no_discrepancy(state: LineState) -> None:
    result = found(payout(), line(A, state=state))
    assert (result.matches, said(result)) == ((), [])


def test_line_that_the_bank_took_back_no_longer_settles() -> None:
    gone = line(A, state=LineState.REMOVED, revision=2)
    assert found(payout(), line(A), gone).matches == ()
    assert said(found(payout(), line(A), gone, at=LATER)) == [f"payout_overdue {A} 10000"]


@pytest.mark.parametrize("stage", [Stage.FAILED, Stage.CANCELED])
def test_payout_that_went_back_is_not_matched_by_amount(stage: Stage) -> None:
    assert settled(found(payout(stage=stage), line("STRIPE"))) == {}


def test_other_currency_is_never_matched_by_amount() -> None:
    assert settled(found(payout(), line("STRIPE", currency="eur"), book=ANYWHERE)) == {}


def test_closed_window_freezes_a_match_and_an_open_one_does_not() -> None:
    weak = the_match(found(payout(), line("STRIPE")))
    twin = payout(B, arrival=THURSDAY)
    known = facts_of((payout(), twin, line("STRIPE")), standing=[weak.made(1)])
    open_still = reconcile(known, at=datetime(2026, 11, 18, tzinfo=UTC))
    assert said(open_still)[0] == "ambiguous_match l1 10000"
    closed = reconcile(known, at=datetime(2026, 11, 19, tzinfo=UTC))
    assert settled(closed) == {"l1": (A,)}
    # A strong reference undoes it all the same.
    told = facts_of((payout(), twin, line("STRIPE"), line(A, id="l2")), standing=[weak.made(1)])
    assert settled(reconcile(told, at=datetime(2026, 11, 19, tzinfo=UTC)))["l2"] == (A,)


def test_what_a_person_cleared_by_hand_is_not_matched_again() -> None:
    by_hand = booking(
        "command:1",
        Leg("liabilities:suspense", "l1", "usd", 10_000),
        Leg("assets:stripe:in-transit", A, "usd", -10_000),
        kind="manual_entry",
    )
    result = found(payout(), line("STRIPE"), by_hand, at=LATER)
    assert (result.matches, said(result)) == ((), [])


def test_short_line_whose_rest_was_booked_by_hand_is_whole() -> None:
    fee = booking("command:1", Leg("assets:stripe:in-transit", A, "usd", -100), kind="manual_entry")
    result = found(payout(), line(A, 9_900), fee, at=LATER)
    assert settled(result) == {"l1": (A,)}
    assert said(result) == []


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        ("UTC", datetime(2026, 11, 11, tzinfo=UTC)),
        ("Asia/Tokyo", datetime(2026, 11, 10, 15, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 11, 5, tzinfo=UTC)),
    ],
)
def test_match_takes_effect_when_its_line_does_in_the_books_own_zone(
    zone: str, begins: datetime
) -> None:
    match = the_match(found(payout(), line(A), book=BookData(time_zone=zone)))
    assert match.effective_at == begins
    later = booking(
        "stripe:balance_transaction:txn_1",
        Leg("assets:stripe:in-transit", A, "usd", 10_000),
        on=datetime(2026, 11, 13, tzinfo=UTC),
    )
    match = the_match(found(payout(), line(A), later, book=BookData(time_zone=zone)))
    assert match.effective_at == later.effective_at

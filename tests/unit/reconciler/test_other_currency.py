"""A payout that comes in another currency: told once, by its class, and never matched."""

from dataclasses import replace
from datetime import UTC, datetime

from services.reconciler.facts.kinds import IN_TRANSIT, SUSPENSE, Leg
from services.reconciler.findings.classes import severity_of
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind, Severity
from tests.support.reconciler_facts import (
    ANYWHERE,
    LATER,
    A,
    B,
    booking,
    found,
    line,
    payout,
    said,
    settled,
)

EUROS = line(f"STRIPE {A}", 9_200, currency="eur", account="ops_eur")


def test_payout_that_comes_in_another_currency_is_told_once_and_at_once() -> None:
    result = found(payout(), EUROS, book=ANYWHERE)
    assert settled(result) == {}
    (found_,) = result.discrepancies
    assert (found_.kind, found_.subject) == (DiscrepancyKind.PAYOUT_AMOUNT_MISMATCH, A)
    assert found_.break_class is BreakClass.FX_DIFF
    assert found_.explanation == (
        f"{A} should be 100.00 USD at the bank and came in another currency: 92.00 EUR in l1."
        " Nobody has told the rate, so nothing is matched."
    )
    assert severity_of(BreakClass.FX_DIFF, found_.amount, 0) is Severity.LOW


def test_payout_in_another_currency_is_not_missing_when_it_is_due() -> None:
    assert said(found(payout(), EUROS, at=LATER)) == [f"payout_amount_mismatch {A} 10000"]


def test_line_in_the_payouts_own_currency_settles_it_and_leaves_the_other_to_a_person() -> None:
    result = found(payout(), EUROS, line(A, id="l2"))
    assert settled(result) == {"l2": (A,)}
    (left,) = result.discrepancies
    assert (left.kind, left.subject) == (DiscrepancyKind.UNIDENTIFIED_BANK_CREDIT, "l1")


def test_what_a_person_books_over_the_exchange_account_ends_it() -> None:
    """Both keys are cleared by one entry: suspense of the euros, in transit of the dollars."""
    cleared = booking(
        "command:exchanged",
        Leg(SUSPENSE, "l1", "eur", 9_200),
        Leg(IN_TRANSIT, A, "usd", -10_000),
        kind="manual_entry",
        on=datetime(2026, 11, 12, tzinfo=UTC),
    )
    assert said(found(payout(), EUROS, cleared, at=LATER)) == []


def test_payout_that_fails_after_all_leaves_the_line_to_a_person() -> None:
    failed = replace(payout(), stage=payout().stage.FAILED, told_stage=payout().stage.FAILED)
    assert said(found(failed, EUROS)) == [
        f"payout_failed {A} 10000",
        "unidentified_bank_credit l1 9200",
    ]


def test_line_in_another_currency_that_names_two_or_goes_the_other_way_says_nothing_of_either() -> (
    None
):
    two = replace(EUROS, description=f"STRIPE {A} {B}")
    assert "payout_amount_mismatch" not in " ".join(said(found(payout(), payout(B), two)))
    back = replace(EUROS, minor=-9_200)
    assert said(found(payout(), back)) == ["unidentified_bank_debit l1 9200"]


def test_spread_within_the_band_is_posted_by_its_name_and_beyond_it_stays_open() -> None:
    near = line(f"STRIPE {A} CURRENCY CONVERSION", 9_960)
    result = found(payout(), near)
    assert said(result) == []
    (match,) = result.matches
    assert match.difference is not None
    assert (match.difference.name, match.difference.minor) == ("exchange", -40)
    far = replace(near, minor=9_000)
    (open_,) = found(payout(), far).discrepancies
    assert (open_.kind, open_.break_class) == (
        DiscrepancyKind.PAYOUT_AMOUNT_MISMATCH,
        BreakClass.AMOUNT_MISMATCH,
    )

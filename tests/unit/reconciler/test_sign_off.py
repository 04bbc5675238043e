"""What a sign-off freezes: the figures of one bank account, and what is on its way to it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from services.reconciler.acts.sign_off import (
    Figures,
    InTransit,
    OnItsWay,
    in_transit,
    signed_off,
)
from services.reconciler.acts.working import NotAllowed
from shared.contracts.acts import SignOff
from shared.contracts.books import BankAccount, BookData

TWO = BookData(
    bank_accounts=(
        BankAccount(name="ops", currency="usd", destinations=("ba_ops",)),
        BankAccount(name="reserve", currency="usd", destinations=("ba_reserve",)),
        BankAccount(name="euros", currency="eur"),
    )
)
ONE = BookData(bank_accounts=(BankAccount(name="ops", currency="usd"),))
DOLLARS = (
    OnItsWay("po_a", 10_000, "ba_ops"),
    OnItsWay("po_b", 2_000, "ba_reserve"),
    OnItsWay("po_c", 300, "ba_of_nobody"),
    OnItsWay("po_untold", 4, ""),
)
FIGURES = Figures(
    proven_on=date(2026, 11, 30),
    proven_at=datetime(2026, 11, 30, 22, tzinfo=UTC),
    bank_minor=500,
    ledger_minor=500,
    lines=3,
    lines_minor=500,
    lines_since=0,
    matches=2,
    matches_digest="00",
    in_transit=InTransit(10_000, 304),
    open_lines=(),
)
ACT = SignOff(
    idempotency_key="k1", actor="ada", account="ops", currency="usd", through=date(2026, 11, 30)
)


@pytest.mark.parametrize(("account", "minor"), [("ops", 10_000), ("reserve", 2_000)])
def test_in_transit_counts_what_is_on_its_way_to_the_account_that_is_signed_off(
    account: str, minor: int
) -> None:
    assert in_transit(DOLLARS, TWO, account=account, currency="usd") == InTransit(minor, 304)


def test_in_transit_of_the_only_account_in_a_currency_is_all_of_it() -> None:
    assert in_transit(DOLLARS, ONE, account="ops", currency="usd") == InTransit(12_304, 0)
    euros = (OnItsWay("po_e", 70_000, ""),)
    assert in_transit(euros, TWO, account="euros", currency="eur") == InTransit(70_000, 0)


def test_figures_that_agree_are_frozen_with_what_was_on_its_way() -> None:
    frozen = signed_off(ACT, FIGURES, None)
    assert (frozen["in_transit_minor"], frozen["proven_on"]) == ("10000", "2026-11-30")
    assert frozen["exceptions"] == []


def test_lines_that_no_balance_has_proven_keep_a_reconciliation_from_being_signed() -> None:
    stale = replace(FIGURES, proven_on=date(2026, 11, 2), lines_since=1)
    with pytest.raises(NotAllowed, match="1 line was booked after 2026-11-02"):
        signed_off(ACT, stale, None)
    forced = ACT.model_copy(update={"force": True, "reason": "the bank's month"})
    frozen = signed_off(forced, replace(stale, lines_since=2), None)
    said = "2 lines were booked after 2026-11-02, the day of the last proven balance"
    assert frozen["exceptions"] == [said]

"""Stripe's balance below zero: by the later word of Stripe's and of the ledger's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.reconciler.breaks.balances import below_zero
from services.reconciler.facts.kinds import StripeBalance

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
WORD = StripeBalance("acct_1", "usd", -500, AT)


def found(*words: StripeBalance, ledger: int, moved: timedelta) -> list[tuple[str, int]]:
    below = below_zero(words, {"usd": ledger}, {"usd": AT + moved}, "acct_1")
    return [(each.subject, each.minor) for each in below]


def test_word_of_stripe_stands_while_the_ledger_has_not_moved_since() -> None:
    assert found(WORD, ledger=200, moved=-timedelta(hours=1)) == [("acct_1", -500)]
    assert found(WORD, ledger=200, moved=timedelta()) == [("acct_1", -500)]


def test_word_that_is_older_than_the_ledger_is_not_believed() -> None:
    assert found(WORD, ledger=200, moved=timedelta(seconds=1)) == []
    well = replace(WORD, minor=900)
    assert found(well, ledger=-300, moved=timedelta(seconds=1)) == [("acct_1", -300)]


def test_of_several_accounts_each_ones_own_word_stands() -> None:
    other = replace(WORD, account="acct_2", minor=900)
    assert found(WORD, other, ledger=400, moved=timedelta(days=1)) == [("acct_1", -500)]

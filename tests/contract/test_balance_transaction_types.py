"""Every balance transaction that the pinned ``stripe`` library knows has been decided.

The types, balances and categories come from the library itself: a version that brings a new one
fails here until there is a rule for it, or a reason to leave it in suspense.
"""

from datetime import UTC, datetime
from typing import Final

import pytest

from services.ledger.activation.in_force import BookInForce
from services.ledger.readers.told import BalanceTransaction
from services.ledger.rules.balance_transactions import (
    ADJUSTMENT_RULES,
    BALANCE_TRANSACTION_RULES,
    LOAN_CATEGORIES,
    MOVEMENTS,
    balance_transaction,
)
from services.ledger.rules.movements import unexplained
from shared.contracts.money import Money, currency_of
from tests.support.stripe_library import (
    balance_transaction_types,
    balance_types,
    reporting_categories,
)

BALANCES: Final = {
    "payments": "assets:stripe:balance",
    "issuing": "assets:stripe:issuing",
    "refund_and_dispute_prefunding": "assets:stripe:refund-and-dispute-prefunding",
    "risk_reserved": "assets:stripe:reserve",
}
UNEXPLAINED: Final = {
    "adjustment",
    "fee_credit_funding",
    "obligation_outbound",
    "obligation_reversal_inbound",
    "payment_reversal",
    "tax_fund",
}
USD: Final = currency_of("usd")


def movement(kind: str, balance: str, category: str, gross: int = -1_234) -> BalanceTransaction:
    return BalanceTransaction(
        id="txn_1",
        type=kind,
        category=category,
        balance_type=balance,
        gross=Money(gross, USD),
        fee=Money(34, USD),
        net=Money(gross - 34, USD),
        source="src_1",
        charge="ch_1",
        is_of_payout=False,
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


def test_every_type_of_the_library_has_been_decided() -> None:
    assert balance_transaction_types() == set(BALANCE_TRANSACTION_RULES)


def test_every_balance_of_the_library_has_an_account() -> None:
    assert balance_types() == set(BALANCES)


def test_every_category_of_the_library_has_been_decided_for_adjustments() -> None:
    assert reporting_categories() == set(ADJUSTMENT_RULES) | LOAN_CATEGORIES


def test_types_left_in_suspense_are_those_that_stripe_does_not_explain() -> None:
    rules = BALANCE_TRANSACTION_RULES.items()
    assert {kind for kind, rule in rules if rule is unexplained} == UNEXPLAINED


@pytest.mark.parametrize("kind", sorted(balance_transaction_types()))
def test_every_type_on_every_balance_moves_that_balance_by_its_net(kind: str) -> None:
    for balance, account in BALANCES.items():
        for gross in (1_234, -1_234):
            entry, is_explained = balance_transaction(
                movement(kind, balance, "", gross), BookInForce()
            )
            assert entry is not None
            moved = dict.fromkeys(BALANCES.values(), 0)
            for p in entry.postings:
                if p.account in moved:
                    moved[str(p.account)] += p.signed_minor
            # What was set aside in one leg has its other side on the reserve itself.
            moved["assets:stripe:reserve"] += gross if kind == "reserved_funds" else 0
            assert moved.pop(account) == gross - 34
            assert not any(moved.values())
            in_suspense = any(p.account == "liabilities:suspense" for p in entry.postings)
            assert in_suspense is (kind in UNEXPLAINED) is not is_explained


@pytest.mark.parametrize("kind", sorted(balance_transaction_types()))
def test_every_type_in_every_category_keeps_the_payments_balance_right(kind: str) -> None:
    for category in sorted(reporting_categories()):
        told = movement(kind, "payments", category)
        entry, is_explained = balance_transaction(told, BookInForce())
        assert entry is not None
        held = [p.signed_minor for p in entry.postings if p.account == "assets:stripe:balance"]
        assert held == [-1_268]
        assert is_explained is (MOVEMENTS.rule_of(told) is not unexplained)

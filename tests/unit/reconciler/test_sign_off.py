"""What a sign-off freezes: the figures of one bank account, and what is on its way to it."""

import pytest

from services.reconciler.acts.sign_off import InTransit, in_transit
from services.reconciler.facts.kinds import IN_TRANSIT, Fact, Leg
from shared.contracts.books import BankAccount, BookData
from tests.support.reconciler_facts import ARRIVAL, A, B, C, booking, payout

TWO = BookData(
    bank_accounts=(
        BankAccount(name="ops", currency="usd", destinations=("ba_ops",)),
        BankAccount(name="reserve", currency="usd", destinations=("ba_reserve",)),
        BankAccount(name="euros", currency="eur"),
    )
)
ONE = BookData(bank_accounts=(BankAccount(name="ops", currency="usd"),))


def on_its_way(name: str, minor: int, destination: str = "", currency: str = "usd") -> list[Fact]:
    told = payout(name, minor, arrival=ARRIVAL, destination=destination, currency=currency)
    leg = Leg(IN_TRANSIT, name, currency, minor)
    return [told, booking(f"stripe:balance_transaction:{name}", leg)]


KNOWN: list[Fact] = [
    *on_its_way(A, 10_000, "ba_ops"),
    *on_its_way(B, 2_000, "ba_reserve"),
    *on_its_way(C, 300, "ba_of_nobody"),
    *on_its_way("po_1QE5mWLkdIwHu7ixRt5vXa2E", 70_000, currency="eur"),
    booking("stripe:balance_transaction:late", Leg(IN_TRANSIT, "po_untold", "usd", 4)),
]


@pytest.mark.parametrize(
    ("account", "currency", "minor", "unassigned"),
    [
        ("ops", "usd", 10_000, 304),
        ("reserve", "usd", 2_000, 304),
        ("euros", "eur", 70_000, 0),
    ],
)
def test_in_transit_counts_what_is_on_its_way_to_the_account_that_is_signed_off(
    account: str, currency: str, minor: int, unassigned: int
) -> None:
    assert in_transit(KNOWN, TWO, account=account, currency=currency) == InTransit(
        minor, unassigned
    )


def test_in_transit_of_the_only_account_in_a_currency_is_all_of_it() -> None:
    assert in_transit(KNOWN, ONE, account="ops", currency="usd") == InTransit(12_304, 0)


def test_what_the_bank_has_shown_is_in_transit_no_more() -> None:
    shown = booking("match:1", Leg(IN_TRANSIT, A, "usd", -10_000), kind="match")

    assert in_transit([*KNOWN, shown], TWO, account="ops", currency="usd") == InTransit(0, 304)

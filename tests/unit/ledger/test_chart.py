"""The chart of accounts: the default one, and what a file must be."""

import pytest

from services.ledger import accounts
from services.ledger.chart import Root, chart_of, default_chart
from shared.contracts.errors import Unreadable
from shared.contracts.journal import Direction

ONE = 'version = 1\n[[account]]\nname = "assets:bank:NAME"\ndisplay = "Cash"\n'


@pytest.mark.parametrize(
    "name",
    [
        accounts.STRIPE_BALANCE,
        accounts.STRIPE_RESERVE,
        accounts.STRIPE_SETTLING,
        accounts.STRIPE_IN_TRANSIT,
        accounts.STRIPE_FEES,
        accounts.DISPUTES,
        accounts.REVENUE,
        accounts.REFUNDS,
        accounts.APPLICATION_FEES,
        accounts.CONNECT,
        accounts.SUSPENSE,
        accounts.EXCHANGE,
        accounts.bank("any-1"),
        accounts.stripe_balance("refund_and_dispute_prefunding"),
        "assets:wallet:base:0xAb12",
    ],
)
def test_every_account_that_rules_post_to_is_in_the_default_chart(name: str) -> None:
    assert default_chart().find(name) is not None


def test_clearing_accounts_are_those_that_return_to_zero() -> None:
    assert [(a.name, a.due_days) for a in default_chart().clearing()] == [
        ("assets:stripe:settling", 3),
        ("assets:stripe:in-transit", None),
        ("liabilities:suspense", 0),
    ]


def test_account_of_its_own_name_goes_before_its_family() -> None:
    found = default_chart().find("assets:stripe:reserve")
    assert found is not None
    assert found.display == "Stripe Reserve"


def test_normal_balance_follows_the_root_unless_the_chart_says_otherwise() -> None:
    chart = default_chart()
    normal = {a.name: a.normal for a in chart.accounts}
    assert normal["assets:stripe:balance"] is Direction.DEBIT
    assert normal["liabilities:connect"] is Direction.CREDIT
    assert normal["revenue:stripe"] is Direction.CREDIT
    assert normal["revenue:refunds"] is Direction.DEBIT
    assert Root.EXPENSES.normal is Direction.DEBIT


@pytest.mark.parametrize(
    "name", ["assets:bank", "assets:bank:a:b", "assets:bank:a b", "expenses:x"]
)
def test_account_outside_the_chart_is_not_found(name: str) -> None:
    assert default_chart().find(name) is None


def test_display_of_an_unknown_account_is_its_name() -> None:
    assert default_chart().display("assets:bank:main") == "Cash"
    assert default_chart().display("expenses:x") == "expenses:x"


def test_chart_of_one_bad_row_is_refused_for_that_row_alone() -> None:
    with pytest.raises(Unreadable) as refused:
        chart_of('version = 1\n[[account]]\nname = "asset:x"\ndisplay = "X"\n')
    assert str(refused.value) == (
        "not a chart of accounts: account.0: 'asset:x' is not a root and one to seven segments"
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("version = ", "TOML"),
        ("version = 2", "version"),
        ("version = 1", "account"),
        ("version = 1\naccount = []", "account"),
        (ONE + ONE.partition("\n")[2], "named twice"),
        (ONE.replace("assets:bank:NAME", "money:bank"), "root"),
        (ONE.replace("assets:bank:NAME", "assets"), "root"),
        (ONE.replace("assets:bank:NAME", "assets:a b"), "segment"),
        (ONE + "clearing = true", "without a key"),
        (ONE + "due_days = 3", "due time"),
        (ONE + "colour = 3", "colour"),
    ],
)
def test_chart_that_is_none_is_refused_and_says_where(text: str, part: str) -> None:
    with pytest.raises(Unreadable, match=part):
        chart_of(text)

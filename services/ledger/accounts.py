"""The accounts that rules post to, by the names of the default chart."""

from typing import Final

from shared.contracts.journal import Account, account

STRIPE_BALANCE: Final = Account("assets:stripe:balance")
STRIPE_RESERVE: Final = Account("assets:stripe:reserve")
STRIPE_SETTLING: Final = Account("assets:stripe:settling")
STRIPE_IN_TRANSIT: Final = Account("assets:stripe:in-transit")
STRIPE_FEES: Final = Account("expenses:stripe-fees")
DISPUTES: Final = Account("expenses:disputes")
REVENUE: Final = Account("revenue:stripe")
REFUNDS: Final = Account("revenue:refunds")
APPLICATION_FEES: Final = Account("revenue:application-fees")
CONNECT: Final = Account("liabilities:connect")
SUSPENSE: Final = Account("liabilities:suspense")
EXCHANGE: Final = Account("equity:exchange")


def bank(name: str) -> Account:
    """The cash account of a bank account.

    Raises:
        AccountInvalid: The name cannot stand in an account's name.
    """
    return account(f"assets:bank:{name}")


def stripe_balance(balance_type: str) -> Account:
    """The account of one of Stripe's balances: ``payments`` is the balance, others stand apart.

    Raises:
        AccountInvalid: The type cannot stand in an account's name.
    """
    if balance_type == "payments":
        return STRIPE_BALANCE
    if balance_type == "risk_reserved":
        return STRIPE_RESERVE
    return account(f"assets:stripe:{balance_type.replace('_', '-')}")

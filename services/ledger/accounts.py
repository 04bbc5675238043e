"""The accounts that rules post to, by the names of the default chart."""

from typing import Final

from shared.contracts.errors import AccountInvalid
from shared.contracts.journal import Account, account

STRIPE_BALANCE: Final = Account("assets:stripe:balance")
STRIPE_RESERVE: Final = Account("assets:stripe:reserve")
STRIPE_CONNECT_RESERVED: Final = Account("assets:stripe:connect-reserved")
STRIPE_NETWORK_RESERVE: Final = Account("assets:stripe:payment-network-reserve")
STRIPE_MINIMUM_BALANCE: Final = Account("assets:stripe:minimum-balance")
STRIPE_ISSUING_HELD: Final = Account("assets:stripe:issuing-held")
STRIPE_SETTLING: Final = Account("assets:stripe:settling")
STRIPE_IN_TRANSIT: Final = Account("assets:stripe:in-transit")
STRIPE_FEES: Final = Account("expenses:stripe-fees")
STRIPE_LOANS: Final = Account("liabilities:stripe-loans")
DISPUTES: Final = Account("expenses:disputes")
BAD_DEBT: Final = Account("expenses:bad-debt")
CLIMATE: Final = Account("expenses:climate")
ISSUING: Final = Account("expenses:issuing")
PLATFORM_FEES: Final = Account("expenses:platform-fees")
REVENUE: Final = Account("revenue:stripe")
REFUNDS: Final = Account("revenue:refunds")
APPLICATION_FEES: Final = Account("revenue:application-fees")
CONNECT: Final = Account("liabilities:connect")
RECEIVABLE: Final = Account("assets:receivable")
UNEARNED: Final = Account("liabilities:unearned")
TAX: Final = Account("liabilities:tax")
CUSTOMER_BALANCE: Final = Account("liabilities:customer-balance")
CREDITS: Final = Account("memo:credits")
CREDITS_ISSUED: Final = Account("memo:credits-issued")
CUSTOMER_FUNDS: Final = Account("liabilities:customer-funds")
SUSPENSE: Final = Account("liabilities:suspense")
EXCHANGE: Final = Account("equity:exchange")


# Cash at a bank, one account for each; behind it stands the bank account's name.
BANK: Final = "assets:bank:"


def bank(name: str) -> Account:
    """The cash account of a bank account.

    Raises:
        AccountInvalid: The name cannot stand in an account's name.
    """
    return account(f"{BANK}{name}")


def stripe_balance(balance_type: str) -> Account:
    """The account of one of Stripe's balances: ``payments`` is the balance, others stand apart.

    Raises:
        AccountInvalid: The type cannot stand in an account's name, or would be the name of an
            account that holds something else.
    """
    if balance_type == "payments":
        return STRIPE_BALANCE
    if balance_type == "risk_reserved":
        return STRIPE_RESERVE
    named = account(f"assets:stripe:{balance_type.replace('_', '-')}")
    if named in (STRIPE_BALANCE, STRIPE_SETTLING, STRIPE_IN_TRANSIT):
        raise AccountInvalid(named)
    return named

"""What stands against a movement of Stripe's balance: one function for each kind of reason.

Each gives the line beside the balance and the fee; ``None`` where the key for it is not told.
"""

from services.ledger import accounts
from services.ledger.readers.told import BalanceTransaction
from shared.contracts.journal import Account, Line, credit


def settled(told: BalanceTransaction) -> Line | None:
    """A charge, refund, transfer or reversal reached the balance.

        Dr assets:stripe:balance                net
        Dr expenses:stripe-fees                 fee
        Cr assets:stripe:settling[source]       gross

    The settling line meets the one that the object left under the same key, before or after.
    Amounts are signed: money that leaves turns every side.

    Source: Stripe API reference, "The Balance Transaction object".
    """
    return _credit_by(accounts.STRIPE_SETTLING, told, told.source)


def settled_by_charge(told: BalanceTransaction) -> Line | None:
    """The uncaptured rest of a charge is given up, or a debit is returned.

        Dr assets:stripe:settling[charge]       gross
        Cr assets:stripe:balance                net
        Cr expenses:stripe-fees                 fee given back

    Stripe names a refund as the source, which is one only in form: the charge is what waits. Where
    no charge is told it waits in suspense, since nothing would ever meet it under the refund.

    Source: Stripe docs, "Reporting categories", partial-capture reversals; "Balance transaction
    types", ``payment_failure_refund``.
    """
    return _credit_by(accounts.STRIPE_SETTLING, told, told.charge)


def in_transit(told: BalanceTransaction) -> Line | None:
    """A payout leaves, fails or is cancelled; a top-up or the like comes in or is taken back.

        Dr assets:stripe:in-transit[payout]     amount
        Dr expenses:stripe-fees                 fee, of an instant payout
        Cr assets:stripe:balance                net

    A failed payout, a top-up and a payout that takes money from the bank turn the sides.

    Source: Stripe API reference, "The Payout object", "The Top-up object", "Inbound Transfer v2".
    """
    return _credit_by(accounts.STRIPE_IN_TRANSIT, told, told.source)


def disputed(told: BalanceTransaction) -> Line | None:
    """Funds of a dispute are withdrawn, or reinstated with the sides turned.

        Dr expenses:disputes[dispute]           gross
        Dr expenses:stripe-fees                 fee
        Cr assets:stripe:balance                net

    It is an expense from the day of the withdrawal, because ``lost`` can still turn to ``won``.

    Source: Stripe docs, "How disputes work".
    """
    return _credit_by(accounts.DISPUTES, told, told.source)


def application_fee(told: BalanceTransaction) -> Line | None:
    """A fee that a connected account paid us, or its refund with the sides turned.

        Dr assets:stripe:balance                net
        Cr revenue:application-fees             gross

    Source: Stripe API reference, "The Application Fee object".
    """
    return credit(accounts.APPLICATION_FEES, told.gross)


def own_bill(told: BalanceTransaction) -> Line | None:
    """Stripe bills us: the money is in the amount, and the fee is zero.

        Dr expenses:stripe-fees                 amount
        Cr assets:stripe:balance                net

    Source: Stripe docs, "Balance transaction types", ``stripe_fee``.
    """
    return credit(accounts.STRIPE_FEES, told.gross)


def reserved(told: BalanceTransaction) -> Line | None:
    """One leg of a reserve that is held or released.

        Dr assets:stripe:settling[reserve]      leg of ``payments``, held
        Cr assets:stripe:balance
        Dr assets:stripe:reserve                leg of ``risk_reserved``, held
        Cr assets:stripe:settling[reserve]

    A release turns the sides.

    Source: Stripe API reference, "The Balance Transaction object", ``balance_type``.
    """
    return _credit_by(accounts.STRIPE_SETTLING, told, told.source)


def lent(told: BalanceTransaction) -> Line | None:
    """Stripe advances pending funds or lends, and takes it back.

        Dr assets:stripe:balance                net
        Cr liabilities:stripe-loans             gross, of an advance or a loan

    Taking back turns the sides. What is paid down beyond the loan is its cost, which no balance
    transaction tells apart: the account then stands in debit by it.

    Source: Stripe docs, "Balance transaction types", ``advance``, ``advance_funding``,
    ``anticipation_repayment``; "Reporting categories", ``financing_payout`` and its kin.
    """
    return credit(accounts.STRIPE_LOANS, told.gross)


def covered(told: BalanceTransaction) -> Line | None:
    """A connected account's negative balance is collected from us, its platform.

        Dr expenses:bad-debt                    amount
        Cr assets:stripe:balance                net

    It comes after 180 days in which nothing brought the money back, so it is a loss.

    Source: Stripe support, "Connect reserves FAQ".
    """
    return credit(accounts.BAD_DEBT, told.gross)


def unreconciled(told: BalanceTransaction) -> Line | None:
    """A customer's funds that pay nothing yet reach the balance.

    Dr assets:stripe:balance                net
    Cr liabilities:customer-funds           gross

    Source: Stripe docs, "Balance transaction types", ``payment_unreconciled``.
    """
    return credit(accounts.CUSTOMER_FUNDS, told.gross)


def given_to_climate(told: BalanceTransaction) -> Line | None:
    """Carbon removal is ordered or contributed to, or an order is refunded with the sides turned.

    Dr expenses:climate                     amount
    Cr assets:stripe:balance                net

    Source: Stripe docs, "Balance transaction types", ``climate_order_purchase``, ``contribution``.
    """
    return credit(accounts.CLIMATE, told.gross)


def spent_by_card(told: BalanceTransaction) -> Line | None:
    """An issued card paid, or a payment by one came back or is disputed by us.

        Dr expenses:issuing                     amount
        Cr assets:stripe:issuing                net

    What was bought is not told: a person or an agent moves it to the expense that it is.

    Source: Stripe API reference, "The Issuing Transaction object", "The Issuing Dispute object".
    """
    return credit(accounts.ISSUING, told.gross)


def paid_to_platform(told: BalanceTransaction) -> Line | None:
    """We pay the platform that we are connected to out of our Stripe balance, or get it back.

    Dr expenses:platform-fees               amount
    Cr assets:stripe:balance                net

    Source: Stripe changelog 2025-03-31, "Pay with Stripe balance".
    """
    return credit(accounts.PLATFORM_FEES, told.gross)


def reserved_for_connect(told: BalanceTransaction) -> Line | None:
    """Funds are held against the negative balances of connected accounts, or released.

    Dr assets:stripe:connect-reserved       amount, held
    Cr assets:stripe:balance                net

    Source: Stripe docs, "Understanding Connect account balances"; the Balance object's
    ``connect_reserved``.
    """
    return credit(accounts.STRIPE_CONNECT_RESERVED, told.gross)


def reserved_in_one_leg(told: BalanceTransaction) -> Line | None:
    """Funds are held against risk, or released, as told before there was a balance type for it.

    Dr assets:stripe:reserve                amount, held
    Cr assets:stripe:balance                net

    Source: Stripe docs, "Balance transaction types", ``reserved_funds``.
    """
    return credit(accounts.STRIPE_RESERVE, told.gross)


def reserved_for_network(told: BalanceTransaction) -> Line | None:
    """Funds are held for a payment network, or released.

    Dr assets:stripe:payment-network-reserve    amount, held
    Cr assets:stripe:balance                    net

    Source: Stripe docs, "Balance transaction types", ``payment_network_reserve_hold``.
    """
    return credit(accounts.STRIPE_NETWORK_RESERVE, told.gross)


def kept_as_minimum(told: BalanceTransaction) -> Line | None:
    """A payout leaves a minimum behind: withheld from it, and at once given back to the balance.

    Dr assets:stripe:minimum-balance        amount, withheld
    Cr assets:stripe:balance                net

    Source: Stripe changelog 2024-12-18, "Balance transaction types to support minimum balance".
    """
    return credit(accounts.STRIPE_MINIMUM_BALANCE, told.gross)


def held_for_card(told: BalanceTransaction) -> Line | None:
    """An issued card's authorization holds funds, or gives them free.

    Dr assets:stripe:issuing-held           amount, held
    Cr assets:stripe:issuing                net

    Source: Stripe API reference, "The Issuing Authorization object".
    """
    return credit(accounts.STRIPE_ISSUING_HELD, told.gross)


def unexplained(told: BalanceTransaction) -> Line | None:
    """No rule knows what stands against this movement: it waits in suspense for a person.

    Dr assets:stripe:balance                net
    Cr liabilities:suspense[balance transaction]
    """
    del told
    return None


def _credit_by(account: Account, told: BalanceTransaction, key: str) -> Line | None:
    return credit(account, told.gross, key=key) if key else None

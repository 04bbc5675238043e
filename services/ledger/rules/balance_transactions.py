"""Balance transactions: the half that Stripe's balance tells, one rule for every type.

``BALANCE_TRANSACTION_RULES`` decides by type; where Stripe's reporting category is finer than the
type, ``CATEGORY_RULES`` goes before it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from services.ledger import accounts
from services.ledger.decisions import RULES_VERSION
from services.ledger.readers.stripe import BalanceTransaction
from shared.contracts import references
from shared.contracts.journal import Account, Book, Entry, Line, credit, debit, entry

UNKNOWN: Final = "unknown_balance_transaction"


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

    Stripe names a refund as the source, which is one only in form: the charge is what waits.

    Source: Stripe docs, "Reporting categories", partial-capture reversals.
    """
    return _credit_by(accounts.STRIPE_SETTLING, told, told.charge)


def returned(told: BalanceTransaction) -> Line | None:
    """A debit is returned: keyed by its charge, by the source where the charge is not told."""
    return _credit_by(accounts.STRIPE_SETTLING, told, told.charge or told.source)


def in_transit(told: BalanceTransaction) -> Line | None:
    """A payout leaves, fails or is cancelled; a top-up comes in or is taken back.

        Dr assets:stripe:in-transit[payout]     amount
        Dr expenses:stripe-fees                 fee, of an instant payout
        Cr assets:stripe:balance                net

    A failed payout and a top-up turn the sides.

    Source: Stripe API reference, "The Payout object", "The Top-up object".
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


def unexplained(told: BalanceTransaction) -> Line | None:
    """No rule knows what stands against this movement: it waits in suspense for a person.

    Dr assets:stripe:balance                net
    Cr liabilities:suspense[balance transaction]
    """
    del told
    return None


Rule = Callable[[BalanceTransaction], Line | None]

# Types whose other half belongs to a product that this chart has no account for (issuing,
# climate, lending, treasury, prepaid tax and fees, cover of connected accounts' negative
# balances) stand in suspense on purpose, each with a discrepancy that asks for a rule.
BALANCE_TRANSACTION_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "adjustment": unexplained,  # without a category that says what was adjusted
        "advance": unexplained,
        "advance_funding": unexplained,
        "anticipation_repayment": unexplained,
        "application_fee": application_fee,
        "application_fee_refund": application_fee,
        "charge": settled,
        "climate_order_purchase": unexplained,
        "climate_order_refund": unexplained,
        "connect_collection_transfer": unexplained,
        "contribution": unexplained,
        "fee_credit_funding": unexplained,
        "inbound_transfer": unexplained,
        "inbound_transfer_reversal": unexplained,
        "issuing_authorization_hold": unexplained,
        "issuing_authorization_release": unexplained,
        "issuing_dispute": unexplained,
        "issuing_dispute_provisional_credit": unexplained,
        "issuing_dispute_provisional_credit_reversal": unexplained,
        "issuing_transaction": unexplained,
        "obligation_outbound": unexplained,
        "obligation_reversal_inbound": unexplained,
        "payment": settled,
        "payment_failure_refund": returned,
        "payment_network_reserve_hold": reserved,
        "payment_network_reserve_release": reserved,
        "payment_refund": settled,
        "payment_reversal": unexplained,
        "payment_unreconciled": unexplained,
        "payout": in_transit,
        "payout_cancel": in_transit,
        "payout_failure": in_transit,
        "payout_minimum_balance_hold": unexplained,
        "payout_minimum_balance_release": unexplained,
        "refund": settled,
        "refund_failure": settled,
        "reserve_hold": reserved,
        "reserve_release": reserved,
        "reserve_transaction": unexplained,
        "reserved_funds": reserved,
        "stripe_balance_payment_debit": unexplained,
        "stripe_balance_payment_debit_reversal": unexplained,
        "stripe_fee": own_bill,
        "stripe_fx_fee": own_bill,
        "tax_fee": own_bill,
        "tax_fund": unexplained,
        "topup": in_transit,
        "topup_reversal": in_transit,
        "transfer": settled,
        "transfer_cancel": settled,
        "transfer_failure": settled,
        "transfer_refund": settled,
    }
)

_ADJUSTMENTS: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "charge": settled,
        "charge_failure": returned,
        "dispute": disputed,
        "dispute_reversal": disputed,
        "fee": own_bill,
        "partial_capture_reversal": settled_by_charge,
        "payout": in_transit,
        "payout_reversal": in_transit,
        "platform_earning": application_fee,
        "platform_earning_refund": application_fee,
        "refund": settled,
        "refund_failure": settled,
        "tax": own_bill,
        "topup": in_transit,
        "topup_reversal": in_transit,
        "transfer": settled,
        "transfer_reversal": settled,
    }
)

CATEGORY_RULES: Final[Mapping[tuple[str, str], Rule]] = MappingProxyType(
    {("adjustment", category): rule for category, rule in _ADJUSTMENTS.items()}
    | {
        (kind, category): rule
        for kind in ("refund", "payment_refund")
        for category, rule in (
            ("partial_capture_reversal", settled_by_charge),
            ("charge_failure", returned),
        )
    }
)

# Stripe's ids of disputes; the older ones begin with dp_.
_DISPUTE_IDS: Final = ("dp_", "du_")


def balance_transaction(told: BalanceTransaction, book: Book) -> tuple[Entry | None, bool]:
    """The entry of a balance transaction, and whether a rule explained it.

    What no rule explains, or what has no source where the source is the key, keeps the balance
    right and waits in suspense under its own id.

    Raises:
        EntryUnbalanced: Stripe's ``net`` is not ``amount - fee``.
        AccountInvalid: The balance type cannot be an account's name.
    """
    balance = debit(accounts.stripe_balance(told.balance_type), told.net)
    other = _rule_of(told)(told)
    lines = (
        (balance, debit(accounts.STRIPE_FEES, told.fee), credit(accounts.SUSPENSE, told.gross))
        if other is None
        else (balance, debit(accounts.STRIPE_FEES, told.fee), other)
    )
    booked = _entry(told, book, "balance_transaction", lines)
    if other is not None:
        return booked, True
    # The sums were right; what nothing explains is booked as it reached the balance.
    whole = credit(accounts.SUSPENSE, told.net, key=told.id)
    return _entry(told, book, UNKNOWN, (balance, whole)), False


def _rule_of(told: BalanceTransaction) -> Rule:
    rule = CATEGORY_RULES.get((told.type, told.category))
    if rule is None and told.type == "adjustment" and not told.category:
        # Versions before the reporting category say only by the source what was adjusted.
        if told.source.startswith(_DISPUTE_IDS):
            return disputed
        if told.source.startswith(("re_", "pyr_")):
            return settled
    return rule or BALANCE_TRANSACTION_RULES.get(told.type, unexplained)


def _entry(
    told: BalanceTransaction, book: Book, kind: str, lines: tuple[Line, ...]
) -> Entry | None:
    return entry(
        book=book,
        reference=references.balance_transaction(told.id),
        kind=kind,
        effective_at=told.created_at,
        lines=lines,
        rules_version=RULES_VERSION,
        description=f"{told.type.replace('_', ' ')[:80]} {told.source}".rstrip(),
    )


def _credit_by(account: Account, told: BalanceTransaction, key: str) -> Line | None:
    return credit(account, told.gross, key=key) if key else None

"""Balance transactions: the half that Stripe's balance tells, one rule for every type.

``BALANCE_TRANSACTION_RULES`` decides by type; where Stripe's reporting category is finer than the
type, ``CATEGORY_RULES`` goes before it. What each rule books stands in ``movements.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.readers.told import BalanceTransaction
from services.ledger.rules.movements import (
    application_fee,
    covered,
    disputed,
    given_to_climate,
    held_for_card,
    in_transit,
    kept_as_minimum,
    lent,
    own_bill,
    paid_to_platform,
    reserved,
    reserved_for_connect,
    reserved_for_network,
    reserved_in_one_leg,
    settled,
    settled_by_charge,
    spent_by_card,
    unexplained,
    unreconciled,
)
from shared.contracts import references
from shared.contracts.journal import Entry, Line, credit, debit, entry

UNKNOWN: Final = "unknown_balance_transaction"

Rule = Callable[[BalanceTransaction], Line | None]

# Unexplained on purpose: Stripe does not say what stands against these, so each waits in suspense
# with a discrepancy that asks for a rule.
BALANCE_TRANSACTION_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "adjustment": unexplained,  # without a category that says what was adjusted
        "advance": lent,
        "advance_funding": lent,
        "anticipation_repayment": lent,
        "application_fee": application_fee,
        "application_fee_refund": application_fee,
        "charge": settled,
        "climate_order_purchase": given_to_climate,
        "climate_order_refund": given_to_climate,
        "connect_collection_transfer": covered,
        "contribution": given_to_climate,
        "fee_credit_funding": unexplained,
        "inbound_transfer": in_transit,
        "inbound_transfer_reversal": in_transit,
        "issuing_authorization_hold": held_for_card,
        "issuing_authorization_release": held_for_card,
        "issuing_dispute": spent_by_card,
        "issuing_dispute_provisional_credit": spent_by_card,
        "issuing_dispute_provisional_credit_reversal": spent_by_card,
        "issuing_transaction": spent_by_card,
        "obligation_outbound": unexplained,
        "obligation_reversal_inbound": unexplained,
        "payment": settled,
        "payment_failure_refund": settled_by_charge,
        "payment_network_reserve_hold": reserved_for_network,
        "payment_network_reserve_release": reserved_for_network,
        "payment_refund": settled,
        "payment_reversal": unexplained,
        "payment_unreconciled": unreconciled,
        "payout": in_transit,
        "payout_cancel": in_transit,
        "payout_failure": in_transit,
        "payout_minimum_balance_hold": kept_as_minimum,
        "payout_minimum_balance_release": kept_as_minimum,
        "refund": settled,
        "refund_failure": settled,
        "reserve_hold": reserved,
        "reserve_release": reserved,
        "reserve_transaction": reserved_for_connect,
        "reserved_funds": reserved_in_one_leg,
        "stripe_balance_payment_debit": paid_to_platform,
        "stripe_balance_payment_debit_reversal": paid_to_platform,
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

ADJUSTMENT_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "advance": lent,
        "advance_funding": lent,
        "anticipation_repayment": lent,
        "charge": settled,
        "charge_failure": settled_by_charge,
        "climate_order_purchase": given_to_climate,
        "climate_order_refund": given_to_climate,
        "connect_collection_transfer": covered,
        "connect_reserved_funds": reserved_for_connect,
        "contribution": given_to_climate,
        "dispute": disputed,
        "dispute_reversal": disputed,
        "fee": own_bill,
        "issuing_authorization_hold": held_for_card,
        "issuing_authorization_release": held_for_card,
        "issuing_dispute": spent_by_card,
        "issuing_transaction": spent_by_card,
        "network_cost": own_bill,
        "other_adjustment": unexplained,
        "partial_capture_reversal": settled_by_charge,
        "payout": in_transit,
        "payout_reversal": in_transit,
        "platform_earning": application_fee,
        "platform_earning_refund": application_fee,
        "refund": settled,
        "refund_failure": settled,
        "risk_reserved_funds": reserved_in_one_leg,
        "tax": own_bill,
        "topup": in_transit,
        "topup_reversal": in_transit,
        "transfer": settled,
        "transfer_reversal": settled,
        "unreconciled_customer_funds": unreconciled,
    }
)

# Whatever the type is: the category alone says that Stripe Capital lends or is paid down.
LOAN_CATEGORIES: Final = frozenset(
    {
        "financing_paydown",
        "financing_paydown_reversal",
        "financing_payout",
        "financing_payout_reversal",
    }
)

# Versions before 2017-04-06 call a payout a transfer.
_TRANSFERS_OR_PAYOUTS: Final = ("transfer", "transfer_cancel", "transfer_failure")

CATEGORY_RULES: Final[Mapping[tuple[str, str], Rule]] = MappingProxyType(
    {("adjustment", category): rule for category, rule in ADJUSTMENT_RULES.items()}
    | {
        (kind, "partial_capture_reversal"): settled_by_charge
        for kind in ("refund", "payment_refund")
    }
    | {
        (kind, "charge_failure"): settled_by_charge
        for kind in ("refund", "payment_refund", "payment_reversal")
    }
    | {
        (kind, category): in_transit
        for kind in _TRANSFERS_OR_PAYOUTS
        for category in ("payout", "payout_reversal")
    }
)

# Stripe's ids of disputes; the older ones begin with dp_.
_DISPUTE_IDS: Final = ("dp_", "du_")


@dataclass(frozen=True, slots=True)
class Movements:
    """Which rule stands behind which balance transaction: by type, and finer by category."""

    by_type: Mapping[str, Rule]
    by_category: Mapping[tuple[str, str], Rule]

    def rule_of(self, told: BalanceTransaction) -> Rule:
        """The rule of a balance transaction: of its category where that is finer, else its type."""
        if told.category in LOAN_CATEGORIES:
            return lent
        rule = self.by_category.get((told.type, told.category))
        if rule is None and told.is_of_payout and told.type in _TRANSFERS_OR_PAYOUTS:
            return in_transit
        if rule is None and told.type == "adjustment" and not told.category:
            # Versions before the reporting category say only by the source what was adjusted.
            if told.source.startswith(_DISPUTE_IDS):
                return disputed
            if told.source.startswith(("re_", "pyr_")):
                return settled
        return rule or self.by_type.get(told.type, unexplained)

    def with_types(self, **rules: Rule) -> "Movements":
        """The same with other rules for some types, as a later version of the rules has them."""
        return replace(self, by_type=MappingProxyType({**self.by_type, **rules}))


MOVEMENTS: Final = Movements(BALANCE_TRANSACTION_RULES, CATEGORY_RULES)


def balance_transaction(
    told: BalanceTransaction, book: BookInForce, movements: Movements = MOVEMENTS
) -> tuple[Entry | None, bool]:
    """The entry of a balance transaction, and whether a rule explained it.

    What no rule explains, or what has no source where the source is the key, keeps the balance
    right and waits in suspense under its own id.

    Raises:
        EntryUnbalanced: Stripe's ``net`` is not ``amount - fee``.
        AccountInvalid: The balance type cannot be an account's name.
    """
    balance = debit(accounts.stripe_balance(told.balance_type), told.net)
    other = movements.rule_of(told)(told)
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


def has_no_rule(told: BalanceTransaction, movements: Movements = MOVEMENTS) -> bool:
    """Whether nothing explains a balance transaction, however much is told along with it."""
    return movements.rule_of(told) is unexplained


def _entry(
    told: BalanceTransaction, book: BookInForce, kind: str, lines: tuple[Line, ...]
) -> Entry | None:
    return entry(
        book=book.name,
        reference=references.balance_transaction(told.id),
        kind=kind,
        effective_at=told.created_at,
        lines=lines,
        rules_version=book.rules_version,
        description=f"{told.type.replace('_', ' ')[:80]} {told.source}".rstrip(),
    )

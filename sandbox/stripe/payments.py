"""Charges, refunds and disputes: what happens to them, and what Stripe tells of it."""

from dataclasses import dataclass, replace
from typing import Final

from sandbox.stripe.facts import (
    BalanceTransaction,
    Card,
    Charge,
    Dispute,
    Fee,
    PaymentIntent,
    Refund,
)
from sandbox.stripe.settlement import Settlement, available_on
from sandbox.stripe.store import CARDS, Movement, Store
from sandbox.world.calendar import DAY
from sandbox.world.dice import Dice

NAMES: Final = (
    ("Ada Byron", "GB"),
    ("Grace Murray", "US"),
    ("Luca Pacioli", "IT"),
    ("Benedikt Kotruljevic", "HR"),
    ("Yui Tanaka", "JP"),
    ("Ines Moreau", "FR"),
    ("Jonas Weber", "DE"),
    ("Mary Somerville", "GB"),
)
_BRANDS: Final = ("visa", "mastercard", "amex")
_DISPUTE_ANSWER_DAYS: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a customer pays for; the connected part only where there is one.

    ``payer`` is a name and a country; a guest has no customer object.
    """

    amount: int
    currency: str
    description: str = "Order"
    owner: str | None = None
    application_fee_amount: int | None = None
    transfer_group: str | None = None
    payer: tuple[str, str] | None = None
    is_guest: bool = False


def customer_id(dice: Dice, name: str) -> str:
    """The customer object of a person."""
    return f"cus_{dice.token(f'customer/{name}', 14)}"


def email_of(name: str) -> str:
    """A person's email address."""
    return f"{name.split(maxsplit=1)[0].lower()}@example.com"


@dataclass(slots=True)
class Payments:
    """The card business of an account."""

    store: Store

    def pay(self, at: int, order: Order, settlement: Settlement | None = None) -> Charge:
        """A captured payment; without a settlement its balance transaction comes later."""
        store, dice = self.store, self.store.dice
        owner = order.owner or store.account
        sequence = store.next_sequence()
        label = f"charge/{sequence}"
        name, country = order.payer or dice.pick(f"{label}/name", NAMES)
        customer = None if order.is_guest else customer_id(dice, name)
        email = email_of(name)
        method = f"pm_1{dice.token(f'{label}/method', 23)}"
        intent_id = store.new_id("pi", sequence, lead="3")
        intent = store.put(
            PaymentIntent(
                id=intent_id,
                created=at,
                sequence=sequence,
                owner=owner,
                amount=order.amount,
                currency=order.currency,
                customer=customer,
                customer_email=email,
                payment_method=method,
                description=order.description,
                client_secret=f"{intent_id}_secret_{dice.token(f'{label}/secret', 25)}",
            )
        )
        store.emit(at, "payment_intent.created", intent)
        charge_sequence = store.next_sequence()
        charge = store.put(
            Charge(
                id=store.new_id("ch", charge_sequence, lead="3"),
                created=at,
                sequence=charge_sequence,
                owner=owner,
                amount=order.amount,
                currency=order.currency,
                payment_intent=intent.id,
                payment_method=method,
                customer=customer,
                customer_name=name,
                customer_email=email,
                card=self._card(label, name, country),
                description=order.description,
                risk_score=dice.between(f"{label}/risk", 1, 60),
                application_fee_amount=order.application_fee_amount,
                transfer_group=order.transfer_group,
            )
        )
        if settlement is not None:
            charge = self._settled(at, charge, settlement)
        store.emit(at, "charge.succeeded", charge)
        intent = store.put(replace(intent, charge=charge.id))
        store.emit(at, "payment_intent.succeeded", intent)
        return charge

    def settle(self, at: int, charge_id: str, settlement: Settlement) -> BalanceTransaction:
        """The asynchronous capture's end: the balance moves, and the charge gets its id."""
        charge = self._settled(at, self.store.get(Charge, charge_id), settlement)
        self.store.emit(at, "charge.updated", charge, previous={"balance_transaction": None})
        return self.store.get(BalanceTransaction, charge.balance_transaction or "")

    def refund(
        self, at: int, charge_id: str, amount: int, settlement: Settlement, *, reason: str
    ) -> Refund:
        """Give back a part of a charge, or what is left of it."""
        store = self.store
        charge = store.get(Charge, charge_id)
        sequence = store.next_sequence()
        refund_id = store.new_id("re", sequence, lead="3")
        txn = store.move(
            at,
            Movement(
                settlement=settlement,
                type="refund",
                reporting_category="refund",
                counterpart=CARDS,
                available_on=at,
                source=refund_id,
                description=f"REFUND FOR CHARGE ({charge.description})",
            ),
            owner=charge.owner,
        )
        refund = store.put(
            Refund(
                id=refund_id,
                created=at,
                sequence=sequence,
                owner=charge.owner,
                amount=amount,
                currency=charge.currency,
                charge=charge.id,
                payment_intent=charge.payment_intent,
                reason=reason,
                balance_transaction=txn.id,
            )
        )
        before = charge.amount_refunded
        charge = store.put(replace(charge, amount_refunded=before + amount))
        store.emit(at, "refund.created", refund)
        store.emit(at, "charge.refunded", charge, previous={"amount_refunded": before})
        return refund

    def reference_refund(self, at: int, refund_id: str) -> Refund:
        """The acquirer's reference of a refund becomes known; no money moves."""
        refund = self.store.get(Refund, refund_id)
        number = self.store.dice.number_text(f"arn/{refund_id}", 23)
        refund = self.store.put(replace(refund, card_reference=number))
        self.store.emit(at, "refund.updated", refund)
        self.store.emit(at, "charge.refund.updated", refund)
        return refund

    def fail_refund(
        self, at: int, refund_id: str, settlement: Settlement, *, reason: str
    ) -> Refund:
        """A refund that had succeeded comes back from the card network."""
        store = self.store
        refund = store.get(Refund, refund_id)
        txn = store.move(
            at,
            Movement(
                settlement=settlement,
                type="refund_failure",
                reporting_category="refund_failure",
                counterpart=CARDS,
                available_on=at,
                source=refund.id,
                description="REFUND FAILED",
            ),
            owner=refund.owner,
        )
        refund = store.put(
            replace(
                refund,
                status="failed",
                failure_reason=reason,
                failure_balance_transaction=txn.id,
            )
        )
        charge = store.get(Charge, refund.charge)
        store.put(replace(charge, amount_refunded=charge.amount_refunded - refund.amount))
        store.emit(at, "refund.failed", refund)
        store.emit(at, "charge.refund.updated", refund, previous={"status": "succeeded"})
        return refund

    def dispute(self, at: int, charge_id: str, settlement: Settlement, fee: Fee) -> Dispute:
        """A cardholder's claim: the money and a fee are withdrawn at once."""
        store = self.store
        charge = store.put(replace(store.get(Charge, charge_id), is_disputed=True))
        sequence = store.next_sequence()
        dispute_id = store.new_id("du", sequence)
        txn = store.move(
            at,
            Movement(
                settlement=replace(settlement, fees=(*settlement.fees, fee)),
                type="adjustment",
                reporting_category="dispute",
                counterpart=CARDS,
                available_on=at,
                source=dispute_id,
                description=f"Chargeback withdrawal for {charge.id}",
            ),
            owner=charge.owner,
        )
        dispute = store.put(
            Dispute(
                id=dispute_id,
                created=at,
                sequence=sequence,
                owner=charge.owner,
                amount=charge.amount,
                currency=charge.currency,
                charge=charge.id,
                payment_intent=charge.payment_intent,
                reason="fraudulent",
                network_reason_code="10.4" if charge.card.brand == "visa" else "4837",
                card_brand=charge.card.brand,
                due_by=at + _DISPUTE_ANSWER_DAYS * DAY,
                balance_transactions=(txn.id,),
            )
        )
        store.emit(at, "charge.dispute.created", dispute)
        store.emit(at, "charge.dispute.funds_withdrawn", dispute)
        return dispute

    def answer_dispute(self, at: int, dispute_id: str) -> Dispute:
        """Evidence is handed in; no money moves."""
        dispute = self.store.get(Dispute, dispute_id)
        dispute = self.store.put(replace(dispute, status="under_review", submissions=1))
        self.store.emit(
            at, "charge.dispute.updated", dispute, previous={"status": "needs_response"}
        )
        return dispute

    def lose_dispute(self, at: int, dispute_id: str) -> Dispute:
        """The claim stands; no money moves."""
        dispute = self.store.get(Dispute, dispute_id)
        dispute = self.store.put(replace(dispute, status="lost"))
        self.store.emit(at, "charge.dispute.closed", dispute)
        return dispute

    def win_dispute(self, at: int, dispute_id: str, settlement: Settlement) -> Dispute:
        """The claim falls: the money comes back, the fee does not."""
        store = self.store
        dispute = store.get(Dispute, dispute_id)
        txn = store.move(
            at,
            Movement(
                settlement=settlement,
                type="adjustment",
                reporting_category="dispute_reversal",
                counterpart=CARDS,
                available_on=at,
                source=dispute.id,
                description=f"Chargeback reversal for {dispute.charge}",
            ),
            owner=dispute.owner,
        )
        dispute = store.put(
            replace(
                dispute,
                status="won",
                balance_transactions=(*dispute.balance_transactions, txn.id),
            )
        )
        store.emit(at, "charge.dispute.funds_reinstated", dispute)
        store.emit(at, "charge.dispute.closed", dispute)
        return dispute

    def _settled(self, at: int, charge: Charge, settlement: Settlement) -> Charge:
        txn = self.store.move(
            at,
            Movement(
                settlement=settlement,
                type="charge",
                reporting_category="charge",
                counterpart=CARDS,
                available_on=available_on(at),
                source=charge.id,
                description=charge.description,
            ),
            owner=charge.owner,
        )
        return self.store.put(replace(charge, balance_transaction=txn.id))

    def _card(self, label: str, name: str, country: str) -> Card:
        dice = self.store.dice
        return Card(
            brand=dice.pick(f"{label}/brand", _BRANDS),
            last4=dice.number_text(f"{label}/last4", 4),
            country=country,
            expiry_month=dice.between(f"{label}/expiry", 1, 12),
            expiry_year=2034,
            fingerprint=dice.token(f"card/{name}", 16),
        )

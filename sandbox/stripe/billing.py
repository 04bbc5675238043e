"""Invoices, what pays them, credit notes, checkouts: what happens, and what Stripe tells of it."""

from collections import Counter
from dataclasses import dataclass, field, replace

from sandbox.stripe.facts import (
    Charge,
    CreditNote,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    Session,
)
from sandbox.stripe.payments import Order, Payments, customer_id, email_of
from sandbox.stripe.settlement import Settlement
from sandbox.stripe.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is billed: an amount without tax, and when it is served."""

    description: str
    amount: int
    tax: int
    since: int
    until: int
    is_proration: bool = False


@dataclass(slots=True)
class Billing:
    """The subscriptions of an account. A customer's balance below zero is to their credit."""

    store: Store
    payments: Payments
    balances: Counter[str] = field(default_factory=Counter[str])

    def bill(
        self, at: int, payer: tuple[str, str], currency: str, items: tuple[Item, ...]
    ) -> Invoice:
        """An invoice, made and at once finalized; the customer's balance pays first."""
        store = self.store
        customer = customer_id(store.dice, payer[0])
        sequence = store.next_sequence()
        total = sum(item.amount + item.tax for item in items)
        before = self.balances[customer]
        due = max(total + before, 0)
        self.balances[customer] = total + before - due
        invoice = store.put(
            Invoice(
                id=store.new_id("in", sequence),
                created=at,
                sequence=sequence,
                owner=store.account,
                currency=currency,
                customer=customer,
                customer_name=payer[0],
                customer_email=email_of(payer[0]),
                subscription=f"sub_1{store.dice.token(f'subscription/{customer}', 23)}",
                lines=tuple(self._line(item) for item in items),
                starting_balance=before,
                ending_balance=self.balances[customer],
            )
        )
        store.emit(at, "invoice.created", invoice)
        store.emit(at, "invoice.finalized", invoice)
        return invoice

    def _line(self, item: Item) -> InvoiceLine:
        sequence = self.store.next_sequence()
        return InvoiceLine(
            id=self.store.new_id("il", sequence),
            description=item.description,
            amount=item.amount,
            tax=item.tax,
            since=item.since,
            until=item.until,
            is_proration=item.is_proration,
        )

    def collect(self, at: int, invoice_id: str, settlement: Settlement | None) -> Charge | None:
        """What is due of an invoice is charged; nothing, where nothing is due."""
        store = self.store
        invoice = store.get(Invoice, invoice_id)
        charge = None
        payments = invoice.payments
        if settlement is not None:
            order = Order(
                amount=invoice.amount_due,
                currency=invoice.currency,
                description="Subscription update",
                payer=(invoice.customer_name, "GB"),
            )
            charge = self.payments.pay(at, order, settlement)
            sequence = store.next_sequence()
            payment = store.put(
                InvoicePayment(
                    id=store.new_id("inpay", sequence),
                    created=at,
                    sequence=sequence,
                    owner=store.account,
                    amount=invoice.amount_due,
                    currency=invoice.currency,
                    invoice=invoice.id,
                    payment_intent=charge.payment_intent,
                )
            )
            payments = (*payments, payment.id)
            store.emit(at, "invoice_payment.paid", payment)
        paid = replace(
            invoice,
            status="paid",
            paid_at=at,
            amount_paid=invoice.amount_due,
            payments=payments,
        )
        invoice = store.put(paid)
        store.emit(at, "invoice.paid", invoice)
        store.emit(at, "invoice.payment_succeeded", invoice)
        return charge

    def collect_elsewhere(self, at: int, invoice_id: str) -> Invoice:
        """What is due of an invoice was paid outside of Stripe, and somebody says so."""
        store = self.store
        invoice = store.get(Invoice, invoice_id)
        due = invoice.amount_due
        invoice = store.put(
            replace(invoice, status="paid", paid_at=at, amount_paid=due, amount_paid_off_stripe=due)
        )
        for kind in ("invoice.updated", "invoice.paid", "invoice.payment_succeeded"):
            store.emit(at, kind, invoice)
        return invoice

    def void(self, at: int, invoice_id: str) -> Invoice:
        """An open invoice is taken back whole; the customer's balance gets its part again."""
        invoice = self.store.get(Invoice, invoice_id)
        self.balances[invoice.customer] += invoice.starting_balance - invoice.ending_balance
        invoice = self.store.put(replace(invoice, status="void", voided_at=at))
        self.store.emit(at, "invoice.voided", invoice)
        return invoice

    def give_up(self, at: int, invoice_id: str) -> Invoice:
        """Nobody will pay an open invoice."""
        invoice = self.store.get(Invoice, invoice_id)
        invoice = self.store.put(replace(invoice, status="uncollectible", given_up_at=at))
        self.store.emit(at, "invoice.marked_uncollectible", invoice)
        return invoice

    def take_back(
        self, at: int, invoice_id: str, *, amount: int, tax: int, refund: str | None = None
    ) -> CreditNote:
        """A part of an invoice's first line is taken back: off it, by a refund, or as balance."""
        invoice = self.store.get(Invoice, invoice_id)
        lines = ((invoice.lines[0].id, amount),)
        return self.take_back_of(at, invoice, lines, tax=tax, refund=refund)

    def take_back_of(
        self,
        at: int,
        invoice: Invoice,
        lines: tuple[tuple[str, int], ...],
        *,
        tax: int = 0,
        refund: str | None = None,
    ) -> CreditNote:
        """Parts of several lines of an invoice are taken back."""
        store = self.store
        sequence = store.next_sequence()
        is_before = invoice.status == "open"
        note = store.put(
            CreditNote(
                id=store.new_id("cn", sequence),
                created=at,
                sequence=sequence,
                owner=store.account,
                currency=invoice.currency,
                customer=invoice.customer,
                invoice=invoice.id,
                lines=lines,
                tax=tax,
                is_before_payment=is_before,
                refund=refund,
            )
        )
        if is_before:
            store.put(replace(invoice, credited_before=invoice.credited_before + note.total))
        else:
            store.put(replace(invoice, credited_after=invoice.credited_after + note.total))
            if refund is None:
                self.balances[invoice.customer] -= note.total
        store.emit(at, "credit_note.created", note)
        return note

    def check_out(self, at: int, order: Order, settlement: Settlement | None) -> Session:
        """A payment through a checkout page, which tells who paid."""
        store = self.store
        charge = self.payments.pay(at, order, settlement)
        sequence = store.next_sequence()
        session = store.put(
            Session(
                id=store.new_id("cs_test", sequence, lead="a1"),
                created=at,
                sequence=sequence,
                owner=store.account,
                amount=order.amount,
                currency=order.currency,
                payment_intent=charge.payment_intent,
                customer=charge.customer,
                email=charge.customer_email,
            )
        )
        store.emit(at, "checkout.session.completed", session)
        return session

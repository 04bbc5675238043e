"""References: the natural keys of economic facts, and the only place where they are made.

A reference never holds the id of the message that told the fact, so every telling agrees.
"""

import hashlib
from typing import Final

from shared.contracts.errors import Unreadable
from shared.contracts.journal import Reference

_LENGTH_MAX = 300
_KEY_LENGTH_MAX = 200


_PASSING_ON: Final = ("bad_debt:", "assigned:")


def _reference(*parts: str) -> Reference:
    text = ":".join(parts)
    if len(text) > _LENGTH_MAX or not all(parts) or not text.isprintable():
        raise Unreadable(f"no reference can be made of {text[:80]!r}")
    return Reference(text)


def payment(charge_id: str) -> Reference:
    """A captured charge (``ch_``, ``py_``)."""
    return _reference("stripe", "payment", charge_id)


def payment_failed(charge_id: str) -> Reference:
    """A charge that failed after it had succeeded: a returned debit."""
    return _reference("stripe", "payment", charge_id, "failed")


def refund(refund_id: str) -> Reference:
    """A refund, in whatever state."""
    return _reference("stripe", "refund", refund_id)


def refund_failed(refund_id: str) -> Reference:
    """A refund that failed or was cancelled."""
    return _reference("stripe", "refund", refund_id, "failed")


def refund_released(refund_id: str) -> Reference:
    """The undoing of a refund that gave nothing back, since it is one in form only."""
    return _reference("stripe", "refund", refund_id, "released")


def transfer(transfer_id: str) -> Reference:
    """A transfer to a connected account."""
    return _reference("stripe", "transfer", transfer_id)


def transfer_reversal(reversal_id: str) -> Reference:
    """One reversal of a transfer; a transfer may have many."""
    return _reference("stripe", "transfer_reversal", reversal_id)


def balance_transaction(txn_id: str) -> Reference:
    """A movement of the Stripe balance."""
    return _reference("stripe", "balance_transaction", txn_id)


def invoice(invoice_id: str) -> Reference:
    """An invoice that was finalized."""
    return _reference("stripe", "invoice", invoice_id)


def invoice_voided(invoice_id: str) -> Reference:
    """The undoing of a finalized invoice."""
    return _reference("stripe", "invoice", invoice_id, "voided")


def invoice_line(line_id: str) -> Reference:
    """What of an invoice is yet to be earned by one of its lines."""
    return _reference("stripe", "invoice_line", line_id)


def invoice_line_voided(line_id: str) -> Reference:
    """The undoing of that, when the invoice was voided."""
    return _reference("stripe", "invoice_line", line_id, "voided")


def invoice_paid(invoice_id: str, payment_id: str) -> Reference:
    """What a payment intent (``pi_``), or a charge that has none, paid of an invoice."""
    return _reference("stripe", "invoice", invoice_id, "paid", payment_id)


def invoice_paid_out_of_band(invoice_id: str) -> Reference:
    """What was paid of an invoice outside of Stripe."""
    return _reference("stripe", "invoice", invoice_id, "paid_out_of_band")


def invoice_overpaid(invoice_id: str) -> Reference:
    """What was paid beyond an invoice, and stands to its customer's credit."""
    return _reference("stripe", "invoice", invoice_id, "overpaid")


def invoice_balance(invoice_id: str) -> Reference:
    """What of a customer's balance was applied to an invoice, or left over by it."""
    return _reference("stripe", "invoice", invoice_id, "balance")


def invoice_balance_returned(invoice_id: str) -> Reference:
    """That balance given back, when the invoice was voided."""
    return _reference("stripe", "invoice", invoice_id, "balance", "returned")


def invoice_uncollectible(invoice_id: str) -> Reference:
    """What of an invoice was given up."""
    return _reference("stripe", "invoice", invoice_id, "uncollectible")


def invoice_recovered(invoice_id: str) -> Reference:
    """What was given up of an invoice and is no loss after all: it was paid, or voided."""
    return _reference("stripe", "invoice", invoice_id, "recovered")


def bad_debt(of: Reference) -> Reference:
    """What an entry moved on the receivable of an invoice that was given up, moved on."""
    return Reference(f"bad_debt:{of}")


def credit_note(note_id: str) -> Reference:
    """A credit note that was issued."""
    return _reference("stripe", "credit_note", note_id)


def credit_note_voided(note_id: str) -> Reference:
    """The undoing of a credit note."""
    return _reference("stripe", "credit_note", note_id, "voided")


def credits_issued(charge_id: str) -> Reference:
    """The credits that a paid charge bought, whoever their customer is."""
    return _reference("stripe", "credit", charge_id)


def credits_returned(charge_id: str) -> Reference:
    """Those credits taken back, when the charge failed after all."""
    return _reference("stripe", "credit", charge_id, "returned")


def credits_assigned(payment_id: str) -> Reference:
    """That the credits of a payment are this customer's."""
    return _reference("stripe", "credit", payment_id, "customer")


def credits_unassigned(payment_id: str) -> Reference:
    """The undoing of that, when the payment failed after all."""
    return _reference("stripe", "credit", payment_id, "customer", "returned")


def credits_passed_on(of: Reference) -> Reference:
    """What an entry moved on a payment's credits, moved on to the customer who was named."""
    return Reference(f"assigned:{of}")


def passes_on(reference: str) -> bool:
    """Whether an entry of this name passes another on."""
    return reference.startswith(_PASSING_ON)


def followed_by(reference: str) -> str:
    """The reference of the entry that one of this name passes on."""
    return reference.partition(":")[2]


def bank_line(account: str, line_id: str, revision: int) -> Reference:
    """A posted bank line in its N-th form."""
    return _reference("bank", account, "line", line_id, f"r{revision}")


def bank_line_reversed(account: str, line_id: str, revision: int) -> Reference:
    """The reversal of the N-th form of a bank line."""
    return _reference("bank", account, "line", line_id, f"r{revision}", "reversed")


def match(match_id: str, revision: int) -> Reference:
    """The clearing that a match causes, in its N-th revision."""
    return _reference("match", match_id, str(revision))


def match_undone(match_id: str, revision: int) -> Reference:
    """The undoing of that clearing."""
    return _reference("match", match_id, str(revision), "undone")


def command(idempotency_key: str) -> Reference:
    """What a person or a service asked for under this key; long keys are hashed."""
    return _reference("command", _short(idempotency_key))


def revenue_released(command_key: str, number: int) -> Reference:
    """The N-th entry of what was earned by the clock tick of this key."""
    return _reference("release", _short(command_key), str(number))


def _short(command_key: str) -> str:
    if len(command_key) <= _KEY_LENGTH_MAX and command_key.isprintable():
        return command_key
    return hashlib.sha256(command_key.encode()).hexdigest()

"""References: the natural keys of economic facts, and the only place where they are made.

A reference never holds the id of the message that told the fact, so every telling agrees.
"""

import hashlib

from shared.contracts.errors import Unreadable
from shared.contracts.journal import Reference

_LENGTH_MAX = 300


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


def transfer(transfer_id: str) -> Reference:
    """A transfer to a connected account."""
    return _reference("stripe", "transfer", transfer_id)


def transfer_reversal(reversal_id: str) -> Reference:
    """One reversal of a transfer; a transfer may have many."""
    return _reference("stripe", "transfer_reversal", reversal_id)


def balance_transaction(txn_id: str) -> Reference:
    """A movement of the Stripe balance."""
    return _reference("stripe", "balance_transaction", txn_id)


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
    if len(idempotency_key) > 200 or not idempotency_key.isprintable():
        idempotency_key = hashlib.sha256(idempotency_key.encode()).hexdigest()
    return _reference("command", idempotency_key)

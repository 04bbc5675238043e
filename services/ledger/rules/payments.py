"""Charges, refunds, transfers and reversals: the half that the object itself tells."""

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.readers.told import Apart, Charge, Gives, Refund, Reversal, Transfer
from shared.contracts import references
from shared.contracts.journal import Entry, Line, Reference, credit, debit, entry


def payment(charge: Charge, book: BookInForce) -> Entry | None:
    """A charge has succeeded and was captured; what it sends on is owed to a connected account.

        Dr assets:stripe:settling[charge]       captured
        Cr liabilities:connect[destination]     sent on
        Cr revenue:stripe                       the rest

    The captured amount counts, never the authorized one. A destination charge that names no
    amount sends on all of it. A failed charge had been one of these before, so it books this too.

    Source: Stripe API reference, "The Charge object".
    """
    return entry(
        book=book.name,
        reference=references.payment(charge.id),
        kind="payment",
        effective_at=charge.created_at,
        lines=_payment_lines(charge),
        rules_version=book.rules_version,
        description=f"Charge {charge.id} captured",
    )


def payment_failed(charge: Charge, book: BookInForce) -> Entry | None:
    """A charge failed after it had succeeded: the customer's bank took the debit back.

        Dr liabilities:connect[destination]     sent on
        Dr revenue:stripe                       the rest
        Cr assets:stripe:settling[charge]       captured

    The balance transaction that returns the money meets the credit under the same key.

    Source: Stripe API reference, "The Charge object", ``failure_balance_transaction``.
    """
    return entry(
        book=book.name,
        reference=references.payment_failed(charge.id),
        kind="payment_failed",
        effective_at=charge.failed_at,
        lines=[line.turned() for line in _payment_lines(charge)],
        rules_version=book.rules_version,
        description=f"Charge {charge.id} returned",
        reverses=references.payment(charge.id),
    )


def _payment_lines(charge: Charge) -> list[Line]:
    lines = [debit(accounts.STRIPE_SETTLING, charge.captured, key=charge.id)]
    earned = charge.captured
    if charge.destination:
        sent_on = charge.captured if charge.sent_on is None else charge.sent_on
        earned -= sent_on
        lines.append(credit(accounts.CONNECT, sent_on, key=charge.destination))
    return [*lines, credit(accounts.REVENUE, earned)]


def refund(told: Refund, book: BookInForce) -> Entry | None:
    """Money goes back to a customer, in whatever state the refund is.

        Dr revenue:refunds                      amount
        Cr assets:stripe:settling[refund]       amount

    Source: Stripe API reference, "The Refund object".
    """
    return _refund_entry(told, book, references.refund(told.id), is_failure=False)


def refund_failed(told: Refund, book: BookInForce) -> Entry | None:
    """A refund failed or was cancelled, perhaps weeks after it had succeeded.

        Dr assets:stripe:settling[refund]       amount
        Cr revenue:refunds                      amount

    Source: Stripe API reference, "The Refund object", ``failure_balance_transaction``.
    """
    return _refund_entry(told, book, references.refund_failed(told.id), is_failure=True)


def refund_released(told: Refund, book: BookInForce) -> Entry | None:
    """A refund is one in form only: it undoes its charge, which the charge's own key is told of.

        Dr assets:stripe:settling[refund]       amount
        Cr revenue:refunds                      amount

    Told alone it was booked as any other, so whoever knows better books it and this. Both are of
    one time: on no day is anything refunded.

    Source: Stripe docs, "Reporting categories", ``partial_capture_reversal``, ``charge_failure``.
    """
    return entry(
        book=book.name,
        reference=references.refund_released(told.id),
        kind="refund_released",
        effective_at=told.created_at,
        lines=(
            debit(accounts.STRIPE_SETTLING, told.amount, key=told.id),
            credit(accounts.REFUNDS, told.amount),
        ),
        rules_version=book.rules_version,
        description=f"Refund {told.id} is one in form only",
        reverses=references.refund(told.id),
    )


def left_out(apart: Apart) -> str | None:
    """Why nothing is booked of a refund that is apart from others; ``None`` where it is booked."""
    return apart.left_out


def left_out_where_unclear_or_not_ours(apart: Apart) -> str | None:
    """The same where one in form only is booked with its undoing, and a real one as any other."""
    if apart.gives is Gives.CASH_BALANCE:
        return "it gives back a customer's cash balance, which never was in ours"
    return apart.left_out if apart.gives is Gives.UNCLEAR else None


def _refund_entry(
    told: Refund, book: BookInForce, reference: Reference, *, is_failure: bool
) -> Entry | None:
    amount = -told.amount if is_failure else told.amount
    lines = [
        debit(accounts.REFUNDS, amount),
        credit(accounts.STRIPE_SETTLING, amount, key=told.id),
    ]
    return entry(
        book=book.name,
        reference=reference,
        kind="refund_failed" if is_failure else "refund",
        effective_at=told.failed_at if is_failure else told.created_at,
        lines=lines[::-1] if is_failure else lines,
        rules_version=book.rules_version,
        description=f"Refund {told.id} {'failed' if is_failure else 'made'}",
        reverses=references.refund(told.id) if is_failure else None,
    )


def transfer(told: Transfer, book: BookInForce) -> Entry | None:
    """A connected account is paid what it is owed, or gets an advance.

        Dr liabilities:connect[destination]     amount
        Cr assets:stripe:settling[transfer]     amount

    Source: Stripe API reference, "The Transfer object".
    """
    return entry(
        book=book.name,
        reference=references.transfer(told.id),
        kind="transfer",
        effective_at=told.created_at,
        lines=(
            debit(accounts.CONNECT, told.amount, key=told.destination),
            credit(accounts.STRIPE_SETTLING, told.amount, key=told.id),
        ),
        rules_version=book.rules_version,
        description=f"Transfer {told.id} to {told.destination}",
    )


def transfer_reversal(told: Reversal, book: BookInForce) -> Entry | None:
    """A connected account gives back what it was sent.

        Dr assets:stripe:settling[reversal]     amount
        Cr liabilities:connect[destination]     amount

    Where a refund caused it, the connected account's share of that refund comes back, and the
    credit goes to ``revenue:refunds``.

    Source: Stripe API reference, "The Transfer Reversal object", ``source_refund``.
    """
    back = (
        credit(accounts.REFUNDS, told.amount)
        if told.is_of_refund
        else credit(accounts.CONNECT, told.amount, key=told.destination)
    )
    return entry(
        book=book.name,
        reference=references.transfer_reversal(told.id),
        kind="transfer_reversal",
        effective_at=told.created_at,
        lines=(debit(accounts.STRIPE_SETTLING, told.amount, key=told.id), back),
        rules_version=book.rules_version,
        description=f"Transfer reversal {told.id}",
    )

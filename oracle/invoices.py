"""What invoices, their payments and credit notes say of money in a book on accrual basis.

Written from the accounting page. All of it is sums of what an object says once it is final:

    asked for       customer owes the total; revenue and tax have earned it
    served later    a line over more than 31 days, not over when it was invoiced, waits as unearned
    settled         by a payment, the customer's balance, credit notes, or as a bad debt
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from oracle.movements import SUSPENSE
from oracle.reading import Json, id_of, items, maybe_object, optional_text, stripe_money, text
from oracle.values import (
    CannotBook,
    CannotRead,
    Fact,
    Leg,
    PassedOn,
    Service,
    Taken,
    fact,
    reference,
    reversed_legs,
)

REVENUE: Final = "revenue:stripe"
REFUNDS: Final = "revenue:refunds"
RECEIVABLE: Final = "assets:receivable"
UNEARNED: Final = "liabilities:unearned"
TAX: Final = "liabilities:tax"
CUSTOMER: Final = "liabilities:customer-balance"
LOSS: Final = "expenses:bad-debt"
_MONTH_SECONDS: Final = 31 * 86_400
_ENDED: Final = {"open", "paid", "uncollectible", "void"}

Attempt = Fact | PassedOn | CannotBook | None


def invoice(book: str, told: Json, rules: int) -> Iterator[Attempt]:
    """Every fact of a finalized invoice, by a version of the ledger's rules."""
    passed = maybe_object(told.get("status_transitions")) or {}
    status = optional_text(told, "status")
    finalized = passed.get("finalized_at") or told.get("finalized_at")
    if told.get("id") is None or (finalized is None and status not in _ENDED):
        return
    name, since = text(told, "id"), _seconds(finalized or told.get("created"))
    try:
        # All of it is read before any of it counts.
        yield from list(_invoice(book, told, name, since, rules))
    except CannotBook as why:
        yield why


def _invoice(
    book: str, told: Json, name: str, since: int, rules: int
) -> Iterator[Fact | PassedOn | None]:
    passed = maybe_object(told.get("status_transitions")) or {}
    status, customer = optional_text(told, "status"), _whose(told, rules)
    total, currency = stripe_money(told, "total")
    tax = _tax(told, total)
    is_void = status == "void" or passed.get("voided_at") is not None
    key = reference("stripe", "invoice", name)
    by_balance = 0
    if told.get("ending_balance") is not None:
        by_balance = stripe_money(told, "ending_balance")[0] - _or_zero(told, "starting_balance")
    taken_off = _or_zero(told, "pre_payment_credit_notes_amount")

    def owed(amount: int) -> Leg:
        return Leg(RECEIVABLE, name, currency, amount)

    def earned(amount: int, part: int) -> list[Leg]:
        revenue = Leg(REVENUE, "", currency, part - amount)
        return [owed(amount), revenue, Leg(TAX, "", currency, -part)]

    def of_customer(amount: int) -> list[Leg]:
        return [Leg(CUSTOMER, customer, currency, amount), owed(-amount)]

    yield fact(book, key, earned(total, tax))
    later = [_later(book, each) for each in _served_later(told, since, currency)]
    yield from later
    balance = of_customer(by_balance)
    yield fact(book, f"{key}:balance", balance)
    yield from _settled(book, told, key, currency, rules)
    yield from _lost_or_not(book, told, key, currency, rules)
    if is_void:
        rest = total - taken_off
        part = tax - (tax * taken_off // total if taken_off and total else 0)
        yield fact(book, f"{key}:voided", reversed_legs(earned(rest, part)), reverses=key)
        at = passed.get("voided_at")
        yield from (_line_undone(each, at) for each in later if each is not None)
        first = fact(book, f"{key}:balance", balance)
        yield _undone(first, ":returned") if first is not None else None


def _undone(first: Fact, how: str) -> Fact | None:
    at = first.name.reference
    return fact(first.name.book, f"{at}{how}", reversed_legs(first.legs), reverses=at)


def _line_undone(first: Fact, at: object) -> Fact | None:
    """A line that is not served after all: all of it is taken back."""
    undone = _undone(first, ":voided")
    if undone is None or first.serves is None:
        return undone
    when = _seconds(at) if at is not None else 0
    taken = Taken(first.serves.line, first.serves.net, when, is_void=True)
    return replace(undone, takes=(taken,))


def _settled(book: str, told: Json, key: str, currency: str, rules: int) -> Iterator[Fact | None]:
    """What was paid of an invoice that is, and what was too much."""
    name, status = text(told, "id"), optional_text(told, "status")

    def owed(amount: int) -> Leg:
        return Leg(RECEIVABLE, name, currency, amount)

    if status == "paid":
        off, by = _paid_as_of_old(told, name, currency, rules)
        yield from (fact(book, at, legs) for at, legs in by)
        outside = [Leg(SUSPENSE, name, currency, off), owed(-off)]
        yield fact(book, f"{key}:paid_out_of_band", outside)
        over = _or_zero(told, "amount_overpaid")
        credit = Leg(CUSTOMER, _whose(told, rules), currency, -over)
        yield fact(book, f"{key}:overpaid", [owed(over), credit])


def _lost_or_not(
    book: str, told: Json, key: str, currency: str, rules: int
) -> Iterator[Fact | PassedOn | None]:
    """What was given up, and that it is not lost after all.

    Since the second rules nobody says how much: what moves on the receivable is the loss. Under
    the first an invoice that is paid or voided tells both.
    """
    status = optional_text(told, "status")
    passed = maybe_object(told.get("status_transitions")) or {}
    given_up = passed.get("marked_uncollectible_at")
    if status != "uncollectible" and given_up is None:
        return
    if rules > 1:
        yield PassedOn(book, RECEIVABLE, text(told, "id"), LOSS, "")
        return
    lost = _lost(told, status, given_up)
    owed = Leg(RECEIVABLE, text(told, "id"), currency, -lost)
    loss = fact(book, f"{key}:uncollectible", [Leg(LOSS, "", currency, lost), owed])
    yield loss
    is_void = status == "void" or passed.get("voided_at") is not None
    if loss is not None and (is_void or status == "paid"):
        again = reversed_legs(loss.legs)
        yield fact(book, f"{key}:recovered", again, reverses=loss.name.reference)


def _later(book: str, served: Service) -> Fact | None:
    line, currency, net = served.line, served.currency, served.net
    legs = [Leg(REVENUE, "", currency, net), Leg(UNEARNED, line, currency, -net)]
    deferred = fact(book, reference("stripe", "invoice_line", line), legs)
    return deferred and replace(deferred, serves=served)


def _served_later(told: Json, since: int, currency: str) -> Iterator[Service]:
    for line in items(told.get("lines")):
        period = maybe_object(line.get("period")) or {}
        start, end = period.get("start"), period.get("end")
        if start is None or end is None:
            continue
        first, last = _seconds(start), _seconds(end)
        if last - first > _MONTH_SECONDS and last > since:
            net = _without_discount_and_tax(line, told)
            yield Service(text(line, "id"), currency, net, first, last)


def _without_discount_and_tax(line: Json, around: Json) -> int:
    line = {"currency": around.get("currency"), **line}
    net = stripe_money(line, "amount")[0]
    off = items(line.get("pretax_credit_amounts")) or items(line.get("discount_amounts"))
    inside = [t for t in items(line.get("taxes")) if t.get("tax_behavior") == "inclusive"]
    inside += [t for t in items(line.get("tax_amounts")) if t.get("inclusive") is True]
    return net - sum(stripe_money({**line, **each}, "amount")[0] for each in [*off, *inside])


def _paid_as_of_old(
    told: Json, name: str, currency: str, rules: int
) -> tuple[int, list[tuple[str, list[Leg]]]]:
    """What was paid outside of Stripe, and the one payment that versions before 2025 name.

    Those versions do not count as paid what was paid outside, so since the second rules it is what
    was due.
    """
    if told.get("paid_out_of_band") is True:
        return _not_negative(told, "amount_due" if rules > 1 else "amount_paid"), []
    off = _or_zero(told, "amount_paid_off_stripe")
    by = id_of(told.get("payment_intent")) or id_of(told.get("charge"))
    if not by or "payments" in told:
        return off, []
    amount = _not_negative(told, "amount_paid")
    return off, [(reference("stripe", "invoice", name, "paid", by), _paid(name, amount, currency))]


def _paid(name: str, amount: int, currency: str) -> list[Leg]:
    return [Leg(REVENUE, "", currency, amount), Leg(RECEIVABLE, name, currency, -amount)]


def _lost(told: Json, status: str, given_up: object) -> int:
    """What was still open when the invoice was given up."""
    if status != "paid":
        return _not_negative(told, "amount_remaining")
    lost = _not_negative(told, "amount_due")
    for each in items(told.get("payments")):
        paid_at = (maybe_object(each.get("status_transitions")) or {}).get("paid_at")
        is_before = type(paid_at) is int and type(given_up) is int and paid_at <= given_up
        if each.get("status") == "paid" and is_before and _through_stripe(each):
            lost -= _not_negative(each, "amount_paid")
    return lost


def _through_stripe(told: Json) -> str:
    payment = maybe_object(told.get("payment")) or {}
    return id_of(payment.get("payment_intent")) or id_of(payment.get("charge"))


def invoice_payment(book: str, told: Json) -> Fact | None:
    """One payment of an invoice: the charge has earned what the invoice had earned already."""
    text(told, "id")
    by = _through_stripe(told)
    if told.get("status") != "paid" or not by:
        return None
    name = id_of(told.get("invoice"))
    amount, currency = _not_negative(told, "amount_paid"), stripe_money(told, "amount_paid")[1]
    key = reference("stripe", "invoice", name, "paid", by)
    return fact(book, key, _paid(name, amount, currency))


def _whose(told: Json, rules: int) -> str:
    """The customer; since the second rules the account that stands for one."""
    named = id_of(told.get("customer"))
    return named or (optional_text(told, "customer_account") if rules > 1 else "")


def credit_note(book: str, told: Json, rules: int) -> Iterator[Attempt]:
    """A credit note, and its undoing, by a version of the ledger's rules."""
    if told.get("id") is None:
        return
    try:
        yield from list(_credit_note(book, told, rules))
    except CannotBook as why:
        yield why


def _credit_note(book: str, told: Json, rules: int) -> Iterator[Fact | None]:
    name, customer = text(told, "id"), _whose(told, rules)
    total = _not_negative(told, "total" if told.get("total") is not None else "amount")
    currency = stripe_money({**told, "amount": total}, "amount")[1]
    tax = _tax(told, total)
    on_invoice, refunded, outside = _gone_where(told, total, rules)
    legs = [
        Leg(REVENUE, "", currency, total - tax),
        Leg(TAX, "", currency, tax),
        Leg(RECEIVABLE, id_of(told.get("invoice")), currency, -on_invoice),
        Leg(REFUNDS, "", currency, -refunded),
        Leg(SUSPENSE, name, currency, -outside),
        Leg(CUSTOMER, customer, currency, on_invoice + refunded + outside - total),
    ]
    key, taken = reference("stripe", "credit_note", name), tuple(_taken_back(told))
    noted = fact(book, key, legs)
    yield noted and replace(noted, takes=taken)
    if told.get("status") == "void" or told.get("voided_at") is not None:
        again = fact(book, f"{key}:voided", reversed_legs(legs), reverses=key)
        yield again and replace(again, takes=tuple(t._replace(minor=-t.minor) for t in taken))


def _taken_back(told: Json) -> Iterator[Taken]:
    """What a credit note takes back of lines, at the time of the note."""
    for line in items(told.get("lines")):
        of = id_of(line.get("invoice_line_item"))
        if of:
            yield Taken(of, _without_discount_and_tax(line, told), _seconds(told.get("created")))


def _gone_where(told: Json, total: int, rules: int) -> tuple[int, int, int]:
    """What of a credit note lowers the invoice, was refunded, was given back outside of Stripe."""
    outside = _or_zero(told, "out_of_band_amount")
    if told.get("pre_payment_amount") is not None:
        parts = {True: 0, False: 0}
        for each in items(told.get("refunds")):
            part = {**each, "currency": told.get("currency")}
            parts[bool(id_of(each.get("refund")))] += _not_negative(part, "amount_refunded")
        # The first rules took one of the two for all of it.
        besides = outside + parts[False] if rules > 1 else outside or parts[False]
        return _not_negative(told, "pre_payment_amount"), parts[True], besides
    if told.get("type") == "pre_payment":
        return total, 0, 0
    if not id_of(told.get("refund")):
        return 0, 0, outside
    if not id_of(told.get("customer_balance_transaction")):
        return 0, total - outside, outside
    refund = maybe_object(told.get("refund"))
    if refund is None:
        raise CannotRead("how much was refunded is not told")
    return 0, _not_negative(refund, "amount"), outside


def _tax(told: Json, total: int) -> int:
    if told.get("total_excluding_tax") is not None:
        return total - stripe_money(told, "total_excluding_tax")[0]
    for name in ("total_taxes", "total_tax_amounts", "tax_amounts"):
        if isinstance(told.get(name), list):
            rows = [{**row, "currency": told.get("currency")} for row in items(told[name])]
            return sum(stripe_money(row, "amount")[0] for row in rows)
    return _or_zero(told, "tax")


def _or_zero(told: Json, name: str) -> int:
    return stripe_money(told, name)[0] if told.get(name) is not None else 0


def _not_negative(told: Json, name: str) -> int:
    amount = stripe_money(told, name)[0]
    if amount < 0:
        raise CannotBook(f"{name} is {amount}")
    return amount


def _seconds(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 253_402_300_799:
        raise CannotRead(f"{value!r} is not a time")
    return value

"""What becomes of an invoice in a random world: paid, given up, voided, credited."""

from hypothesis import strategies as st

from tests.support.invoice_bills import (
    CUSTOMER,
    RECEIVABLE,
    REVENUE,
    TAX,
    UNEARNED,
    Bill,
    Billing,
    Served,
)
from tests.support.stripe_worlds import SETTLING, T0, Json


def charged(world: Billing, amount: int, *, has_intent: bool = True) -> tuple[str, str]:
    """A charge that pays, and the id of its payment."""
    charge = world.new("ch")
    intent = world.new("pi") if has_intent else None
    shown: Json = {
        "id": charge, "object": "charge", "amount": amount, "amount_captured": amount,
        "captured": True, "status": "succeeded", "currency": "usd", "created": T0 + 9,
        "payment_intent": intent, "customer": "cus_1",
    }  # fmt: skip
    world.event(shown)
    world.both(SETTLING, charge, amount)
    world.both(REVENUE, "", -amount)
    return charge, intent or charge


def ended(bill: Bill, status: str, **more: object) -> Json:
    """The invoice in a state that ends it."""
    word = {"paid": "paid_at", "void": "voided_at", "uncollectible": "marked_uncollectible_at"}
    passed = bill.shown["status_transitions"] | {word[status]: T0 + 500}
    return bill.shown | {"status": status, "status_transitions": passed} | more


def pay(world: Billing, bill: Bill, *, is_old: bool) -> None:
    """What is due is paid: by charges in one or two parts, or outside of Stripe."""
    key, due = bill.shown["id"], bill.due
    done = {"amount_paid": due, "amount_remaining": 0}
    if due == 0:
        world.event(ended(bill, "paid", **done))
        return
    world.own(RECEIVABLE, key, -due)
    if world.maybe() and world.maybe():
        world.own("liabilities:suspense", key, due)
        shown = ended(bill, "paid", **done)
        if is_old:
            world.event(shown | {"paid": True, "paid_out_of_band": True})
        else:
            # No event since 2025-03-31 says so: the poller asks.
            world.event(shown)
            world.answer(shown | {"amount_paid_off_stripe": due})
        return
    world.own(REVENUE, "", due)
    if is_old:
        charge, payment = charged(world, due, has_intent=world.maybe())
        intent = payment if payment != charge else None
        bill.shown |= {"charge": charge, "payment_intent": intent, "paid": True}
        world.event(ended(bill, "paid", **done, paid_out_of_band=False))
        return
    first = world.number(1, due)
    parts = _parts(world, bill, first, due - first)
    bill.shown["payments"] = {"object": "list", "data": parts, "has_more": False}
    if world.maybe():
        world.event(ended(bill, "paid", **done))
    else:
        for part in parts:
            world.event(part)
        world.event({k: v for k, v in ended(bill, "paid", **done).items() if k != "payments"})


def _parts(world: Billing, bill: Bill, *amounts: int) -> list[Json]:
    """Payments of an invoice by charges, as objects of their own."""
    parts: list[Json] = []
    for amount in amounts:
        if amount:
            charge, payment = charged(world, amount)
            by = world.draw(st.sampled_from(["payment_intent", "charge"]))
            named = payment if by == "payment_intent" else charge
            parts.append(
                {
                    "id": world.new("inpay"),
                    "object": "invoice_payment",
                    "invoice": bill.shown["id"],
                    "amount_paid": amount,
                    "amount_requested": amount,
                    "currency": "usd",
                    "status": "paid",
                    "payment": {"type": by, by: named},
                    "created": T0 + 400,
                    "status_transitions": {"paid_at": T0 + 450},
                }
            )
    return parts


def give_up(world: Billing, bill: Bill) -> None:
    """What is due is never paid."""
    world.own(RECEIVABLE, bill.shown["id"], -bill.due)
    world.own("expenses:bad-debt", "", bill.due)
    world.event(ended(bill, "uncollectible"))


def give_up_too_early(world: Billing, bill: Bill) -> None:
    """A part is paid, the rest is given up, and then paid after all, or not.

    The paid invoice names its payments, or does not, as events since 2025-03-31 do not.
    """
    due, key = bill.due, bill.shown["id"]
    early = world.number(0, due)
    is_paid = due > early and world.maybe()
    parts = _parts(world, bill, early, due - early if is_paid else 0)
    paid = due if is_paid else early
    world.own(RECEIVABLE, key, -paid)
    world.own(REVENUE, "", paid)
    given_up = {"amount_paid": early, "amount_remaining": due - early}
    lost = ended(bill, "uncollectible", **given_up)
    world.event(lost)
    if world.maybe():
        # Told again in that state, from before a part was paid or credited.
        world.event(lost | {"amount_paid": 0, "amount_remaining": max(bill.total, 0)})
    if not is_paid:
        world.own(RECEIVABLE, key, early - due)
        world.own("expenses:bad-debt", "", due - early)
    else:
        bill.shown = bill.shown | {"status_transitions": lost["status_transitions"]}
        shown = ended(bill, "paid", amount_paid=due, amount_remaining=0)
        listed = {"object": "list", "data": parts, "has_more": False}
        world.event(shown | ({"payments": listed} if world.maybe() else {}))
    for part in parts:
        world.event(part)


def void(world: Billing, bill: Bill) -> None:
    """It is as if it had never been asked for; the customer's balance has its part again."""
    if bill.due == 0:
        world.event(ended(bill, "paid"))
        return
    key, customer = bill.shown["id"], bill.shown["customer"]
    from_balance = bill.shown["ending_balance"] - bill.shown["starting_balance"]
    world.own(RECEIVABLE, key, -bill.total + from_balance)
    world.own(CUSTOMER, customer, -from_balance)
    world.own(REVENUE, "", bill.total - bill.tax)
    world.own(TAX, "", bill.tax)
    for line, net in bill.nets.items():
        if line in world.served:
            world.own(UNEARNED, line, net)
            world.own(REVENUE, "", -net)
            kept = world.served[line]
            world.served[line] = Served(kept.net, kept.since, kept.until, cut=net)
    world.balances[customer] -= from_balance
    if world.maybe():
        # It had been given up before, and a message says so or got lost.
        lost = ended(bill, "uncollectible")
        bill.shown = bill.shown | {"status_transitions": lost["status_transitions"]}
        if world.maybe():
            world.event(lost)
    world.event(ended(bill, "void"))


def take_back(world: Billing, bill: Bill, *, is_old: bool) -> None:
    """A credit note, before or after the invoice is paid, perhaps voided again."""
    lines = {line: net for line, net in bill.nets.items() if net > 0}
    most = min(bill.total - bill.tax, bill.due)
    if not lines or most <= 0:
        return
    line = world.draw(st.sampled_from(sorted(lines)))
    amount = world.number(1, min(lines[line], most))
    is_before = world.maybe()
    shown: Json = {
        "id": world.new("cn"), "object": "credit_note", "invoice": bill.shown["id"],
        "customer": bill.shown["customer"], "currency": "usd", "amount": amount, "total": amount,
        "created": T0 + 600, "status": "issued",
        "lines": {"object": "list", "data": [{"invoice_line_item": line, "amount": amount}]},
    }  # fmt: skip
    customer, revenue = bill.shown["customer"], amount
    if is_before:
        shown |= {"type": "pre_payment"}
        shown |= {} if is_old else {"pre_payment_amount": amount, "post_payment_amount": 0}
        if world.maybe():
            # Voided: as if it had not been issued.
            world.event(shown)
            world.event(shown | {"status": "void", "voided_at": T0 + 700})
            return
        world.own(RECEIVABLE, bill.shown["id"], -amount)
        bill.due -= amount
        bill.shown |= {
            "amount_due": bill.due,
            "amount_remaining": bill.due,
            "pre_payment_credit_notes_amount": amount,
        }
    else:
        refunded = amount if world.maybe() else 0
        shown |= {"type": "post_payment"}
        refund = world.new("re")
        if refunded:
            money: Json = {
                "id": refund, "object": "refund", "amount": amount, "currency": "usd",
                "created": T0 + 600, "status": "succeeded",
            }  # fmt: skip
            world.event(money)
            world.cash["revenue:refunds", "", "usd"] += amount
            world.both(SETTLING, refund, -amount)
        else:
            world.own(CUSTOMER, customer, -amount)
        if is_old:
            shown |= {"refund": refund if refunded else None}
        else:
            by = [{"amount_refunded": amount, "refund": refund}] if refunded else []
            shown |= {"pre_payment_amount": 0, "post_payment_amount": amount, "refunds": by}
    world.own(REVENUE, "", revenue)
    if world.maybe():
        # An event shows ten lines at most; asked, the API tells all of them.
        world.event(shown | {"lines": {"object": "list", "data": [], "has_more": True}})
        world.answer(shown)
    else:
        world.event(shown)
    if line in world.served:
        kept = world.served[line]
        world.served[line] = Served(kept.net, kept.since, kept.until, kept.cut + amount)

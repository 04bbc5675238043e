"""Credits that charges buy: once for each paid charge, and the customer's, whoever names him first."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Final

import pytest
from msgspec import structs

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import decide
from shared.contracts import topics
from shared.contracts.books import BookData, BookMap
from tallystick.preview.books import Books
from tests.unit.ledger.telling import CREATED, Json, charge, event, told

SELLS: Final = InForce(BookMap(books=(BookData(sells_credits=True),)))
FIRST_RULES: Final = replace(SELLS, rules_version=1)
RECEIVED: Final = datetime(2024, 6, 12, tzinfo=UTC)


def bought(charge_id: str = "ch_1", **changes: object) -> Json:
    """A paid charge of 50.00."""
    paid: Json = {"id": charge_id, "amount": 5_000, "amount_captured": 5_000}
    return charge(**paid, payment_intent="pi_1", **{"customer": "cus_1", **changes})


def failed(charge_id: str = "ch_1", **changes: object) -> Json:
    """A debit that took money and failed."""
    back = {"failure_balance_transaction": "txn_b", "balance_transaction": "txn_a"}
    return bought(charge_id, status="failed", paid=False, **back, **changes)


def session(**changes: object) -> Json:
    """A paid checkout of a guest."""
    shown: Json = {
        "id": "cs_1",
        "object": "checkout.session",
        "payment_status": "paid",
        "payment_intent": "pi_1",
        "amount_total": 5_000,
        "currency": "usd",
        "customer": None,
        "customer_details": {"email": "Jenny@Example.com"},
        "created": CREATED,
    }
    return shown | changes


def intent(**changes: object) -> Json:
    """A payment intent that succeeded."""
    shown: Json = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "amount_received": 5_000,
        "currency": "usd",
        "customer": "cus_1",
        "created": CREATED,
    }
    return shown | changes


def held(*shown: Json, in_force: InForce = SELLS) -> dict[str, int]:
    """What is left under each key of the credits after all of these, in their order."""
    taken = Books()
    for each in shown:
        decision = decide(told(topics.STRIPE_EVENTS, event("x.y", each)), in_force)
        taken.take(structs.replace(decision, identity=None), RECEIVED)
    return {b.key: b.minor for b in taken.balances() if b.account == "memo:credits"}


GUEST: Final = bought(customer=None)


@pytest.mark.parametrize(
    ("story", "stands"),
    [
        ([bought()], {"cus_1": 5_000}),
        ([GUEST], {"pi_1": 5_000}),
        ([GUEST, session()], {"jenny@example.com": 5_000}),
        ([bought(), intent(), session(customer="cus_1")], {"cus_1": 5_000}),
        # The charge named nobody at first.
        ([GUEST, bought(), intent()], {"cus_1": 5_000}),
        ([bought(), failed()], {}),
        ([failed()], {}),
        ([failed(customer=None), session()], {}),
        # The same payment is tried again after its debit failed.
        ([bought(), failed(), bought("ch_2")], {"cus_1": 5_000}),
        ([failed(), bought("ch_2"), intent()], {"cus_1": 5_000}),
        ([failed(customer=None), bought("ch_2", customer=None), session()],
         {"jenny@example.com": 5_000}),
    ],
)  # fmt: skip
def test_credits_are_the_customers_in_any_order_of_what_tells_them(
    story: list[Json], stands: dict[str, int]
) -> None:
    for order in permutations(story):
        assert held(*order) == held(*order, *order) == stands


def test_first_who_is_named_has_them_and_another_is_a_conflict() -> None:
    shown = [bought(), session(customer="cus_2")]
    assert held(*shown) == {"cus_1": 5_000}
    assert held(*reversed(shown)) == {"cus_2": 5_000}
    taken = Books()
    decisions = [decide(told(topics.STRIPE_OBJECTS, each), SELLS) for each in shown]
    _, remarks = [taken.take(each, RECEIVED) for each in decisions]
    assert [(r.outcome, r.reason, r.subject) for r in remarks] == [
        ("conflict", "reference_conflict", "pi_1")
    ]
    assert "told to be of cus_1 before" in remarks[0].detail


def test_first_rules_give_a_payment_that_is_tried_again_to_nobody() -> None:
    story = [bought(), failed(), bought("ch_2")]
    assert held(*story, in_force=FIRST_RULES) == {"pi_1": 5_000}


def test_what_the_first_rules_assigned_is_not_assigned_again() -> None:
    taken = Books()
    for shown, in_force in (
        (bought(), FIRST_RULES), (intent(), FIRST_RULES), (bought(), SELLS), (intent(), SELLS),
    ):  # fmt: skip
        taken.take(decide(told(topics.STRIPE_OBJECTS, shown), in_force), RECEIVED)
    stands = {b.key: b.minor for b in taken.balances() if b.account == "memo:credits"}
    assert stands == {"cus_1": 5_000}

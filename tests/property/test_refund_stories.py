"""Refunds that are one in form only, and those that look like them: the same books in any order."""

import hashlib
import json
from itertools import permutations
from typing import Any, Final

import pytest

from services.ingest.mirrored import parted
from services.ledger.decisions import RULES_VERSION
from shared.contracts import topics
from tests.support.stripe_worlds import At, Json
from tests.support.two_readings import Told, ledgers_books, oracles_books
from tests.unit.ledger import telling

BALANCE: Final = ("assets:stripe:balance", "", "usd")
FEES: Final = ("expenses:stripe-fees", "", "usd")
REVENUE: Final = ("revenue:stripe", "", "usd")

Story = list[tuple[str, Json]]


def by_event(shown: Json) -> Story:
    """Stripe tells an object of its own accord."""
    name = f"evt_{hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]}"
    return [(topics.STRIPE_EVENTS, telling.event("thing.updated", shown, id=name))]


def polled(shown: Json) -> Story:
    """The records that an object of the API becomes, as the poller writes them."""
    return [(topics.STRIPE_OBJECTS, dict(part)) for part in parted(shown)]


def moved(name: str, kind: str, amount: int, source: object, fee: int = 0, **more: Any) -> Json:
    return telling.moved(kind, amount, fee, id=name, source=source, **more)


# 100.00 authorized, 70.00 of it captured: the balance takes all of it and gives the rest back.
CAPTURED: Final[Json] = telling.charge(amount_captured=7_000, amount_refunded=3_000)
AUTHORIZED: Final[Json] = moved("txn_1", "charge", 10_000, "ch_1", 320)
REST: Final[Json] = telling.refund(id="re_0", amount=3_000, balance_transaction="txn_2")
REST_MOVED: Final[Json] = moved(
    "txn_2", "refund", -3_000, "re_0", -90, reporting_category="partial_capture_reversal"
)
CAPTURED_IN_PART: Final = polled(CAPTURED) + polled(AUTHORIZED)
CAPTURED_BOOKS: Final[dict[At, int]] = {BALANCE: 6_770, FEES: 230, REVENUE: -7_000}

# A debit of 100.00 that settled, and came back.
DEBIT: Final[Json] = telling.charge(id="py_1")
RETURNED: Final[Json] = DEBIT | {
    "status": "failed", "paid": False, "balance_transaction": "txn_1",
    "failure_balance_transaction": "txn_2",
}  # fmt: skip
SETTLED: Final = polled(moved("txn_1", "payment", 10_000, "py_1", 80, reporting_category="charge"))
ITEM: Final[Json] = telling.refund(
    id="pyr_1", amount=10_000, charge="py_1", balance_transaction="txn_2"
)
BACK: Final[Json] = moved(
    "txn_2", "payment_failure_refund", -10_000, "pyr_1", 400, reporting_category="charge_failure"
)
RETURNED_BOOKS: Final[dict[At, int]] = {BALANCE: -480, FEES: 480}

NEVER_CAPTURED: Final[Json] = telling.charge(captured=False, amount_captured=0)


def assert_books(told: Told, books: dict[At, int], *, rules: int) -> None:
    """Both readings of a story have these books, whatever comes first."""
    for ordered in permutations(told):
        assert ledgers_books(ordered, rules)[0] == books
        assert oracles_books(ordered, rules) == books


@pytest.mark.parametrize("rules", range(1, RULES_VERSION + 1))
@pytest.mark.parametrize(
    ("told", "books"),
    [
        pytest.param(
            CAPTURED_IN_PART + polled(REST | {"balance_transaction": REST_MOVED, "charge": CAPTURED}),
            CAPTURED_BOOKS,
            id="rest-of-an-authorization-in-the-list-of-refunds",
        ),
        pytest.param(
            CAPTURED_IN_PART
            + polled(REST | {"balance_transaction": REST_MOVED, "charge": CAPTURED})
            + polled(REST_MOVED | {"source": REST}),
            CAPTURED_BOOKS,
            id="rest-of-an-authorization-in-both-lists",
        ),
        pytest.param(
            polled(telling.refund(amount=10_000, charge=NEVER_CAPTURED)),
            {},
            id="authorization-that-was-cancelled",
        ),
        pytest.param(
            by_event(NEVER_CAPTURED | {"refunds": telling.listed(telling.refund(amount=10_000))}),
            {},
            id="authorization-that-was-cancelled-with-its-list-of-refunds",
        ),
        pytest.param(
            SETTLED
            + by_event(RETURNED)
            + polled(ITEM | {"balance_transaction": BACK, "charge": RETURNED})
            + polled(BACK | {"source": ITEM}),
            RETURNED_BOOKS,
            id="returned-debit-in-both-lists",
        ),
        pytest.param(
            SETTLED
            + by_event(RETURNED | {"refunds": telling.listed(ITEM)})
            + polled(BACK | {"source": ITEM}),
            RETURNED_BOOKS,
            id="returned-debit-with-its-item-in-a-list-of-refunds",
        ),
        pytest.param(
            SETTLED + by_event(DEBIT) + by_event(RETURNED | {"failure_balance_transaction": BACK}),
            RETURNED_BOOKS,
            id="returned-debit-with-its-movement-expanded",
        ),
    ],
)  # fmt: skip
def test_refund_in_form_only_has_no_part_in_the_books(
    told: Story, books: dict[At, int], rules: int
) -> None:
    assert_books(told, books, rules=rules)


@pytest.mark.parametrize(
    ("told", "books"),
    [
        pytest.param(
            by_event(telling.refund(amount=10_000))
            + polled(telling.refund(amount=10_000, charge=NEVER_CAPTURED)),
            {},
            id="authorization-that-was-cancelled",
        ),
        pytest.param(
            CAPTURED_IN_PART + by_event(REST) + polled(REST_MOVED | {"source": REST}),
            CAPTURED_BOOKS,
            id="rest-of-an-authorization-in-the-list-of-movements",
        ),
        pytest.param(
            CAPTURED_IN_PART
            + by_event(REST)
            + polled(REST | {"balance_transaction": REST_MOVED, "charge": CAPTURED}),
            CAPTURED_BOOKS,
            id="rest-of-an-authorization-in-the-list-of-refunds",
        ),
        pytest.param(
            CAPTURED_IN_PART
            + by_event(REST)
            + by_event(CAPTURED | {"refunds": telling.listed(REST)})
            + polled(REST_MOVED | {"source": REST}),
            CAPTURED_BOOKS,
            id="rest-of-an-authorization-in-its-charge",
        ),
        pytest.param(
            SETTLED
            + by_event(RETURNED)
            + by_event(ITEM)
            + polled(ITEM | {"balance_transaction": BACK, "charge": RETURNED}),
            RETURNED_BOOKS,
            id="returned-debit-in-the-list-of-refunds",
        ),
        pytest.param(
            SETTLED + by_event(RETURNED) + by_event(ITEM) + polled(BACK | {"source": ITEM}),
            RETURNED_BOOKS,
            id="returned-debit-in-the-list-of-movements",
        ),
        pytest.param(
            SETTLED
            + by_event(ITEM)
            + by_event(
                RETURNED
                | {"failure_balance_transaction": BACK, "refunds": telling.listed(ITEM)}
            ),
            RETURNED_BOOKS,
            id="returned-debit-in-its-charge",
        ),
    ],
)  # fmt: skip
def test_refund_in_form_only_that_was_also_told_alone_leaves_nothing(
    told: Story, books: dict[At, int]
) -> None:
    assert_books(told, books, rules=RULES_VERSION)


def test_refund_that_was_no_rest_of_an_authorization_is_booked_once_it_is_told_alone() -> None:
    settled = polled(moved("txn_1", "charge", 7_000, "ch_1", 230))
    given = polled(moved("txn_2", "refund", -3_000, "re_0"))
    told = settled + given + by_event(REST) + by_event(CAPTURED | {"refunds": telling.listed(REST)})
    books = {BALANCE: 3_770, FEES: 230, REVENUE: -7_000, ("revenue:refunds", "", "usd"): 3_000}
    assert_books(told, books, rules=RULES_VERSION)


GIVEN: Final[Json] = telling.refund(
    id="pyr_2", amount=3_000, charge="py_1", balance_transaction="txn_3"
)
GIVEN_MOVED: Final = polled(moved("txn_3", "payment_refund", -3_000, "pyr_2"))
GIVEN_BOOKS: Final[dict[At, int]] = {
    BALANCE: -3_480,
    FEES: 480,
    ("revenue:refunds", "", "usd"): 3_000,
}
BROUGHT_BACK: Final = SETTLED + polled(BACK | {"source": ITEM})


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(
            BROUGHT_BACK + GIVEN_MOVED + by_event(RETURNED | {"refunds": telling.listed(GIVEN)}),
            id="told-in-the-failed-charge-only",
        ),
        pytest.param(
            BROUGHT_BACK
            + GIVEN_MOVED
            + by_event(GIVEN)
            + by_event(RETURNED | {"refunds": telling.listed(GIVEN, ITEM)}),
            id="told-alone-and-in-the-failed-charge",
        ),
        pytest.param(
            BROUGHT_BACK
            + by_event(RETURNED)
            + polled(GIVEN | {"charge": RETURNED, "balance_transaction": dict(GIVEN_MOVED[0][1])}),
            id="told-in-the-list-of-refunds",
        ),
    ],
)  # fmt: skip
def test_refund_made_before_its_charge_failed_stays_a_refund(told: Story) -> None:
    assert_books(told, GIVEN_BOOKS, rules=RULES_VERSION)


PENDING: Final[Json] = telling.refund(
    amount=3_000, charge="py_1", status="pending", pending_reason="charge_pending"
)
CANCELLED: Final[Json] = PENDING | {"status": "failed", "pending_reason": None}


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(polled(CANCELLED | {"charge": RETURNED}), id="told-by-the-poller"),
        pytest.param(by_event(CANCELLED), id="told-alone"),
        pytest.param(by_event(RETURNED | {"refunds": telling.listed(CANCELLED)}), id="in-its-charge"),
    ],
)  # fmt: skip
def test_refund_that_fails_since_its_charge_failed_leaves_nothing(told: Story) -> None:
    assert_books(
        BROUGHT_BACK + by_event(RETURNED) + by_event(PENDING) + told,
        RETURNED_BOOKS,
        rules=RULES_VERSION,
    )


def test_return_of_a_debit_told_before_its_movement_was_known_is_undone_when_it_is() -> None:
    early = ITEM | {"balance_transaction": None}
    told = BROUGHT_BACK + by_event(RETURNED | {"refunds": telling.listed(early)})
    assert_books(told, RETURNED_BOOKS, rules=RULES_VERSION)


OF_CASH: Final[Json] = telling.refund(charge=None, payment_intent=None, balance_transaction=None)


def test_refund_of_a_cash_balance_has_no_part_in_the_books() -> None:
    told = by_event(OF_CASH | {"status": "requires_action"}) + by_event(OF_CASH) + polled(OF_CASH)
    assert_books(told, {}, rules=RULES_VERSION)


def test_refund_that_a_movement_is_about_is_one_whatever_it_says_of_itself() -> None:
    told = by_event(moved("txn_1", "refund", -2_500, OF_CASH))
    assert_books(
        told, {BALANCE: -2_500, ("revenue:refunds", "", "usd"): 2_500}, rules=RULES_VERSION
    )

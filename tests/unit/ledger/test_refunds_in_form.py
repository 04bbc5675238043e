"""Refunds that are apart: in form only, of a charge that failed, of a customer's cash balance."""

from textwrap import dedent

import pytest

from services.ledger.activation.in_force import InForce
from services.ledger.decisions import RULES_VERSION
from services.ledger.posting_rules import Decision, decide
from shared.contracts import topics
from tests.unit.ledger.telling import (
    CREATED,
    Json,
    books,
    charge,
    event,
    listed,
    moved,
    of_event,
    refund,
    said,
    told,
    txn,
)

RELEASED = charge(amount_captured=7_000, amount_refunded=3_000)
RELEASE = refund(id="re_0", amount=3_000, created=CREATED + 1)
OF_THE_REST = moved("refund", -3_000, source="re_0", reporting_category="partial_capture_reversal")
RETURN = moved("payment_failure_refund", -2_500, source="re_1", reporting_category="charge_failure")
MADE_AND_UNDONE = dedent("""\
    stripe:refund:re_1
    Dr revenue:refunds               25.00 USD
    Cr assets:stripe:settling[re_1]  25.00 USD
    stripe:refund:re_1:released
    Dr assets:stripe:settling[re_1]  25.00 USD
    Cr revenue:refunds               25.00 USD""")
# What says for certain that a refund is one in form only, and is no movement of its own.
SAID_BY: list[Json] = [
    {"reason": "expired_uncaptured_charge"},
    {"charge": charge(captured=False, amount_captured=0)},
]


def under_one(shown: Json) -> Decision:
    message = told(topics.STRIPE_EVENTS, event("thing.updated", shown))
    return decide(message, InForce(rules_version=1))


@pytest.mark.parametrize("fields", SAID_BY)
def test_refund_in_form_only_is_booked_and_undone(fields: Json) -> None:
    assert books(of_event(refund(**fields))) == MADE_AND_UNDONE


@pytest.mark.parametrize("movement", [OF_THE_REST, RETURN])
def test_refund_whose_movement_gives_back_its_charge_is_booked_and_undone(movement: Json) -> None:
    decision = of_event(refund(balance_transaction=movement))
    assert books(decision).startswith(MADE_AND_UNDONE + "\n")
    assert "settling[ch_1]" in books(decision)


def test_refund_in_form_only_is_undone_at_its_own_time_and_names_what_it_undoes() -> None:
    made, undone = of_event(refund(reason="expired_uncaptured_charge")).entries
    assert undone.effective_at == made.effective_at
    assert (undone.kind, undone.reverses) == ("refund_released", made.reference)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_refund_in_form_only_that_failed_is_undone_once(status: str) -> None:
    decision = of_event(refund(reason="expired_uncaptured_charge", status=status))
    assert [e.reference for e in decision.entries] == [
        "stripe:refund:re_1",
        "stripe:refund:re_1:failed",
    ]


@pytest.mark.parametrize("movement", [OF_THE_REST, RETURN])
def test_movement_that_gives_back_its_charge_tells_its_refund_and_its_undoing(
    movement: Json,
) -> None:
    decision = of_event(movement | {"source": refund()})
    assert books(decision).endswith("\n" + MADE_AND_UNDONE)
    assert decision.entries[0].reference == "stripe:balance_transaction:txn_1"


def test_refund_in_form_only_of_zero_books_nothing() -> None:
    decision = of_event(refund(amount=0, reason="expired_uncaptured_charge"))
    assert said(decision) == [("nothing_to_book", "zero_amount", "re_1")]


@pytest.mark.parametrize(
    "shown",
    [
        refund(amount="3000", reason="expired_uncaptured_charge"),
        OF_THE_REST | {"source": refund(amount="3000")},
    ],
)
def test_refund_in_form_only_that_cannot_be_read_is_refused_since_version_2(shown: Json) -> None:
    assert [outcome for outcome, _, _ in said(of_event(shown))] == ["refused"]
    assert "refused" not in [outcome for outcome, _, _ in said(under_one(shown))]


def test_movement_with_a_refund_that_has_no_id_is_refused_and_its_charge_booked() -> None:
    shown = charge(balance_transaction=OF_THE_REST | {"source": refund(id="")})
    of_both, of_the_movement = of_event(shown), under_one(shown)
    refused = ("refused", "unreadable", "txn_1")
    assert (said(of_both), said(of_the_movement)) == ([refused, refused], [refused])
    for decision in (of_both, of_the_movement):
        assert [e.reference for e in decision.entries] == ["stripe:payment:ch_1"]


# ---- charges that failed


FAILED = charge(status="failed", failure_balance_transaction="txn_1")


@pytest.mark.parametrize("movement", ["txn_1", RETURN])
def test_refund_moved_by_the_failure_of_its_charge_is_in_form_only(movement: object) -> None:
    failed = FAILED | {"failure_balance_transaction": movement}
    decision = of_event(refund(balance_transaction="txn_1", charge=failed))
    assert books(decision).startswith(MADE_AND_UNDONE + "\n")


@pytest.mark.parametrize("movement", ["txn_2", None])
def test_refund_moved_by_anything_else_is_a_refund_of_the_charge_that_failed(
    movement: object,
) -> None:
    decision = of_event(FAILED | {"refunds": listed(refund(balance_transaction=movement))})
    assert [e.reference for e in decision.entries] == [
        "stripe:payment:ch_1",
        "stripe:payment:ch_1:failed",
        "stripe:refund:re_1",
    ]


def test_refund_without_a_movement_is_not_that_of_a_charge_without_one() -> None:
    never_paid = charge(status="failed", paid=False, failure_balance_transaction=None)
    decision = of_event(refund(charge=never_paid))
    assert [e.reference for e in decision.entries] == ["stripe:refund:re_1"]


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_refund_that_fails_with_its_charge_is_a_refund_that_failed(status: str) -> None:
    decision = of_event(refund(charge=FAILED, status=status))
    assert [e.reference for e in decision.entries][:2] == [
        "stripe:refund:re_1",
        "stripe:refund:re_1:failed",
    ]


# ---- customers' cash balances


OF_CASH = refund(charge=None, payment_intent=None, balance_transaction=None)


@pytest.mark.parametrize("status", ["requires_action", "pending", "succeeded", "failed"])
def test_refund_of_a_cash_balance_is_none_of_ours(status: str) -> None:
    decision = of_event(OF_CASH | {"status": status})
    assert said(decision) == [("nothing_to_book", "no_booking", "re_1")]
    (remark,) = decision.remarks
    assert remark.detail == "it gives back a customer's cash balance, which never was in ours"
    assert [e.reference for e in under_one(OF_CASH).entries] == ["stripe:refund:re_1"]


@pytest.mark.parametrize(
    "shown",
    [OF_CASH | {name: f"{name}_1"} for name in ("charge", "payment_intent", "balance_transaction")]
    + [{k: v for k, v in OF_CASH.items() if k != name} for name in ("charge", "payment_intent")]
    + [{k: v for k, v in OF_CASH.items() if k != "balance_transaction"}],
)
def test_refund_that_does_not_say_that_it_has_no_payment_and_no_movement_is_one(
    shown: Json,
) -> None:
    assert [e.reference for e in of_event(shown).entries] == ["stripe:refund:re_1"]


@pytest.mark.parametrize(
    "around",
    [charge(refunds=listed(OF_CASH)), moved("refund", -2_500, source=OF_CASH)],
)
def test_refund_inside_its_charge_or_its_movement_is_one(around: Json) -> None:
    references = [e.reference for e in of_event(around).entries]
    assert references[1:] == ["stripe:refund:re_1"]


# ---- version 1


@pytest.mark.parametrize(
    "shown", [refund(**fields) for fields in SAID_BY] + [refund(amount="3000") | SAID_BY[0]]
)
def test_refund_in_form_only_is_left_out_by_version_1_and_says_so(shown: Json) -> None:
    decision = under_one(shown)
    assert said(decision) == [("nothing_to_book", "no_booking", "re_1")]
    (remark,) = decision.remarks
    assert remark.detail == "it releases what was authorized and never captured"


def test_refund_of_a_charge_that_failed_is_left_out_by_version_1_and_says_so() -> None:
    failed = charge(status="failed", failure_balance_transaction="txn_2")
    decision = under_one(failed | {"refunds": listed(refund())})
    assert [e.reference for e in decision.entries] == [
        "stripe:payment:ch_1",
        "stripe:payment:ch_1:failed",
    ]
    never_paid = charge(status="failed", paid=False)
    (remark,) = under_one(refund(charge=never_paid)).remarks
    assert remark.detail == "the charge itself failed, which its own return books"


def test_refund_in_form_only_inside_its_movement_is_not_looked_at_by_version_1() -> None:
    decision = under_one(OF_THE_REST | {"source": RELEASE})
    assert [e.reference for e in decision.entries] == ["stripe:balance_transaction:txn_1"]
    assert not decision.remarks


def test_refund_that_only_its_return_tells_is_booked_by_version_1() -> None:
    decision = under_one(refund(balance_transaction=RETURN))
    assert [e.reference for e in decision.entries] == [
        "stripe:refund:re_1",
        "stripe:balance_transaction:txn_1",
    ]


# ---- a charge captured in part, with its list of refunds


@pytest.mark.parametrize("version", range(1, RULES_VERSION + 1))
def test_refund_that_may_be_the_rest_of_an_authorization_books_nothing(version: int) -> None:
    message = told(topics.STRIPE_OBJECTS, RELEASED | {"refunds": listed(RELEASE)})
    decision = decide(message, InForce(rules_version=version))
    assert [e.reference for e in decision.entries] == ["stripe:payment:ch_1"]


def test_refund_of_the_same_amount_after_the_release_is_a_refund() -> None:
    real = refund(id="re_9", amount=3_000, created=CREATED + 100)
    decision = of_event(RELEASED | {"refunds": listed(real, RELEASE)})
    assert [e.reference for e in decision.entries] == ["stripe:payment:ch_1", "stripe:refund:re_9"]


def test_refund_of_the_same_amount_in_a_cut_list_is_a_refund() -> None:
    real = refund(id="re_9", amount=3_000, created=CREATED + 100)
    decision = of_event(RELEASED | {"refunds": listed(real, has_more=True)})
    assert [e.reference for e in decision.entries] == ["stripe:payment:ch_1", "stripe:refund:re_9"]


def test_refund_whose_balance_transaction_says_refund_is_one_whatever_its_amount() -> None:
    real = refund(id="re_9", amount=3_000, balance_transaction=txn(id="txn_r", type="refund",
        reporting_category="refund", amount=-3_000, fee=0, net=-3_000, source="re_9"))  # fmt: skip
    decision = of_event(RELEASED | {"refunds": listed(real)})
    assert [e.reference for e in decision.entries] == [
        "stripe:payment:ch_1",
        "stripe:refund:re_9",
        "stripe:balance_transaction:txn_r",
    ]

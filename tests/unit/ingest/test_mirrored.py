"""What is mirrored: the records of an object, and what is asked for again."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.catch_up import Fields, Speaker
from services.ingest.mirrored import (
    IDS_IN_A_RECORD_MAX,
    PAUSE_MAX,
    Asked,
    Children,
    asked_of,
    contents,
    expanded_in_list,
    has_told_contents,
    is_open,
    next_ask,
    parent_of,
    parted,
    unshown_children,
    watched,
)
from shared.contracts.books import Mode

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SPEAKER = Speaker("acct_1", Mode.TEST, "main", "2026-10-28.endive")
MOVEMENT: Fields = {
    "id": "txn_1",
    "object": "balance_transaction",
    "type": "refund",
    "reporting_category": "refund",
    "source": "re_1",
}
CHARGE: Fields = {"id": "ch_1", "object": "charge", "captured": True, "status": "succeeded"}
REFUND: Fields = {
    "id": "re_1",
    "object": "refund",
    "status": "succeeded",
    "balance_transaction": MOVEMENT,
    "charge": CHARGE,
}


def test_refund_and_its_movement_are_two_records_and_its_charge_is_none() -> None:
    assert parted(REFUND) == (
        {**REFUND, "balance_transaction": "txn_1", "charge": "ch_1"},
        MOVEMENT,
    )


def test_refund_without_a_movement_yet_is_one_record() -> None:
    pending = {**REFUND, "status": "pending", "balance_transaction": None}
    assert parted(pending) == ({**pending, "charge": "ch_1"},)


def test_refund_told_unexpanded_is_told_as_it_is() -> None:
    plain = {**REFUND, "balance_transaction": "txn_1", "charge": "ch_1"}
    assert parted(plain) == (plain,)


@pytest.mark.parametrize(
    "refund",
    [
        {**REFUND, "balance_transaction": {**MOVEMENT, "type": "payment_failure_refund"}},
        {
            **REFUND,
            "balance_transaction": {**MOVEMENT, "reporting_category": "partial_capture_reversal"},
        },
        {**REFUND, "balance_transaction": None, "charge": {**CHARGE, "captured": False}},
        {**REFUND, "balance_transaction": None, "charge": {**CHARGE, "status": "failed"}},
    ],
)
def test_refund_that_is_one_only_in_form_is_told_whole(refund: Fields) -> None:
    assert parted(refund) == (refund,)


def test_what_is_no_refund_is_parted_from_its_source_alone() -> None:
    transfer = {"id": "tr_1", "object": "transfer", "balance_transaction": MOVEMENT}
    assert parted(transfer) == (transfer,)
    assert parted({**MOVEMENT, "source": CHARGE}) == ({**MOVEMENT, "source": "ch_1"}, CHARGE)


@pytest.mark.parametrize(
    ("kind", "status", "wanted"),
    [
        ("refund", "pending", True),
        ("refund", "requires_action", True),
        ("refund", "succeeded", False),
        ("refund", "failed", False),
        ("dispute", "needs_response", True),
        ("dispute", "warning_under_review", True),
        ("dispute", "warning_closed", False),
        ("dispute", "lost", False),
        ("payout", "in_transit", True),
        ("payout", "paid", False),
        ("topup", "pending", True),
        ("topup", "reversed", False),
        ("refund", "a_state_of_tomorrow", True),
        ("transfer", None, False),
        ("charge", "pending", False),
    ],
)
def test_object_is_open_until_its_state_is_final(kind: str, status: str, *, wanted: bool) -> None:
    assert is_open({"object": kind, "status": status}) is wanted


@pytest.mark.parametrize(
    ("status", "reconciliation", "wanted"),
    [
        ("paid", "in_progress", True),
        ("paid", "completed", False),
        ("paid", "not_applicable", False),
        ("failed", "in_progress", False),
    ],
)
def test_paid_payout_is_open_until_its_contents_can_be_told(
    status: str, reconciliation: str, *, wanted: bool
) -> None:
    payout = {"object": "payout", "status": status, "reconciliation_status": reconciliation}
    assert is_open(payout) is wanted
    assert has_told_contents(payout) is (reconciliation == "completed")


def test_object_is_asked_for_with_what_its_kind_needs_expanded() -> None:
    assert asked_of("/v1/refunds/re_1") == Asked(
        "re_1", "/v1/refunds/re_1", ("balance_transaction", "charge")
    )
    # An invoice says how it was paid only to whoever expands that.
    assert asked_of("/v1/invoices/in_1") == Asked(
        "in_1", "/v1/invoices/in_1", ("amount_paid_off_stripe", "payments")
    )
    assert asked_of("/v1/charges/ch_1") == Asked("ch_1", "/v1/charges/ch_1")
    assert asked_of("/v2/core/accounts/acct_1").expand == ()
    assert asked_of("/v1/balance") == Asked("balance", "/v1/balance")
    assert expanded_in_list("balance_transaction") == ("data.source",)
    assert expanded_in_list("payout") == ()


def test_child_leads_to_its_parent() -> None:
    assert parent_of({"object": "transfer_reversal", "transfer": "tr_1"}) == asked_of(
        "/v1/transfers/tr_1"
    )
    assert parent_of({"object": "fee_refund", "fee": "fee_1"}) == asked_of(
        "/v1/application_fees/fee_1"
    )
    assert parent_of({"object": "refund", "charge": "ch_1"}) is None
    assert parent_of({"object": "transfer_reversal", "transfer": {"id": "tr_1"}}) is None


def test_only_an_object_of_a_mirrored_kind_is_watched() -> None:
    assert watched(REFUND) == asked_of("/v1/refunds/re_1")
    assert watched(CHARGE) is None
    assert watched({"object": "payout"}) is None


def test_children_that_do_not_stand_whole_in_their_parent_are_listed() -> None:
    shown: Fields = {"id": "tr_1", "object": "transfer", "reversals": {"has_more": True}}
    assert unshown_children(shown) == Children("/v1/transfers/tr_1/reversals", ("data.transfer",))
    assert unshown_children({**shown, "reversals": {"has_more": False}}) is None
    assert unshown_children(REFUND) is None


def test_contents_of_a_payout_stand_beside_it() -> None:
    (told,) = contents("po_1", ["txn_2", "txn_1"], SPEAKER, told_at=NOW)
    assert told.object_id == "po_1.contents.1"
    assert told.key == b"acct_1|po_1"
    assert told.envelope.subject == "po_1"
    said = json.loads(told.envelope.data)
    assert (said["payout"], said["count"], said["part"], said["parts"]) == ("po_1", 2, 1, 1)
    assert said["balance_transactions"] == ["txn_2", "txn_1"]


def test_contents_of_a_large_payout_are_told_in_parts_and_of_an_empty_one_too() -> None:
    ids = [f"txn_{n}" for n in range(IDS_IN_A_RECORD_MAX + 1)]
    parts = [json.loads(t.envelope.data) for t in contents("po_1", ids, SPEAKER, told_at=NOW)]
    assert [(p["part"], p["parts"], len(p["balance_transactions"])) for p in parts] == [
        (1, 2, IDS_IN_A_RECORD_MAX),
        (2, 2, 1),
    ]
    (empty,) = contents("po_1", [], SPEAKER, told_at=NOW)
    assert json.loads(empty.envelope.data)["count"] == 0


def test_pause_between_two_asks_doubles_to_half_a_day() -> None:
    pause = timedelta(minutes=10)
    assert next_ask(NOW, asks=0, pause=pause) == NOW + pause
    assert next_ask(NOW, asks=3, pause=pause) == NOW + timedelta(minutes=80)
    assert next_ask(NOW, asks=10_000, pause=pause) == NOW + PAUSE_MAX

"""What a look-up asks Stripe for, and what it never asks for."""

import pytest

from services.ingest.look_ups import NotAskable, asked_for, movements_of


@pytest.mark.parametrize(
    ("kind", "object_id", "path"),
    [
        ("payout", "po_1Q", "/v1/payouts/po_1Q"),
        ("topup", "tu_1", "/v1/topups/tu_1"),
        ("charge", "py_1", "/v1/charges/py_1"),
        ("refund", "re_1", "/v1/refunds/re_1"),
        ("transfer", "tr_1", "/v1/transfers/tr_1"),
    ],
)
def test_look_up_asks_for_an_object_by_its_id(kind: str, object_id: str, path: str) -> None:
    assert asked_for(kind, object_id).path == path


@pytest.mark.parametrize(
    ("kind", "object_id"),
    [
        ("", "po_1"),
        ("customer", "cus_1"),
        ("balance", "balance"),
        ("payout", ""),
        ("payout", "po_1/../../accounts"),
        ("payout", "po_1?expand[]=x"),
        ("payout", "po_é"),
        ("payout", "p" * 201),
    ],
)
def test_look_up_of_anything_else_is_never_sent_to_stripe(kind: str, object_id: str) -> None:
    with pytest.raises(NotAskable):
        asked_for(kind, object_id)


def test_movements_of_an_object_are_asked_for_with_it() -> None:
    shown = {
        "id": "po_1",
        "balance_transaction": "txn_1",
        "failure_balance_transaction": "txn_2",
    }
    paths = [asked.path for asked in movements_of(shown)]
    assert paths == ["/v1/balance_transactions/txn_1", "/v1/balance_transactions/txn_2"]
    assert [asked.expand for asked in movements_of(shown)] == [("source",), ("source",)]
    assert (
        list(movements_of({"balance_transaction": None, "failure_balance_transaction": {}})) == []
    )

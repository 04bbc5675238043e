"""Runs over lines: what contradicts the books, what is larger than money can tell."""

import json
from typing import cast

import pytest

from shared.contracts.money import MINOR_MAX
from tallystick.preview.options import Options
from tallystick.preview.run import preview
from tests.unit.ledger.telling import CREATED, Json, event, txn

AT_LIMIT = f"{MINOR_MAX}"


def report(*lines: Json, **options: object) -> Json:
    raw = [json.dumps(line).encode() for line in lines]
    return preview([("lines", raw)], Options(**options)).as_json()  # type: ignore[arg-type] # by name


def polled(value: Json) -> Json:
    return {"topic": "stripe.objects", "value": value}


def bank(kind: str = "line", minor: str = "9680", **fields: object) -> Json:
    amount = {"minor": minor, "currency": "usd", "exponent": 2}
    line = {"id": "l_1", "booked_on": "2026-10-29", "description": "", "reference": ""}
    told = {"kind": kind, "account": "main", "amount": amount}
    return {"topic": "bank.observations", "value": told | line | fields}


def payout(amount: int = 9_680) -> Json:
    return polled(
        {
            "id": "po_1",
            "object": "payout",
            "amount": amount,
            "currency": "usd",
            "status": "paid",
            "created": CREATED,
            "arrival_date": CREATED + 86_400,
        }
    )


def bill(txn_id: str, amount: int = -MINOR_MAX) -> Json:
    return polled(
        txn(id=txn_id, type="stripe_fee", amount=amount, fee=0, net=amount, source=None)
        | {"reporting_category": "fee"}
    )


def found(told: Json) -> list[tuple[object, object, object]]:
    rows = cast("list[dict[str, Json | None]]", told["discrepancies"])
    return [
        (row["kind"], row["subject"], None if row["amount"] is None else row["amount"]["minor"])
        for row in rows
    ]


def held(told: Json) -> dict[tuple[object, object], object]:
    rows = cast("list[Json]", told["balances"])
    return {(row["account"], row["key"]): row["minor"] for row in rows}


def test_bank_line_whose_texts_are_null_is_read() -> None:
    told = report(bank(description=None, reference=None, counterparty=None))
    assert told["refused"] == []
    assert found(told) == [("unidentified_bank_credit", "l_1", "9680")]


def test_mode_is_not_told_by_what_belongs_to_another_account() -> None:
    live: Json = event("account.updated", {"id": "acct_c", "object": "account"}, account="acct_c")
    ours: Json = polled(txn() | {"livemode": False})
    told = report({"topic": "stripe.events", "value": live}, ours)
    assert (told["mode"], found(told)) == ("test", [])
    assert held(told)["assets:stripe:balance", ""] == "9680"
    assert report({"topic": "stripe.events", "value": live})["mode"] == "live"


def test_line_that_names_no_book_is_of_the_main_one_beside_others() -> None:
    told = report(payout(), bank(id="l_1"), bank(id="l_2") | {"book": "another"})
    rows = cast("list[Json]", told["balances"])
    assert {(row["book"], row["account"], row["key"]) for row in rows} == {
        ("main", "assets:bank:main", ""),
        ("main", "assets:stripe:in-transit", "po_1"),
        ("another", "assets:bank:main", ""),
        ("another", "liabilities:suspense", "l_2"),
    }


def test_bank_line_that_contradicts_the_books_settles_nothing() -> None:
    right, wrong = bank(description="po_1"), bank(minor="9990", description="po_1")
    told = report(payout(), right, wrong)
    assert held(told) == {("assets:bank:main", ""): "9680", ("assets:stripe:in-transit", "po_1"): "-9680"}  # fmt: skip
    assert found(told) == [("reference_conflict", "l_1", "310")]


@pytest.mark.parametrize(
    ("lines", "kinds"),
    [
        ((bill("txn_1"), bill("txn_2")), {"negative_stripe_balance"}),
        (
            (
                bank(id="l_1", minor=AT_LIMIT),
                bank(id="l_2", minor=AT_LIMIT),
                bank("balance", minor="-5", as_of="2026-10-30T00:00:00Z"),
            ),
            {"unidentified_bank_credit", "balance_drift"},
        ),
        (
            (
                payout(MINOR_MAX),
                bank(id="l_1", minor=f"{MINOR_MAX - 1}", description="po_1"),
                bank(id="l_2", minor=f"{MINOR_MAX - 2}", description="po_1"),
            ),
            {"payout_amount_mismatch"},
        ),
    ],
)
def test_sum_past_the_limit_of_money_is_found_and_said_at_the_limit(
    lines: tuple[Json, ...], kinds: set[str]
) -> None:
    told = found(report(*lines))
    assert {kind for kind, _, _ in told} == kinds
    assert all(int(str(minor)) <= MINOR_MAX for _, _, minor in told)


def test_charge_settled_past_the_limit_in_another_currency_stays_open() -> None:
    settled = [polled(txn(id=f"txn_{n}", amount=MINOR_MAX, fee=0, net=MINOR_MAX)) for n in range(2)]
    sale: Json = {
        "id": "ch_1", "object": "charge", "amount": 100, "amount_captured": 100, "captured": True,
        "currency": "eur", "status": "succeeded", "created": CREATED,
    }  # fmt: skip
    told = report(polled(sale), *settled)
    assert held(told)["assets:stripe:settling", "ch_1"]
    assert ("equity:exchange", "") not in held(told)

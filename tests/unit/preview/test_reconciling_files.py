"""A stranger's file through the command: payouts and bank lines in, matches and discrepancies out."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import cast

import pytest

from tests.unit.ledger.telling import Json

ROOT = Path(__file__).parents[3]
WEDNESDAY = 1_794_355_200  # 11 November 2026
DAY = 86_400
A, B, C = (
    "po_1QK7mWLkdIwHu7ixRt5vXa2B",
    "po_1QJ3nZLkdIwHu7ixPq8sYc9D",
    "po_1QF9xTLkdIwHu7ixMe4wVb6G",
)


def payout(payout_id: str, amount: int, status: str = "paid", arrival: int = WEDNESDAY) -> Json:
    shown = {
        "id": payout_id,
        "object": "payout",
        "amount": amount,
        "arrival_date": arrival,
        "created": arrival - 2 * DAY,
        "currency": "usd",
        "destination": "ba_1",
        "livemode": False,
        "method": "standard",
        "status": status,
    }
    told = {
        "id": f"evt_{payout_id}_{status}",
        "object": "event",
        "type": f"payout.{status}",
        "created": arrival - DAY,
        "livemode": False,
        "data": {"object": shown},
    }
    return {"topic": "stripe.events", "value": told}


def line(line_id: str, minor: int, text: str, on: str = "2026-11-11", **more: object) -> Json:
    amount = {"minor": str(minor), "currency": "usd", "exponent": 2}
    value: Json = {
        "kind": "line",
        "account": "ops",
        "id": line_id,
        "amount": amount,
        "booked_on": on,
        "description": text,
        "reference": "",
    } | more
    return {"topic": "bank.observations", "value": value}


def preview(lines: list[Json], *arguments: str, as_of: str = "2026-11-13T12:00:00Z") -> Json:
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "preview", "-", "--json", "--as-of", as_of, *arguments],
        cwd=ROOT, input="".join(json.dumps(each) + "\n" for each in lines),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return cast("Json", json.loads(done.stdout))


def matches(found: Json) -> list[tuple[str, list[str], int]]:
    rows = cast("list[Json]", found["matches"])
    return sorted(
        (
            str(r["line"]),
            cast("list[str]", r["settles"]),
            int(str(r["delta"])),
        )
        for r in rows
    )


def discrepancies(found: Json) -> list[str]:
    rows = cast("list[Json]", found["discrepancies"])
    return sorted(f"{r['kind']} {r['subject']} {cast('Json', r['amount'])['minor']}" for r in rows)


def test_month_of_a_careless_bank_is_told_apart_line_by_line_in_any_order() -> None:
    told = [
        payout(A, 10_000, "in_transit"),
        payout(A, 10_000),
        payout(B, 5_500),
        payout(C, 7_700, "failed"),
        payout("po_short", 9_000),
        payout("po_lost", 1_234),
        line("l1", 10_000, f"STRIPE PAYOUT {A[:18]}"),
        line("l2", 10_000, f"STRIPE PAYOUT {A.upper()}"),
        line("l3", 5_500, "ACH CREDIT STRIPE TRANSFER", "2026-11-12"),
        line("l4", 8_900, "STRIPE po_short"),
        line("l5", 1_234, "WIRE FROM ACME GMBH INV 4711"),
        line("l6", 1_234, "STRIPE po_2ZZ9mWLkdIwHu7ixRt5vXa9Z"),
        line("l7", -77, "ACCOUNT FEE"),
    ]
    found = preview(told, as_of="2026-11-16T00:00:00Z")
    assert matches(found) == [
        ("l2", [A], 0),  # the whole reference goes before the cut one
        ("l3", [B], 0),
        ("l4", ["po_short"], -100),
    ]
    assert discrepancies(found) == [
        "duplicate_bank_credit l1 10000",
        "payout_amount_mismatch po_short 100",
        f"payout_failed {C} 7700",
        "payout_overdue po_lost 1234",
        "unidentified_bank_credit l5 1234",
        "unidentified_bank_credit l6 1234",
        "unidentified_bank_debit l7 77",
    ]
    doubled = [*told, *told]
    Random(5).shuffle(doubled)
    again = preview(doubled, as_of="2026-11-16T00:00:00Z")
    assert matches(again) == matches(found)
    assert discrepancies(again) == discrepancies(found)
    assert again["balances"] == found["balances"]


def test_nothing_is_overdue_the_moment_before_its_third_business_day() -> None:
    early = preview([payout(A, 10_000)], as_of="2026-11-15T23:59:59Z")
    assert discrepancies(early) == []
    assert discrepancies(preview([payout(A, 10_000)], as_of="2026-11-16T00:00:00Z")) == [
        f"payout_overdue {A} 10000"
    ]


def test_two_lines_that_may_both_be_the_payout_are_left_to_a_person() -> None:
    told = [
        payout(A, 10_000),
        line("l1", 10_000, "DEPOSIT"),
        line("l2", 10_000, "DEPOSIT", "2026-11-12"),
    ]
    found = preview(told)
    assert matches(found) == []
    assert discrepancies(found) == ["ambiguous_match l1 10000", "ambiguous_match l2 10000"]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_bank_balance_agrees_with_the_lines_of_its_day_in_the_books_zone(
    zone: str, tmp_path: Path
) -> None:
    config = tmp_path / "books.toml"
    config.write_text(
        f'[[books]]\nname = "main"\ntime_zone = "{zone}"\n'
        '[[books.bank_accounts]]\nname = "ops"\ncurrency = "usd"\n'
    )
    offset = {"Asia/Tokyo": "+09:00", "America/Los_Angeles": "-08:00"}[zone]
    told = [payout(A, 10_000), payout(B, 5_500), line("l1", 10_000, A)]
    told.append(line("l2", 5_500, B, "2026-11-12"))
    amount = {"minor": "10000", "currency": "usd", "exponent": 2}
    as_of = f"2026-11-11T18:00:00{offset}"
    balance = {"kind": "balance", "account": "ops", "amount": amount, "as_of": as_of}
    told.append({"topic": "bank.observations", "value": balance})
    found = preview(told, "--config", str(config))
    assert discrepancies(found) == []
    balance["amount"] = amount | {"minor": "10007"}
    assert discrepancies(preview(told, "--config", str(config))) == ["balance_drift ops 7"]

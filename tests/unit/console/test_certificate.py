"""A payout's certificate: green only when Stripe's, the ledger's and the bank's sums agree."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.console.reconciling.allocation import (
    Allocated,
    Available,
    Claim,
    allocated,
    taken_before,
)
from services.console.reconciling.certificate import (
    TAKEN_BACK,
    Certified,
    Movement,
    Payout,
    Posted,
    Said,
    Settlement,
    paper_of,
    status_of,
    sums_of,
)
from services.console.reconciling.paper import paper_csv, paper_html, paper_json, paper_lines
from shared.contracts.money import Money

AT = datetime(2026, 11, 9, 8, tzinfo=UTC)
PO = "po_1"


def movement(name: str, net: int, kind: str = "charge", fee: int = 0, source: str = "") -> Movement:
    return Movement(name, kind, kind, source or f"src_{name}", net + fee, fee, net, "usd", AT)


def posted(name: str, account: str, minor: int, key: str = "") -> Posted:
    return Posted(f"stripe:balance_transaction:{name}", account, key, minor, AT)


TOLD = Certified(
    book="main",
    payout=Payout(
        PO, "paid", Money.of(9_000, "usd"), AT, date(2026, 11, 11), "standard", "ba_1", "",
        ("0910",), AT,
    ),
    movements=(
        movement("txn_1", 9_500, fee=320),
        movement("txn_2", -500, "refund"),
        movement("txn_po", -9_000, "payout", source=PO),
    ),
    named=3,
    is_complete=True,
    postings=(
        posted("txn_1", "assets:stripe:balance", 9_500),
        posted("txn_1", "expenses:stripe-fees", 320),
        posted("txn_1", "assets:stripe:settling", -9_820, "ch_1"),
        posted("txn_2", "assets:stripe:balance", -500),
        posted("txn_2", "assets:stripe:settling", 500, "re_1"),
        posted("txn_po", "assets:stripe:in-transit", 9_000, PO),
        posted("txn_po", "assets:stripe:balance", -9_000),
    ),
    settlements=(
        Settlement(
            "mtc_1", "reference_and_amount", "ops", "l1", date(2026, 11, 11),
            Money.of(9_000, "usd"), ("it names po_1",),
        ),
    ),
    open_minor=0,
)  # fmt: skip


def styles(told: Certified) -> list[str]:
    return [each.style for each in sums_of(told)]


def status(told: Certified) -> str:
    return status_of(told, sums_of(told))[0]


def test_certificate_is_green_when_all_three_sums_agree() -> None:
    assert [each.minor for each in sums_of(TOLD)] == [9_000, 9_000, 9_000]
    assert status_of(TOLD, sums_of(TOLD)) == ("sound", "all three sums agree")


@pytest.mark.parametrize(
    ("changed", "side"),
    [
        ({"movements": (*TOLD.movements[1:], movement("txn_1", 9_400))}, 0),
        ({"postings": TOLD.postings[:3] + TOLD.postings[5:]}, None),
        ({"settlements": (replace(TOLD.settlements[0], share=Money.of(8_900, "usd")),)}, 2),
    ],
)
def test_certificate_is_not_green_when_one_side_says_otherwise(
    changed: dict[str, Any], side: int | None
) -> None:
    told = replace(TOLD, **changed)
    assert status(told) == ("waits" if side is None else "wrong")
    if side is not None:
        assert styles(told)[side] == "wrong"


@pytest.mark.parametrize(
    "changed",
    [
        {"is_complete": False},
        {"movements": TOLD.movements[1:]},
        {"postings": ()},
        {"settlements": ()},
        {"open_minor": -9_000},
    ],
)
def test_certificate_waits_for_what_has_not_come(changed: dict[str, Any]) -> None:
    assert status(replace(TOLD, **changed)) == "waits"


def test_entry_that_was_booked_with_other_money_is_seen() -> None:
    wrong = (posted("txn_2", "assets:stripe:balance", -400), *TOLD.postings[:3], *TOLD.postings[4:])
    assert status(replace(TOLD, postings=wrong)) == "wrong"


def test_what_was_written_off_makes_up_for_a_short_line() -> None:
    short = replace(TOLD.settlements[0], share=Money.of(8_900, "usd"))
    assert status(replace(TOLD, settlements=(short,), written_off=100)) == "sound"


def test_failed_payout_is_never_green() -> None:
    failed = replace(TOLD.payout, stage="failed", failure="account_closed")
    back = posted("txn_back", "assets:stripe:in-transit", -9_000, PO)
    told = replace(TOLD, payout=failed, settlements=(), postings=(*TOLD.postings, back))
    assert status(told) == "waits"
    assert status(replace(told, open_minor=9_000)) == "wrong"
    assert status(replace(told, postings=TOLD.postings)) == "wrong"


def test_failed_payout_went_out_and_came_back_so_that_ledger_and_bank_hold_nothing() -> None:
    payout = replace(TOLD.payout, stage="failed", failure="account_closed")
    back = posted("txn_back", "assets:stripe:in-transit", -9_000, PO)
    told = replace(
        TOLD, payout=payout, movements=(), named=0, is_complete=False, settlements=(),
        postings=(*TOLD.postings, back),
    )  # fmt: skip
    assert [(each.minor, each.style) for each in sums_of(told)] == [
        (None, ""), (0, "sound"), (None, "sound"),
    ]  # fmt: skip
    assert [s.title for s in paper_of(told).sections] == [
        "Three sums", "Bank lines", "Journal entries",
    ]  # fmt: skip
    kept = replace(told, settlements=TOLD.settlements)
    assert status_of(kept, sums_of(kept)) == ("wrong", "failed, and the sums do not agree")
    returned = replace(TOLD.settlements[0], line="l2", share=Money.of(-9_000, "usd"))
    assert status(replace(told, settlements=(*TOLD.settlements, returned))) == "waits"


def test_certificate_says_what_is_not_resolved_about_it_and_what_to_do() -> None:
    assert "Not resolved" not in [s.title for s in paper_of(TOLD).sections]
    said = Said("payout overdue", "high", "open", "90.00 USD", "no bank line", "Ask the bank.")
    sections = paper_json(paper_of(replace(TOLD, settlements=(), said=(said,))))["sections"]
    assert [s["title"] for s in sections[:2]] == ["Three sums", "Not resolved"]
    assert sections[1]["rows"][0]["next step"] == "Ask the bank."


def test_certificate_of_a_payout_that_the_bank_took_back_is_red() -> None:
    back = Said(TAKEN_BACK, "high", "open", "po_1 to stay", "-90.00 USD", "Look at Stripe.")
    told = replace(TOLD, said=(back,))
    assert status_of(told, sums_of(told)) == ("wrong", "the bank took it back")


def test_manual_payout_gets_an_allocation_that_says_what_it_is() -> None:
    parts = allocated(9_000, 0, [Available("txn_1", "charge", 9_500, None, AT)])
    told = replace(TOLD, movements=(), named=0, is_complete=False, allocated=parts)
    assert status(told) == "sound"
    text = "\n".join(line.text for line in paper_lines(paper_of(told)))
    assert "Stripe does not tell what a manual or instant payout is made of" in text
    assert "fee beside it" not in text
    borne = replace(told, allocated=replace(parts, borne_by="po_9"), fee_minor=90)
    text = "\n".join(line.text for line in paper_lines(paper_of(borne)))
    assert "The contents of po_9 name this payout's own transaction" in text
    assert "fee beside it         0.90 USD" in text


def rows(*nets: int) -> list[Available]:
    return [Available(f"t{n}", "charge", net, None, AT) for n, net in enumerate(nets)]


def parts(found: Allocated) -> dict[str, int]:
    return {part.id: part.minor for part in found.parts}


def test_allocation_takes_the_oldest_first_and_splits_the_last() -> None:
    assert parts(allocated(150, 0, rows(100, 100))) == {"t0": 100, "t1": 50}
    assert parts(allocated(50, 150, rows(100, 100))) == {"t1": 50}


def test_allocation_nets_what_is_below_zero_where_it_falls() -> None:
    found = allocated(100, 0, rows(80, -30, 50, 40))
    assert parts(found) == {"t0": 80, "t1": -30, "t2": 50}
    assert sum(parts(found).values()) == 100


def test_allocation_of_more_than_there_is_says_less() -> None:
    assert sum(parts(allocated(500, 0, rows(100, 100))).values()) == 200


def test_earlier_payouts_and_their_fees_took_of_the_same_money_alone() -> None:
    first, second, borne = (
        Claim("po_a", AT, 606), Claim("po_b", AT, 300), Claim("po_0", AT, 50, "po_auto"),
    )  # fmt: skip
    claims = (second, borne, first)
    assert [taken_before(each, claims) for each in (first, second, borne)] == [0, 606, 0]


def test_allocations_of_several_payouts_never_overlap() -> None:
    known = rows(70, 45, -20, 130, 15)
    sizes, before, seen = (60, 90, 80), 0, dict.fromkeys((r.id for r in known), 0)
    for size in sizes:
        for name, minor in parts(allocated(size, before, known)).items():
            seen[name] += minor
        before += size
    nets = {r.id: r.net_minor for r in known}
    assert all(abs(seen[name]) <= abs(nets[name]) for name in seen)
    assert sum(seen.values()) == sum(sizes)


def test_certificate_is_written_as_table_csv_json_and_page() -> None:
    paper = paper_of(TOLD)
    assert any("9,000" in line.text or "90.00 USD" in line.text for line in paper_lines(paper))
    assert paper_csv(paper).splitlines()[0].startswith("section,side,sum,sum currency,holds")
    assert paper_json(paper)["sections"][0]["rows"][0]["sum"] == {
        "minor": "9000",
        "currency": "usd",
        "exponent": 2,
    }
    page = paper_html(paper)
    assert '<span class="v sound">all three sums agree</span>' in page
    assert "<script" not in page


def test_text_from_outside_is_text_on_the_page_and_no_formula_in_the_table() -> None:
    hostile = replace(TOLD.settlements[0], line="<script>alert(1)</script>", rule="=1+1\x1b[2J")
    paper = paper_of(replace(TOLD, settlements=(hostile,)))
    assert "<script" not in paper_html(paper)
    assert all("\x1b" not in line.text for line in paper_lines(paper))
    assert ",=1+1" not in paper_csv(paper)

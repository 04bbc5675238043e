"""Whole stories through `tallystick preview`, as a stranger would write them into a file.

Each story says what Stripe and the bank told, and the books and discrepancies that a bookkeeper
expects. Every story is told forwards, backwards, doubled and shuffled.
"""

import json
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

Json = dict[str, Any]  # Any: Stripe's and the preview's JSON
DAY = 86_400
T0 = 1_793_000_000  # 2026-10-26T07:33:20Z, a Monday


def event(kind: str, obj: Json, at: int = T0, **extra: Any) -> Json:
    """A snapshot event, its id made of its type and object."""
    return {
        "topic": "stripe.events",
        "received_at": _rfc(at + 2),
        "value": {
            "id": f"evt_{kind.replace('.', '_')}_{obj['id']}_{at}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": at,
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
            "data": {"object": obj},
        }
        | extra,
    }


def polled(obj: Json, at: int = T0, **extra: Any) -> Json:
    return {"topic": "stripe.objects", "value": obj, "received_at": _rfc(at + 60)} | extra


def _rfc(at: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _day(at: int) -> str:
    return _rfc(at)[:10]


def charge(cid: str, amount: int, currency: str = "usd", **extra: Any) -> Json:
    return {
        "id": cid,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "balance_transaction": None,
        "captured": True,
        "created": T0,
        "currency": currency,
        "livemode": True,
        "paid": True,
        "refunded": False,
        "status": "succeeded",
        "transfer_data": None,
    } | extra


def txn(
    tid: str, kind: str, amount: int, fee: int, source: str, currency: str = "usd", **extra: Any
) -> Json:
    no_details: list[Json] = []
    return {
        "id": tid,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": T0 + 2 * DAY,
        "balance_type": "payments",
        "created": T0,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": no_details,
        "net": amount - fee,
        "reporting_category": extra.pop("category", kind),
        "source": source,
        "status": "pending",
        "type": kind,
    } | extra


def refund(rid: str, cid: str, amount: int, status: str = "succeeded", **extra: Any) -> Json:
    return {
        "id": rid,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": cid,
        "created": T0 + DAY,
        "currency": "usd",
        "status": status,
    } | extra


def payout(
    pid: str, amount: int, status: str = "paid", currency: str = "usd", **extra: Any
) -> Json:
    return {
        "id": pid,
        "object": "payout",
        "amount": amount,
        "arrival_date": T0 - T0 % DAY + 4 * DAY,
        "automatic": True,
        "balance_transaction": f"txn_{pid}",
        "created": T0 + 2 * DAY,
        "currency": currency,
        "destination": "ba_1",
        "failure_balance_transaction": None,
        "failure_code": None,
        "livemode": True,
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "statement_descriptor": None,
        "status": status,
        "trace_id": None,
        "type": "bank_account",
    } | extra


def line(
    lid: str,
    minor: int,
    *,
    day: int = 4,
    text: str = "",
    currency: str = "usd",
    exponent: int = 2,
    account: str = "main",
    **extra: Any,
) -> Json:
    return {
        "topic": "bank.observations",
        "received_at": _rfc(T0 + day * DAY + 3600),
        "value": {
            "kind": "line",
            "account": account,
            "id": lid,
            "amount": {"minor": str(minor), "currency": currency, "exponent": exponent},
            "booked_on": _day(T0 + day * DAY),
            "description": text,
            "reference": "",
        }
        | extra,
    }


@dataclass
class Story:
    name: str
    told: list[Json]
    books: dict[tuple[str, str, str], int]
    discrepancies: set[tuple[str, str, int]] = field(default_factory=set)
    matches: set[tuple[str, tuple[str, ...], int]] = field(default_factory=set)
    as_of: int = T0 + 5 * DAY
    options: tuple[str, ...] = ()
    refused: int = 0


SALE = [
    event("charge.succeeded", charge("ch_1", 10_000)),
    event("charge.updated", charge("ch_1", 10_000, balance_transaction="txn_1"), T0 + 1),
    event(
        "payment_intent.succeeded",
        {
            "id": "pi_1",
            "object": "payment_intent",
            "amount": 10_000,
            "amount_received": 10_000,
            "currency": "usd",
            "status": "succeeded",
            "livemode": True,
            "latest_charge": "ch_1",
            "created": T0,
        },
    ),
    polled(txn("txn_1", "charge", 10_000, 320, "ch_1")),
]
SALE_BOOKS = {
    ("assets:stripe:balance", "", "usd"): 9_680,
    ("expenses:stripe-fees", "", "usd"): 320,
    ("revenue:stripe", "", "usd"): -10_000,
}
PAYOUT = [
    event("payout.created", payout("po_1", 9_680, "pending"), T0 + 2 * DAY),
    event("payout.paid", payout("po_1", 9_680), T0 + 4 * DAY),
    polled(txn("txn_po_1", "payout", -9_680, 0, "po_1")),
]

STORIES = [
    Story("a sale with its fee", SALE, SALE_BOOKS),
    Story(
        "a sale paid out and seen at the bank by its id",
        [*SALE, *PAYOUT, line("l_1", 9_680, text="STRIPE PAYOUT po_1")],
        {
            ("assets:bank:main", "", "usd"): 9_680,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        matches={("l_1", ("po_1",), 0)},
    ),
    Story(
        "a payout matched by amount and date",
        [*SALE, *PAYOUT, line("l_1", 9_680, text="STRIPE")],
        {
            ("assets:bank:main", "", "usd"): 9_680,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        matches={("l_1", ("po_1",), 0)},
    ),
    Story(
        "a payout that never arrives",
        [*SALE, *PAYOUT],
        {
            ("assets:stripe:in-transit", "po_1", "usd"): 9_680,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        {("payout_overdue", "po_1", 9_680)},
        as_of=T0 + 14 * DAY,
    ),
    Story(
        "a payout one dollar short",
        [*SALE, *PAYOUT, line("l_1", 9_580, text="STRIPE po_1")],
        {
            ("assets:bank:main", "", "usd"): 9_580,
            ("assets:stripe:in-transit", "po_1", "usd"): 100,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        {("payout_amount_mismatch", "po_1", 100)},
        {("l_1", ("po_1",), -100)},
    ),
    Story(
        "a credit that nobody knows, though the amount fits",
        [*SALE, *PAYOUT, line("l_1", 9_680, text="WIRE FROM ACME INDUSTRIES GMBH INV 4711")],
        {
            ("assets:bank:main", "", "usd"): 9_680,
            ("assets:stripe:in-transit", "po_1", "usd"): 9_680,
            ("liabilities:suspense", "l_1", "usd"): -9_680,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        {("unidentified_bank_credit", "l_1", 9_680)},
    ),
    Story(
        "a line that names another payout",
        [*SALE, *PAYOUT, line("l_1", 9_680, text="STRIPE PAYOUT po_9ZZZZZZZZZZZZ")],
        {
            ("assets:bank:main", "", "usd"): 9_680,
            ("assets:stripe:in-transit", "po_1", "usd"): 9_680,
            ("liabilities:suspense", "l_1", "usd"): -9_680,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        {("unidentified_bank_credit", "l_1", 9_680)},
    ),
    Story(
        "the bank pays the same payout twice",
        [
            *SALE,
            *PAYOUT,
            line("l_1", 9_680, text="STRIPE po_1"),
            line("l_2", 9_680, day=5, text="STRIPE po_1"),
        ],
        {
            ("assets:bank:main", "", "usd"): 19_360,
            ("liabilities:suspense", "l_2", "usd"): -9_680,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        {("duplicate_bank_credit", "l_2", 9_680)},
        {("l_1", ("po_1",), 0)},
    ),
    Story(
        "one payout in two lines",
        [
            *SALE,
            *PAYOUT,
            line("l_1", 5_000, text="po_1 part 1"),
            line("l_2", 4_680, day=5, text="po_1 part 2"),
        ],
        {
            ("assets:bank:main", "", "usd"): 9_680,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        matches={("l_1", ("po_1",), 0), ("l_2", ("po_1",), 0)},
    ),
    Story(
        "one line for two payouts",
        [
            event("payout.paid", payout("po_1", 7_000)),
            polled(txn("txn_po_1", "payout", -7_000, 0, "po_1")),
            event("payout.paid", payout("po_2", 2_345)),
            polled(txn("txn_po_2", "payout", -2_345, 0, "po_2")),
            line("l_1", 9_345, text="STRIPE TRANSFER"),
        ],
        {("assets:bank:main", "", "usd"): 9_345, ("assets:stripe:balance", "", "usd"): -9_345},
        {("negative_stripe_balance", "*", 9_345)},
        {("l_1", ("po_1", "po_2"), 0)},
    ),
    Story(
        "a refund in part, its fee kept",
        [
            *SALE,
            event("charge.refunded", charge("ch_1", 10_000, amount_refunded=2_500), T0 + DAY),
            event("refund.created", refund("re_1", "ch_1", 2_500), T0 + DAY),
            event("charge.refund.updated", refund("re_1", "ch_1", 2_500), T0 + DAY + 5),
            polled(txn("txn_2", "refund", -2_500, 0, "re_1")),
        ],
        {
            ("assets:stripe:balance", "", "usd"): 7_180,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:refunds", "", "usd"): 2_500,
            ("revenue:stripe", "", "usd"): -10_000,
        },
    ),
    Story(
        "a refund that failed weeks later",
        [
            *SALE,
            event("refund.created", refund("re_1", "ch_1", 2_500), T0 + DAY),
            event(
                "refund.failed",
                refund("re_1", "ch_1", 2_500, "failed", failure_reason="expired_or_canceled_card"),
                T0 + 20 * DAY,
            ),
            polled(txn("txn_2", "refund", -2_500, 0, "re_1")),
            polled(txn("txn_3", "refund_failure", 2_500, 0, "re_1")),
        ],
        SALE_BOOKS,
        {("refund_failed", "re_1", 2_500)},
    ),
    Story(
        "a dispute lost with its fee",
        [
            *SALE,
            event(
                "charge.dispute.created",
                {
                    "id": "du_1",
                    "object": "dispute",
                    "amount": 10_000,
                    "charge": "ch_1",
                    "currency": "usd",
                    "status": "needs_response",
                    "created": T0,
                    "livemode": True,
                    "balance_transactions": [
                        txn("txn_d", "adjustment", -10_000, 1_500, "du_1", category="dispute")
                    ],
                },
            ),
            event(
                "charge.dispute.closed",
                {
                    "id": "du_1",
                    "object": "dispute",
                    "amount": 10_000,
                    "charge": "ch_1",
                    "currency": "usd",
                    "status": "lost",
                    "created": T0,
                    "livemode": True,
                    "balance_transactions": [
                        txn("txn_d", "adjustment", -10_000, 1_500, "du_1", category="dispute")
                    ],
                },
                T0 + 9 * DAY,
            ),
        ],
        {
            ("assets:stripe:balance", "", "usd"): -1_820,
            ("expenses:disputes", "du_1", "usd"): 10_000,
            ("expenses:stripe-fees", "", "usd"): 1_820,
            ("revenue:stripe", "", "usd"): -10_000,
        },
        {("negative_stripe_balance", "*", 1_820)},
    ),
    Story(
        "euros settled in dollars",
        [
            event("charge.succeeded", charge("ch_1", 10_000, "eur")),
            polled(txn("txn_1", "charge", 10_850, 345, "ch_1", exchange_rate=1.085)),
        ],
        {
            ("assets:stripe:balance", "", "usd"): 10_505,
            ("expenses:stripe-fees", "", "usd"): 345,
            ("equity:exchange", "", "eur"): 10_000,
            ("equity:exchange", "", "usd"): -10_850,
            ("revenue:stripe", "", "eur"): -10_000,
        },
    ),
    Story(
        "yen and dinars keep their decimals",
        [
            event("charge.succeeded", charge("ch_1", 500, "jpy")),
            polled(txn("txn_1", "charge", 500, 18, "ch_1", "jpy")),
            event("charge.succeeded", charge("ch_2", 12_340, "kwd")),
        ],
        {
            ("assets:stripe:balance", "", "jpy"): 482,
            ("expenses:stripe-fees", "", "jpy"): 18,
            ("revenue:stripe", "", "jpy"): -500,
            ("assets:stripe:settling", "ch_2", "kwd"): 12_340,
            ("revenue:stripe", "", "kwd"): -12_340,
        },
        {("clearing_overdue", "ch_2", 12_340)},
    ),
    Story(
        "a type that Stripe invented yesterday",
        [polled(txn("txn_1", "quantum_rebate", 777, 0, "qr_1"))],
        {
            ("assets:stripe:balance", "", "usd"): 777,
            ("liabilities:suspense", "txn_1", "usd"): -777,
        },
        {("unknown_balance_transaction", "txn_1", 777)},
    ),
    Story(
        "Stripe's own bill",
        [*SALE, polled(txn("txn_f", "stripe_fee", -250, 0, "fee_1", category="fee"))],
        {
            ("assets:stripe:balance", "", "usd"): 9_430,
            ("expenses:stripe-fees", "", "usd"): 570,
            ("revenue:stripe", "", "usd"): -10_000,
        },
    ),
    Story(
        "test mode knocks at live books",
        [*SALE, event("charge.succeeded", charge("ch_t", 999, livemode=False), livemode=False)],
        SALE_BOOKS,
        {("mode_mismatch", "evt_charge_succeeded_ch_t_" + str(T0), 0)},
        options=("--mode", "live"),
    ),
    Story(
        "a connected account's own sale",
        [*SALE, event("charge.succeeded", charge("ch_c", 999), account="acct_other")],
        SALE_BOOKS,
        options=("--account", "acct_own"),
    ),
    Story(
        "amounts that are no integers",
        [
            *SALE,
            event("charge.succeeded", charge("ch_f", 10.5)),  # type: ignore[arg-type]  # on purpose
            event("charge.succeeded", charge("ch_s", "1000")),  # type: ignore[arg-type]  # on purpose
        ],
        SALE_BOOKS,
        {("invalid_amount", "ch_f", 0), ("invalid_amount", "ch_s", 0)},
    ),
    Story(
        "a top-up on its way in",
        [
            polled(
                {
                    "id": "tu_1",
                    "object": "topup",
                    "amount": 5_000,
                    "currency": "usd",
                    "status": "succeeded",
                    "created": T0,
                    "livemode": True,
                    "expected_availability_date": T0 + 5 * DAY,
                    "balance_transaction": "txn_t",
                }
            ),
            polled(txn("txn_t", "topup", 5_000, 0, "tu_1")),
            line("l_1", -5_000, text="STRIPE TOPUP tu_1"),
        ],
        {("assets:stripe:balance", "", "usd"): 5_000, ("assets:bank:main", "", "usd"): -5_000},
        matches={("l_1", ("tu_1",), 0)},
    ),
    Story(
        "a bank charge that nobody explains",
        [line("l_1", -1_200, text="ACCOUNT MAINTENANCE FEE")],
        {("assets:bank:main", "", "usd"): -1_200, ("liabilities:suspense", "l_1", "usd"): 1_200},
        {("unidentified_bank_debit", "l_1", 1_200)},
    ),
    Story(
        "a payout that fails after it was paid",
        [
            *SALE,
            *PAYOUT,
            event(
                "payout.failed",
                payout(
                    "po_1",
                    9_680,
                    "failed",
                    failure_balance_transaction="txn_pf",
                    failure_code="account_closed",
                ),
                T0 + 6 * DAY,
            ),
            polled(txn("txn_pf", "payout_failure", 9_680, 0, "po_1", category="payout_reversal")),
        ],
        SALE_BOOKS,
        {("payout_failed", "po_1", 9_680)},
        as_of=T0 + 14 * DAY,
    ),
    Story(
        "a destination charge, its transfer and the fee kept",
        [
            event(
                "charge.succeeded",
                charge(
                    "ch_1",
                    10_000,
                    transfer_data={"destination": "acct_m", "amount": 9_000},
                    transfer="tr_1",
                ),
            ),
            polled(txn("txn_1", "charge", 10_000, 320, "ch_1")),
            event(
                "transfer.created",
                {
                    "id": "tr_1",
                    "object": "transfer",
                    "amount": 9_000,
                    "amount_reversed": 0,
                    "created": T0,
                    "currency": "usd",
                    "destination": "acct_m",
                    "livemode": True,
                    "reversals": {"object": "list", "data": []},
                    "reversed": False,
                    "source_transaction": "ch_1",
                    "balance_transaction": "txn_2",
                },
            ),
            polled(txn("txn_2", "transfer", -9_000, 0, "tr_1")),
        ],
        {
            ("assets:stripe:balance", "", "usd"): 680,
            ("expenses:stripe-fees", "", "usd"): 320,
            ("revenue:stripe", "", "usd"): -1_000,
        },
    ),
    Story(
        "past what a bigint holds",
        [event("charge.succeeded", charge("ch_1", 12_345_678_901_234_567_890_123))],
        {
            ("assets:stripe:settling", "ch_1", "usd"): 12_345_678_901_234_567_890_123,
            ("revenue:stripe", "", "usd"): -12_345_678_901_234_567_890_123,
        },
        as_of=T0 + DAY,
    ),
]


def preview(tmp_path: Path, lines: list[str], story: Story) -> Json:
    file = tmp_path / "told.jsonl"
    file.write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "preview", str(file), "--json",
         "--as-of", str(story.as_of), *story.options],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: Json = json.loads(done.stdout)
    return report


def tellings(story: Story) -> list[list[str]]:
    told = [json.dumps(line) for line in story.told]
    shuffled = told * 2
    random.Random(7).shuffle(shuffled)
    return [told, told[::-1], shuffled]


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.name)
def test_preview_of_a_story_gives_the_books_a_bookkeeper_expects(
    story: Story, tmp_path: Path
) -> None:
    for told in tellings(story):
        report = preview(tmp_path, told, story)
        books = {
            (b["account"], b["key"], b["currency"]): int(b["minor"]) for b in report["balances"]
        }
        assert books == story.books
        found = [
            (d["kind"], "*" if d["kind"] == "negative_stripe_balance" else d["subject"],
             int((d["amount"] or {"minor": "0"})["minor"]))
            for d in report["discrepancies"]
        ]  # fmt: skip
        assert sorted(found) == sorted(story.discrepancies)
        matched = {
            (m["line"], tuple(sorted(m["settles"])), int(_minor(m["delta"])))
            for m in report["matches"]
        }
        assert matched == story.matches
        assert len(report["refused"]) == story.refused


def _minor(delta: Any) -> str:
    # An amount in full or bare minor units: the sum is what counts here.
    return str(cast("Json", delta)["minor"] if isinstance(delta, dict) else delta)

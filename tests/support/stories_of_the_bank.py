"""Stories whose end the bank tells: payouts, top-ups, lines that nobody knows."""

from typing import Final

from tests.support.stories import (
    DAY,
    PAYOUT,
    SALE,
    SALE_BOOKS,
    T0,
    Story,
    event,
    line,
    payout,
    polled,
    txn,
)

BANK_STORIES: Final = [
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
]

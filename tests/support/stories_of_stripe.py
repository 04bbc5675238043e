"""Stories that Stripe tells alone: sales, refunds, disputes, currencies, and what is odd."""

from typing import Final

from tests.support.stories import (
    DAY,
    SALE,
    SALE_BOOKS,
    T0,
    Story,
    charge,
    event,
    polled,
    refund,
    txn,
)

STRIPE_STORIES: Final = [
    Story("a sale with its fee", SALE, SALE_BOOKS),
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

"""Any message that the outside may send: well made, odd, doubled, cut short."""

from typing import Any

from hypothesis import strategies as st

from tests.support.stripe_library import balance_transaction_types, reporting_categories

Json = dict[str, Any]  # Any: JSON as the outside may send it

amounts = st.one_of(
    st.integers(-100_000, 100_000),
    st.sampled_from([0, 10**18, 2**63, 10**30, -(10**30)]),
)
ODD: tuple[object, ...] = (None, True, 1.5, "100", 10**30 + 1, -(10**31), [], {})
odd_amounts: st.SearchStrategy[object] = st.one_of(amounts, st.sampled_from(ODD))
positive = st.integers(0, 100_000)
currencies = st.sampled_from(["usd", "eur", "jpy", "kwd", "isk"])
odd_currencies = st.sampled_from(["usd", "USD", "zzz", "", None, 7])
TYPES = [*sorted(balance_transaction_types()), "quantum_rebate"]
CATEGORIES = [*sorted(reporting_categories()), "new_category", "", None]
SOURCES = [
    "ch_1",
    "re_1",
    "po_1",
    "tr_1",
    "trr_1",
    "du_1",
    "tu_1",
    "fee_1",
    "rsv_1",
    "py_1",
    "pyr_1",
    "po_old",
]
EXPANDED_CHARGE: Json = {
    "id": "ch_8", "object": "charge", "amount": 700, "amount_captured": 700, "captured": True,
    "status": "succeeded", "currency": "usd", "created": 1_793_000_000, "livemode": False,
    "balance_transaction": "txn_8",
}  # fmt: skip
EXPANDED_REFUND: Json = {
    "id": "re_9", "object": "refund", "charge": "ch_9", "amount": 900, "currency": "usd",
    "created": 1_793_000_000, "status": "succeeded",
}  # fmt: skip
EXPANDED_TRANSFER: Json = {
    "id": "tr_7", "object": "transfer", "amount": 600, "currency": "usd", "destination": "acct_m",
    "created": 1_793_000_000, "livemode": False, "reversals": {"object": "list", "data": []},
}  # fmt: skip
OLD_PAYOUT: Json = EXPANDED_TRANSFER | {"id": "tr_6", "type": "bank_account"}
EXPANDED_MOVEMENT: Json = {
    "id": "txn_6", "object": "balance_transaction", "amount": 700, "fee": 7, "net": 693,
    "currency": "usd", "type": "charge", "reporting_category": "charge", "source": "ch_6",
    "balance_type": "payments", "created": 1_793_000_000,
}  # fmt: skip


def lists(items: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.lists(items, max_size=3, unique_by=lambda item: str(item.get("id"))).map(
        lambda data: {"object": "list", "data": data, "has_more": False}
    )


@st.composite
def balance_transactions(draw: st.DrawFn, *, odd: bool = False, plain: bool = False) -> Json:
    amount: Any = draw(odd_amounts if odd else amounts)  # Any: as the outside may send it
    fee = draw(positive | st.integers(-500, 0))
    net = amount - fee if type(amount) is int else 0
    kind = draw(st.sampled_from(TYPES))
    category: str | None = kind
    if kind == "adjustment" or draw(st.integers(0, 4)) == 0:
        category = draw(st.sampled_from(CATEGORIES))
    expanded = (
        [] if plain or odd else [EXPANDED_REFUND, EXPANDED_CHARGE, EXPANDED_TRANSFER, OLD_PAYOUT]
    )
    source = draw(st.sampled_from([*SOURCES, None, *expanded]))
    if kind in ("refund", "payment_refund") and draw(st.booleans()):
        category = "partial_capture_reversal"
        source = draw(st.sampled_from(["ch_1", "re_1", None, *expanded[:2]]))
    return {
        "id": draw(st.sampled_from(["txn_1", "txn_2", "txn_3"])),
        "object": "balance_transaction",
        "amount": amount,
        "fee": fee,
        "net": draw(st.sampled_from([net] * 9 + [net + 1])),
        "currency": draw(odd_currencies if odd else currencies),
        "type": kind,
        "reporting_category": category,
        "balance_type": draw(
            st.sampled_from(["payments"] * 5 + ["risk_reserved", "issuing",
                            "refund_and_dispute_prefunding"])
        ),
        "source": source,
        "created": 1_793_000_000,
        "available_on": 1_793_100_000,
        "status": "pending",
        "exchange_rate": draw(st.sampled_from([None, 1.085])),
        "description": None,
        "fee_details": [],
    }  # fmt: skip


@st.composite
def refunds(draw: st.DrawFn, *, odd: bool = False, plain: bool = False) -> Json:
    return {
        "id": draw(st.sampled_from(["re_1", "re_2", "pyr_3"])),
        "object": "refund",
        "amount": draw(odd_amounts if odd else positive),
        "currency": draw(odd_currencies if odd else currencies),
        "charge": "ch_1" if plain else draw(st.sampled_from(["ch_1", EXPANDED_CHARGE])),
        "created": 1_793_000_000,
        "status": draw(
            st.sampled_from(["pending", "requires_action", "succeeded", "failed", "canceled", None])
        ),
        **draw(
            st.sampled_from(
                [
                    {
                        "reason": "duplicate",
                        "balance_transaction": None if plain else EXPANDED_MOVEMENT,
                    },
                    {"reason": None, "balance_transaction": "txn_9"},
                    {"reason": "expired_uncaptured_charge", "balance_transaction": None},
                ]
            )
        ),
    }


@st.composite
def charges(draw: st.DrawFn, *, odd: bool = False) -> Json:
    amount = draw(odd_amounts if odd else positive)
    currency = draw(odd_currencies if odd else currencies)
    status = draw(st.sampled_from(["succeeded", "succeeded", "pending", "failed", "new", None]))
    items = draw(lists(refunds(odd=odd, plain=True)))
    items["data"] = [item | {"currency": currency} for item in items["data"]]
    return {
        "id": draw(st.sampled_from(["ch_1", "py_2"])),
        "object": "charge",
        "amount": amount,
        "amount_captured": draw(st.sampled_from([amount, amount, 50])),
        "amount_refunded": draw(positive),
        "captured": draw(st.sampled_from([True, True, True, False])),
        "status": status,
        "paid": draw(st.sampled_from([True, True, False, None])),
        "destination": draw(st.sampled_from([None, None, None, "acct_d"])),
        "balance_transaction": draw(st.sampled_from([None, "txn_1", EXPANDED_MOVEMENT])),
        "failure_balance_transaction": draw(st.sampled_from([None, None, "txn_2"])),
        "currency": currency,
        "created": 1_793_000_000,
        "livemode": False,
        "transfer_data": draw(
            st.sampled_from([None, None])
            | st.fixed_dictionaries(
                {"destination": st.just("acct_m"), "amount": st.none() | st.integers(0, 120_000)}
            )
        ),
        "refunds": items if status == "succeeded" else None,
    }


@st.composite
def reversals(draw: st.DrawFn) -> Json:
    return {
        "id": draw(st.sampled_from(["trr_1", "trr_2"])),
        "object": "transfer_reversal",
        "amount": draw(positive),
        "currency": draw(currencies),
        "created": 1_793_000_000,
        "source_refund": draw(st.sampled_from([None, None, "re_1"])),
        "transfer": draw(st.sampled_from(["tr_1", EXPANDED_TRANSFER])),
    }


@st.composite
def transfers(draw: st.DrawFn, *, odd: bool = False) -> Json:
    return {
        "id": "tr_1",
        "object": "transfer",
        "amount": draw(odd_amounts if odd else positive),
        "amount_reversed": draw(positive),
        "currency": draw(currencies),
        "created": 1_793_000_000,
        "destination": "acct_m",
        "type": draw(st.sampled_from([None, None, "stripe_account", "bank_account"])),
        "reversals": draw(lists(reversals())),
        "source_transaction": draw(st.sampled_from(["ch_1", EXPANDED_CHARGE])),
    }


@st.composite
def disputes(draw: st.DrawFn) -> Json:
    movements = draw(
        st.lists(balance_transactions(plain=True), max_size=2, unique_by=lambda t: str(t["id"]))
    )
    return {
        "id": "du_1",
        "object": "dispute",
        "amount": 100,
        "currency": "usd",
        "charge": "ch_1",
        "status": "lost",
        "created": 1_793_000_000,
        "balance_transactions": movements,
    }


@st.composite
def intents(draw: st.DrawFn) -> Json:
    """Payment intents, sessions and invoices that show their charge in one of its places."""
    told = draw(charges())
    listed: Json = {"object": "list", "data": [told]}
    intent: Json = {"id": "pi_1", "object": "payment_intent", "created": 1_793_000_000}
    shapes: list[Json] = [
        intent | {"charges": listed},
        intent | {"latest_charge": told},
        intent | {"latest_charge": "ch_1"},
        {"id": "in_1", "object": "invoice", "charge": told},
        {"id": "in_1", "object": "invoice", "payment_intent": intent | {"charges": listed}},
        {"object": "invoice", "charge": None},
        {
            "id": "cs_1",
            "object": "checkout.session",
            "payment_intent": intent | {"charges": listed},
        },
    ]
    return draw(st.sampled_from(shapes))


others = st.sampled_from(["payout", "topup", "payment_intent", "application_fee", "customer"]).map(
    lambda kind: {"id": "x_1", "object": kind, "amount": 5, "currency": "usd", "created": 1}
)


@st.composite
def stripe_objects(draw: st.DrawFn) -> Json:
    odd = draw(st.booleans())
    told: Json = draw(
        st.one_of(
            charges(odd=odd),
            refunds(odd=odd),
            transfers(odd=odd),
            reversals(),
            balance_transactions(odd=odd),
            balance_transactions(),
            disputes(),
            intents(),
            others,
        )
    )
    if not odd:
        missing = draw(st.sampled_from(["", "", "", "id", "amount", "currency", "source", "created",
                                        "balance_type", "status", "object"]))  # fmt: skip
        told = {key: value for key, value in told.items() if key != missing}
    return told


@st.composite
def events(draw: st.DrawFn) -> Json:
    return {
        "id": "evt_1",
        "object": "event",
        "type": draw(st.sampled_from(["charge.succeeded", "charge.updated", "new.thing"])),
        "created": 1_793_000_000,
        "livemode": draw(st.sampled_from([False, False, False, True])),
        "account": draw(st.sampled_from([None, None, "acct_other"])),
        "pending_webhooks": 1,
        "data": {"object": draw(stripe_objects())},
    }


@st.composite
def wire_money(draw: st.DrawFn, minors: st.SearchStrategy[int] = amounts) -> Json:
    code = draw(currencies)
    exponent = {"jpy": 0, "kwd": 3}.get(code, 2)
    return {"minor": str(draw(minors)), "currency": code, "exponent": exponent}


@st.composite
def bank_lines(draw: st.DrawFn) -> Json:
    return {
        "kind": "line",
        "account": "main",
        "id": draw(st.sampled_from(["l_1", "l 2", "ünï"])),
        "revision": draw(st.integers(1, 3)),
        "state": draw(st.sampled_from(["pending", "posted", "removed"])),
        "amount": draw(wire_money()),
        "previous": draw(st.none() | wire_money()),
        "booked_on": "2026-11-03",
    }


@st.composite
def matches(draw: st.DrawFn) -> Json:
    amount = draw(wire_money(st.integers(-100_000, 100_000)))
    opposite = amount | {"minor": str(-int(amount["minor"]))}
    rest = opposite if draw(st.booleans()) else draw(wire_money(st.integers(-1000, 1000)))
    return {
        "kind": draw(st.sampled_from(["match_made", "match_undone"])),
        "id": "mtc_1",
        "revision": draw(st.integers(1, 2)),
        "match_kind": draw(st.sampled_from(["bank_line", "exchange"])),
        "book": "main",
        "effective_at": "2026-11-03T00:00:00Z",
        "clears": [
            {"account": "liabilities:suspense", "key": "l_1", "amount": amount},
            {"account": "assets:stripe:in-transit", "key": "po_1", "amount": rest},
        ],
        "rule": "amount",
        "reason": "stronger",
    }


@st.composite
def commands(draw: st.DrawFn) -> Json:
    amount = draw(wire_money(st.integers(-5, 1000)))
    other = amount if draw(st.booleans()) else draw(wire_money(st.integers(0, 5)))
    accounts = st.sampled_from(
        ["assets:bank:main", "equity:owner", "expenses:compute", "no account"]
    )
    return {
        "kind": "manual_entry",
        "idempotency_key": draw(st.sampled_from(["k", "k" * 300, "a b", "a\nb"])),
        "book": "main",
        "effective_at": "2026-11-03T00:00:00Z",
        "postings": [
            {"account": draw(accounts), "side": "debit", "amount": amount},
            {"account": draw(accounts), "side": "credit", "amount": other},
        ],
    }  # fmt: skip


messages = st.one_of(
    st.tuples(st.just("stripe.events"), events()),
    st.tuples(st.just("stripe.objects"), stripe_objects()),
    st.tuples(st.just("bank.observations"), bank_lines()),
    st.tuples(st.just("reconciliation.matches"), matches()),
    st.tuples(st.just("ledger.commands"), commands()),
)

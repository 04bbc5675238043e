"""Laws of the ledger's core for any input: it balances, it never breaks, order does not matter."""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Decision, Input, decide
from shared.contracts import topics
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Refused
from tallystick.preview.books import Balance, Books
from tests.unit.ledger.judged import obeyed

Json = dict[str, object]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
T0 = 1_793_000_000
TOPICS = (
    topics.STRIPE_EVENTS,
    topics.STRIPE_OBJECTS,
    topics.BANK_OBSERVATIONS,
    topics.LEDGER_COMMANDS,
    topics.MATCHES,
)

# ---- arbitrary JSON, made of the words that the readers look for

WORDS = (
    *("id", "object", "type", "data", "created", "livemode", "account", "currency", "amount"),
    *("amount_captured", "captured", "status", "balance_transaction"),
    *("failure_balance_transaction", "refunds", "transfer", "transfer_data", "destination"),
    *("charge", "reason", "source", "source_refund", "reversals", "reporting_category"),
    *("balance_type", "fee", "net", "balance_transactions", "kind", "booked_on", "revision"),
    *("state", "previous", "minor", "exponent", "reference", "idempotency_key", "postings"),
    *("side", "effective_at", "book", "clears", "match_kind", "has_more"),
)
VALUES: tuple[object, ...] = (
    *("charge", "refund", "transfer", "transfer_reversal", "balance_transaction", "dispute"),
    *("event", "list", "balance", "payout", "v2.core.event", "adjustment", "stripe_fee", "new"),
    *("succeeded", "failed", "canceled", "pending", "usd", "jpy", "kwd", "xxx", "USD", ""),
    *("ch_1", "re_1", "txn_1", "acct_1", "dp_1", "partial_capture_reversal", "dispute"),
    *("risk_reserved", "a b", "a:b", "expired_uncaptured_charge", "line", "posted", "removed"),
    *("manual_entry", "exchange_rate", "match_made", "match_undone", "bank_line", "exchange"),
    *("debit", "credit", "main", "2026-11-20", "2026-11-20T00:00:00Z", "9680", "-1", "l\x00"),
    *("assets:bank:main", "expenses:compute", "nonsense", "1e400", "\ud800", "\u2028"),
)
NUMBERS = (
    st.integers()
    | st.sampled_from([0, 1, -1, T0, 2**53, 2**63, 10**30, 10**30 + 1, 10**60, 10**500])
    | st.floats()
)
LEAVES = st.none() | st.booleans() | NUMBERS | st.sampled_from(VALUES) | st.text(max_size=5)
ANYTHING: st.SearchStrategy[object] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=12)
    ),
    max_leaves=60,
)
OBJECTS: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"id": st.sampled_from(["x_1", "x_2"]), "object": st.sampled_from(VALUES)},
    optional={word: ANYTHING for word in WORDS if word not in {"id", "object"}},
)


@st.composite
def events(draw: st.DrawFn) -> object:
    more = draw(st.dictionaries(st.sampled_from(["livemode", "account", "type"]), ANYTHING))
    return {"id": "evt_1", "created": T0, "data": {"object": draw(OBJECTS)}} | more


def message(topic: str, data: bytes) -> Input:
    return Input(topic, Envelope("m", "s", "t", NOW, data), NOW)


def decided(topic: str, data: bytes) -> Decision | None:
    try:
        return obeyed(decide(message(topic, data), InForce()))
    except Refused:
        return None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TOPICS), ANYTHING | OBJECTS | events())
def test_anything_from_outside_ends_in_entries_nothing_or_a_refusal(
    topic: str, value: object
) -> None:
    decision = decided(topic, json.dumps(value).encode())
    for entry in decision.entries if decision is not None else ():
        sums: dict[str, int] = {}
        for posting in entry.postings:
            assert posting.amount.minor > 0
            code = posting.amount.currency.code
            sums[code] = sums.get(code, 0) + posting.signed_minor
        assert not any(sums.values())
        assert len(entry.postings) >= 2


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TOPICS), st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_end_in_entries_nothing_or_a_refusal(topic: str, data: bytes) -> None:
    decided(topic, data)


@settings(max_examples=100, deadline=None)
@given(opening=st.sampled_from("[{"), depth=st.integers(1, 30_000), is_closed=st.booleans())
def test_any_depth_ends_in_a_refusal(*, opening: str, depth: int, is_closed: bool) -> None:
    one, end = ("[", "]") if opening == "[" else ('{"data":', "}")
    text = one * depth + ("1" + end * depth if is_closed else "")
    for topic in TOPICS:
        assert decided(topic, text.encode()) is None or depth < 100


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TOPICS), ANYTHING | OBJECTS | events())
def test_same_bytes_mean_the_same_for_ever(topic: str, value: object) -> None:
    data = json.dumps(value).encode()
    assert decided(topic, data) == decided(topic, data)


# ---- a coherent world, told in any order and any number of times


@dataclass(frozen=True)
class World:
    """Messages that agree with one another, and the net of every balance transaction in them."""

    told: tuple[tuple[str, Json], ...]
    nets: dict[str, int]


def _txn(tid: str, kind: str, amount: int, fee: int, source: str, currency: str) -> Json:
    return {
        "id": tid, "object": "balance_transaction", "type": kind, "amount": amount, "fee": fee,
        "net": amount - fee, "currency": currency, "source": source, "created": T0,
        "balance_type": "payments",
        "reporting_category": "dispute" if kind == "adjustment" else kind,
    }  # fmt: skip


def _event(eid: str, kind: str, shown: Json) -> tuple[str, Json]:
    return topics.STRIPE_EVENTS, {
        "id": eid, "object": "event", "created": T0, "type": kind, "data": {"object": shown},
    }  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> World:
    told: list[tuple[str, Json]] = []
    nets: dict[str, int] = {}

    def settle(txn: Json) -> None:
        currency, net = str(txn["currency"]), txn["net"]
        assert isinstance(net, int)
        nets[currency] = nets.get(currency, 0) + net
        told.append((topics.STRIPE_OBJECTS, txn))

    for n in range(draw(st.integers(0, 6))):
        currency = draw(st.sampled_from(["usd", "jpy", "kwd"]))
        amount = draw(st.integers(1, 10**20))
        part = draw(st.integers(0, amount))
        charge: Json = {
            "id": f"ch_{n}", "object": "charge", "status": "succeeded", "captured": True,
            "amount": amount, "amount_captured": amount, "currency": currency, "created": T0 + n,
            "transfer_data": draw(st.sampled_from([None, {"destination": "acct_m", "amount": part}])),
        }  # fmt: skip
        bare = _event(f"evt_{n}", "charge.succeeded", charge)
        txn = _txn(f"txn_{n}", "charge", amount, draw(st.integers(-5, 500)), f"ch_{n}", currency)
        full = _event(f"evt_{n}u", "charge.updated", charge | {"balance_transaction": txn})
        told.extend(draw(st.sampled_from([[bare], [bare, full], [full]])))
        settle(txn)
        if draw(st.booleans()):
            failed = draw(st.booleans())
            refund: Json = {
                "id": f"re_{n}", "object": "refund", "charge": f"ch_{n}", "amount": part,
                "currency": currency, "created": T0, "status": "succeeded",
            }  # fmt: skip
            told.append(_event(f"evt_{n}r", "refund.created", refund))
            refunds: Json = {"object": "list", "data": [refund], "has_more": False}
            shown = charge | {"refunds": refunds}
            told.append(_event(f"evt_{n}q", "charge.refunded", shown))
            settle(_txn(f"txn_{n}r", "refund", -part, 0, f"re_{n}", currency))
            if failed:
                told.append(_event(f"evt_{n}f", "refund.failed", refund | {"status": "failed"}))
                settle(_txn(f"txn_{n}f", "refund_failure", part, 0, f"re_{n}", currency))
        if draw(st.booleans()):
            lost = _txn(f"txn_{n}d", "adjustment", -amount, 15, f"du_{n}", currency)
            dispute: Json = {"id": f"du_{n}", "object": "dispute", "balance_transactions": [lost]}
            told.append(_event(f"evt_{n}d", "charge.dispute.created", dispute))
            settle(lost)
        settle(_txn(f"txn_{n}p", "payout", -part, 0, f"po_{n}", currency))
    return World(tuple(told), nets)


def books_of(told: list[tuple[str, Json]]) -> tuple[tuple[Balance, ...], frozenset[bytes]]:
    books = Books()
    for topic, value in told:
        decision = obeyed(decide(message(topic, json.dumps(value).encode()), InForce()))
        remarks = books.take(decision, NOW)
        assert all(remark.outcome == "nothing_to_book" for remark in remarks)
    digests = frozenset(recorded.entry.digest() for recorded in books.entries())
    return books.balances(), digests


@settings(max_examples=150, deadline=None)
@given(worlds(), st.integers())
def test_any_order_and_any_duplication_give_the_same_books(world: World, seed: int) -> None:
    dice = random.Random(seed)
    shuffled = [*world.told, *(t for t in world.told if dice.random() < 0.5)]
    dice.shuffle(shuffled)
    in_order = books_of(list(world.told))
    assert books_of(shuffled) == in_order
    assert books_of(list(world.told)[::-1]) == in_order


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_stripe_balance_is_the_sum_of_the_nets_and_settled_keys_are_at_zero(world: World) -> None:
    balances, _ = books_of(list(world.told))
    held = {b.currency.code: b.minor for b in balances if b.account == "assets:stripe:balance"}
    assert held == {code: net for code, net in world.nets.items() if net}
    assert not any(b.account == "assets:stripe:settling" for b in balances)
    sums: dict[str, int] = {}
    for b in balances:
        sums[b.currency.code] = sums.get(b.currency.code, 0) + b.minor
    assert not any(sums.values())

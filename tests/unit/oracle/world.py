"""A small world told as raw records, and honest books made from it by hand."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from oracle.chain import GENESIS, digest_of, link_after
from oracle.compare import open_items_of, totals_of
from oracle.journal import Booked, Books
from oracle.model import Books as BookMap
from oracle.model import model_of
from oracle.values import Leg, Model, Name, Position, Record

Json = dict[str, Any]  # Any: Stripe's JSON

CHARGE: Json = {
    "id": "ch_1",
    "object": "charge",
    "amount": 10_000,
    "amount_captured": 10_000,
    "captured": True,
    "status": "succeeded",
    "currency": "usd",
    "created": 1_793_000_000,
    "livemode": False,
    "balance_transaction": None,
    "transfer_data": None,
}
REFUND: Json = {
    "id": "re_1",
    "object": "refund",
    "amount": 2_500,
    "charge": "ch_1",
    "status": "succeeded",
    "currency": "usd",
    "created": 1_793_000_000,
}
TRANSFER: Json = {
    "id": "tr_1",
    "object": "transfer",
    "amount": 4_000,
    "currency": "usd",
    "destination": "acct_m",
    "created": 1_793_000_000,
    "reversals": {"object": "list", "data": []},
}


def movement(txn: str, kind: str, amount: int, fee: int, source: str | None, **more: Any) -> Json:
    """A balance transaction of Stripe's."""
    return {
        "id": txn,
        "object": "balance_transaction",
        "type": kind,
        "reporting_category": kind,
        "balance_type": "payments",
        "amount": amount,
        "fee": fee,
        "net": amount - fee,
        "currency": "usd",
        "source": source,
        "created": 1_793_000_000,
    } | more


def event(event_id: str, kind: str, inner: Json, **more: Any) -> Json:
    """A snapshot event."""
    return {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created": 1_793_000_000,
        "livemode": False,
        "pending_webhooks": 1,
        "data": {"object": inner},
    } | more


def usd(minor: int, currency: str = "usd") -> Json:
    """Money as our own messages write it."""
    return {"minor": str(minor), "currency": currency, "exponent": 2}


def records(topic: str, values: Iterable[Json | bytes], **attributes: str) -> list[Record]:
    """One partition of a topic."""
    found: list[Record] = []
    for offset, value in enumerate(values):
        name = str(value.get("id", "")) if isinstance(value, dict) else f"raw_{offset}"
        found.append(
            Record(
                Position(topic, 0, offset),
                {"id": name, "book": "main"} | attributes,
                value if isinstance(value, bytes) else json.dumps(value).encode(),
            )
        )
    return found


def legs_of(value: Json, topic: str = "stripe.objects") -> dict[str, list[tuple[str, str, int]]]:
    """What one message tells: reference → (account, key, minor) of each leg."""
    model = model_of(records(topic, [value]), BookMap())
    assert not model.unreadable
    return {
        name.reference: [(leg.account, leg.key, leg.minor) for leg in told[0].fact.legs]
        for name, told in model.tellings.items()
    }


MATCH: Json = {
    "kind": "match_made",
    "id": "mtc_1",
    "revision": 1,
    "match_kind": "bank_line",
    "book": "main",
    "effective_at": "2026-11-01T00:00:00Z",
    "clears": [
        {"account": "liabilities:suspense", "key": "l_1", "amount": usd(7_000)},
        {"account": "assets:stripe:in-transit", "key": "po_1", "amount": usd(-7_000)},
    ],
    "rule": "strong",
}
LINE: Json = {
    "kind": "line",
    "account": "main",
    "id": "l_1",
    "amount": usd(7_000),
    "booked_on": "2026-11-01",
}
MANUAL: Json = {
    "kind": "manual_entry",
    "idempotency_key": "k_1",
    "book": "main",
    "effective_at": "2026-11-01T00:00:00Z",
    "postings": [
        {"account": "assets:bank:main", "side": "debit", "amount": usd(500)},
        {"account": "equity:owner", "side": "credit", "amount": usd(500)},
    ],
}
WORLD: list[Record] = [
    *records(
        "stripe.events",
        [
            event("evt_1", "charge.succeeded", CHARGE),
            event("evt_1", "charge.succeeded", CHARGE, pending_webhooks=0),
            event("evt_2", "charge.updated", CHARGE | {"balance_transaction": "txn_1"}),
            event("evt_3", "refund.created", REFUND),
            event("evt_4", "transfer.created", TRANSFER),
            event("evt_5", "payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"}),
            b"not json",
        ],
    ),
    *records(
        "stripe.objects",
        [
            CHARGE,
            movement("txn_1", "charge", 10_000, 320, "ch_1"),
            movement("txn_2", "refund", -2_500, 0, "re_1"),
            movement("txn_3", "transfer", -4_000, 0, "tr_1"),
            movement("txn_4", "payout", -7_000, 0, "po_1"),
            movement("txn_5", "quantum_rebate", 777, 0, "qr_1"),
            movement("txn_6", "stripe_fee", -250, 0, None),
        ],
    ),
    *records("bank.observations", [LINE]),
    *records("reconciliation.matches", [MATCH]),
    *records("ledger.commands", [MANUAL]),
]


def model(told: list[Record] = WORLD) -> Model:
    """The oracle's reading of the world."""
    return model_of(told, BookMap())


def books_of(read: Model, told: list[Record] = WORLD) -> Books:
    """Honest books: every fact once, from its first telling, numbered and chained per origin."""
    first = sorted((min(t, key=lambda x: x.position) for t in read.tellings.values()),
                   key=lambda t: (t.position, t.fact.name))  # fmt: skip
    entries: list[Booked] = []
    heads: dict[str, tuple[int, bytes]] = {}
    for telling in first:
        sequence, head = heads.get(telling.position.origin, (0, GENESIS))
        draft = Booked(
            name=telling.fact.name,
            kind="fact",
            legs=telling.fact.legs,
            effective_at="2026-11-01T00:00:00Z",
            recorded_at="2026-11-01T00:00:01Z",
            rules_version=1,
            caused_by=telling.position,
            message_id=telling.message_id,
            sequence=sequence + 1,
            digest="",
            chain="",
            reverses=telling.fact.reverses,
        )
        draft = replace(draft, digest=digest_of(draft))
        link = link_after(head, draft)
        entries.append(replace(draft, chain=link.hex()))
        heads[draft.origin] = (sequence + 1, link)
    return rechained(
        Books(
            entries=tuple(entries),
            balances={},
            open_items={},
            trial_balance={},
            positions={
                origin: max(r.position.offset for r in told if r.position[:2] == origin) + 1
                for origin in {(r.position.topic, r.position.partition) for r in told}
            },
            published=(),
            refused=frozenset(position for position, _ in read.refused),
            parked=frozenset(position for position, _ in read.unreadable),
            events={
                identity: min(p for at in versions.values() for p in at)
                for identity, versions in read.versions.items()
            },
        )
    )


def rechained(books: Books) -> Books:
    """The same entries with everything that depends on them made anew: a forger's thorough work."""
    heads: dict[str, tuple[int, bytes]] = {}
    entries: list[Booked] = []
    for entry in books.entries:
        sequence, head = heads.get(entry.origin, (0, GENESIS))
        drafted = replace(entry, sequence=sequence + 1)
        drafted = replace(drafted, digest=digest_of(drafted))
        link = link_after(head, drafted)
        entries.append(replace(drafted, chain=link.hex()))
        heads[entry.origin] = (sequence + 1, link)
    legs = [(entry.name.book, leg) for entry in entries for leg in entry.legs]
    totals = totals_of(legs)
    return replace(
        books,
        entries=tuple(entries),
        published=tuple(entries),
        balances={place: row.net for place, row in totals.items()},
        trial_balance=totals,
        open_items=open_items_of(legs),
    )


def with_legs(books: Books, reference: str, legs: Iterable[Leg]) -> Books:
    """The books with other legs under one reference, and all sums made to fit."""
    new = tuple(sorted(legs))
    return rechained(
        replace(
            books,
            entries=tuple(
                replace(entry, legs=new) if entry.name.reference == reference else entry
                for entry in books.entries
            ),
        )
    )


def named(books: Books, reference: str) -> Booked:
    """The entry of a reference in the book main."""
    return next(e for e in books.entries if e.name == Name("main", reference))

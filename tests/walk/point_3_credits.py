"""Point 3: customers' credits, fed once, spent by command, never below zero unless allowed."""

import orjson

from shared.contracts.topics import LEDGER_ENTRIES
from tests.walk.payloads import amount, charge
from tests.walk.walking import Json, Walk

POINT = "3"
CREDITS = "memo:credits"


def walk(w: Walk) -> None:
    """The book shop sells credits; the book studio does not."""
    customer = _fed_once(w)
    _named_by_the_session(w)
    _spent(w, customer)
    _at_once(w)
    _taken_back(w)
    _kept_apart(w, customer)
    _on_the_entries(w, customer)


def _has(w: Walk, customer: str, currency: str = "usd") -> int:
    rows = w.sql(
        "select minor from ledger_read.customer_credits where book = 'shop' and customer = $1"
        " and currency = $2",
        customer,
        currency,
    )
    return int(rows[0]["minor"]) if rows else 0


def _session(w: Walk, intent: str, paid: int, **changes: object) -> Json:
    return {
        "id": w.new("cs"),
        "object": "checkout.session",
        "amount_total": paid,
        "created": 1_793_000_000,
        "currency": "usd",
        "customer": None,
        "customer_details": {"email": "Jenny@Example.com"},
        "livemode": False,
        "mode": "payment",
        "payment_intent": intent,
        "payment_status": "paid",
        "status": "complete",
    } | changes


def _fed_once(w: Walk) -> str:
    customer, sale, intent = w.new("cus"), w.new("ch"), w.new("pi")
    told = charge(sale, 5_000, payment_intent=intent, customer=customer)
    event = w.event("charge.succeeded", told)
    for _ in range(3):
        w.deliver(event)
    w.tell("charge.updated", told)
    w.poll(told)
    w.tell("checkout.session.completed", _session(w, intent, 5_000, customer=customer))
    w.booked()
    w.same(POINT, "a paid charge told six times by four kinds of message buys its credits once",
           _has(w, customer), 5_000)  # fmt: skip
    w.entry(POINT, "under a reference of its own, against what was issued",
            f"stripe:credit:{sale}", f"Dr {CREDITS}[{intent}] 5000 usd",
            "Cr memo:credits-issued 5000 usd")  # fmt: skip
    return customer


def _named_by_the_session(w: Walk) -> None:
    customer, intent = w.new("cus"), w.new("pi")
    w.tell("checkout.session.completed", _session(w, intent, 2_000, customer=customer))
    w.tell("charge.succeeded", charge(w.new("ch"), 2_000, payment_intent=intent))
    w.booked()
    w.same(POINT, "the session says who it is, also where it comes before the charge",
           (_has(w, customer), _has(w, intent)), (2_000, 0))  # fmt: skip
    other = w.new("cus")
    event = w.tell("checkout.session.completed", _session(w, intent, 2_000, customer=other))
    w.booked()
    rows = w.sql("select outcome from ledger_read.outcomes where message_id = $1", event)
    w.same(POINT, "another customer named later is a conflict: nobody gets a payment's twice",
           (_has(w, customer), _has(w, other), [row["outcome"] for row in rows]),
           (2_000, 0, ["conflict"]))  # fmt: skip
    nobody, sale = w.new("pi"), w.new("ch")
    w.tell("charge.succeeded", charge(sale, 700, payment_intent=nobody))
    w.booked()
    w.same(POINT, "where nobody is named yet they wait under their payment",
           _has(w, nobody), 700)  # fmt: skip
    before = _has(w, "jenny@example.com")
    w.tell("checkout.session.completed", _session(w, nobody, 700))
    w.booked()
    w.same(POINT, "an address of the checkout is a customer too, in small letters",
           (_has(w, "jenny@example.com") - before, _has(w, nobody)), (700, 0))  # fmt: skip


def _spend(customer: str, minor: int, **changes: object) -> Json:
    return {"kind": "spend_credits", "customer": customer, "amount": amount(minor)} | changes


def _spent(w: Walk, customer: str) -> None:
    key = w.new("job")
    answers = [w.ask("shop", _spend(customer, 1_200), key=key) for _ in range(2)]
    w.same(POINT, "spent over HTTP under a job's key, asked twice: 201, then 200, and taken once",
           ([a.status_code for a in answers], _has(w, customer)), ([201, 200], 3_800))  # fmt: skip
    w.holds(POINT, "the answer says what is left",
            answers[0].json()["decided"].get("balance") in ("3800", amount(3_800)),
            answers[0].json()["decided"])  # fmt: skip
    w.refused(POINT, "more than there is, is refused",
              w.ask("shop", _spend(customer, 3_801)), "available")  # fmt: skip
    w.same(POINT, "and takes nothing", _has(w, customer), 3_800)
    said = w.cli("credits", customer, "--spend", "0.30 usd", "--book", "shop")
    w.same(POINT, "spent on the command line", (said.code, _has(w, customer)), (0, 3_770))
    said = w.cli("credits", customer, "--grant", "5.00 usd", "--reason", "an apology",
                 "--book", "shop")  # fmt: skip
    w.same(POINT, "given on the command line", (said.code, _has(w, customer)), (0, 4_270))
    shown = w.cli("credits", customer, "--book", "shop")
    w.holds(POINT, "shown with what it moved by", shown.code == 0 and "42.70" in shown.all
            and "12.00" in shown.all, shown.all)  # fmt: skip
    allowed = w.ask("shop", _spend(customer, 5_000, allow_below_zero=True))
    w.same(POINT, "below zero only where the command allows it",
           (allowed.status_code, _has(w, customer)), (201, -730))  # fmt: skip
    read = w.http("GET", f"/v1/books/shop/credits/{customer}", token="reader")
    w.holds(POINT, "an application reads them over HTTP",
            read.status_code == 200 and '"-730"' in read.text, read.text)  # fmt: skip


def _at_once(w: Walk) -> None:
    customer = w.new("cus")
    grant = {"kind": "grant_credits", "customer": customer, "amount": amount(1_000)}
    w.ask("shop", grant)
    asked = w.at_once(8, "shop", _spend(customer, 300))
    codes = sorted(answer.status_code for answer in asked)
    w.same(POINT, "eight at once for 3.00 of 10.00: three have it, five are refused",
           (codes, _has(w, customer)), ([201] * 3 + [422] * 5, 100))  # fmt: skip
    hold = {"kind": "place_hold", "account": CREDITS, "key": customer, "amount": amount(80)}
    held = w.ask("shop", hold)
    w.same(POINT, "credits can be held", held.status_code, 201)
    w.refused(POINT, "what is held is not spent",
              w.ask("shop", _spend(customer, 21)), "available")  # fmt: skip


def _taken_back(w: Walk) -> None:
    customer, debit, intent = w.new("cus"), w.new("py"), w.new("pi")
    told = charge(debit, 900, payment_intent=intent, customer=customer)
    w.tell("charge.succeeded", told)
    w.booked()
    before = _has(w, customer)
    w.tell("charge.failed", told | {"status": "failed", "paid": False,
                                    "balance_transaction": w.new("txn"),
                                    "failure_balance_transaction": w.new("txn")})  # fmt: skip
    w.booked()
    w.same(POINT, "a debit that fails later takes back what it bought",
           (before, _has(w, customer)), (900, 0))  # fmt: skip


def _kept_apart(w: Walk, customer: str) -> None:
    w.tell("charge.succeeded", charge(w.new("ch"), 1_500, "eur", customer=customer))
    w.booked()
    w.same(POINT, "each currency is kept by itself",
           (_has(w, customer, "eur"), _has(w, customer)), (1_500, -730))  # fmt: skip
    other = w.new("ch")
    w.tell("charge.succeeded", charge(other, 1_500, customer=customer), endpoint="studio")
    w.booked()
    w.entry(POINT, "a book that sells none keeps none", f"stripe:credit:{other}", book="studio")
    shown = w.cli("report", "trial-balance", "--book", "shop", "--format", "csv")
    w.holds(POINT, "they stand in no statement", shown.code == 0 and "memo:" not in shown.out
            and "revenue:stripe" in shown.out, f"exit {shown.code}, {len(shown.out)} bytes")  # fmt: skip
    mixed = {"kind": "manual_entry", "postings": [
        {"account": CREDITS, "key": customer, "side": "debit", "amount": amount(5)},
        {"account": "revenue:stripe", "side": "credit", "amount": amount(5)}]}  # fmt: skip
    w.refused(POINT, "nor are they booked against money",
              w.ask("shop", mixed), "memo_apart")  # fmt: skip


def _on_the_entries(w: Walk, customer: str) -> None:
    def is_published() -> bool:
        rows = w.sql("select count(*) as n from ledger_read.entries where book = 'shop'")
        kept: set[tuple[str, int]] = set()
        for record in w.records(LEDGER_ENTRIES):
            told = orjson.loads(record.value)
            if told["book"] == "shop":
                kept.add((told["origin"], told["sequence"]))
        return len(kept) >= int(rows[0]["n"])

    w.until("every entry to be published", is_published)
    seen: dict[tuple[str, int], int] = {}
    for record in w.records(LEDGER_ENTRIES):
        told = orjson.loads(record.value)
        # An application of its own: what a sequence told before is passed over.
        moved = sum(
            int(p["amount"]["minor"]) * (1 if p["direction"] == "debit" else -1)
            for p in told["postings"]
            if told["book"] == "shop" and p["account"] == CREDITS and p["key"] == customer
            and p["amount"]["currency"] == "usd"
        )  # fmt: skip
        if moved:
            seen.setdefault((told["origin"], int(told["sequence"])), moved)
    w.same(POINT, "an application that adds up ledger.entries by sequence comes to the same",
           sum(seen.values()), _has(w, customer))  # fmt: skip

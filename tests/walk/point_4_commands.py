"""Point 4: what people and agents ask for, over HTTP and on the command line, and its decisions."""

from datetime import UTC, datetime

import orjson

from shared.contracts.topics import LEDGER_OUTCOMES
from tests.walk.payloads import amount, movement
from tests.walk.point_4_time import walk_time
from tests.walk.walking import Json, Walk

POINT = "4"
BANK, EURO_BANK, OWNER = "assets:bank:desk_usd", "assets:bank:desk_eur", "equity:owner"


def walk(w: Walk) -> None:
    """The book desk takes commands alone; yard is the one whose days are closed."""
    _who_may(w)
    _asked_twice(w)
    _capital_and_expenses(w)
    _reversals(w)
    _rates(w)
    _available(w)
    _refusals_are_kept(w)
    _accounts(w)
    walk_time(w)


def entry(minor: int, debited: str = BANK, credited: str = OWNER, **changes: object) -> Json:
    """A manual entry of two postings in US dollars."""
    return {
        "kind": "manual_entry",
        "postings": [
            {"account": debited, "side": "debit", "amount": amount(minor)},
            {"account": credited, "side": "credit", "amount": amount(minor)},
        ],
    } | changes


def _who_may(w: Walk) -> None:
    path = "/v1/books/desk/commands"
    body = entry(100)
    bare = w.http("POST", path, token="", body=body, Idempotency_Key=w.new("k"))
    w.same(POINT, "without a token a command is not taken", bare.status_code, 401)
    reads = w.http("POST", path, token="reader", body=body, Idempotency_Key=w.new("k"))
    w.same(POINT, "a token that may read may not command", reads.status_code, 403)
    elsewhere = w.ask("shop", body, token="agent")
    w.same(POINT, "a token for one book opens no other", elsewhere.status_code, 403)
    of_all = w.ask("desk", {"kind": "activate", "what": "rules_version", "value": 1}, token="agent")
    w.same(POINT, "nor may it put in force what holds for all books", of_all.status_code, 403)
    blind = w.http("GET", "/v1/books/desk/balances", token="agent")
    w.same(POINT, "a token that may command alone may not read", blind.status_code, 403)
    keyless = w.http("POST", path, body=body)
    w.holds(POINT, "a command without an Idempotency-Key is no command, and is told so",
            keyless.status_code == 400 and "Idempotency-Key" in keyless.text,
            f"{keyless.status_code} {keyless.text}")  # fmt: skip
    w.same(POINT, "none of these booked anything", w.balance(BANK, book="desk"), 0)


def _asked_twice(w: Walk) -> None:
    key = w.new("k")
    first, again = (w.ask("desk", entry(500_000), key=key) for _ in range(2))
    other = w.ask("desk", entry(600_000), key=key)
    w.same(POINT, "a manual entry: 201, the same under its key 200, another under that key 409",
           (first.status_code, again.status_code, other.status_code), (201, 200, 409))  # fmt: skip
    reference = str(first.json()["reference"])
    w.same(POINT, "the reference names the actor and the actor's key", reference,
           f"command:desk:{key}")  # fmt: skip
    w.entry(POINT, "it is booked as it was asked for", reference,
            f"Dr {BANK} 500000 usd", f"Cr {OWNER} 500000 usd", book="desk")  # fmt: skip
    w.same(POINT, "and once", w.balance(BANK, book="desk"), 500_000)
    agent = w.ask("desk", entry(700), key=key, token="agent")
    w.same(POINT, "the same key of another actor is another key",
           (agent.status_code, w.balance(BANK, book="desk")), (201, 500_700))  # fmt: skip
    looked = w.http("GET", f"/v1/books/desk/commands/{key}")
    w.holds(POINT, "what became of a key can be asked for later",
            looked.status_code == 200 and reference in looked.text, looked.text)  # fmt: skip
    typed = w.new("k")
    line = ("book", "entry", "--debit", f"{BANK}=15.00 usd", "--credit", f"{OWNER}=15.00 usd",
            "--book", "desk", "--key", typed)  # fmt: skip
    said = [w.cli(*line) for _ in range(2)]
    w.holds(POINT, "the same on the command line: the second time it says that it was asked before",
            [s.code for s in said] == [0, 0] and "asked before" in said[1].all
            and w.balance(BANK, book="desk") == 502_200, said[1].all)  # fmt: skip
    codes = sorted(a.status_code for a in w.at_once(6, "desk", entry(300), key=w.new("k")))
    w.holds(POINT, "six at once under one key book once",
            codes.count(201) + codes.count(200) == 6
            and w.balance(BANK, book="desk") == 502_500, codes)  # fmt: skip


def _capital_and_expenses(w: Walk) -> None:
    said = w.cli("book", "capital", "contribute", "1000 usd", "--account", BANK, "--book", "desk",
                 "--on", "2026-11-01", "--json")  # fmt: skip
    reference = str(said.json["reference"])
    w.entry(POINT, "owner's capital", reference, f"Dr {BANK} 100000 usd",
            f"Cr {OWNER} 100000 usd", book="desk")  # fmt: skip
    rows = w.sql("select effective_at from ledger_read.entries where reference = $1", reference)
    w.same(POINT, "a day begins at midnight of the book's time zone, Berlin",
           [row["effective_at"].isoformat() for row in rows],
           ["2026-10-31T23:00:00+00:00"])  # fmt: skip
    for category in ("compute", "domain", "gas"):
        told: Json = {"kind": "book_expense", "category": category, "paid_from": BANK,
                      "amount": amount(1_250), "supplier": "acme"}  # fmt: skip
        answer = w.ask("desk", told, token="agent")
        w.entry(POINT, f"an agent books what {category} cost", str(answer.json().get("reference")),
                f"Dr expenses:{category} 1250 usd", f"Cr {BANK} 1250 usd",
                book="desk")  # fmt: skip
    owed = w.cli("book", "expense", "domain", "15 usd", "--from", "liabilities:payable[registrar]",
                 "--book", "desk", "--json")  # fmt: skip
    w.entry(POINT, "what is owed for is kept by supplier", str(owed.json["reference"]),
            "Dr expenses:domain 1500 usd", "Cr liabilities:payable[registrar] 1500 usd",
            book="desk")  # fmt: skip
    there = w.balance(BANK, book="desk")
    much = {"kind": "book_expense", "category": "compute", "paid_from": BANK, "floor": True}
    w.refused(POINT, "with a floor an expense is refused where the money is not there",
              w.ask("desk", much | {"amount": amount(there + 1)}), "available")  # fmt: skip
    taken = w.ask("desk", {"kind": "owner_capital", "direction": "withdraw", "account": BANK,
                           "amount": amount(there + 1), "floor": True})  # fmt: skip
    w.refused(POINT, "and so is a withdrawal", taken, "available")
    w.same(POINT, "neither took anything", w.balance(BANK, book="desk"), there)


def _reversals(w: Walk) -> None:
    made = str(w.ask("desk", entry(4_444)).json()["reference"])
    said = w.cli("book", "reverse", made, "--reason", "booked twice", "--book", "desk", "--json")
    undone = str(said.json["reference"])
    w.entry(POINT, "a reversal is a new entry with the sides turned", undone,
            f"Dr {OWNER} 4444 usd", f"Cr {BANK} 4444 usd", book="desk")  # fmt: skip
    rows = w.sql("select reverses from ledger_read.entries where reference = $1", undone)
    w.same(POINT, "that names the one it undoes; the first stays", (
        [row["reverses"] for row in rows], len(w.postings(made, book="desk"))), ([made], 2))  # fmt: skip
    again: Json = {"kind": "reverse_entry", "reference": made, "reason": "again"}
    w.refused(POINT, "each entry is reversed once", w.ask("desk", again), "reversed_once")
    w.refused(POINT, "what does not exist is not reversed",
              w.ask("desk", again | {"reference": "command:nobody:0"}), "entry_known")  # fmt: skip
    txn = w.new("txn")
    w.poll(movement(txn, "stripe_fee", -100, 0, None))
    w.booked()
    w.refused(POINT, "nor is what moves Stripe's own balance", w.ask(
        "shop", again | {"reference": f"stripe:balance_transaction:{txn}"}), "mirror")  # fmt: skip


def _rates(w: Walk) -> None:
    said = w.cli("book", "rate", "eur", "usd", "1.0853", "--on", "2026-11-03", "--book", "desk")
    rows = w.sql(
        "select base, quote, rate::text as rate, on_day::text as day from ledger_read.exchange_rates"
        " where book = 'desk' and not is_reciprocal"
    )
    w.same(POINT, "a rate is kept exactly, with its day", (said.code, rows), (
        0, [{"base": "eur", "quote": "usd", "rate": "1.0853", "day": "2026-11-03"}]))  # fmt: skip
    before = w.sql("select count(*) as n from ledger_read.entries where book = 'desk'")
    w.ask("desk", {"kind": "exchange_rate", "base": "eur", "quote": "usd", "rate": "1.1",
                   "on": "2026-11-04"})  # fmt: skip
    w.same(POINT, "and moves no money",
           w.sql("select count(*) as n from ledger_read.entries where book = 'desk'"), before)  # fmt: skip


def _available(w: Walk) -> None:
    key = w.new("advance")
    w.ask("desk", {"kind": "open_account", "account": "assets:till", "display": "Till"})
    w.ask("desk", entry(10_000, "assets:till"), key=key)
    hold: Json = {"kind": "place_hold", "account": "assets:till", "amount": amount(3_000)}
    asked = w.at_once(6, "desk", hold)
    granted = [a for a in asked if a.status_code == 201]
    w.same(POINT, "six holds at once of 30.00 on 100.00: three are granted, under one lock",
           sorted(a.status_code for a in asked), [201] * 3 + [422] * 3)  # fmt: skip
    w.refused(POINT, "available is posted less held: 10.00, not 10.01", w.ask(
        "desk", entry(1_001, "expenses:compute", "assets:till", floor=True)), "available")  # fmt: skip
    ours = [str(a.json()["decided"]["hold"]) for a in granted]
    settled = w.cli("hold", "settle", ours[0], "expenses:compute", "--amount", "20 usd", "--book",
                    "desk", "--json")  # fmt: skip
    w.same(POINT, "a hold that is settled in part frees the rest",
           settled.json["decided"]["released"], amount(1_000))  # fmt: skip
    freed = w.cli("hold", "release", ours[1], "--book", "desk")
    w.refused(POINT, "one that was released is not released again", w.ask(
        "desk", {"kind": "release_hold", "hold": ours[1]}), "hold_open")  # fmt: skip
    w.same(POINT, "20.00 were taken and 30.00 are held of what is left",
           (freed.code, w.balance("assets:till", book="desk"), _held(w)), (0, 8_000, 3_000))  # fmt: skip
    w.refused(POINT, "so 50.01 are too much", w.ask(
        "desk", entry(5_001, "expenses:compute", "assets:till", floor=True)), "available")  # fmt: skip
    last = w.ask("desk", entry(5_000, "expenses:compute", "assets:till", floor=True))
    w.same(POINT, "and 50.00 are not", (last.status_code, w.balance("assets:till", book="desk")),
           (201, 3_000))  # fmt: skip


def _held(w: Walk) -> int:
    rows = w.sql(
        "select coalesce(sum(minor), 0) as minor from ledger_read.holds where book = 'desk'"
        " and account = 'assets:till' and ended is null"
    )
    return int(rows[0]["minor"])


def _refusals_are_kept(w: Walk) -> None:
    key = w.new("k")
    no = w.ask("desk", entry(100, "assets:nowhere"), key=key)
    w.same(POINT, "a refusal answers 422, and 422 again under its key",
           (no.status_code, w.ask("desk", entry(100, "assets:nowhere"), key=key).status_code),
           (422, 422))  # fmt: skip
    subject = f"desk:{key}"
    rows = w.sql(
        "select outcome, decided from ledger_read.outcomes where book = 'desk' and subject = $1",
        subject,
    )
    kept = [(row["outcome"], orjson.loads(row["decided"])["rule"]) for row in rows]
    w.same(POINT, "it is kept with its rule in the published views",
           kept[:1], [("refused", "account_known")])  # fmt: skip

    def told() -> list[Json]:
        read = (orjson.loads(record.value) for record in w.records(LEDGER_OUTCOMES))
        return [one for one in read if one.get("subject") == subject]

    w.until("the refusal to be published", told)
    w.same(POINT, "and on ledger.outcomes, where every application can see it",
           {one["decided"]["rule"] for one in told()}, {"account_known"})  # fmt: skip


def _accounts(w: Walk) -> None:
    name = "expenses:office"
    w.cli("accounts", "open", name, "Office", "--book", "desk")
    w.cli("accounts", "rename", name, "Office and rent", "--book", "desk")
    made = w.ask("desk", entry(900, name, BANK))
    w.refused(POINT, "an account with a balance is not closed", w.cli(
        "accounts", "close", name, "--book", "desk", "--json"), "account_empty")  # fmt: skip
    w.ask("desk", {"kind": "reverse_entry", "reference": made.json()["reference"], "reason": "x"})
    w.cli("accounts", "close", name, "--book", "desk")
    w.refused(POINT, "a closed one takes no command", w.ask("desk", entry(900, name, BANK)),
              "account_open", account=name)  # fmt: skip
    rows = w.sql(
        "select display, is_open, recorded_at from ledger_read.account_history"
        " where book = 'desk' and account = $1 order by number",
        name,
    )
    w.same(POINT, "its history is kept: opened, renamed, closed",
           [(row["display"], row["is_open"]) for row in rows],
           [("Office", True), ("Office and rent", True), ("Office and rent", False)])  # fmt: skip
    w.holds(POINT, "each with its moment",
            all(row["recorded_at"] <= datetime.now(UTC) for row in rows) and len(rows) == 3,
            [row["recorded_at"].isoformat() for row in rows])  # fmt: skip
    listed = w.cli("accounts", "list", name, "--book", "desk")
    w.holds(POINT, "and shown on the command line",
            listed.code == 0 and listed.all.count("Office") >= 3, listed.all)  # fmt: skip
    w.cli("accounts", "open", name, "Office", "--book", "desk")
    again = w.ask("desk", entry(900, name, BANK))
    w.same(POINT, "opened again it takes commands again", again.status_code, 201)

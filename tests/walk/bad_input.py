"""Bad input: refused with rule, values and the way out, and nothing booked; amounts are exact."""

import orjson

from shared.contracts.topics import LEDGER_ENTRIES
from tests.walk.payloads import amount, charge, movement
from tests.walk.walking import Json, Walk

POINT = "bad"
BANK, OWNER = "assets:bank:desk_usd", "equity:owner"
MINOR_MAX = 10**30
# The first integers that a double, a signed 64-bit integer and a bigint cannot tell from others.
LARGE = (2**53 + 1, 2**63 + 1, 2**64 + 3, MINOR_MAX)


def walk(w: Walk) -> None:
    """The book desk takes commands, the book shop what Stripe tells."""
    before = _counted(w)
    _commands(w)
    _command_lines(w)
    w.same(POINT, "none of all these booked anything: no entry, no part of one",
           _counted(w), before, command="entries and postings of desk, before and after")  # fmt: skip
    _no_command_at_all(w)
    _what_stripe_tells(w)
    _exact(w)


def _counted(w: Walk, book: str = "desk") -> tuple[int, int]:
    rows = w.sql(
        "select (select count(*) from ledger_read.entries where book = $1) as entries,"
        " (select count(*) from ledger_read.postings where book = $1) as postings",
        book,
    )
    return int(rows[0]["entries"]), int(rows[0]["postings"])


def _postings(*legs: tuple[str, str, Json], **changes: object) -> Json:
    told = [{"account": a, "side": side, "amount": money} for a, side, money in legs]
    return {"kind": "manual_entry", "postings": told} | changes


def _two(debited: str, credited: str, money: Json, **changes: object) -> Json:
    return _postings((debited, "debit", money), (credited, "credit", money), **changes)


def _commands(w: Walk) -> None:
    one = amount(100)
    w.ask("desk", {"kind": "open_account", "account": "expenses:shut", "display": "Shut"})
    w.ask("desk", {"kind": "close_account", "account": "expenses:shut"})
    cases: list[tuple[str, str, Json, dict[str, str]]] = [
        ("an account that is not there", "account_known", _two("assets:moon", OWNER, one),
         {"account": "assets:moon"}),
        ("a mistyped bank account", "account_known", _two("assets:bank:desk_sud", OWNER, one),
         {"account": "assets:bank:desk_sud"}),
        ("no account's name at all", "account_known", _two("DROP TABLE", OWNER, one), {}),
        ("sides that differ", "balanced",
         _postings((BANK, "debit", amount(101)), (OWNER, "credit", one)),
         {"currency": "usd", "excess_minor": "1"}),
        ("sides that are equal only over two currencies", "balanced",
         _postings((BANK, "debit", one), (OWNER, "credit", amount(100, "eur"))), {}),
        ("one side alone", "two_postings", _postings((BANK, "debit", one)), {"postings": "1"}),
        ("an amount of zero", "positive", _two(BANK, OWNER, amount(0)), {"minor": "0"}),
        ("an amount below zero", "positive", _two(BANK, OWNER, amount(-5)), {"minor": "-5"}),
        ("a currency that the account is not in", "account_currency",
         _two(BANK, OWNER, amount(100, "eur")), {"currency": "eur", "is_in": "usd"}),
        ("a currency that nobody knows", "currency_known",
         _two(BANK, OWNER, amount(100, "zzz")), {"currency": "zzz"}),
        ("dollars of three decimals", "currency_decimals",
         _two(BANK, OWNER, amount(100, "usd", 3)), {"exponent": "2"}),
        ("yen with cents", "currency_decimals",
         _two("assets:till", OWNER, amount(100, "jpy", 2)), {"exponent": "0"}),
        ("an account that is closed", "account_open", _two("expenses:shut", OWNER, one),
         {"account": "expenses:shut"}),
        ("more than there is", "available", _two(
            "expenses:compute", BANK, amount(10**12), floor=True), {}),
        ("more than 10^30", "amount_max", _two(BANK, OWNER, amount(MINOR_MAX + 1)),
         {"minor": str(MINOR_MAX + 1), "minor_max": str(MINOR_MAX)}),
        ("Stripe's own balance, by hand", "mirror",
         _two("assets:stripe:balance", OWNER, one), {"account": "assets:stripe:balance"}),
        ("a clearing account without its key", "clearing_key",
         _two("liabilities:suspense", OWNER, one), {"account": "liabilities:suspense"}),
        ("an expense out of equity", "account_fits",
         {"kind": "book_expense", "category": "compute", "paid_from": OWNER, "amount": one}, {}),
        ("a year before the first", "year_known",
         _two(BANK, OWNER, one, effective_at="0001-01-01T00:00:00+14:00"), {}),
    ]  # fmt: skip
    if not w.sql("select 1 from ledger_read.account_history where account = 'assets:till'"):
        w.ask("desk", {"kind": "open_account", "account": "assets:till", "display": "Till"})
    for what, rule, command, values in cases:
        w.refused(POINT, f"over HTTP: {what}", w.ask("desk", command), rule, **values)


def _command_lines(w: Walk) -> None:
    def booking(debit: str, credit: str) -> tuple[str, ...]:
        return ("book", "entry", "--debit", debit, "--credit", credit, "--book", "desk", "--json")

    w.refused(POINT, "on the command line: an account that is not there",
              w.cli(*booking("assets:moon=1 usd", f"{OWNER}=1 usd")), "account_known",
              account="assets:moon")  # fmt: skip
    w.refused(POINT, "on the command line: sides that differ",
              w.cli(*booking(f"{BANK}=1.01 usd", f"{OWNER}=1 usd")), "balanced",
              excess_minor="1")  # fmt: skip
    person = w.cli(*booking(f"{BANK}=1.01 usd", f"{OWNER}=1 usd")[:-1])
    w.holds(POINT, "a person reads the rule, why, by how much, and what to do",
            person.code == 4 and "by the rule balanced" in person.all
            and "exceed credits by 0.01 USD" in person.all
            and "add the missing posting" in person.all, f"exit {person.code}: {person.all}")  # fmt: skip
    for text, said in (
        ("12.505 usd", "decimals"),
        ("NaN usd", "NaN"),
        ("1e3 usd", "1e3"),
        ("Infinity usd", "Infinity"),
        ("1,50 usd", "1,50"),
        ("12.5", "12.5"),
        ("5 zzz", "zzz"),
    ):
        typed = w.cli(*booking(f"{BANK}={text}", f"{OWNER}={text}"))
        w.holds(POINT, f"on the command line {text!r} is no amount, and is never rounded",
                typed.code == 2 and said in typed.all and "nothing was sent" in typed.all,
                f"exit {typed.code}: {typed.all}")  # fmt: skip
    other = w.cli("book", "entry", "--debit", f"{BANK}=1 usd", "--credit", f"{OWNER}=1 usd",
                  "--book", "nobody")  # fmt: skip
    w.holds(POINT, "a book that is not there is told with those that are",
            other.code == 2 and "the books are" in other.all, f"exit {other.code}: {other.all}")  # fmt: skip


def _no_command_at_all(w: Walk) -> None:
    good = orjson.dumps(_two(BANK, OWNER, amount(100))).decode()
    before = _counted(w)
    for what, body in (
        ("NaN where an amount stands", good.replace('"100"', "NaN")),
        ("Infinity where an amount stands", good.replace('"100"', "Infinity")),
        ("a fraction", good.replace('"100"', "1.5")),
        ("a number with an exponent", good.replace('"100"', '"1e5"')),
        ("a text with a sign and blanks", good.replace('"100"', '" +100"')),
        ("a field that nobody knows", good.replace('"kind"', '"king":1,"kind"')),
        ("no JSON", good[:-1]),
        ("a kind that nobody knows", good.replace("manual_entry", "print_money")),
    ):
        answer = w.http("POST", "/v1/books/desk/commands", raw=body.encode(),
                        Idempotency_Key=w.new("k"))  # fmt: skip
        w.command = f"POST /v1/books/desk/commands {body}"
        told = answer.json()
        w.holds(POINT, f"over HTTP: {what} is no command, and the answer says what to mend",
                answer.status_code in (400, 422) and told.get("detail") and told.get("way_out"),
                f"{answer.status_code} {answer.text}")  # fmt: skip
    w.same(POINT, "none of these reached the books", _counted(w), before)


def _what_stripe_tells(w: Walk) -> None:
    body = orjson.dumps(w.event("charge.succeeded", charge(w.new("ch"), 1_000))).decode()
    refused = w.deliver(body.replace('"amount":1000', '"amount":NaN').encode())
    w.holds(POINT, "NaN at the door is no JSON, though its signature is right",
            refused.status_code == 400 and "not_json" in refused.text, refused.text)  # fmt: skip
    values: dict[str, object] = {
        "text": "1000", "a fraction": 10.5, "true": True, "past 10^30": MINOR_MAX + 1,
        "null": None, "a list": [1_000],
    }  # fmt: skip
    for what, value in values.items():
        sale = w.new("ch")
        entries = _counted(w, "shop")
        told = charge(sale, 1_000) | {"amount": value, "amount_captured": value}
        _is_refused(w, f"{what} where Stripe sends a number",
                    w.tell("charge.succeeded", told), entries)  # fmt: skip
    for what, changes in (
        ("a net that is not amount less fee", {"net": 5}),
        ("text in a balance transaction", {"amount": "500"}),
        ("a currency that nobody knows", {"currency": "zzz"}),
    ):
        entries = _counted(w, "shop")
        txn = movement(w.new("txn"), "charge", 1_000, 30, w.new("ch")) | changes
        _is_refused(w, what, w.poll(txn)[0], entries)
    _nan_on_the_topic(w)
    sale = w.new("ch")
    w.tell("charge.succeeded", charge(sale, 1_000) | {"amount": "1000", "amount_captured": "1000"})
    w.until("its discrepancy", lambda: _discrepancies(w, sale))
    w.same(POINT, "an amount that is none is a discrepancy that a person sees",
           _discrepancies(w, sale), ["invalid_amount"])  # fmt: skip


def _nan_on_the_topic(w: Walk) -> None:
    entries, parked = _counted(w, "shop"), _parked(w)
    w.publish_raw("stripe.objects", b'{"id": "txn_nan", "object": "balance_transaction", '
                  b'"amount": NaN}', book="shop")  # fmt: skip
    ran = w.command
    w.booked()
    w.same(POINT, "NaN on the topic itself books nothing and is parked as a dead letter",
           (_counted(w, "shop"), _parked(w) - parked), (entries, 1), command=ran)  # fmt: skip
    listed = w.cli("dead-letters", "list")
    w.holds(POINT, "which is listed with its reason",
            listed.code == 0 and "stripe.objects" in listed.all, listed.all)  # fmt: skip


def _parked(w: Walk) -> int:
    return int(w.sql("select count(*) as n from ledger_read.dead_letters")[0]["n"])


def _discrepancies(w: Walk, subject: str) -> list[str]:
    rows = w.sql(
        "select kind from reconciler_read.discrepancies where book = 'shop' and subject = $1"
        " and state = 'open'",
        subject,
        role="reconciler_reader",
    )
    return [str(row["kind"]) for row in rows]


def _is_refused(w: Walk, what: str, message: str, entries: tuple[int, int]) -> None:
    ran = w.command
    w.booked()
    rows = w.sql(
        "select outcome, reason, detail from ledger_read.outcomes where message_id = $1", message
    )
    w.holds(POINT, f"{what}: refused, with what was told, and nothing is booked of it",
            [row["outcome"] for row in rows] == ["refused"] and rows[0]["detail"]
            and _counted(w, "shop") == entries,
            [dict(row) for row in rows], command=ran)  # fmt: skip


def _exact(w: Walk) -> None:
    for minor in LARGE:
        name = f"assets:vault:eth:{w.new('v').replace('_', '')}"
        told = w.ask("desk", _two(name, OWNER, amount(minor, "eth", 18)))
        http = w.http("GET", f"/v1/books/desk/balances?account={name}").text
        w.same(POINT, f"{minor} by command is {minor} in the books, as text over HTTP",
               (told.status_code, w.balance(name, "eth", book="desk"), f'"{minor}"' in http),
               (201, minor, True))  # fmt: skip
        sale = w.new("ch")
        w.tell("charge.succeeded", charge(sale, minor))
        w.booked()
        w.same(POINT, f"{minor} as Stripe tells it, a number in JSON, is {minor} in the books",
               w.at_key("assets:stripe:settling", sale), minor)  # fmt: skip
        csv = w.cli("report", "account", name, "--book", "desk", "--format", "csv").out
        whole, part = divmod(minor, 10**18)
        w.holds(POINT, f"{minor} stands to the last digit in a statement",
                f"{whole}.{part:018d}" in csv, csv[-200:])  # fmt: skip

    def published() -> set[int]:
        read = (orjson.loads(record.value) for record in w.records(LEDGER_ENTRIES))
        return {int(p["amount"]["minor"]) for one in read for p in one["postings"]}

    w.until("the large ones to be published", lambda: set(LARGE) <= published())
    w.holds(POINT, "and each is text of all its digits on ledger.entries",
            set(LARGE) <= published(), sorted(published())[-4:])  # fmt: skip

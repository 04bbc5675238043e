"""Point 2: invoices on cash basis and on accrual basis, and revenue that days earn."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any  # columns of any kind

from tests.walk.payloads import (
    amount,
    charge,
    credit_note,
    ended,
    invoice,
    invoice_line,
    invoice_payment,
    refund,
)
from tests.walk.walking import NO_ENTRY, NOTHING_OPEN, Json, Walk

POINT = "2"
RECEIVABLE, REVENUE, TAX = "assets:receivable", "revenue:stripe", "liabilities:tax"
UNEARNED, BAD_DEBT = "liabilities:unearned", "expenses:bad-debt"
YEAR_DAYS, SERVED_DAYS = 365, 100
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
SINCE = TODAY - timedelta(days=SERVED_DAYS)
AT = int(SINCE.timestamp())


def walk(w: Walk) -> None:
    """The book shop is on cash basis, the book studio on accrual basis."""
    _cash_books_nothing(w)
    line = _finalized(w)
    cancelled = _taken_back_in_part(w)
    _voided_before_it_was_served(w)
    _days_earn(w, line, cancelled)
    _paid_in_both_shapes(w)
    _never_paid(w)
    _other_ends(w)
    _balances_and_what_is_odd(w)


def day(count: int) -> str:
    """The day so many days after the service began."""
    return (SINCE + timedelta(days=count)).date().isoformat()


def _tick(w: Walk, until: str) -> tuple[int, Json]:
    said = w.cli("tick", "--book", "studio", "--until", until, "--json")
    return said.code, said.json


def _year(w: Walk, amount: int, *, tax: int = 0) -> tuple[Json, str]:
    """A year's invoice, finalized and told to the accrual book."""
    line = w.new("il")
    shown = invoice(w.new("in"), [invoice_line(line, amount, AT, YEAR_DAYS)], tax=tax, at=AT)
    w.tell("invoice.finalized", shown, endpoint="studio")
    return shown, line


def _cash_books_nothing(w: Walk) -> None:
    shown = invoice(w.new("in"), [invoice_line(w.new("il"), 36_500, AT, YEAR_DAYS)], tax=6_935)
    event = w.tell("invoice.finalized", shown)
    w.booked()
    told = w.sql("select outcome from ledger_read.outcomes where message_id = $1", event)
    w.same(POINT, "on cash basis, the default, an invoice books nothing, and an outcome says so",
           ([t["outcome"] for t in told], w.postings(f"stripe:invoice:{shown['id']}")),
           (["nothing_to_book"], NO_ENTRY))  # fmt: skip
    before = w.balance(REVENUE)
    w.tell("charge.succeeded", charge(w.new("ch"), 43_435))
    w.booked()
    w.same(POINT, "there its charge is the revenue", w.balance(REVENUE) - before, -43_435)


def _finalized(w: Walk) -> str:
    shown, line = _year(w, 36_500, tax=6_935)
    w.poll(shown, book="studio")
    w.tell("invoice.updated", shown, endpoint="studio")
    w.booked()
    w.entry(POINT, "finalized, told by two events and a poll, it is receivable once, tax apart",
            f"stripe:invoice:{shown['id']}", f"Dr {RECEIVABLE}[{shown['id']}] 43435 usd",
            f"Cr {REVENUE} 36500 usd", f"Cr {TAX} 6935 usd", book="studio")  # fmt: skip
    w.entry(POINT, "what a year is yet to serve is unearned, under its line",
            f"stripe:invoice_line:{line}", f"Dr {REVENUE} 36500 usd",
            f"Cr {UNEARNED}[{line}] 36500 usd", book="studio")  # fmt: skip
    month = w.new("il")
    short = invoice(w.new("in"), [invoice_line(month, 3_000, AT, 30)], at=AT)
    w.tell("invoice.finalized", short, endpoint="studio")
    w.booked()
    w.entry(POINT, "what is sold from month to month is earned at once: no line waits",
            f"stripe:invoice_line:{month}", book="studio")  # fmt: skip
    return line


def _taken_back_in_part(w: Walk) -> str:
    shown, line = _year(w, 36_500)
    at = AT + 60 * 86_400
    w.tell("credit_note.created", credit_note(w.new("cn"), shown, line, 30_500, at),
           endpoint="studio")  # fmt: skip
    w.booked()
    w.same(POINT, "a credit note lowers what is due",
           w.at_key(RECEIVABLE, str(shown["id"]), book="studio"), 6_000)  # fmt: skip
    other = w.new("cn")
    for status in ("issued", "void"):
        note = credit_note(other, shown, line, 1_000, at, status=status, voided_at=at)
        w.tell("credit_note.voided" if status == "void" else "credit_note.created", note,
               endpoint="studio")  # fmt: skip
    w.booked()
    w.same(POINT, "a credit note that was voided is as if it had never been",
           w.at_key(RECEIVABLE, str(shown["id"]), book="studio"), 6_000)  # fmt: skip
    return line


def _voided_before_it_was_served(w: Walk) -> None:
    shown, line = _year(w, 12_000, tax=2_280)
    w.booked()
    revenue, tax = (w.balance(account, book="studio") for account in (REVENUE, TAX))
    w.tell("invoice.voided", ended(shown, "void", AT + 500), endpoint="studio")
    w.booked()
    w.same(POINT, "a void undoes the receivable, the tax and what was unearned",
           (w.open_keys(str(shown["id"]), line, book="studio"),
            w.balance(TAX, book="studio") - tax), (NOTHING_OPEN, 2_280))  # fmt: skip
    w.same(POINT, "and earns nothing: revenue was never more by it",
           w.balance(REVENUE, book="studio") - revenue, 0)  # fmt: skip


def _days_earn(w: Walk, line: str, cancelled: str) -> None:
    code, told = _tick(w, day(40))
    w.same(POINT, "a tick 40 days into the year releases 40 of 365 days, exactly",
           (code, w.at_key(UNEARNED, line, book="studio")), (0, -32_500))  # fmt: skip
    w.holds(POINT, "the tick is a decision on record, with what it earned",
            told["decided"]["earned"] == [amount(8_000)] and told["decided"]["lines"] == 2, told)  # fmt: skip
    entries = w.sql("select count(*) as n from ledger_read.entries where book = 'studio'")
    code, told = _tick(w, day(40))
    again = w.sql("select count(*) as n from ledger_read.entries where book = 'studio'")
    w.same(POINT, "the same tick again books nothing", (code, again), (0, entries))
    code, _ = _tick(w, TODAY.date().isoformat())
    w.same(POINT, "after 100 days 265 are left, in the books and in the published view",
           (w.at_key(UNEARNED, line, book="studio"), _unearned(w, line)), (-26_500, [26_500]))  # fmt: skip
    w.same(POINT, "what was cancelled after 60 days has nothing left to come",
           w.at_key(UNEARNED, cancelled, book="studio"), 0)  # fmt: skip
    dated = w.sql(
        "select e.effective_at, p.minor from ledger_read.postings p join ledger_read.entries e"
        " using (book, reference) where book = 'studio' and p.account = $1 and p.key = $2"
        " and p.direction = 'debit' order by e.effective_at",
        UNEARNED, line,
    )  # fmt: skip
    w.same(POINT, "what was released adds up, each part dated in the month that it was served in",
           (sum(int(d["minor"]) for d in dated), _by_month(dated)),
           (10_000, _served_by_month()))  # fmt: skip
    ahead = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    w.refused(POINT, "a tick into the future is refused", w.cli(
        "tick", "--book", "studio", "--until", ahead, "--json"), "clock_not_ahead")  # fmt: skip


def _unearned(w: Walk, line: str) -> list[int]:
    rows = w.sql("select unearned_minor from ledger_read.unearned_lines where line = $1", line)
    return [int(row["unearned_minor"]) for row in rows]


def _by_month(dated: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in dated:
        month = row["effective_at"].strftime("%Y-%m")
        found[month] = found.get(month, 0) + int(row["minor"])
    return found


def _served_by_month() -> dict[str, int]:
    """One dollar for each day served, counted day by day."""
    found: dict[str, int] = {}
    for count in range(SERVED_DAYS):
        month = (SINCE + timedelta(days=count)).strftime("%Y-%m")
        found[month] = found.get(month, 0) + 100
    return found


def _paid_in_both_shapes(w: Walk) -> None:
    for version in ("2026-10-28.endive", "2020-08-27"):
        shown, _ = _year(w, 50_000, tax=9_500)
        key, intent, sale = str(shown["id"]), w.new("pi"), w.new("ch")
        w.booked()
        before = w.balance(REVENUE, book="studio")
        w.tell("charge.succeeded", charge(sale, 59_500, payment_intent=intent), endpoint="studio")
        done = ended(shown, "paid", AT + 500, amount_paid=59_500, amount_remaining=0)
        old = {"charge": sale, "payment_intent": intent, "paid": True, "tax": 9_500,
               "total_tax_amounts": [{"amount": 9_500, "inclusive": False}]}  # fmt: skip
        if version.startswith("2020"):
            done = {
                k: v for k, v in done.items() if k not in ("total_taxes", "total_excluding_tax")
            }
            w.tell("invoice.payment_succeeded", done | old, endpoint="studio", api_version=version)
        else:
            w.tell("invoice.paid", done, endpoint="studio")
            paid = invoice_payment(w.new("inpay"), key, 59_500, intent, AT + 500)
            w.tell("invoice_payment.paid", paid, endpoint="studio")
            # An endpoint of an older version tells the same payment in its own words.
            w.tell("invoice.paid", done | old, endpoint="studio", api_version="2020-08-27")
        w.booked()
        w.entry(POINT, f"paid, as {version} tells it, once: the charge's revenue is the receivable's",
                f"stripe:invoice:{key}:paid:{intent}", f"Dr {REVENUE} 59500 usd",
                f"Cr {RECEIVABLE}[{key}] 59500 usd", book="studio")  # fmt: skip
        w.same(POINT, "nothing is receivable any more, and revenue did not count it twice",
               (w.at_key(RECEIVABLE, key, book="studio"),
                w.balance(REVENUE, book="studio") - before), (0, 0))  # fmt: skip


def _paid_in_part(w: Walk, key: str, minor: int, at: int) -> None:
    intent = w.new("pi")
    w.tell("charge.succeeded", charge(w.new("ch"), minor, payment_intent=intent),
           endpoint="studio")  # fmt: skip
    w.tell("invoice_payment.paid", invoice_payment(w.new("inpay"), key, minor, intent, at),
           endpoint="studio")  # fmt: skip


def _never_paid(w: Walk) -> None:
    """A part is paid, the rest given up, a credit note lowers it, and it is paid after all."""
    shown, line = _year(w, 20_000)
    key, before = str(shown["id"]), w.balance(BAD_DEBT, book="studio")

    def left(what: str, lost: int) -> None:
        w.booked()
        w.same(POINT, what, (w.balance(BAD_DEBT, book="studio") - before,
                             w.at_key(RECEIVABLE, key, book="studio")), (lost, 0))  # fmt: skip

    given_up = ended(shown, "uncollectible", AT + 500, amount_paid=8_000, amount_remaining=12_000)
    w.tell("invoice.marked_uncollectible", given_up, endpoint="studio")
    w.booked()
    w.entry(POINT, "what an uncollectible one asked for is a bad debt",
            f"bad_debt:stripe:invoice:{key}",
            f"Dr {BAD_DEBT} 20000 usd", f"Cr {RECEIVABLE}[{key}] 20000 usd",
            book="studio")  # fmt: skip
    _paid_in_part(w, key, 8_000, AT + 400)
    left("a part that was paid before is none, though it is told later", 12_000)
    note = credit_note(w.new("cn"), shown, line, 2_000, AT + 600)
    w.tell("credit_note.created", note, endpoint="studio")
    left("nor is what a credit note took off since", 10_000)
    w.tell("invoice.paid", ended(given_up, "paid", AT + 900, amount_due=18_000, amount_paid=18_000,
                                 amount_remaining=0), endpoint="studio")  # fmt: skip
    _paid_in_part(w, key, 10_000, AT + 900)
    left("paid after all, told without its payments, it is no loss", 0)


def _other_ends(w: Walk) -> None:
    zero = invoice(w.new("in"), [invoice_line(w.new("il"), 0, AT, YEAR_DAYS)], at=AT)
    event = w.tell("invoice.finalized", zero, endpoint="studio")
    w.booked()
    rows = w.sql("select outcome from ledger_read.outcomes where message_id = $1", event)
    w.same(POINT, "a zero invoice books nothing, and an outcome says so",
           ([r["outcome"] for r in rows], w.postings(f"stripe:invoice:{zero['id']}", book="studio")),
           (["nothing_to_book"], NO_ENTRY))  # fmt: skip
    for name, told in (("amount_paid_off_stripe", 8_000), ("paid_out_of_band", True)):
        shown = invoice(w.new("in"), [invoice_line(w.new("il"), 8_000, AT, 30)], at=AT)
        done = ended(shown, "paid", AT + 500, amount_paid=8_000, amount_remaining=0)
        if name == "paid_out_of_band":
            w.tell("invoice.paid", done | {name: told, "paid": True}, endpoint="studio")
        else:
            # No event says so: Stripe's API does, which the poller asks.
            w.tell("invoice.paid", done, endpoint="studio")
            w.poll(done | {name: told}, book="studio")
        w.booked()
        key = str(shown["id"])
        w.entry(POINT, f"paid outside of Stripe ({name}), suspense waits for the money",
                f"stripe:invoice:{key}:paid_out_of_band",
                f"Dr liabilities:suspense[{key}] 8000 usd", f"Cr {RECEIVABLE}[{key}] 8000 usd",
                book="studio")  # fmt: skip
    shown = invoice(w.new("in"), [invoice_line(w.new("il"), 9_000, AT, 30)], at=AT)
    given, note = w.new("re"), w.new("cn")
    w.tell("invoice.finalized", shown, endpoint="studio")
    w.tell("refund.created", refund(given, "ch_paid", 2_000), endpoint="studio")
    w.tell("credit_note.created", credit_note(
        note, shown, str(shown["lines"]["data"][0]["id"]), 2_000, AT + 900, type="post_payment",
        pre_payment_amount=0, post_payment_amount=2_000,
        refunds=[{"amount_refunded": 2_000, "refund": given}]), endpoint="studio")  # fmt: skip
    w.booked()
    w.entry(POINT, "a credit note after payment takes the revenue back that its refund gave",
            f"stripe:credit_note:{note}", f"Dr {REVENUE} 2000 usd",
            "Cr revenue:refunds 2000 usd", book="studio")  # fmt: skip


def _balances_and_what_is_odd(w: Walk) -> None:
    customer = w.new("cus")
    shown = invoice(w.new("in"), [invoice_line(w.new("il"), 10_000, AT, 30)], at=AT,
                    customer=customer, starting_balance=-3_000, ending_balance=0,
                    amount_due=7_000, amount_remaining=7_000)  # fmt: skip
    w.tell("invoice.finalized", shown, endpoint="studio")
    w.booked()
    w.same(POINT, "a customer's balance that was applied is no longer owed, nor receivable",
           (w.at_key("liabilities:customer-balance", customer, book="studio"),
            w.at_key(RECEIVABLE, str(shown["id"]), book="studio")), (3_000, 7_000))  # fmt: skip
    draft: Json = {**shown, "id": w.new("in"), "status": "draft", "status_transitions": {}}
    w.tell("invoice.created", draft, endpoint="studio")
    w.booked()
    w.entry(POINT, "a draft asks for nothing", f"stripe:invoice:{draft['id']}", book="studio")
    long = invoice(w.new("in"), [invoice_line(w.new("il"), 5_000, AT, YEAR_DAYS)], at=AT,
                   total=15_000, total_excluding_tax=15_000, amount_due=15_000)  # fmt: skip
    long["lines"] |= {"has_more": True, "total_count": 11}
    event = w.tell("invoice.finalized", long, endpoint="studio")
    w.booked()
    rows = w.sql("select outcome, reason from ledger_read.outcomes where message_id = $1", event)
    w.holds(POINT, "an invoice that shows ten of its lines says that there are more",
            any("invoice_lines_untold" in str(row) for row in rows), rows)  # fmt: skip
    changed = shown | {"total": 11_000, "total_excluding_tax": 11_000}
    event = w.tell("invoice.updated", changed, endpoint="studio")
    w.booked()
    rows = w.sql("select outcome, reason from ledger_read.outcomes where message_id = $1", event)
    w.holds(POINT, "the same invoice told with other money is a conflict: the first one stands",
            any(row["outcome"] == "conflict" for row in rows)
            and w.at_key(RECEIVABLE, str(shown["id"]), book="studio") == 7_000, rows)  # fmt: skip

"""Point 1: every balance transaction has a rule or waits in suspense, and balances are Stripe's."""

import re
from collections.abc import Mapping

from tests.support.stripe_library import (
    balance_transaction_types,
    balance_types,
    reporting_categories,
)
from tests.walk.payloads import charge, dispute, movement, payout, refund, reversal, transfer
from tests.walk.point_1_orders import walk_orders
from tests.walk.point_1_simulated import walk_simulated
from tests.walk.standing import ROOT
from tests.walk.walking import NOTHING_OPEN, Json, Walk

POINT = "1"
BALANCE, FEES = "assets:stripe:balance", "expenses:stripe-fees"
SETTLING, IN_TRANSIT = "assets:stripe:settling", "assets:stripe:in-transit"
# Stripe does not say what stands against these.
UNEXPLAINED = {
    "adjustment",
    "fee_credit_funding",
    "obligation_outbound",
    "obligation_reversal_inbound",
    "payment_reversal",
    "tax_fund",
}


def walk(w: Walk) -> None:
    """Types, balances, what the connected pay and get, payouts, disputes; then Stripe's own sums."""
    _types(w)
    _categories(w)
    _balances(w)
    _what_no_rule_explains(w)
    _connected(w)
    _payouts(w)
    _returned(w)
    _disputes(w)
    _currencies(w)
    walk_orders(w)
    _balance_is_the_sum(w)
    walk_simulated(w)


def _documented(title: str) -> dict[str, str]:
    """The account of each type, or of each category of adjustments, as the reference page has it."""
    page = (ROOT / "docs/reference/balance-transactions.md").read_text("utf-8")
    table = page.partition(f"## {title}")[2].partition("## ")[0]
    return dict(re.findall(r"^\| `([a-z_]+)` \| `([a-z:-]+)`", table, re.MULTILINE))


def _types(w: Walk) -> None:
    types = sorted(balance_transaction_types())
    before = w.balance(BALANCE)
    told: dict[str, Json] = {}
    for kind in types:
        source: object = w.new("src")
        if kind == "payment_failure_refund":
            source = refund(w.new("pyr"), w.new("py"), 1_234)
        category = "" if kind == "adjustment" else kind
        told[kind] = movement(w.new("txn"), kind, 1_234, 34, source, category=category)
    w.poll(*told.values())
    w.booked()
    ran = w.command = f"{len(types)} balance transactions, one of each type, on stripe.objects"
    page = _documented("By type")
    w.same(POINT, "the reference page names every type that the stripe library lists",
           sorted(page), types, command="docs/reference/balance-transactions.md")  # fmt: skip
    other = _against(w, told)
    w.same(POINT, f"each of {len(types)} types is booked against the account that the page names",
           {k: v for k, v in other.items() if v != {page.get(k)}}, {}, command=ran)  # fmt: skip
    w.same(POINT, "the balance moved by the sum of what Stripe calls net, to the cent",
           w.balance(BALANCE) - before, sum(int(one["net"]) for one in told.values()))  # fmt: skip
    ids = {one["id"]: kind for kind, one in told.items()}
    found: list[str] = []

    def are_told() -> bool:
        found[:] = sorted(ids[s] for s in _asked_for_a_rule(w) if s in ids)
        return len(found) >= len(UNEXPLAINED)

    w.until("discrepancies that ask for a rule", are_told)
    w.same(POINT, "just those that Stripe does not explain are in suspense with a discrepancy",
           found, sorted(UNEXPLAINED),
           command="reconciler_read.discrepancies of unknown_balance_transaction")  # fmt: skip


def _against(w: Walk, told: Mapping[str, Json]) -> dict[str, set[str]]:
    """The accounts that movements were booked against, by the names that they are told under."""
    rows = w.sql(
        "select reference, account from ledger_read.postings"
        " where book = 'shop' and reference = any($1)",
        [f"stripe:balance_transaction:{one['id']}" for one in told.values()],
    )
    found: dict[str, set[str]] = {}
    for name, one in told.items():
        reference = f"stripe:balance_transaction:{one['id']}"
        accounts = {str(row["account"]) for row in rows if row["reference"] == reference}
        # Stripe's own bills put the amount and the fee on one account.
        found[name] = (accounts - {BALANCE, FEES}) or accounts & {FEES}
    return found


def _categories(w: Walk) -> None:
    page = _documented("Adjustments, by category")
    loans = {name for name in reporting_categories() if name.startswith("financing_")}
    w.same(POINT, "the page names every category that the library lists; loans are of any type",
           sorted(page), sorted(reporting_categories() - loans),
           command="docs/reference/balance-transactions.md")  # fmt: skip
    told = {
        name: movement(w.new("txn"), "adjustment", -1_234, 34, w.new("src"), category=name)
        for name in sorted(reporting_categories())
    }
    for name in ("partial_capture_reversal", "charge_failure"):
        told[name] |= {"source": refund(w.new("pyr"), w.new("py"), 1_234)}
    w.poll(*told.values())
    ran = w.command = f"{len(told)} adjustments, one of each category, on stripe.objects"
    w.booked()
    expected = {name: {page.get(name, "liabilities:stripe-loans")} for name in told}
    found = _against(w, told)
    w.same(POINT, f"each of {len(told)} categories of adjustments is booked against its account",
           {name: found[name] for name in told if found[name] != expected[name]}, {},
           command=ran)  # fmt: skip


def _asked_for_a_rule(w: Walk) -> set[str]:
    rows = w.sql(
        "select subject from reconciler_read.discrepancies where book = 'shop'"
        " and kind = 'unknown_balance_transaction' and state = 'open'",
        role="reconciler_reader",
    )
    return {str(row["subject"]) for row in rows}


def _balances(w: Walk) -> None:
    accounts = {
        "issuing": "assets:stripe:issuing",
        "refund_and_dispute_prefunding": "assets:stripe:refund-and-dispute-prefunding",
        "risk_reserved": "assets:stripe:reserve",
    }
    w.same(POINT, "every balance of the stripe library but payments has an account of its own",
           sorted(balance_types() - {"payments"}), sorted(accounts),
           command="stripe.BalanceTransaction.balance_type")  # fmt: skip
    for kind, account in accounts.items():
        payments, own = w.balance(BALANCE), w.balance(account)
        txn = movement(w.new("txn"), "topup", 7_000, 0, w.new("tu"), balance_type=kind)
        w.poll(txn)
        w.booked()
        w.same(POINT, f"a movement of the balance {kind} moves {account} and not payments",
               (w.balance(account) - own, w.balance(BALANCE) - payments), (7_000, 0))  # fmt: skip
    hold = w.new("rsv")
    legs = [
        movement(w.new("txn"), "reserve_hold", -900, 0, hold, category="risk_reserved_funds"),
        movement(w.new("txn"), "reserve_hold", 900, 0, hold, category="risk_reserved_funds",
                 balance_type="risk_reserved"),
    ]  # fmt: skip
    reserve = w.balance("assets:stripe:reserve")
    w.poll(*legs)
    w.booked()
    w.same(POINT, "both legs of a reserve meet: it is held, and nothing is open under its key",
           (w.balance("assets:stripe:reserve") - reserve, w.open_keys(hold)), (900, NOTHING_OPEN))  # fmt: skip


def _what_no_rule_explains(w: Walk) -> None:
    strange = w.new("txn")
    w.poll(movement(strange, "quantum_rebate", 777, 7, "qr_1"))
    w.booked()
    w.entry(POINT, "a type that Stripe invents is kept in the balance and waits in suspense",
            f"stripe:balance_transaction:{strange}",
            f"Dr {BALANCE} 770 usd", f"Cr liabilities:suspense[{strange}] 770 usd")  # fmt: skip
    w.until("its discrepancy", lambda: strange in _asked_for_a_rule(w))
    listed = w.cli("discrepancies", "list", "--book", "shop", "--json")
    w.holds(POINT, "its discrepancy asks for a rule on the command line", strange in listed.out
            and listed.code == 0, f"exit {listed.code}, {listed.out.count('unknown_balance')} of"
            " the kind")  # fmt: skip
    keyless = w.new("txn")
    w.poll(movement(keyless, "charge", 500, 20, None))
    w.booked()
    w.entry(POINT, "one that comes without the source that would be its key waits there too",
            f"stripe:balance_transaction:{keyless}",
            f"Dr {BALANCE} 480 usd", f"Cr liabilities:suspense[{keyless}] 480 usd")  # fmt: skip


def _connected(w: Walk) -> None:
    sale, sent = w.new("ch"), w.new("tr")
    # The transfer is told before the charge that it comes from, and its movement before both.
    w.poll(movement(w.new("txn"), "transfer", -9_000, 0, sent))
    back, given = w.new("trr"), w.new("re")
    w.tell("transfer.created", transfer(sent, 9_000, source_transaction=sale))
    w.tell("charge.succeeded", charge(
        sale, 10_000, transfer_data={"destination": "acct_1Merchant", "amount": 9_000}))  # fmt: skip
    w.poll(movement(w.new("txn"), "charge", 10_000, 320, sale))
    w.booked()
    w.entry(POINT, "a destination charge owes the connected account its part and earns the rest",
            f"stripe:payment:{sale}", f"Dr {SETTLING}[{sale}] 10000 usd",
            "Cr liabilities:connect[acct_1Merchant] 9000 usd",
            "Cr revenue:stripe 1000 usd")  # fmt: skip
    w.entry(POINT, "its transfer pays what is owed", f"stripe:transfer:{sent}",
            "Dr liabilities:connect[acct_1Merchant] 9000 usd",
            f"Cr {SETTLING}[{sent}] 9000 usd")  # fmt: skip
    part = reversal(back, sent, 1_800, source_refund=given)
    w.tell("transfer.reversed", transfer(sent, 9_000, part))
    w.poll(movement(w.new("txn"), "transfer_refund", 1_800, 0, back))
    w.booked()
    w.entry(POINT, "a reversal that a refund caused brings back the share of that refund",
            f"stripe:transfer_reversal:{back}", f"Dr {SETTLING}[{back}] 1800 usd",
            "Cr revenue:refunds 1800 usd")  # fmt: skip
    w.same(POINT, "told in any order, charge, transfer and reversal leave nothing open",
           w.open_keys(sale, sent, back), {})  # fmt: skip
    separate, undone = w.new("tr"), w.new("trr")
    w.tell("transfer.created", transfer(separate, 4_000, destination="acct_1Other"))
    w.tell("transfer.reversed", transfer(separate, 4_000, reversal(undone, separate, 1_500),
                                         destination="acct_1Other"))  # fmt: skip
    w.booked()
    w.entry(POINT, "a separate transfer's reversal is owed to its connected account again",
            f"stripe:transfer_reversal:{undone}", f"Dr {SETTLING}[{undone}] 1500 usd",
            "Cr liabilities:connect[acct_1Other] 1500 usd")  # fmt: skip
    foreign = w.new("ch")
    event = w.tell("charge.succeeded", charge(foreign, 5_555), account="acct_1Merchant")
    w.booked()
    w.entry(POINT, "a direct charge of a connected account is not our money: no entry",
            f"stripe:payment:{foreign}")  # fmt: skip
    kept = w.sql("select outcome, reason from ledger_read.outcomes where message_id = $1", event)
    w.holds(POINT, "and an outcome says why nothing is booked of it",
            [k["outcome"] for k in kept] == ["nothing_to_book"], kept)  # fmt: skip


def _payouts(w: Walk) -> None:
    instant = w.new("po")
    txn = w.new("txn")
    w.poll(movement(txn, "payout", -5_000, 50, instant))
    w.booked()
    w.entry(POINT, "an instant payout's fee is a cost, and its amount is on its way",
            f"stripe:balance_transaction:{txn}", f"Cr {BALANCE} 5050 usd",
            f"Dr {FEES} 50 usd", f"Dr {IN_TRANSIT}[{instant}] 5000 usd")  # fmt: skip
    negative, txn = w.new("po"), w.new("txn")
    w.tell("payout.created", payout(negative, -2_500, "pending"))
    w.poll(movement(txn, "payout", 2_500, 0, negative))
    w.booked()
    w.entry(POINT, "a negative payout takes money from the bank into the balance",
            f"stripe:balance_transaction:{txn}", f"Dr {BALANCE} 2500 usd",
            f"Cr {IN_TRANSIT}[{negative}] 2500 usd")  # fmt: skip
    for end in ("payout_failure", "payout_cancel"):
        failed = w.new("po")
        w.poll(
            movement(w.new("txn"), "payout", -3_100, 0, failed, created=1_793_000_000),
            movement(w.new("txn"), end, 3_100, 0, failed),
        )
        w.booked()
        w.same(POINT, f"a payout and its {end} leave nothing on its way",
               w.open_keys(failed), {})  # fmt: skip
    reversed_topup = w.new("tu")
    w.poll(
        movement(w.new("txn"), "topup_reversal", -800, 0, reversed_topup),
        movement(w.new("txn"), "topup", 800, 0, reversed_topup),
    )
    w.booked()
    w.same(POINT, "a top-up and its reversal, told the other way round, leave nothing on its way",
           w.open_keys(reversed_topup), {})  # fmt: skip


def _returned(w: Walk) -> None:
    debit, form = w.new("py"), w.new("pyr")
    revenue = w.balance("revenue:stripe")
    w.tell("charge.failed", charge(
        debit, 10_000, status="failed", paid=False, balance_transaction=w.new("txn"),
        failure_balance_transaction=w.new("txn")))  # fmt: skip
    w.poll(
        movement(w.new("txn"), "payment_failure_refund", -10_000, 400,
                 refund(form, debit, 10_000), category="charge_failure"),
        movement(w.new("txn"), "payment", 10_000, 80, debit),
    )  # fmt: skip
    w.booked()
    w.same(POINT, "a debit that fails later earns nothing, costs its fee, and leaves nothing open",
           (w.balance("revenue:stripe") - revenue, w.open_keys(debit, form)), (0, NOTHING_OPEN))  # fmt: skip
    part, rest = w.new("ch"), w.new("re")
    refunds = w.balance("revenue:refunds")
    w.tell("charge.captured", charge(part, 10_000, amount_captured=7_000))
    # Told alone it looks like any other refund.
    w.tell("refund.created", refund(rest, part, 3_000))
    w.poll(
        movement(w.new("txn"), "charge", 10_000, 320, part),
        movement(w.new("txn"), "refund", -3_000, -87, refund(
            rest, part, 3_000, reason="expired_uncaptured_charge"),
            category="partial_capture_reversal"),
    )  # fmt: skip
    w.booked()
    w.same(POINT, "of a charge captured in part, the rest is released and nothing is refunded",
           (w.open_keys(part, rest), w.balance("revenue:refunds") - refunds), (NOTHING_OPEN, 0))  # fmt: skip
    w.entry(POINT, "the failure of a payment names the payment that it undoes",
            f"stripe:payment:{debit}:failed", "Dr revenue:stripe 10000 usd",
            f"Cr {SETTLING}[{debit}] 10000 usd")  # fmt: skip
    given = w.new("re")
    # Only its last state is told: the refund and its failure both follow from it.
    w.tell("refund.failed", refund(given, "ch_x", 2_500, status="failed"))
    w.poll(
        movement(w.new("txn"), "refund_failure", 2_500, 0, given),
        movement(w.new("txn"), "refund", -2_500, 0, given),
    )
    w.booked()
    w.same(POINT, "a refund of which only its failure was told ends at nothing given and open",
           (w.balance("revenue:refunds") - refunds, w.open_keys(given)), (0, NOTHING_OPEN))  # fmt: skip
    w.entry(POINT, "both of it are on the books: the refund …", f"stripe:refund:{given}",
            "Dr revenue:refunds 2500 usd", f"Cr {SETTLING}[{given}] 2500 usd")  # fmt: skip
    w.entry(POINT, "… and its failure", f"stripe:refund:{given}:failed",
            f"Dr {SETTLING}[{given}] 2500 usd", "Cr revenue:refunds 2500 usd")  # fmt: skip


def _disputes(w: Walk) -> None:
    inquiry = w.new("du")
    event = w.tell("charge.dispute.created", dispute(inquiry, "warning_needs_response"))
    w.booked()
    rows = w.sql("select outcome from ledger_read.outcomes where message_id = $1", event)
    w.same(POINT, "an inquiry moves no money, and an outcome says so",
           ([row["outcome"] for row in rows], w.at_key("expenses:disputes", inquiry)),
           (["nothing_to_book"], 0))  # fmt: skip
    lost = w.new("du")
    taken = movement(w.new("txn"), "adjustment", -5_000, 1_500, lost, category="dispute")
    fees = w.balance(FEES)
    w.tell("charge.dispute.created", dispute(lost, "needs_response", taken))
    w.tell("charge.dispute.closed", dispute(lost, "lost", taken))
    w.poll(taken)
    w.booked()
    w.same(POINT, "a lost dispute, told by two events and the poll, costs once: money and fee",
           (w.at_key("expenses:disputes", lost), w.balance(FEES) - fees), (5_000, 1_500))  # fmt: skip
    back = movement(w.new("txn"), "adjustment", 2_000, 0, lost, category="dispute_reversal")
    w.tell("charge.dispute.funds_reinstated", dispute(lost, "lost", taken, back))
    w.booked()
    w.same(POINT, "partly reinstated, what is left is the loss",
           w.at_key("expenses:disputes", lost), 3_000)  # fmt: skip
    rest = movement(w.new("txn"), "adjustment", 3_000, -1_500, lost, category="dispute_reversal")
    w.tell("charge.dispute.closed", dispute(lost, "won", taken, back, rest))
    w.booked()
    w.same(POINT, "won late, weeks after it was lost, the dispute and its fee cost nothing",
           (w.at_key("expenses:disputes", lost), w.balance(FEES) - fees), (0, 0))  # fmt: skip


def _currencies(w: Walk) -> None:
    sale, txn = w.new("ch"), w.new("txn")
    w.tell("charge.succeeded", charge(sale, 10_000, "eur"))
    w.poll(movement(txn, "charge", 10_851, 345, sale, exchange_rate=1.085))
    w.booked()
    w.entry(POINT, "what euros settled to is Stripe's figure, not 100.00 times its printed rate",
            f"stripe:balance_transaction:{txn}", f"Dr {BALANCE} 10506 usd", f"Dr {FEES} 345 usd",
            f"Cr {SETTLING}[{sale}] 10851 usd")  # fmt: skip
    w.until("both currencies to be matched", lambda: not w.open_keys(sale))
    rows = w.sql(
        "select account, direction, minor, currency from ledger_read.postings where book = 'shop'"
        " and reference like 'match:%' and (key = $1 or account = 'equity:exchange')",
        sale,
    )
    exchanged = sorted((str(r["currency"]), int(r["minor"])) for r in rows if r["account"] == "equity:exchange")  # fmt: skip
    w.same(POINT, "its two currencies meet on equity:exchange, each by itself",
           exchanged, [("eur", 10_000), ("usd", 10_851)])  # fmt: skip


def _balance_is_the_sum(w: Walk) -> None:
    rows = w.sql(
        "select currency, sum(net_minor)::numeric as net from reconciler_read.balance_transactions"
        " where book = 'shop' and balance_type = 'payments' group by currency",
        role="reconciler_reader",
    )
    expected = {str(row["currency"]): int(row["net"]) for row in rows}
    w.same(POINT, "the balance is the sum of net of all movements of payments, per currency",
           {currency: w.balance(BALANCE, currency) for currency in expected}, expected,
           command="reconciler_read.balance_transactions against ledger_read.balances")  # fmt: skip

"""Point 1, the half that the simulated Stripe plays: its own sums against those of the books."""

from tests.walk.walking import Json, Walk

POINT = "1"
BALANCE, FEES = "assets:stripe:balance", "expenses:stripe-fees"
SETTLING = "assets:stripe:settling"


def walk_simulated(w: Walk) -> None:
    """A month's matters in Stripe's own words, and its balance against ours."""
    done = _everything_happens(w)
    movements = _all_are_booked(w)
    _each_as_stripe_says(w, movements)
    _disputes_and_refunds(w, done)
    _balance_is_stripes(w)


def _everything_happens(w: Walk) -> dict[str, str]:
    sale = str(w.sim("charge", amount=40_000)["charge"])
    refunded = str(w.sim("refund", charge=sale, amount=10_000)["refund"])
    failed = str(w.sim("refund", charge=sale, amount=5_000)["refund"])
    w.sim("fail_refund", refund=failed)
    won = str(w.sim("dispute", charge=w.sim("charge", amount=9_000)["charge"])["dispute"])
    w.sim("answer_dispute", dispute=won)
    w.sim("win_dispute", dispute=won)
    lost = str(w.sim("dispute", charge=w.sim("charge", amount=8_000)["charge"])["dispute"])
    w.sim("lose_dispute", dispute=lost)
    w.sim("charge", amount=12_345, currency="eur")
    w.sim("charge", amount=5_000, currency="jpy")
    sent = w.sim("transfer", amount=6_000)["transfer"]
    w.sim("reverse_transfer", transfer=sent, amount=2_000)
    fee = w.sim("direct_charge", amount=20_000, fee=2_000)["application_fee"]
    w.sim("refund_application_fee", application_fee=fee, amount=500)
    w.sim("complete_top_up", topup=w.sim("top_up", amount=50_000)["topup"])
    w.sim("bill", amount=250)
    hold = w.sim("hold_reserve", amount=3_000)["hold"]
    w.sim("release_reserve", hold=hold, amount=1_000)
    instant = str(w.sim("pay_out", amount=7_000, instant_fee=70)["payout"])
    w.sim("move_payout", payout=instant, to="in_transit")
    w.sim("move_payout", payout=instant, to="failed")
    paid = str(w.sim("pay_out", amount=4_000)["payout"])
    w.sim("strange_movement", amount=123)
    return {"won": won, "lost": lost, "refunded": refunded, "failed": failed,
            "instant": instant, "paid": paid}  # fmt: skip


def _movements(w: Walk) -> list[Json]:
    found: list[Json] = []
    after = ""
    while True:
        page = w.stripe(f"/v1/balance_transactions?limit=100{after}")
        found += page["data"]
        if not page["has_more"]:
            return found
        after = f"&starting_after={found[-1]['id']}"


def _all_are_booked(w: Walk) -> list[Json]:
    movements = _movements(w)
    references = [f"stripe:balance_transaction:{one['id']}" for one in movements]

    def all_booked() -> bool:
        rows = w.sql(
            "select count(*) as n from ledger_read.entries where book = 'main'"
            " and reference = any($1)",
            references,
        )
        return bool(rows[0]["n"] == len(references))

    w.until("the poller and the ledger to have every movement", all_booked)
    w.booked()
    kinds = sorted({str(one["type"]) for one in movements})
    w.holds(POINT, f"all {len(movements)} movements of the simulated Stripe are booked, once each",
            len(kinds) >= 10, f"{len(movements)} of {len(kinds)} types: {', '.join(kinds)}",
            command="GET /v1/balance_transactions against ledger_read.entries")  # fmt: skip
    return movements


def _each_as_stripe_says(w: Walk, movements: list[Json]) -> None:
    accounts = {"payments": BALANCE, "risk_reserved": "assets:stripe:reserve"}
    rows = w.sql(
        "select reference, account, direction, minor, currency from ledger_read.postings"
        " where book = 'main' and reference like 'stripe:balance_transaction:%'"
    )
    booked: dict[tuple[str, str, str], int] = {}
    for row in rows:
        place = (str(row["reference"]), str(row["account"]), str(row["currency"]))
        sign = 1 if row["direction"] == "debit" else -1
        booked[place] = booked.get(place, 0) + sign * int(row["minor"])
    wrong = [
        one["id"]
        for one in movements
        if booked.get((f"stripe:balance_transaction:{one['id']}",
                       accounts[one["balance_type"]], one["currency"]), 0) != one["net"]
    ]  # fmt: skip
    w.same(POINT, "each of them moves its balance by just Stripe's net, in Stripe's currency",
           wrong, [], command="net of each against its posting")  # fmt: skip
    fees = {
        currency: sum(int(one["fee"]) for one in movements if one["currency"] == currency)
        + sum(-int(one["amount"]) for one in movements
              if one["currency"] == currency and one["type"] == "stripe_fee")
        for currency in ("usd", "jpy")
    }  # fmt: skip
    w.same(POINT, "fees in the books are Stripe's fees and its own bills, per currency",
           {currency: w.balance(FEES, currency, book="main") for currency in fees}, fees,
           command="sum of fee against expenses:stripe-fees")  # fmt: skip


def _disputes_and_refunds(w: Walk, done: dict[str, str]) -> None:
    w.same(POINT, "the simulated dispute that was won costs nothing but what Stripe kept",
           w.at_key("expenses:disputes", done["won"], book="main"), 0)  # fmt: skip
    w.same(POINT, "the one that was lost costs what was disputed",
           w.at_key("expenses:disputes", done["lost"], book="main"), 8_000)  # fmt: skip
    w.until("settling to be clear", lambda: not _open(w))
    w.same(POINT, "every charge, refund, failure, transfer, reversal and reserve has met its half",
           _open(w), [], command="open items of assets:stripe:settling in main")  # fmt: skip
    sums = {
        "revenue:application-fees": -1_500,
        "revenue:refunds": 10_000,
        "liabilities:connect": 4_000,
        "assets:stripe:reserve": 2_000,
    }
    w.same(POINT, "application fees, refunds, transfers and the reserve are what was left of them",
           {account: w.balance(account, book="main") for account in sums}, sums,
           command=f"ledger_read.balances of {', '.join(sums)} in main")  # fmt: skip
    w.same(POINT, "a failed instant payout is not on its way any more; one that is, is",
           (w.at_key("assets:stripe:in-transit", done["instant"], book="main"),
            w.at_key("assets:stripe:in-transit", done["paid"], book="main")),
           (0, 4_000))  # fmt: skip


def _open(w: Walk) -> list[str]:
    rows = w.sql(
        "select key, minor, currency from ledger_read.open_items where book = 'main'"
        " and account = $1",
        SETTLING,
    )
    return sorted(f"{row['key']} {row['minor']} {row['currency']}" for row in rows)


def _balance_is_stripes(w: Walk) -> None:
    told = w.stripe("/v1/balance")
    own: dict[str, int] = {}
    for part in ("pending", "available"):
        for each in told[part]:
            own[each["currency"]] = own.get(each["currency"], 0) + int(each["amount"])
    ours = {currency: w.balance(BALANCE, currency, book="main") for currency in own}
    w.same(POINT, "assets:stripe:balance is Stripe's own balance, in every currency", ours, own,
           command="GET /v1/balance of the simulated Stripe against ledger_read.balances")  # fmt: skip
    w.holds(POINT, "there is more than one currency, and money in it",
            len([minor for minor in own.values() if minor]) >= 2, own,
            command="GET /v1/balance of the simulated Stripe")  # fmt: skip

    def read() -> dict[str, int]:
        rows = w.sql(
            "select distinct on (currency) currency, minor from reconciler_read.stripe_balances"
            " where book = 'main' order by currency, told_at desc",
            role="reconciler_reader",
        )
        return {str(row["currency"]): int(row["minor"]) for row in rows}

    w.until("the poller to have read the balance as it is", lambda: read() == own)
    w.same(POINT, "and so is what the reconciler holds against it, as the poller read it",
           read(), ours)  # fmt: skip
    truth = w.cli("audit", "--truth", f"{w.at.stripe.url}/sim/truth", "--json")
    w.same(POINT, "an audit from the raw topics agrees with books and simulator, and ends with 0",
           truth.code, 0)  # fmt: skip
    drift = w.sql(
        "select kind, subject, state from reconciler_read.discrepancies where book = 'main'"
        " and kind in ('balance_drift', 'reference_conflict', 'event_conflict')"
        " and state <> 'resolved'",
        role="reconciler_reader",
    )
    w.same(POINT, "the reconciler, which holds both balances together, finds no drift",
           drift, [])  # fmt: skip

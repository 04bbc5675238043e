"""Point 6: statements of any moment on both axes, against sums that the walk makes itself."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction

from tests.walk import atelier
from tests.walk.atelier import ALL, BOOK, EUR, JPY, MARCH, STORY, USD, sums, total
from tests.walk.figures import lines, minor, of_currency, of_json
from tests.walk.walking import Json, Said, Walk

POINT = "6"
UNTIL_MARCH = ("--as-of", "2026-03-31")
SPRING = ("--from", "2026-02-01", "--to", "2026-03-31")
FEBRUARY = date(2026, 2, 1)


def walk(w: Walk) -> None:
    """Every statement of the book whose figures are known."""
    known_at = atelier.tell(w)
    _trial_balance(w)
    _both_axes(w, known_at)
    _balance_sheet(w)
    _balance_sheet_in_dollars(w)
    _income(w)
    _cash_flow(w)
    _accounts(w)
    _general_ledger(w)
    _solvency(w)


def report(w: Walk, *words: str, book: str = BOOK) -> Said:
    """A report in JSON."""
    return w.cli("report", *words, "--book", book, "--format", "json")


def _by_place(found: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {(account, currency): amount for (currency, account), amount in found.items()}


def _trial_balance(w: Walk) -> None:
    said = report(w, "trial-balance", *UNTIL_MARCH)
    w.same(
        POINT,
        "trial balance of March: each account and currency is the sum of its postings",
        _by_place(of_json(said.json)),
        sums(until=MARCH),
    )
    totals = {
        s["currency"]: (minor(s["total_debit"]), minor(s["total_credit"]), s["is_balanced"])
        for s in said.json["statements"]
    }
    expected = {
        currency: (debits, debits, True)
        for currency in ("eur", "jpy", "usd")
        for debits in [sum(m for (_, c), m in sums(until=MARCH).items() if c == currency and m > 0)]
    }
    w.same(POINT, "its debits equal its credits in each currency", totals, expected)
    said = report(w, "trial-balance", "--as-of", "2026-06-30", "--reporting", "")
    w.same(
        POINT,
        "trial balance of the whole story, past 2^63 too, to the last digit",
        (said.code, _by_place(of_json(said.json))),
        (0, sums()),
    )


def _both_axes(w: Walk, known_at: datetime) -> None:
    def at(*words: str) -> tuple[dict[tuple[str, str], int], Json]:
        told = report(w, "trial-balance", *words).json
        return _by_place(of_json(told)), told

    first = date(2026, 4, 1)
    found, told = at("--as-of", first.isoformat())
    w.same(
        POINT,
        "a payment at half past midnight in Berlin counts on 1 April, not in March",
        (found[USD, "usd"], told["time_zone"]),
        (sums(until=first)[USD, "usd"], "Europe/Berlin"),
    )
    before, _ = at("--as-of", "2026-03-10T10:59:59Z")
    after, _ = at("--as-of", "2026-03-10T11:00:00Z")
    w.same(
        POINT,
        "as of a moment within a day: the second before an entry, and its own",
        (before.get((USD, "usd")), after.get((USD, "usd"))),
        (sums(until=date(2026, 3, 9))[USD, "usd"], sums(until=date(2026, 3, 10))[USD, "usd"]),
    )
    both = ("--as-of", "2026-03-31", "--recorded-as-of", known_at.isoformat())
    found, told = at(*both)
    w.same(
        POINT,
        "March as it was known before the late entry lacks just that entry",
        found,
        sums(STORY, until=MARCH),
    )
    w.holds(
        POINT,
        "a recorded time that quiet inputs have not passed is told as provisional",
        told["is_provisional"] and told["waiting_for"],
        f"is_provisional {told['is_provisional']}, waiting for {len(told['waiting_for'])} inputs",
    )
    yesterday = (known_at - timedelta(days=1)).date().isoformat()
    found, _ = at("--recorded-as-of", yesterday)
    w.same(POINT, "as it was known the day before it was told, there is nothing", found, {})


def _balance_sheet(w: Walk) -> None:
    said = report(w, "balance-sheet", *UNTIL_MARCH)
    of = sums(until=MARCH)
    for currency in ("usd", "eur", "jpy"):
        sheet = of_currency(said.json, currency)
        earned = -total(of, under="revenue", currency=currency) - total(
            of, under="expenses", currency=currency
        )
        found = (
            minor(sheet["assets"]["total"]),
            minor(sheet["liabilities"]["total"]),
            minor(sheet["equity"]["total"]),
            lines(sheet["equity"])["equity:retained"],
            minor(sheet["difference"]),
        )
        expected = (
            total(of, under="assets", currency=currency),
            -total(of, under="liabilities", currency=currency),
            -total(of, under="equity", currency=currency) + earned,
            earned,
            0,
        )
        w.same(
            POINT,
            f"balance sheet in {currency.upper()}: assets, liabilities, equity, net income in"
            " Retained Earnings, and nothing between them",
            found,
            expected,
        )


def _balance_sheet_in_dollars(w: Walk) -> None:
    for day in (date(2026, 2, 28), MARCH):
        said = report(w, "balance-sheet", "--as-of", day.isoformat())
        of, sheet = sums(until=day), said.json["reporting"]["statement"]
        assets = atelier.in_dollars(_under(of, "assets"), day)
        owed = -atelier.in_dollars(_under(of, "liabilities"), day)
        earned = atelier.earned_in_dollars(ALL, since=date.min, until=day)
        put_in = -atelier.in_dollars(_under(of, "equity"), day)
        w.same(
            POINT,
            f"in the reporting currency at the rates of {day}: assets, liabilities, Retained"
            " Earnings at each day's rate, and the translation difference",
            (
                minor(sheet["assets"]["total"]),
                minor(sheet["liabilities"]["total"]),
                lines(sheet["equity"])["equity:retained"],
                minor(sheet["translation_difference"]),
                sheet["is_balanced"],
            ),
            (assets, owed, earned, assets - owed - put_in - earned, True),
        )


def _under(of: Mapping[tuple[str, str], int], name: str) -> dict[tuple[str, str], int]:
    return {place: amount for place, amount in of.items() if place[0].startswith(name)}


def _income(w: Walk) -> None:
    said = report(w, "income-statement", *SPRING)
    of = sums(since=FEBRUARY, until=MARCH)
    found = {s["currency"]: minor(s["net_income"]) for s in said.json["statements"]}
    expected = {
        c: -total(of, under="revenue", currency=c) - total(of, under="expenses", currency=c)
        for c in ("eur", "jpy", "usd")
    }
    w.same(POINT, "income of February and March in each currency", found, expected)
    whole = minor(said.json["reporting"]["statement"]["net_income"])
    w.same(
        POINT,
        "and in dollars, each day at its own rate",
        whole,
        atelier.earned_in_dollars(ALL, since=FEBRUARY, until=MARCH),
    )
    parts = [
        minor(report(w, "income-statement", *days).json["reporting"]["statement"]["net_income"])
        for days in (
            ("--from", "2026-02-01", "--to", "2026-02-28"),
            ("--from", "2026-03-01", "--to", "2026-03-31"),
        )
    ]
    w.same(POINT, "two months by themselves come to the same", sum(parts), whole)


def _cash_flow(w: Walk) -> None:
    told = report(w, "cash-flow", *SPRING).json
    before, at_end = sums(until=date(2026, 1, 31)), sums(until=MARCH)
    for currency, bank in (("usd", USD), ("eur", EUR), ("jpy", JPY)):
        flow = of_currency(told, currency)
        parts = sum(
            minor(flow[name] if "minor" in flow[name] else flow[name]["total"])
            for name in ("from_operations", "investing", "financing", "currency_trading")
        )
        place = (bank, currency)
        w.same(
            POINT,
            f"cash flow in {currency.upper()}: opening, its parts, closing are those of the bank",
            (minor(flow["opening_cash"]), parts, minor(flow["closing_cash"]), flow["is_balanced"]),
            (
                before.get(place, 0),
                at_end[place] - before.get(place, 0),
                at_end[place],
                True,
            ),
        )
    flow = told["reporting"]["statement"]
    opening, closing = (minor(flow[name]) for name in ("opening_cash", "closing_cash"))
    w.same(
        POINT,
        "cash flow in dollars: cash at the rates of both days, the rates' effect a line of its own",
        (opening, closing, minor(flow["change"]), minor(flow["difference"])),
        (
            atelier.in_dollars(_under(before, "assets:bank"), date(2026, 1, 31)),
            atelier.in_dollars(_under(at_end, "assets:bank"), MARCH),
            closing - opening,
            0,
        ),
    )


def _accounts(w: Walk) -> None:
    told = report(w, "account", USD, "--from", "2026-03-01", "--to", "2026-04-30").json
    (account,) = told["accounts"]
    legs = sorted(
        (each.at, each.reference, leg.minor)
        for each in ALL
        for leg in each.legs
        if leg.account == USD and date(2026, 3, 1) <= each.day <= date(2026, 4, 30)
    )
    opening = running = sums(until=date(2026, 2, 28))[USD, "usd"]
    expected: list[tuple[str, int, int]] = []
    for _, reference, amount in legs:
        running += amount
        expected.append((reference, amount, running))
    w.same(
        POINT,
        "account statement: opening, every posting with the balance behind it, closing",
        (
            minor(account["opening"][0]),
            [
                (line["reference"], minor(line["amount"]), minor(line["balance"]))
                for line in account["lines"]
            ],
            minor(account["closing"][0]),
        ),
        (opening, expected, running),
    )


def _general_ledger(w: Walk) -> None:
    told = report(w, "ledger", *UNTIL_MARCH).json
    closing = {
        (account["account"], money["currency"]): int(money["minor"])
        for account in told["accounts"]
        for money in account["closing"]
        if int(money["minor"])
    }
    count = sum(len(account["lines"]) for account in told["accounts"])
    w.same(
        POINT,
        "general ledger of March: every posting once, each account closing as the trial balance",
        (closing, count),
        (sums(until=MARCH), sum(len(each.legs) for each in ALL if each.day <= MARCH)),
    )


def _solvency(w: Walk) -> None:
    told = report(w, "solvency", *UNTIL_MARCH).json
    of, usd = sums(until=MARCH), of_currency(told, "usd")
    assets = total(of, under="assets", currency="usd")
    owed = -total(of, under="liabilities", currency="usd")
    w.same(
        POINT,
        "solvency: current and quick ratio, debt to equity, net equity",
        (
            usd["current_ratio"]["value"],
            usd["quick_ratio"]["value"],
            usd["debt_to_equity"]["value"],
            minor(usd["net_equity"]),
        ),
        (
            _two(Fraction(assets, owed)),
            _two(Fraction(assets, owed)),
            _two(Fraction(owed, assets - owed)),
            assets - owed,
        ),
    )
    jpy = of_currency(told, "jpy")
    spent = total(sums(since=date(2026, 1, 1), until=MARCH), under="expenses", currency="jpy")
    w.same(
        POINT,
        "runway: cash over the burn of the last 90 days",
        jpy["runway_days"]["value"],
        str(of[JPY, "jpy"] * 90 // spent),
    )
    w.same(
        POINT,
        "a ratio without a meaning says why instead",
        (jpy["current_ratio"]["value"], jpy["current_ratio"]["why_none"]),
        (None, "nothing is owed"),
    )
    whole = told["reporting"]["statement"]
    assets = atelier.in_dollars(_under(of, "assets"), MARCH)
    w.same(
        POINT,
        "solvency of all currencies in dollars",
        (whole["current_ratio"]["value"], minor(whole["net_equity"])),
        (_two(Fraction(assets, owed)), assets - owed),
    )


def _two(value: Fraction) -> str:
    """Two decimals, half away from nothing."""
    whole, part = divmod((value * 200 + 1).__floor__() // 2, 100)
    return f"{whole}.{part:02d}"

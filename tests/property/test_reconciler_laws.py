"""Laws of the reconciler's core over whatever is told: no order, no doubling, nothing used twice."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reconciler.facts.kinds import BalanceTransaction, Booking, Fact, Leg, Line, Transfer
from services.reconciler.findings.found import Discrepancy, Reconciliation
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.calendars import business_days_after
from services.reconciler.rules.expectations import Expectation, Expected, Stage
from shared.contracts.books import BankAccount, BookData
from shared.contracts.messages import MatchKind
from shared.contracts.observations import LineState
from tests.support.reconciler_facts import ANYWHERE, booking, facts_of, line, payout

FRIDAY = date(2026, 11, 6)
AT = datetime(2026, 11, 25, tzinfo=UTC)
IDS = tuple(f"po_1Q{tail}" for tail in ("K7mWLkdIwHu7ixRt5vXa2B", "J3nZLkdIwHu7ixPq8sYc9D", "F9xT"))
TEXTS = (
    "",
    "STRIPE",
    "DEPOSIT",
    "WIRE FROM ACME GMBH",
    *(f"STRIPE {name}" for name in IDS),
    IDS[0][:16],
    IDS[0].upper(),
    f"{IDS[0]} {IDS[1]}",
    "po_2ZZ9mWLkdIwHu7ixRt5vXa9Z",
)
TWO_BANKS = BookData(
    time_zone="Asia/Tokyo",
    bank_accounts=(
        BankAccount(name="ops", currency="usd", destinations=("ba_ops",)),
        BankAccount(name="tax", currency="usd", destinations=("ba_tax",)),
        BankAccount(name="yen", currency="jpy"),
    ),
)
# Small amounts that add up to one another, so that everything competes.
MINORS = st.sampled_from((100, 100, 200, 300, 300, 500, -100, -300))
DAYS = st.integers(min_value=0, max_value=10).map(lambda n: FRIDAY + timedelta(days=n))
CURRENCIES = st.sampled_from(("usd", "usd", "usd", "jpy"))


@st.composite
def expectations(draw: st.DrawFn) -> Expectation:
    return payout(
        draw(st.sampled_from((*IDS, "po_1", "po_2", "po_3", "tu_1"))),
        draw(MINORS),
        arrival=draw(DAYS),
        what=draw(st.sampled_from((Expected.PAYOUT, Expected.PAYOUT, Expected.TOPUP))),
        stage=draw(st.sampled_from(Stage)),
        currency=draw(CURRENCIES),
        destination=draw(st.sampled_from(("", "ba_ops", "ba_tax"))),
        traces=draw(st.sampled_from(((), (), ("091000019876543",)))),
    )


@st.composite
def lines(draw: st.DrawFn) -> Line:
    return line(
        draw(st.sampled_from(TEXTS)),
        draw(MINORS),
        id=draw(st.sampled_from(("l1", "l2", "l3", "l4", "l5", "l6"))),
        on=draw(DAYS),
        account=draw(st.sampled_from(("ops", "ops", "tax"))),
        currency=draw(CURRENCIES),
        state=draw(st.sampled_from((LineState.POSTED, LineState.POSTED, LineState.REMOVED))),
        revision=draw(st.integers(min_value=1, max_value=2)),
    )


@st.composite
def bookings(draw: st.DrawFn) -> Booking:
    number = draw(st.integers(min_value=1, max_value=3))
    minor, currency = draw(MINORS), draw(st.sampled_from(("usd", "eur")))
    reference, account, key, kind = draw(
        st.sampled_from(
            (
                (f"stripe:payment:ch_{number}", "assets:stripe:settling", f"ch_{number}", ""),
                ("stripe:payment:ch_1:failed", "assets:stripe:settling", "ch_1", "payment_failed"),
                (f"stripe:balance_transaction:txn_{number}", "assets:stripe:settling", "ch_1", ""),
                (f"stripe:payment:ch_{number}", "liabilities:connect", "acct_2", ""),
                ("stripe:payment:ch_1:failed", "liabilities:connect", "acct_2", "payment_failed"),
                (f"stripe:transfer:tr_{number}", "liabilities:connect", "acct_2", ""),
                (f"command:{number}", "assets:stripe:in-transit", IDS[0], "manual_entry"),
                (f"command:{number}", "liabilities:suspense", "l1", "manual_entry"),
                (
                    f"stripe:balance_transaction:txn_9{number}",
                    "assets:stripe:in-transit",
                    IDS[1],
                    "",
                ),
            )
        )
    )
    at = datetime(2026, 11, 9, number, tzinfo=UTC)
    return booking(reference, Leg(account, key, currency, minor), kind=kind, on=at)


KNOWN: st.SearchStrategy[list[Fact]] = st.lists(
    st.one_of(
        expectations(),
        lines(),
        lines(),
        bookings(),
        st.builds(Transfer, st.sampled_from(("tr_1", "tr_2")), st.sampled_from(("", "ch_1"))),
        st.builds(
            BalanceTransaction,
            st.sampled_from(("txn_1", "txn_2")),
            st.just("x"),
            st.sampled_from(("charge", "charge_failure")),
        ),
    ),
    max_size=24,
)
BOOKS = st.sampled_from((ANYWHERE, TWO_BANKS))


@given(KNOWN, BOOKS, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_order_and_doubling_of_what_is_told_change_nothing(
    facts: list[Fact], book: BookData, random: Random
) -> None:
    again = [*facts, *random.choices(facts, k=len(facts))] if facts else []
    random.shuffle(again)
    first = reconcile(facts_of(facts, book=book), at=AT)
    assert reconcile(facts_of(again, book=book), at=AT) == first


@given(KNOWN, BOOKS)
@settings(max_examples=300, deadline=None)
def test_nothing_is_used_twice_and_every_match_balances(facts: list[Fact], book: BookData) -> None:
    known = facts_of(facts, book=book)
    result = reconcile(known, at=AT)
    made = [m for m in result.matches if m.kind is MatchKind.BANK_LINE]
    used = Counter(m.line.key for m in made if m.line is not None)
    assert set(used.values()) <= {1}
    shares: defaultdict[str, int] = defaultdict(int)
    for match in made:
        by_currency: defaultdict[str, int] = defaultdict(int)
        for leg in match.clears:
            by_currency[leg.currency] += leg.minor
        assert set(by_currency.values()) == {0}
        for settled in match.settles:
            shares[settled.object] += settled.share.minor
    for expected in known.expectations:
        by_hand = sum(
            leg.minor
            for b in known.bookings
            for leg in b.legs
            if b.kind == "manual_entry"
            and (leg.account, leg.key) == ("assets:stripe:in-transit", expected.id)
            and leg.currency == expected.currency
        )
        if shares[expected.id]:
            assert shares[expected.id] == expected.bank_minor + by_hand
    assert len({m.id for m in result.matches}) == len(result.matches)


def told_with_a_payout(found: Discrepancy) -> list[str]:
    """The lines that a payout's discrepancy tells of: they came in another currency."""
    lines, is_elsewhere, _ = found.found.partition(", in another currency")
    return [each.rpartition(" in ")[2] for each in lines.split(", ")] if is_elsewhere else []


@given(KNOWN, BOOKS)
@settings(max_examples=300, deadline=None)
def test_every_discrepancy_stands_once_and_every_posted_line_is_accounted_for(
    facts: list[Fact], book: BookData
) -> None:
    known = facts_of(facts, book=book)
    result = reconcile(known, at=AT)
    assert len({d.id for d in result.discrepancies}) == len(result.discrepancies)
    assert all(d.amount is None or d.amount.minor >= 0 for d in result.discrepancies)
    matched = {m.line.key for m in result.matches if m.line is not None}
    by_hand = {leg.key for b in known.bookings for leg in b.legs if b.kind == "manual_entry"}
    said = Counter(d.subject for d in result.discrepancies)
    said += Counter(line_id for d in result.discrepancies for line_id in told_with_a_payout(d))
    wanted: Counter[str] = Counter()
    for each in known.lines:
        if each.state is LineState.POSTED and each.id not in by_hand:
            wanted[each.id] += each.key not in matched
    assert {k: said[k] for k in wanted} == dict(wanted)


@given(KNOWN, BOOKS, st.integers(min_value=0, max_value=60))
@settings(max_examples=200, deadline=None)
def test_nothing_changes_before_the_time_that_was_said(
    facts: list[Fact], book: BookData, days: int
) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=days)
    known = facts_of(facts, book=book)
    first = reconcile(known, at=at)
    until = at + timedelta(days=90) if first.wake_at is None else first.wake_at
    last = reconcile(known, at=until - timedelta(microseconds=1))
    assert (last.matches, last.discrepancies) == (first.matches, first.discrepancies)


@st.composite
def crowded_worlds(draw: st.DrawFn) -> tuple[list[Expectation], list[Line], dict[str, str]]:
    """Every payout's line comes in its window, and strangers pay the same amount without a name."""
    random = Random(draw(st.integers(min_value=0, max_value=2**32)))
    payouts: list[Expectation] = []
    told: list[Line] = []
    truth: dict[str, str] = {}
    spread = random.choice((6, 12, 25))
    for n in range(random.randrange(1, 9)):
        arrival = FRIDAY + timedelta(days=random.randrange(spread))
        one = payout(f"po_{n}", random.choice((900, 1_900)), arrival=arrival)
        lag = random.choice((-1, 0, 0, 1, 2, 3, 4, 5))
        text = random.choice(("", "", "", "STRIPE", f"STRIPE {one.id}"))
        on = business_days_after(arrival, lag) if lag else arrival
        name = f"l{random.randrange(10**6)}_{n}"
        payouts.append(one)
        told.append(line(text, one.minor, id=name, on=on))
        truth[name] = one.id
    for n in range(random.randrange(4)):
        like = random.choice(told)
        on = like.booked_on + timedelta(days=random.randrange(-4, 5))
        told.append(line("", like.minor, id=f"l{random.randrange(10**6)}_s{n}", on=on))
    return payouts, told, truth


def seating(result: Reconciliation) -> dict[str, str]:
    return {m.line.id: s.object for m in result.matches if m.line is not None for s in m.settles}


@given(crowded_worlds())
@settings(max_examples=400, deadline=None)
def test_nameless_strangers_of_the_same_amount_never_settle_a_payout_whose_line_came(
    world: tuple[list[Expectation], list[Line], dict[str, str]],
) -> None:
    payouts, told, truth = world
    arrival = {p.id: p.arrival for p in payouts}
    on = {each.id: (each.booked_on, each.description != "") for each in told}
    right = Counter((on[name], arrival[owner]) for name, owner in truth.items())
    # Lines of one day, and payouts of one day, are interchangeable: so days are compared.
    result = reconcile(facts_of([*payouts, *told]), at=AT)
    made = Counter((on[name], arrival[owner]) for name, owner in seating(result).items())
    assert made <= right

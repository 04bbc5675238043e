"""Point 1, whatever the order: one story told forwards in one book, and upside down in another."""

from collections.abc import Sequence

from tests.walk.payloads import charge, dispute, movement, payout, refund, reversal, transfer
from tests.walk.walking import Json, Walk

POINT = "1"
Told = tuple[str, Json]  # the type of an event, or nothing where the API tells it; the object


def walk_orders(w: Walk) -> None:
    """The books attic and shop hear the same; shop hears it backwards, and all of it twice."""
    story = _story(w)
    forwards = _moved(w, "attic", story)
    backwards = _moved(w, "shop", [told for told in reversed(story) for _ in range(2)])
    w.same(POINT, f"{len(story)} messages told backwards, and each twice, make the same books",
           backwards, forwards, command="the story to attic; the same, reversed, to shop")  # fmt: skip
    expected = {
        "assets:stripe:balance usd": 80_475,
        "assets:stripe:in-transit usd": 2_000,
        "expenses:disputes usd": 3_000,
        "expenses:stripe-fees usd": 3_525,
        "liabilities:connect usd": 0,
        "revenue:refunds usd": 6_000,
        "revenue:stripe usd": -95_000,
        "revenue:stripe jpy": -5_000,
        "assets:stripe:settling jpy": 5_000,
        "revenue:stripe kwd": -12_345,
        "assets:stripe:settling kwd": 12_345,
    }
    w.same(POINT, "and they are those that a bookkeeper comes to by hand",
           {name: forwards.get(name, 0) for name in expected}, expected,
           command="ledger_read.balances of attic")  # fmt: skip
    csv = w.cli("report", "trial-balance", "--book", "attic", "--format", "csv").out
    shown = [line for line in csv.splitlines() if ",kwd," in line or ",jpy," in line]
    w.holds(POINT, "yen have no decimals in a statement, and dinars three",
            any("12.345" in line for line in shown)
            and any(",5000," in line for line in shown), shown)  # fmt: skip


def _story(w: Walk) -> list[Told]:
    """Sales, a refund, a lost dispute that comes back in part, a shared sale, a payout."""
    sale, shared, sent, back = w.new("ch"), w.new("ch"), w.new("tr"), w.new("trr")
    given, failed, lost, paid = w.new("re"), w.new("re"), w.new("du"), w.new("po")
    taken = movement(w.new("txn"), "adjustment", -5_000, 1_500, lost, category="dispute")
    part = movement(w.new("txn"), "adjustment", 2_000, 0, lost, category="dispute_reversal")
    split = {"destination": "acct_1Merchant", "amount": 5_000}
    return [
        ("charge.succeeded", charge(sale, 90_000)),
        ("", movement(w.new("txn"), "charge", 90_000, 1_700, sale)),
        ("charge.succeeded", charge(shared, 10_000, transfer_data=split)),
        ("transfer.created", transfer(sent, 5_000)),
        ("", movement(w.new("txn"), "charge", 10_000, 325, shared)),
        ("", movement(w.new("txn"), "transfer", -5_000, 0, sent)),
        ("refund.created", refund(given, sale, 7_000)),
        ("", movement(w.new("txn"), "refund", -7_000, 0, given)),
        ("transfer.reversed", transfer(sent, 5_000, reversal(back, sent, 1_000,
                                                             source_refund=given))),
        ("", movement(w.new("txn"), "transfer_refund", 1_000, 0, back)),
        ("refund.failed", refund(failed, sale, 400, status="failed")),
        ("", movement(w.new("txn"), "refund", -400, 0, failed)),
        ("", movement(w.new("txn"), "refund_failure", 400, 0, failed)),
        ("charge.dispute.created", dispute(lost, "needs_response", taken)),
        ("charge.dispute.funds_reinstated", dispute(lost, "lost", taken, part)),
        ("payout.created", payout(paid, 2_000, "in_transit")),
        ("", movement(w.new("txn"), "payout", -2_000, 0, paid)),
        ("charge.succeeded", charge(w.new("ch"), 5_000, "jpy")),
        ("charge.succeeded", charge(w.new("ch"), 12_345, "kwd")),
    ]  # fmt: skip


def _moved(w: Walk, book: str, story: Sequence[Told]) -> dict[str, int]:
    """What every account but those of credits moved by, where the story was told to a book."""
    before = _standing(w, book)
    for kind, shown in story:
        if kind:
            w.tell(kind, shown, endpoint=book)
        else:
            w.poll(shown, book=book)
    w.booked()
    after = _standing(w, book)
    moved = {name: after[name] - before.get(name, 0) for name in after}
    return {name: minor for name, minor in sorted(moved.items()) if minor}


def _standing(w: Walk, book: str) -> dict[str, int]:
    rows = w.sql(
        "select account, currency, minor from ledger_read.balances where book = $1"
        " and account not like 'memo:%'",
        book,
    )
    return {f"{row['account']} {row['currency']}": int(row["minor"]) for row in rows}

"""Stripe's own balance against the ledger's: of the same movements, and of nothing else."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.reconciler.breaks.stripe_balance import (
    beyond,
    last_readings,
    stripe_proofs,
    sums_of,
)
from services.reconciler.facts.kinds import STRIPE_BALANCE, Booking, Leg, StripeReading
from services.reconciler.facts.known import Facts, StripeProof
from services.reconciler.facts.stripe_objects import told_by
from services.reconciler.findings.life import reports
from services.reconciler.reconcile import reconcile
from shared.contracts.books import BookData
from shared.contracts.discrepancies import DiscrepancyKind, Severity

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=3)
OWN = (STRIPE_BALANCE,)
PREFUNDING = "assets:stripe:refund-and-dispute-prefunding"


def moved(name: str, minor: int, *, at: datetime = NOON, to: str = STRIPE_BALANCE) -> Booking:
    """A balance transaction as the ledger books it; a name with a colon is a person's entry."""
    reference = name if ":" in name else f"stripe:balance_transaction:{name}"
    return Booking(reference, "balance_transaction", at, at, (Leg(to, "", "usd", minor),))


def read(
    minor: int,
    *,
    to: datetime | None = NOON,
    last: Iterable[str] = (),
    told: int = 1,
    owner: str = "acct_1",
) -> StripeReading:
    """Stripe's balance with what was listed of it, told so many minutes after noon."""
    return StripeReading(
        owner=owner,
        told_at=NOON + timedelta(minutes=told),
        totals=((STRIPE_BALANCE, "usd", minor),),
        shown=OWN,
        created_to=to,
        last=tuple(sorted(last)),
        ends=((0, 1),),
    )


def proofs(
    readings: Iterable[StripeReading],
    bookings: Iterable[Booking],
    *,
    owners: tuple[str, ...] = (),
    whose: dict[str, str] | None = None,
    accounts: tuple[str, ...] = OWN,
) -> tuple[StripeProof, ...]:
    booked = tuple(bookings)
    rows = [(r, beyond(r, booked, accounts, whose or {})) for r in last_readings(readings)]
    return stripe_proofs(rows, sums_of(booked, accounts), owners=owners, accounts=accounts)


def drifts(found: Iterable[StripeProof]) -> list[int]:
    return [proof.drift_minor for proof in found]


def told(found: Iterable[StripeProof]) -> list[str]:
    """What a book says when it knows these proofs and nothing else."""
    known = Facts(BookData(), stripe_proofs=tuple(found), proofs_needed=2)
    return [d.explanation for d in reconcile(known, at=LATER).discrepancies]


def test_balance_that_is_the_sum_of_its_movements_shows_no_difference() -> None:
    books = (moved("txn_1", 970), moved("txn_2", -200))
    assert drifts(proofs([read(770, last=["txn_1", "txn_2"])], books)) == [0]


def test_movement_that_the_ledger_booked_after_the_reading_is_not_held_against_it() -> None:
    books = (moved("txn_1", 970), moved("txn_2", 500, at=NOON + timedelta(seconds=1)))
    assert drifts(proofs([read(970, last=["txn_1"])], books)) == [0]


def test_movement_of_the_readings_last_second_counts_when_it_was_listed() -> None:
    books = (moved("txn_1", 970), moved("txn_2", 500))
    assert drifts(proofs([read(970, last=["txn_1"])], books)) == [0]
    assert drifts(proofs([read(1_470, last=["txn_1", "txn_2"])], books)) == [0]


def test_movement_that_was_never_booked_opens_a_critical_drift_at_the_second_reading() -> None:
    books = (moved("txn_1", 970),)
    one, two = read(1_470, last=["txn_1", "txn_2"]), read(1_470, last=["txn_1", "txn_2"], told=2)
    assert told(proofs([one], books)) == []
    (said,) = told(proofs([one, two], books))
    assert said == (
        "Stripe's balance of acct_1 is 5.00 USD more than the ledger's, of the same balance"
        " transactions."
    )
    known = Facts(BookData(), stripe_proofs=proofs([one, two], books), proofs_needed=2)
    (found,) = reconcile(known, at=LATER).discrepancies
    assert (found.kind, found.subject) == (DiscrepancyKind.BALANCE_DRIFT, "acct_1")
    assert found.found == "14.70 USD at Stripe and 9.70 USD in the ledger, of the same movements"
    (report,) = reports(book="main", wanted=[replace(found, amount=None)], known={}, at=LATER)
    assert report.severity is Severity.CRITICAL


def test_movement_that_is_booked_late_heals_the_readings_that_listed_it() -> None:
    readings = [read(1_470, last=["txn_1", "txn_2"], told=n) for n in (1, 2)]
    books = [moved("txn_1", 970)]
    assert len(told(proofs(readings, books))) == 1
    late = moved("txn_2", 500, at=NOON)
    assert told(proofs(readings, [*books, late])) == []


def test_entry_that_is_no_movement_counts_whenever_it_takes_effect() -> None:
    """No reading lists it, so no reading can say that it came later."""
    readings = [read(9_970, last=["txn_1"], told=n) for n in (1, 2)]
    opening = moved("command:opening", 9_000, at=LATER)
    assert told(proofs(readings, [moved("txn_1", 970)])) != []
    assert told(proofs(readings, [moved("txn_1", 970), opening])) == []


def test_balance_below_zero_and_a_balance_of_nothing_are_held_like_any_other() -> None:
    assert drifts(proofs([read(-300, last=["txn_1"])], [moved("txn_1", -300)])) == [0]
    assert drifts(proofs([read(0, to=None)], [])) == [0]
    assert drifts(proofs([read(0, to=None)], [moved("txn_1", 40)])) == [0]


def test_currency_that_stripe_no_longer_shows_is_held_as_nothing() -> None:
    euros = Booking(
        "stripe:balance_transaction:txn_e", "balance_transaction", NOON, NOON,
        (Leg(STRIPE_BALANCE, "", "eur", 70),),
    )  # fmt: skip
    found = proofs([read(0, last=["txn_e"])], [euros])
    assert [(p.currency, p.drift_minor) for p in found] == [("eur", -70), ("usd", 0)]


def test_reserved_funds_stand_apart_and_a_type_that_stripe_does_not_show_is_not_held() -> None:
    reserve = moved("txn_r", 300, to="assets:stripe:reserve")
    prefunded = moved("txn_p", 50, to=PREFUNDING)
    books = (moved("txn_1", 970), reserve, prefunded)
    reading = read(970, last=["txn_1", "txn_r", "txn_p"])
    both = (STRIPE_BALANCE, PREFUNDING)
    assert [p.account for p in proofs([reading], books, accounts=both)] == [STRIPE_BALANCE]
    shown = replace(reading, shown=both)
    found = proofs([shown], books, accounts=both)
    assert {p.account: p.drift_minor for p in found} == {STRIPE_BALANCE: 0, PREFUNDING: -50}


def test_several_stripe_accounts_are_held_as_one_sum_when_all_have_been_read() -> None:
    one, two = read(900, last=["txn_1"]), read(100, last=["txn_2"], owner="acct_2")
    later = moved("txn_3", 5, at=NOON + timedelta(hours=1))
    books = [moved("txn_1", 900), moved("txn_2", 100), later]
    whose = {"txn_1": "acct_1", "txn_2": "acct_2", "txn_3": "acct_2"}
    owners = ("acct_1", "acct_2")
    assert proofs([one], books, owners=owners, whose=whose) == ()
    assert drifts(proofs([one, two], books, owners=owners, whose=whose)) == [0]
    busy = replace(one, created_to=LATER, last=())
    assert drifts(proofs([busy, two], books, owners=owners, whose=whose)) == [0]


def test_movement_that_no_account_claims_yet_proves_nothing_of_several() -> None:
    one, two = read(900, last=["txn_1"]), read(100, last=["txn_2"], owner="acct_2")
    books = [moved("txn_1", 900), moved("txn_2", 100), moved("txn_3", 5, at=LATER)]
    whose = {"txn_1": "acct_1", "txn_2": "acct_2"}
    assert proofs([one, two], books, owners=("acct_1", "acct_2"), whose=whose) == ()


AMOUNTS = st.lists(st.integers(-5_000, 5_000), min_size=1, max_size=12)


@given(AMOUNTS, st.integers(0, 11), st.randoms(use_true_random=False))
def test_same_facts_in_any_order_give_the_same_proofs(
    amounts: list[int], lost: int, order: Random
) -> None:
    """Whole books agree at every reading; what is lost is the difference of those that list it."""
    at = [NOON + timedelta(seconds=n // 2) for n in range(len(amounts))]
    books = [moved(f"txn_{n}", a, at=at[n]) for n, a in enumerate(amounts)]
    readings = [
        read(
            sum(amounts[: upto + 1]),
            to=at[upto],
            last=[f"txn_{n}" for n in range(upto + 1) if at[n] == at[upto]],
            told=upto,
        )
        for upto in range(len(amounts))
    ]
    shuffled = [*books]
    order.shuffle(shuffled)
    some = [*readings]
    order.shuffle(some)
    assert set(drifts(proofs(some, shuffled))) == {0}
    missing = lost % len(amounts)
    rest = [b for b in shuffled if b.reference != f"stripe:balance_transaction:txn_{missing}"]
    found = proofs(some, rest)
    assert found == proofs(readings, sorted(rest, key=lambda b: b.reference))
    assert found[-1].drift_minor == amounts[missing]


def test_reading_that_the_poller_told_is_read_as_it_was_meant() -> None:
    (found,) = told_by(
        {
            "id": "balance_reading.1",
            "object": "balance_reading",
            "balance_types": ["payments", "something_new"],
            "totals": [
                {"balance_type": "payments", "currency": "usd", "amount": -5},
                {"balance_type": "payments", "currency": "xxq", "amount": 1},
                {"balance_type": "something_new", "currency": "usd", "amount": 7},
            ],
            "created_to": int(NOON.timestamp()),
            "last": ["txn_1"],
            "ends": {"0": 5, "3": 0},
        },
        at=NOON,
        account="acct_1",
    )
    assert found == StripeReading(
        owner="acct_1",
        told_at=NOON,
        totals=((STRIPE_BALANCE, "usd", -5),),
        shown=OWN,
        created_to=NOON,
        last=("txn_1",),
        ends=((0, 5), (3, 0)),
    )

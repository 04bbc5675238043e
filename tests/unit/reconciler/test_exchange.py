"""Two halves in two currencies: what is cleared against the currency trading account, and when."""

from datetime import UTC, datetime

import pytest

from services.reconciler.breaks.exchange import SETTLED, TRANSFERRED
from services.reconciler.facts.kinds import BalanceTransaction, Booking, Fact, Leg, Transfer
from services.reconciler.findings.found import Reconciliation, difference
from services.reconciler.reconcile import reconcile
from shared.contracts.messages import MatchKind, MatchUndone
from tests.support.reconciler_facts import LATER, booking, facts_of, found, said

SETTLING = "assets:stripe:settling"
CONNECT = "liabilities:connect"


def half(reference: str, key: str, minor: int, currency: str, *, kind: str = "") -> Booking:
    return booking(reference, Leg(SETTLING, key, currency, minor), kind=kind)


def txn(number: int, key: str, minor: int, currency: str = "usd") -> Booking:
    return half(f"stripe:balance_transaction:txn_{number}", key, minor, currency)


def told(number: int, category: str) -> BalanceTransaction:
    return BalanceTransaction(f"txn_{number}", category, category)


def cleared(result: Reconciliation) -> list[tuple[str, str, str, int]]:
    return sorted(
        (leg.account, leg.key, leg.currency, leg.minor)
        for match in result.matches
        for leg in match.clears
    )


@pytest.mark.parametrize(
    ("reference", "key", "category", "object_minor", "settled_minor"),
    [
        ("stripe:payment:ch_1", "ch_1", "charge", 5_000, -5_400),
        ("stripe:payment:py_1", "py_1", "payment", 5_000, -5_400),
        ("stripe:refund:re_1", "re_1", "refund", -5_000, 5_400),
        ("stripe:transfer:tr_1", "tr_1", "transfer", -5_000, 5_400),
        ("stripe:transfer_reversal:trr_1", "trr_1", "transfer_refund", 5_000, -5_400),
    ],
)
def test_object_in_one_currency_and_its_settlement_in_another_clear_each_other(
    reference: str, key: str, category: str, object_minor: int, settled_minor: int
) -> None:
    one = half(reference, key, object_minor, "eur")
    other = txn(1, key, settled_minor)
    for facts in ((one, other, told(1, category)), (one, other)):
        result = found(*facts, at=LATER)
        (match,) = result.matches
        assert (match.kind, match.rule) == (MatchKind.EXCHANGE, SETTLED)
        assert cleared(result) == sorted(
            [(SETTLING, key, "eur", -object_minor), (SETTLING, key, "usd", -settled_minor)]
        )
        assert match.evidence == (other.reference, one.reference)
        assert said(result) == []


def test_one_half_alone_is_not_cleared() -> None:
    one = half("stripe:payment:ch_1", "ch_1", 5_000, "eur")
    assert found(one).matches == ()
    assert said(found(one, at=LATER)) == ["clearing_overdue ch_1 5000"]
    assert said(found(txn(1, "ch_1", -5_400), at=LATER)) == ["clearing_overdue ch_1 5400"]


def test_halves_in_one_currency_are_never_exchanged() -> None:
    agree = (half("stripe:payment:ch_1", "ch_1", 5_000, "usd"), txn(1, "ch_1", -5_000))
    assert found(*agree, told(1, "charge"), at=LATER).matches == ()
    differ = (half("stripe:payment:ch_1", "ch_1", 5_000, "usd"), txn(1, "ch_1", -4_900))
    result = found(*differ, told(1, "charge"), at=LATER)
    assert (result.matches, said(result)) == ((), ["clearing_overdue ch_1 100"])


def test_halves_with_the_same_sign_are_never_exchanged() -> None:
    same = (half("stripe:payment:ch_1", "ch_1", 5_000, "eur"), txn(1, "ch_1", 5_400))
    assert found(*same, told(1, "charge")).matches == ()


def test_failure_is_cleared_apart_from_what_was_done() -> None:
    """A failed refund: the money goes out and comes back at another rate."""
    facts: list[Fact] = [
        half("stripe:refund:re_1", "re_1", -5_000, "eur"),
        half("stripe:refund:re_1:failed", "re_1", 5_000, "eur", kind="refund_failed"),
        txn(1, "re_1", 5_400),
        txn(2, "re_1", -5_350),
        told(1, "refund"),
        told(2, "refund_failure"),
    ]
    result = found(*facts, at=LATER)
    assert len(result.matches) == 2
    assert len({m.id for m in result.matches}) == 2
    assert sum(minor for *_, currency, minor in cleared(result) if currency == "usd") == -50
    assert sum(minor for *_, currency, minor in cleared(result) if currency == "eur") == 0
    assert said(result) == []
    reordered = found(*reversed(facts), at=LATER)
    assert reordered.matches == result.matches


RETURNS = (
    ("refund_failure", "refund_failure"),
    ("adjustment", "refund_failure"),
    ("payment_refund", "refund_failure"),
    ("payment_refund", "refund"),
    ("refund", "refund"),
    ("adjustment", "refund"),
    ("payment_refund", ""),
    ("refund", ""),
)


@pytest.mark.parametrize(("kind", "category"), RETURNS)
def test_money_of_a_failed_refund_comes_back_under_whatever_name(kind: str, category: str) -> None:
    """100.00 EUR go out for 106.12 USD and come back as 107.00: 0.88 is the rates' own."""
    facts: list[Fact] = [
        half("stripe:refund:re_1", "re_1", -10_000, "eur"),
        half("stripe:refund:re_1:failed", "re_1", 10_000, "eur", kind="refund_failed"),
        txn(1, "re_1", 10_612),
        txn(2, "re_1", -10_700),
        told(1, "refund"),
        BalanceTransaction("txn_2", kind, category),
    ]
    result = found(*facts, at=LATER)
    assert cleared(result) == [
        (SETTLING, "re_1", "eur", -10_000),
        (SETTLING, "re_1", "eur", 10_000),
        (SETTLING, "re_1", "usd", -10_612),
        (SETTLING, "re_1", "usd", 10_700),
    ]
    assert said(result) == []
    assert found(*reversed(facts), at=LATER).matches == result.matches


@pytest.mark.parametrize(("kind", "category"), RETURNS)
def test_money_of_a_failed_refund_waits_until_the_failure_is_told(kind: str, category: str) -> None:
    facts: list[Fact] = [
        half("stripe:refund:re_1", "re_1", -10_000, "eur"),
        txn(1, "re_1", 10_612),
        txn(2, "re_1", -10_700),
        told(1, "refund"),
        BalanceTransaction("txn_2", kind, category),
    ]
    result = found(*facts, at=LATER)
    assert cleared(result) == [
        (SETTLING, "re_1", "eur", 10_000),
        (SETTLING, "re_1", "usd", -10_612),
    ]
    assert said(result) == ["clearing_overdue re_1 10700"]


def test_refund_in_parts_is_what_was_done_however_many_movements_it_has() -> None:
    facts: list[Fact] = [
        half("stripe:refund:re_1", "re_1", -10_000, "eur"),
        txn(1, "re_1", 6_612),
        txn(2, "re_1", 4_000),
        told(1, "refund"),
        BalanceTransaction("txn_2", "payment_refund", "refund"),
    ]
    result = found(*facts, at=LATER)
    assert cleared(result) == [
        (SETTLING, "re_1", "eur", 10_000),
        (SETTLING, "re_1", "usd", -10_612),
    ]
    assert said(result) == []


def test_movement_of_which_it_is_unknown_what_it_settles_waits() -> None:
    facts: list[Fact] = [
        half("stripe:refund:re_1:failed", "re_1", 5_000, "eur", kind="refund_failed"),
        txn(1, "re_1", 5_400),
    ]
    assert found(*facts).matches == ()


def test_uncaptured_part_goes_back_beside_the_charge_that_was_settled_whole() -> None:
    """60 of 100 euros captured: the charge settles 108 dollars and gives 43.20 back."""
    facts: list[Fact] = [
        half("stripe:payment:ch_1", "ch_1", 6_000, "eur"),
        txn(1, "ch_1", -10_800),
        txn(2, "ch_1", 4_320),
        told(1, "charge"),
        told(2, "partial_capture_reversal"),
    ]
    result = found(*facts, at=LATER)
    assert cleared(result) == [
        (SETTLING, "ch_1", "eur", -6_000),
        (SETTLING, "ch_1", "usd", 6_480),
    ]
    assert said(result) == []


def test_match_changes_its_money_when_a_later_movement_of_the_same_matter_comes() -> None:
    facts: list[Fact] = [
        half("stripe:payment:ch_1", "ch_1", 6_000, "eur"),
        txn(1, "ch_1", -10_800),
        told(1, "charge"),
    ]
    (first,) = found(*facts).matches
    later: list[Fact] = [txn(2, "ch_1", 4_320), told(2, "partial_capture_reversal")]
    (second,) = found(*facts, *later).matches
    assert first.id == second.id
    assert first.clears != second.clears


def test_entries_that_a_match_caused_are_not_matched_again() -> None:
    facts: list[Fact] = [
        half("stripe:payment:ch_1", "ch_1", 5_000, "eur"),
        txn(1, "ch_1", -5_400),
        told(1, "charge"),
    ]
    (match,) = found(*facts).matches
    booked = booking(f"match:{match.id}:1", *match.clears, kind="match")
    again = found(*facts, booked, at=LATER)
    assert again.matches == (match,)
    assert said(again) == []


def connect(reference: str, minor: int, currency: str) -> Booking:
    return booking(reference, Leg(CONNECT, "acct_2", currency, minor))


def test_share_owed_in_one_currency_and_transferred_in_another_is_cleared() -> None:
    owed = connect("stripe:payment:ch_1", -5_000, "eur")
    paid = connect("stripe:transfer:tr_1", 5_400, "usd")
    result = found(owed, paid, Transfer("tr_1", "ch_1"))
    (match,) = result.matches
    assert match.rule == TRANSFERRED
    assert cleared(result) == [
        (CONNECT, "acct_2", "eur", 5_000),
        (CONNECT, "acct_2", "usd", -5_400),
    ]
    assert found(owed, paid).matches == ()
    assert found(owed, paid, Transfer("tr_1", "ch_9")).matches == ()
    assert found(owed, paid, Transfer("tr_1", "")).matches == ()


def test_share_transferred_in_its_own_currency_needs_no_exchange() -> None:
    owed = connect("stripe:payment:ch_1", -5_000, "usd")
    paid = connect("stripe:transfer:tr_1", 5_000, "usd")
    assert found(owed, paid, Transfer("tr_1", "ch_1")).matches == ()


def debit_that_fails(*, is_reversed: bool) -> tuple[list[Fact], Booking]:
    """A debit of 100.00 EUR, 90.00 of them sent on as 97.65 USD, and its failure."""
    told_first: list[Fact] = [
        booking(
            "stripe:payment:py_1",
            Leg(SETTLING, "py_1", "eur", 10_000),
            Leg(CONNECT, "acct_2", "eur", -9_000),
        ),
        connect("stripe:transfer:tr_1", 9_765, "usd"),
        Transfer("tr_1", "py_1"),
    ]
    if is_reversed:
        told_first.append(connect("stripe:transfer_reversal:trr_1", -9_765, "usd"))
    failed = booking(
        "stripe:payment:py_1:failed",
        Leg(SETTLING, "py_1", "eur", -10_000),
        Leg(CONNECT, "acct_2", "eur", 9_000),
        kind="payment_failed",
    )
    return told_first, failed


@pytest.mark.parametrize("is_reversed", [True, False])
def test_charge_that_failed_owes_nothing_that_a_transfer_could_have_paid(
    *, is_reversed: bool
) -> None:
    told_first, failed = debit_that_fails(is_reversed=is_reversed)
    (made,) = found(*told_first).matches
    assert made.rule == TRANSFERRED
    standing = [made.made(1)]
    after = reconcile(facts_of([*told_first, failed], standing=standing), at=LATER)
    assert (after.matches, said(after)) == ((), [])
    (undone,) = difference(standing, after.matches, revisions={made.id: 1})
    assert isinstance(undone, MatchUndone)
    assert (undone.id, undone.revision) == (made.id, 1)


def test_failure_told_before_the_charge_it_is_of_lets_nothing_be_exchanged() -> None:
    told_first, failed = debit_that_fails(is_reversed=True)
    facts = [failed, *told_first]
    for end in range(1, len(facts) + 1):
        assert found(*facts[:end]).matches == ()


def test_failure_of_one_charge_leaves_what_another_owes_to_its_own_transfer() -> None:
    told_first, failed = debit_that_fails(is_reversed=True)
    other = (
        connect("stripe:payment:ch_1", -5_000, "eur"),
        connect("stripe:transfer:tr_2", 5_400, "usd"),
        Transfer("tr_2", "ch_1"),
    )
    result = found(*told_first, failed, *other)
    assert cleared(result) == [
        (CONNECT, "acct_2", "eur", 5_000),
        (CONNECT, "acct_2", "usd", -5_400),
    ]


def test_exchange_takes_effect_when_both_halves_have() -> None:
    late = datetime(2026, 11, 20, tzinfo=UTC)
    one = half("stripe:payment:ch_1", "ch_1", 5_000, "eur")
    other = booking(
        "stripe:balance_transaction:txn_1", Leg(SETTLING, "ch_1", "usd", -5_400), on=late
    )
    (match,) = found(one, other, told(1, "charge")).matches
    assert match.effective_at == late

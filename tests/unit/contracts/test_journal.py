from datetime import UTC, datetime
from textwrap import dedent

import pytest
from msgspec.structs import replace

from shared.contracts.errors import AccountInvalid, EntryUnbalanced, TimeInvalid
from shared.contracts.journal import (
    DEFAULT_BOOK,
    Account,
    Book,
    Direction,
    Entry,
    Line,
    Posting,
    Reference,
    account,
    credit,
    debit,
    entry,
    render,
    reversal_of,
)
from shared.contracts.money import Money
from shared.contracts.times import FIRST, LAST

AT = datetime(2026, 11, 3, tzinfo=UTC)
BALANCE = account("assets:stripe:balance")
FEES = account("expenses:stripe-fees")
SETTLING = account("assets:stripe:settling")


def usd(minor: int) -> Money:
    return Money.of(minor, "usd")


def booked(*lines: Line) -> Entry | None:
    return entry(
        book=DEFAULT_BOOK,
        reference=Reference("stripe:balance_transaction:txn_1"),
        kind="balance_transaction",
        effective_at=AT,
        lines=lines,
        rules_version=1,
    )


def sale() -> Entry:
    made = booked(
        debit(BALANCE, usd(9_680)),
        debit(FEES, usd(320)),
        credit(SETTLING, usd(10_000), key="ch_1"),
    )
    assert made is not None
    return made


def test_entry_is_written_as_a_bookkeeper_writes_it() -> None:
    assert render(sale()) == dedent("""\
        Dr assets:stripe:balance          96.80 USD
        Dr expenses:stripe-fees            3.20 USD
        Cr assets:stripe:settling[ch_1]  100.00 USD""")


def test_entry_of_zero_lines_is_nothing_to_book() -> None:
    assert booked(debit(BALANCE, usd(0)), credit(SETTLING, usd(0))) is None
    assert booked() is None
    assert render(None) == ""


def test_entry_leaves_zero_lines_out_and_turns_negative_ones() -> None:
    made = booked(
        debit(BALANCE, usd(-20)),
        debit(FEES, usd(20)),
        credit(SETTLING, usd(0), key="ch_1"),
    )
    assert made is not None
    assert [(p.account, p.direction, p.amount.minor) for p in made.postings] == [
        (BALANCE, Direction.CREDIT, 20),
        (FEES, Direction.DEBIT, 20),
    ]


@pytest.mark.parametrize("excess", [1, -1, 10**29])
def test_entry_whose_sides_differ_is_not_built_and_says_by_how_much(excess: int) -> None:
    with pytest.raises(EntryUnbalanced) as refused:
        booked(debit(BALANCE, usd(100 + excess)), credit(SETTLING, usd(100)))
    assert refused.value.excess_minor == excess
    assert refused.value.currency == "usd"
    side = "debits exceed credits" if excess > 0 else "credits exceed debits"
    assert f"{side} by {abs(excess)} minor units of usd" in str(refused.value)


def test_entry_must_balance_in_each_currency_by_itself() -> None:
    with pytest.raises(EntryUnbalanced):
        booked(debit(BALANCE, usd(100)), credit(SETTLING, Money.of(100, "eur")))


def test_entry_of_one_posting_is_not_built() -> None:
    with pytest.raises(EntryUnbalanced):
        replace(sale(), postings=())


def test_entry_without_time_zone_is_not_built() -> None:
    with pytest.raises(ValueError, match="time zone"):
        replace(sale(), effective_at=datetime(2026, 11, 3))  # noqa: DTZ001  # the point of it


def test_posting_that_is_not_above_zero_is_not_built() -> None:
    for minor in (0, -1):
        with pytest.raises(ValueError, match="above zero"):
            Posting(BALANCE, "", Direction.DEBIT, usd(minor))


def test_digest_is_of_the_money_and_not_of_times_texts_order_or_rules() -> None:
    told = sale()
    for other in (
        replace(told, effective_at=datetime(2027, 1, 1, tzinfo=UTC)),
        replace(told, description="told by the poll"),
        replace(told, kind="other"),
        replace(told, rules_version=2),
        replace(told, postings=told.postings[::-1]),
    ):
        assert other.digest() == told.digest()


def test_digest_differs_with_anything_that_is_money() -> None:
    told = sale()
    changed = (
        replace(told, reference=Reference("stripe:balance_transaction:txn_2")),
        replace(told, book=Book("other")),
        replace(told, reverses=Reference("x")),
        reversal_of(told, reference=told.reference, kind="reversal", effective_at=AT),
        replace(told, postings=(*told.postings[:2], replace(told.postings[2], key="ch_2"))),
        replace(told, postings=(*told.postings[:2], replace(told.postings[2], account=BALANCE))),
    )
    assert len({told.digest(), *(other.digest() for other in changed)}) == len(changed) + 1


def test_reversal_names_the_entry_and_turns_every_posting() -> None:
    told = sale()
    undone = reversal_of(told, reference=Reference("r:reversed"), kind="reversal", effective_at=AT)
    assert undone.reverses == told.reference
    pairs = zip(told.postings, undone.postings, strict=True)
    assert [p.signed_minor + q.signed_minor for p, q in pairs] == [0, 0, 0]


@pytest.mark.parametrize("at", [FIRST, LAST])
def test_entry_at_an_end_of_the_calendar_is_refused(at: datetime) -> None:
    with pytest.raises(TimeInvalid, match="means never"):
        replace(sale(), effective_at=at)


@pytest.mark.parametrize(
    "name", ["assets:bank:main", "memo:credits", "liabilities:connect", "assets:wallet:1:0xAbC"]
)
def test_account_of_a_root_and_segments_is_taken(name: str) -> None:
    assert account(name) == Account(name)


@pytest.mark.parametrize(
    "name",
    ["", "assets", "assets:", ":assets", "income:x", "assets:a b", "assets:-x", "Assets:bank",
     "assets:" + "a" * 129, "assets:é", "assets:a\n", "assets:" + ":".join("abcdefgh")],
)  # fmt: skip
def test_account_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(AccountInvalid):
        account(name)

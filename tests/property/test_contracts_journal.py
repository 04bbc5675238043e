"""Laws of entries for any lines."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import Envelope, envelope_of
from shared.contracts.errors import EntryUnbalanced
from shared.contracts.journal import (
    DEFAULT_BOOK,
    Entry,
    Line,
    Reference,
    account,
    entry,
    reversal_of,
)
from shared.contracts.money import Money

AT = datetime(2026, 11, 3, tzinfo=UTC)
accounts = st.sampled_from(["assets:a", "liabilities:b", "equity:c", "revenue:d", "expenses:e"])


def line_of(name: str, minor: int, code: str, key: str, *, is_credit: bool) -> Line:
    return Line(account(name), Money.of(minor, code), key, is_credit)


lines = st.builds(
    line_of,
    accounts,
    st.integers(-(10**24), 10**24),
    st.sampled_from(["usd", "eur", "jpy"]),
    st.sampled_from(["", "k1", "k2"]),
    is_credit=st.booleans(),
)


def made_of(told: list[Line]) -> Entry | None:
    return entry(
        book=DEFAULT_BOOK,
        reference=Reference("r"),
        kind="any",
        effective_at=AT,
        lines=told,
        rules_version=1,
    )


def balanced(told: list[Line]) -> list[Line]:
    """The lines and one more for each currency that is off."""
    rest: dict[str, Money] = {}
    for line in told:
        net = line.net
        code = net.currency.code
        rest[code] = rest[code] + net if code in rest else net
    return [*told, *(Line(account("equity:rest"), -amount) for amount in rest.values())]


@given(st.lists(lines, max_size=8))
def test_entry_balances_or_is_not_built(told: list[Line]) -> None:
    sums: dict[str, int] = {}
    for line in told:
        code = line.amount.currency.code
        sums[code] = sums.get(code, 0) + line.net.minor
    if any(sums.values()):
        with pytest.raises(EntryUnbalanced) as refused:
            made_of(told)
        assert sums[refused.value.currency] == refused.value.excess_minor != 0
        return
    made = made_of(told)
    assert made is None or all(posting.amount.minor > 0 for posting in made.postings)


@given(st.lists(lines, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_digest_does_not_depend_on_the_order_of_the_lines(
    told: list[Line], chance: random.Random
) -> None:
    every = balanced(told)
    made = made_of(every)
    chance.shuffle(every)
    again = made_of(every)
    assert (made and made.digest()) == (again and again.digest())


@given(st.lists(lines, min_size=1, max_size=8))
def test_entry_and_its_reversal_leave_nothing(told: list[Line]) -> None:
    made = made_of(balanced(told))
    if made is None:
        return
    undone = reversal_of(made, reference=Reference("r:u"), kind="undo", effective_at=AT)
    left: dict[tuple[str, str, str], int] = {}
    for posting in (*made.postings, *undone.postings):
        place = (posting.account, posting.key, posting.amount.currency.code)
        left[place] = left.get(place, 0) + posting.signed_minor
    assert not any(left.values())


attributes = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(attributes, attributes, attributes, st.binary(max_size=50), st.datetimes(timezones=st.just(UTC)),
       st.dictionaries(st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True).filter(
           lambda name: name not in {"id", "source", "type", "time", "specversion", "subject", "dataschema"}
       ), attributes, max_size=4))  # fmt: skip
def test_envelope_comes_back_from_its_headers(
    name: str, source: str, kind: str, data: bytes, at: datetime, more: dict[str, str]
) -> None:
    sent = Envelope(id=name, source=source, type=kind, time=at, data=data, extensions=more)
    assert envelope_of(sent.headers(), data) == sent

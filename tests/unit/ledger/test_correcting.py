"""History is corrected by a reversal and new entries, which make the books say what they would."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.ledger.account_changes import KnownAccount, known_account
from services.ledger.activation.in_force import BookInForce, InForce
from services.ledger.chart import default_chart
from services.ledger.posting_rules import decide
from services.ledger.rules import commands
from services.ledger.what_if.corrections import Correcting, Correction, correction
from services.ledger.what_if.suppositions import EntryDifference
from shared.contracts import topics
from shared.contracts.commands import BookManualEntry, ReverseEntry
from shared.contracts.journal import (
    DEFAULT_BOOK,
    Account,
    Entry,
    Reference,
    credit,
    debit,
    entry,
)
from shared.contracts.money import Money, currency_of
from tests.support.later_rules import LATER_RULES
from tests.unit.ledger.telling import Json, moved, refund, told

AT: Final = datetime(2026, 12, 1, tzinfo=UTC)
USD: Final = currency_of("usd")
CHART: Final = default_chart()
Sums = Counter[tuple[str, str, str]]


def by(version: int, shown: Json) -> Entry:
    in_force = InForce(rules_version=version)
    (found,) = decide(told(topics.STRIPE_OBJECTS, shown), in_force, LATER_RULES).entries
    return found


def corrected(here: Entry | None, there: Entry | None, *before: str) -> Correction:
    return correction(
        EntryDifference(here, there),
        CHART,
        effective_at=AT,
        reason="tax advice",
        reversed_before=before,
    )


def booked(asked: Sequence[Correcting], originals: Sequence[Entry | None]) -> list[Entry]:
    """What the ledger books for commands, by its own rules."""
    known = {each.reference: each for each in originals if each is not None}
    made: list[Entry] = []
    for command in asked:
        match command:
            case BookManualEntry():
                made.append(commands.manual_entry(command, BookInForce(), find, effective_at=AT))
            case ReverseEntry():
                original = known[Reference(command.reference)]
                made.append(
                    commands.reverse_entry(command, BookInForce(), find, original, effective_at=AT)
                )
    return made


def find(name: str) -> KnownAccount | None:
    return known_account(name, CHART, None)


def sums(*entries: Entry | None) -> Sums:
    found: Sums = Counter()
    for each in entries:
        for p in each.postings if each is not None else ():
            found[p.account, p.key, p.amount.currency.code] += p.signed_minor
    return Counter({place: minor for place, minor in found.items() if minor})


def test_fact_that_other_rules_book_otherwise_is_reversed_and_booked_anew() -> None:
    here, there = by(2, refund()), by(3, refund())
    found = corrected(here, there)
    assert [each.kind for each in found.commands] == ["reverse_entry", "manual_entry"]
    assert sums(here, *booked(found.commands, [here])) == sums(there)
    reversing, anew = found.commands
    assert isinstance(reversing, ReverseEntry)
    assert isinstance(anew, BookManualEntry)
    assert reversing.reference == here.reference
    assert anew.description == f"Corrects {here.reference}"
    assert "tax advice" in anew.reason


def test_movement_of_stripes_balance_is_corrected_by_the_difference_alone() -> None:
    shown = moved("tax_fund", -500)
    here, there = by(3, shown), by(4, shown)
    (only,) = corrected(here, there).commands
    assert isinstance(only, BookManualEntry)
    assert "assets:stripe:balance" not in {p.account for p in only.postings}
    assert sums(here, *booked([only], [])) == sums(there)


def test_entry_that_was_reversed_before_is_corrected_by_the_difference_alone() -> None:
    here, there = by(2, refund()), by(3, refund())
    (only,) = corrected(here, there, here.reference).commands
    assert isinstance(only, BookManualEntry)
    assert sums(here, *booked([only], [])) == sums(there)


def test_fact_that_would_not_be_booked_is_only_reversed() -> None:
    here = by(2, refund())
    (only,) = corrected(here, None).commands
    assert isinstance(only, ReverseEntry)
    assert sums(here, *booked([only], [here])) == sums()


def test_fact_that_no_command_can_correct_is_told_with_the_reason() -> None:
    there = by(2, moved("payout", -500))
    found = corrected(None, there)
    assert found.commands == ()
    assert "assets:stripe:balance always equals what Stripe says" in found.why_not


def test_same_correction_has_the_same_keys_and_another_has_others() -> None:
    here = by(2, refund())
    one, again = corrected(here, by(3, refund())), corrected(here, by(3, refund()))
    other = corrected(here, None)
    keys = [[each.idempotency_key for each in found.commands] for found in (one, again, other)]
    assert keys[0] == keys[1]
    assert not set(keys[0]) & set(keys[2])


ACCOUNTS: Final = ("revenue:stripe", "revenue:refunds", "expenses:compute", "liabilities:payable")


@st.composite
def facts(draw: st.DrawFn) -> Entry | None:
    told = draw(st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(1, 999)), max_size=3))
    lines = [debit(Account(account), Money(minor, USD)) for account, minor in told]
    total = sum(line.amount.minor for line in lines)
    return entry(
        book=DEFAULT_BOOK,
        reference=Reference("stripe:payment:ch_1"),
        kind="payment",
        effective_at=AT,
        lines=[*lines, credit(Account("assets:bank:main"), Money(total, USD))],
        rules_version=1,
    )


@given(here=facts(), there=facts(), is_reversed=st.booleans())
def test_books_with_their_corrections_say_what_they_would_say(
    here: Entry | None, there: Entry | None, *, is_reversed: bool
) -> None:
    if here is None and there is None:
        return
    before = (here.reference,) if here is not None and is_reversed else ()
    found = corrected(here, there, *before)
    assert sums(here, *booked(found.commands, [here])) == sums(there)
    other = structs.replace(here, kind="match") if here is not None else None
    assert sums(other, *booked(corrected(other, there).commands, [])) == sums(there)


def test_release_is_corrected_by_the_difference_because_no_hand_reverses_it() -> None:
    def release(minor: int) -> Entry:
        made = entry(
            book=DEFAULT_BOOK,
            reference=Reference("release:tick:1"),
            kind="revenue_released",
            effective_at=AT,
            lines=[
                debit(Account("liabilities:unearned"), Money(minor, USD), key="il_1"),
                credit(Account("revenue:stripe"), Money(minor, USD)),
            ],
            rules_version=1,
        )
        assert made is not None
        return made

    (only,) = corrected(release(30), release(50)).commands
    assert isinstance(only, BookManualEntry)
    assert [(p.account, p.key, p.side.value, p.amount.minor) for p in only.postings] == [
        ("liabilities:unearned", "il_1", "debit", "20"),
        ("revenue:stripe", "", "credit", "20"),
    ]

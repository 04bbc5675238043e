"""Lines of several accounts that say the same: each waits in suspense under a key of its own."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from services.feeds.revisions import Form, line_observation
from services.feeds.statements.identity import identified
from services.feeds.statements.values import Statement, StatementLine
from services.ledger.accounts import SUSPENSE
from services.ledger.activation.in_force import BookInForce
from services.ledger.rules.bank import bank_line
from shared.contracts.money import Money, currency_of

EUR: Final = currency_of("eur")
DAY: Final = date(2026, 11, 1)
NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
# What banks count from 1 in each account, and what every account is told each month.
TEXTS: Final = st.sampled_from(["monthly fee", "transfer"])
BANK_IDS: Final = st.sampled_from(["", "1", "2", "NONREF"])


@st.composite
def a_line(draw: st.DrawFn) -> StatementLine:
    return StatementLine(
        Money(draw(st.sampled_from([-500, 500, 1])), EUR),
        DAY + timedelta(days=draw(st.integers(0, 2))),
        bank_id=draw(BANK_IDS),
        description=draw(TEXTS),
    )


@given(st.lists(a_line(), max_size=8), st.sampled_from([("a", "b"), ("house", "tax", "wages")]))
@settings(max_examples=150, deadline=None)
def test_each_line_of_each_account_stands_in_suspense_under_its_own_key(
    lines: list[StatementLine], accounts: tuple[str, ...]
) -> None:
    """The books keep a line by its id alone, so the feeds give an id to one line only."""
    told = Statement("A1", EUR, lines=tuple(lines))
    waiting: Counter[str] = Counter()
    expected: list[int] = []
    for account in accounts:
        for line in identified(told, (), account=account, posts=True).lines:
            form = Form(line, 1)
            said = line_observation(form, account=account, provider="camt", observed_at=NOON)
            booked = bank_line(said, BookInForce())
            assert booked is not None
            expected.append(line.amount.minor)
            for posting in booked.postings:
                if posting.account == SUSPENSE:
                    waiting[posting.key] -= posting.signed_minor
    assert len(waiting) == len(lines) * len(accounts)
    assert sorted(waiting.values()) == sorted(expected)

"""Lines told again, changed, posted, taken back: which revision comes out."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feeds.revisions import (
    Form,
    ToldBalance,
    ToldLine,
    balance_observation,
    line_observation,
    recollected,
    removed,
    reread_from,
    successor,
    successors,
    vanished,
    watermark_after,
)
from shared.contracts.money import Money, currency_of
from shared.contracts.observations import BANK_OBSERVATION, LineState

USD = currency_of("usd")
NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
LINE = ToldLine(
    id="transaction_1",
    state=LineState.POSTED,
    amount=Money(9680, USD),
    created_at=NOW,
    booked_on=date(2026, 11, 21),
    description="STRIPE PAYOUT",
    reference="po_1",
    source_sha256="ab",
)
POSTED = Form(LINE, 1)
PENDING = Form(replace(LINE, state=LineState.PENDING), 1)


def told(form: Form | None) -> Form:
    assert form is not None
    return form


def test_line_told_the_first_time_is_revision_one_and_replaces_nothing() -> None:
    assert successor(None, LINE) == Form(LINE, 1, None, None)


def test_line_told_the_same_again_is_no_news() -> None:
    assert successor(POSTED, LINE) is None


def test_line_whose_source_has_other_bytes_but_says_the_same_is_no_news() -> None:
    assert successor(POSTED, replace(LINE, source_sha256="cd")) is None


def test_line_posted_with_another_amount_carries_the_amount_before() -> None:
    form = told(successor(POSTED, replace(LINE, amount=Money(9580, USD))))
    assert (form.revision, form.previous) == (2, Money(9680, USD))
    assert form.previous_booked_on == date(2026, 11, 21)


def test_line_posted_on_another_day_is_a_revision_with_both_days() -> None:
    form = told(successor(POSTED, replace(LINE, booked_on=date(2026, 11, 20))))
    assert (form.line.booked_on, form.previous_booked_on) == (date(2026, 11, 20), LINE.booked_on)


def test_line_that_was_pending_and_posts_replaces_no_posted_amount() -> None:
    form = told(successor(PENDING, replace(LINE, amount=Money(9000, USD))))
    assert (form.revision, form.line.state, form.previous) == (2, LineState.POSTED, None)


def test_pending_line_that_is_withdrawn_replaces_no_posted_amount() -> None:
    form = told(successor(PENDING, replace(LINE, state=LineState.REMOVED)))
    assert (form.revision, form.line.state, form.previous) == (2, LineState.REMOVED, None)


def test_line_that_was_withdrawn_before_it_was_seen_is_no_news() -> None:
    assert successor(None, replace(LINE, state=LineState.REMOVED)) is None


def test_posted_line_taken_back_carries_the_amount_to_undo_and_comes_back_without() -> None:
    gone = removed(POSTED)
    assert (gone.revision, gone.line.state, gone.previous) == (2, LineState.REMOVED, LINE.amount)
    back = told(successor(gone, LINE))
    assert (back.revision, back.line.state, back.previous) == (3, LineState.POSTED, None)


def test_line_removed_twice_is_an_error_of_ours() -> None:
    with pytest.raises(ValueError, match="removed already"):
        removed(removed(POSTED))


def test_reading_tells_lines_oldest_first_and_each_once() -> None:
    older = replace(LINE, id="transaction_0", created_at=NOW - timedelta(days=1))
    forms = successors({}, [LINE, older, LINE])
    assert [form.line.id for form in forms] == ["transaction_0", "transaction_1"]


def test_reading_misses_only_known_lines_of_its_window_that_stand() -> None:
    since = NOW - timedelta(days=10)
    before = replace(LINE, id="before", created_at=since - timedelta(seconds=1))
    edge = replace(LINE, id="edge", created_at=since)
    gone = replace(LINE, id="gone", state=LineState.REMOVED)
    known = {line.id: Form(line, 1) for line in (LINE, before, edge, gone)}
    assert [form.line.id for form in vanished(known, [LINE], since=since)] == ["edge"]


def test_reading_begins_ten_days_before_the_newest_line_however_small_the_setting() -> None:
    day = timedelta(days=1)
    assert reread_from(NOW, now=NOW, reread=day, lookback=day) == NOW - 10 * day
    assert reread_from(NOW, now=NOW, reread=20 * day, lookback=day) == NOW - 20 * day
    assert reread_from(None, now=NOW, reread=day, lookback=90 * day) == NOW - 90 * day


def test_line_that_its_bank_dates_ahead_hides_nothing_that_is_made_until_then() -> None:
    day = timedelta(days=1)
    assert reread_from(NOW + 30 * day, now=NOW, reread=day, lookback=day) == NOW - 10 * day


def test_watermark_never_goes_back() -> None:
    older = replace(LINE, created_at=NOW - timedelta(days=3))
    assert watermark_after(NOW, [older]) == NOW
    assert watermark_after(None, [older, LINE]) == NOW
    assert watermark_after(None, []) is None


def test_line_is_told_with_all_that_the_ledger_needs_to_undo_it() -> None:
    form = told(successor(POSTED, replace(LINE, amount=Money(9580, USD))))
    message = line_observation(form, account="main", provider="increase", observed_at=NOW)
    assert message.previous is not None
    assert (message.amount.minor, message.previous.minor) == ("9580", "9680")
    assert (message.account, message.id, message.revision) == ("main", "transaction_1", 2)
    assert BANK_OBSERVATION.validate_json(BANK_OBSERVATION.dump_json(message)) == message


def test_last_forms_are_recollected_from_what_was_told() -> None:
    second = told(successor(POSTED, replace(LINE, amount=Money(9580, USD))))
    messages = [
        line_observation(form, account="main", provider="p", observed_at=NOW)
        for form in (POSTED, second, POSTED)
    ]
    (form,) = recollected(messages)
    assert form.revision == 2
    assert successor(form, second.line) is None
    assert successor(form, LINE) == Form(LINE, 3, Money(9580, USD), LINE.booked_on)


def balance(minor: int, as_of: datetime | None = NOW) -> ToldBalance:
    return ToldBalance(Money(minor, USD), None, as_of)


@pytest.mark.parametrize(("before", "agreed"), [(100, True), (99, False)])
def test_balance_agrees_only_when_it_stood_still(before: int, agreed: bool) -> None:  # noqa: FBT001  a case
    message = balance_observation(
        balance(before), balance(100), account="main", provider="p", observed_at=NOW, reading="r"
    )
    assert (message.agreed, message.amount.minor) == (agreed, "100")


def test_balance_of_a_bank_without_a_clock_is_as_of_our_reading() -> None:
    message = balance_observation(
        balance(1, None), balance(1, None), account="m", provider="p", observed_at=NOW, reading="r"
    )
    assert message.as_of == NOW


def line_of(state: LineState, minor: int) -> ToldLine:
    return replace(LINE, state=state, amount=Money(minor, USD))


TELLINGS = st.lists(
    st.builds(line_of, st.sampled_from(list(LineState)), st.integers(-3, 3)), max_size=12
)


@given(TELLINGS)
def test_undoing_and_booking_every_revision_ends_at_the_last_posted_amount(
    tellings: list[ToldLine],
) -> None:
    known: Form | None = None
    booked, revisions = 0, 0
    for line in tellings:
        form = successor(known, line)
        if form is None:
            continue
        revisions += 1
        assert form.revision == revisions
        booked -= form.previous.minor if form.previous else 0
        booked += form.line.amount.minor if form.line.state is LineState.POSTED else 0
        known = form
    last = tellings[-1] if tellings else None
    assert booked == (last.amount.minor if last and last.state is LineState.POSTED else 0)

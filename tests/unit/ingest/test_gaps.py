"""What a look at a list counts, and what becomes of what it finds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from services.ingest.endpoint_status import Trouble
from services.ingest.findings import ENDPOINT_KINDS, empty, lacking, reports, silent
from services.ingest.gaps import (
    BALANCE_TRANSACTIONS,
    EVENTS,
    Item,
    Looked,
    Missing,
    Tally,
    after_fetching,
    audited_to,
    changes,
    held_against,
    item_of,
    longest_seconds,
    reach,
    resource_of,
    type_sets,
    types_of,
)
from services.ingest.rhythm import Silence
from shared.contracts.audits import AuditReport
from shared.contracts.discrepancies import DiscrepancyKind

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
GRACE = timedelta(seconds=60)
LISTED = Item("evt_2", 7, "charge.succeeded", {})
WAITING = Missing("evt_2", 7, AT, "", "charge.succeeded")
REFUSED = Missing("evt_1", 1_700_000_000, AT, "it has no object", "charge.succeeded")
TROUBLE = Trouble(DiscrepancyKind.EVENTS_SILENT, "acct_1", "webhooks", "none", "none came")


def test_everything_that_was_looked_for_is_accounted_for() -> None:
    tally = Tally(found=10, already_had=7, fetched=2, still_lacking=1)
    assert tally.found == tally.already_had + tally.fetched + tally.still_lacking
    looked = Looked("acct_1", EVENTS, 0, 9, tally).closed(on_the_log=12, expected=9)
    assert looked.tally.unlisted == 3
    assert looked.tally.looked_for == 13
    assert not looked.is_suspiciously_empty


def test_empty_list_is_an_alarm_only_where_the_log_has_something_of_that_time() -> None:
    nothing = Looked("acct_1", EVENTS, 0, 9, Tally())
    assert not nothing.closed(on_the_log=7, expected=0).is_suspiciously_empty
    busy = nothing.closed(on_the_log=40, expected=30)
    assert busy.is_suspiciously_empty
    (told,) = empty([nothing, busy], "main")
    assert (told.kind, told.subject) == (DiscrepancyKind.EVENT_LIST_EMPTY, "acct_1/events")


def test_tallies_of_two_windows_add_up() -> None:
    assert Tally(1, 1, 0, 0, 2).plus(Tally(3, 1, 1, 1, 0)) == Tally(4, 2, 1, 1, 2)


def test_types_are_asked_for_in_sets_of_twenty_and_none_means_all() -> None:
    assert type_sets(()) == ((),)
    sets = type_sets([f"a.b{n:02}" for n in range(45)])
    assert [len(each) for each in sets] == [20, 20, 5]
    assert len({resource_of(each) for each in sets}) == 3
    assert resource_of(()) == EVENTS


def test_types_are_named_one_by_one_and_never_by_a_wildcard() -> None:
    assert types_of(" charge.succeeded, payout.paid ,") == ("charge.succeeded", "payout.paid")
    for odd in ("charge.*", "charge succeeded", "*", "charge.succeeded;payout.paid"):
        with pytest.raises(ValueError, match="no event type"):
            types_of(odd)


@pytest.mark.parametrize(
    "value", [{}, {"id": "evt_1"}, {"id": "", "created": 1}, {"id": "e\n", "created": 1}]
)
def test_item_without_a_name_or_a_time_is_none(value: dict[str, object]) -> None:
    assert item_of(value) is None


def test_event_list_reaches_back_thirty_days() -> None:
    assert reach(0, now=100 * 86_400) == 70 * 86_400
    assert reach(80 * 86_400, now=100 * 86_400) == 80 * 86_400


def test_longest_time_missing_counts_from_when_it_was_first_seen() -> None:
    now = AT + timedelta(minutes=10)
    assert longest_seconds([REFUSED, replace(REFUSED, since=now)], now) == 600
    assert longest_seconds([], now) == 0


def test_only_what_changed_is_remembered_anew() -> None:
    waiting = Missing("evt_2", 5, AT)
    before = {"evt_1": REFUSED, "evt_3": replace(waiting, id="evt_3")}
    assert changes(before, {"evt_1": REFUSED, "evt_2": waiting}) == ((waiting,), ("evt_3",))


def test_what_is_only_late_is_no_trouble_and_what_was_refused_is() -> None:
    assert lacking(EVENTS, [replace(REFUSED, reason="")]) == ()
    (told,) = lacking(EVENTS, [REFUSED])
    assert (told.kind, told.subject) == (DiscrepancyKind.EVENT_MISSING, "evt_1")
    assert "it has no object" in told.explanation
    (told,) = lacking(BALANCE_TRANSACTIONS, [REFUSED])
    assert told.kind is DiscrepancyKind.BALANCE_TRANSACTION_MISSING


def test_usual_silence_is_no_trouble() -> None:
    assert silent("acct_1", "main", None) == ()
    assert silent("acct_1", "main", Silence(AT, Fraction(1, 2), 4)) == ()
    (told,) = silent("", "main", Silence(AT, Fraction(1, 10**6), 4))
    assert (told.kind, told.subject) == (DiscrepancyKind.EVENTS_SILENT, "main")


def told_of(
    standing: dict[str, AuditReport], *wanted: Trouble, **unknown: frozenset[DiscrepancyKind]
) -> tuple[AuditReport, ...]:
    at = AT + timedelta(hours=len(standing))
    return reports(standing, wanted, book="main", account="acct_1", at=at, **unknown)


def test_trouble_is_told_once_and_taken_back_once() -> None:
    (opened,) = told_of({}, TROUBLE)
    assert (opened.stands, opened.since, opened.told_at) == (True, AT, AT)
    assert told_of({opened.id: opened}, TROUBLE) == ()
    (closed,) = told_of({opened.id: opened})
    assert (closed.id, closed.stands, closed.since) == (opened.id, False, AT)
    assert closed.told_at > opened.told_at


def test_trouble_that_changed_is_told_again_since_when_it_stood_first() -> None:
    (opened,) = told_of({}, TROUBLE)
    (changed,) = told_of({opened.id: opened}, replace(TROUBLE, explanation="worse"))
    assert (changed.id, changed.since, changed.explanation) == (opened.id, AT, "worse")


def test_what_could_not_be_looked_at_is_not_taken_back() -> None:
    kind = DiscrepancyKind.WEBHOOK_ENDPOINT_DISABLED
    (opened,) = told_of({}, replace(TROUBLE, kind=kind))
    assert told_of({opened.id: opened}, unknown=ENDPOINT_KINDS) == ()


def test_item_that_came_is_neither_due_nor_missing() -> None:
    assert held_against([LISTED], {"evt_2"}, {}, now=AT, grace=GRACE) == ((), {})
    known = {"evt_2": WAITING}
    assert held_against([LISTED], {"evt_2"}, known, now=AT + GRACE, grace=GRACE) == ((), {})


def test_item_that_did_not_come_is_awaited_first_and_due_after_the_grace() -> None:
    due, missing = held_against([LISTED], set(), {}, now=AT, grace=GRACE)
    assert (due, missing) == ((), {"evt_2": WAITING})
    for seconds, expected in ((59, ()), (60, (LISTED,))):
        now = AT + timedelta(seconds=seconds)
        due, again = held_against([LISTED], set(), missing, now=now, grace=GRACE)
        assert (due, again) == (expected, missing)


def test_item_that_was_refused_is_missing_and_not_fetched_again_and_again() -> None:
    missing = after_fetching({"evt_2": WAITING}, [LISTED], {"evt_2": "it has no object"})
    assert missing == {"evt_2": replace(WAITING, reason="it has no object")}
    now = AT + 9 * GRACE
    assert held_against([LISTED], set(), missing, now=now, grace=GRACE) == ((), missing)
    assert after_fetching({"evt_2": WAITING}, [LISTED], {}) == {}


def test_cursor_never_passes_an_item_that_may_still_come() -> None:
    waiting = replace(WAITING, created=150)
    assert audited_to(100, 200, []) == 200
    assert audited_to(100, 200, [waiting]) == 150
    assert audited_to(100, 200, [replace(waiting, reason="no object")]) == 200
    assert audited_to(300, 200, []) == 300
    assert audited_to(None, None, []) is None

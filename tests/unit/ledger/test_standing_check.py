"""What a standing check puts on record, after what the last one said."""

from datetime import UTC, datetime, timedelta
from typing import Final

from services.ledger.shell.rebuilding.comparing import Comparison, Content
from services.ledger.shell.rebuilding.standing_check import report_of

NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONTENT: Final = Content(7, "ab", (0, 0, 0), {}, 0, 0, {})


def compared(*differences: str) -> Comparison:
    """A comparison with these differences."""
    return Comparison(9, CONTENT, CONTENT, 1, differences)


def test_first_check_that_is_well_says_so() -> None:
    told = report_of(compared(), (), book="main", at=NOON, before=None)
    assert (told.stands, told.since, told.found) == (False, NOON, "7 entries, all equal")


def test_books_that_differ_stand_since_the_first_check_that_found_it() -> None:
    later = NOON + timedelta(days=7)
    well = report_of(compared(), (), book="main", at=NOON, before=None)
    first = report_of(compared("a is off"), ("b too",), book="main", at=later, before=well)
    again = report_of(
        compared("a is off"), (), book="main", at=later + timedelta(days=7), before=first
    )
    mended = report_of(compared(), (), book="main", at=later + timedelta(days=14), before=again)
    assert [(each.stands, each.since) for each in (first, again, mended)] == [
        (True, later),
        (True, later),
        (False, later + timedelta(days=14)),
    ]
    assert len({each.id for each in (well, first, again, mended)}) == 1
    assert (first.found, first.evidence) == ("2 differences", ("a is off", "b too"))
    assert first.explanation.endswith("are not the same: a is off.")

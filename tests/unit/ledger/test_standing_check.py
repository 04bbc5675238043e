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


def test_difference_that_names_a_book_is_told_of_that_one_and_the_others_of_each() -> None:
    found = compared(
        "stripe:payment:ch_1 of book shop is not rebuilt",
        "stripe.events/4: the chains part at or before entry 7",
        "stripe:payment:ch_2 of book shop.eu is not rebuilt",
    )
    books = ("main", "shop", "shop.eu")
    told = {
        book: report_of(found, (), book=book, at=NOON, before=None, books=books) for book in books
    }
    assert {book: len(each.evidence) for book, each in told.items()} == {
        "main": 1,
        "shop": 2,
        "shop.eu": 2,
    }
    assert len({each.id for each in told.values()}) == 3
    well = compared("stripe:payment:ch_1 of book shop is not rebuilt")
    main = report_of(well, (), book="main", at=NOON, before=None, books=books)
    assert (main.stands, main.found) == (False, "7 entries, all equal")

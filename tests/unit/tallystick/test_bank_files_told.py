"""What is said of statement files that were imported by hand."""

from datetime import UTC, datetime

import pytest

from services.feeds.shell.file_store import Outcome, Taken
from tallystick.cli.bank import how_new, line_text

AT = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lines", "fresh", "said"),
    [
        (5, 5, "all new"),
        (5, 3, "3 new, 2 known before"),
        (5, 0, "none is new"),
        (0, 0, "it has none"),
    ],
)
def test_a_file_says_how_many_of_its_lines_are_new(lines: int, fresh: int, said: str) -> None:
    taken = Taken("ab", "x.xml", 9, "camt", Outcome.ACCEPTED, AT, lines=lines, fresh=fresh)
    assert how_new(taken) == said


def test_a_line_says_each_thing_once() -> None:
    assert line_text("Zweig KG", "Anzahlung", "Anzahlung") == "Zweig KG Anzahlung"
    assert line_text("Zweig KG", "RE 1", "Zweig KG RE 1 E-9") == "Zweig KG RE 1 E-9"
    assert line_text("", "", "") == ""

"""Options of a run: the clock, the mode, the books."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.contracts.books import Mode
from shared.contracts.errors import Unreadable
from shared.contracts.journal import Book
from tallystick.preview.lines import Told, told_line
from tallystick.preview.options import Options, books_of, clock_of, config_from, mode_of

CONFIG = """
[[books]]
name = "acme"
mode = "live"
stripe_accounts = ["acct_1"]
bank_accounts = [{ name = "main", currency = "usd", destinations = ["ba_1"] }]
"""
CHART = 'version = 1\n[[account]]\nname = "assets:bank:NAME"\ndisplay = "Cash"\n'


def told(line: str) -> Told:
    found = told_line("f:1", line.encode())
    assert isinstance(found, Told)
    return found


LIVE = told('{"topic": "stripe.objects", "value": {"id": "a", "livemode": true, "created": 5}}')
TEST = told('{"topic": "stripe.objects", "value": {"id": "b", "livemode": false, "created": 9}}')
INSIDE = told(
    '{"topic": "stripe.events", "value": {"id": "c", "data": {"object": {"livemode": true}}}}'
)
NAMED = told('{"topic": "stripe.objects", "value": {"id": "d"}, "book": "acme", "received_at": 7}')


@pytest.mark.parametrize(
    ("lines", "mode"),
    [([LIVE, TEST], "live"), ([TEST], "test"), ([INSIDE], "live"), ([], "test"), ([NAMED], "test")],
)
def test_mode_is_live_where_any_line_is(lines: list[Told], mode: str) -> None:
    assert mode_of(Options(), lines) == mode
    assert mode_of(Options(mode=Mode.TEST), lines) == "test"


def test_clock_is_the_latest_time_that_the_lines_tell() -> None:
    assert clock_of(Options(), [LIVE, TEST, NAMED]) == datetime.fromtimestamp(9, UTC)
    assert clock_of(Options(), []) == datetime(1970, 1, 1, tzinfo=UTC)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert clock_of(Options(as_of=at), [LIVE]) == at


def test_books_without_a_file_are_those_that_the_lines_name() -> None:
    books = books_of(Options(accounts=("acct_1",)), Mode.LIVE, [LIVE]).books
    assert [(b.name, b.mode, b.stripe_accounts) for b in books] == [("main", "live", ("acct_1",))]
    assert [b.name for b in books_of(Options(), Mode.LIVE, [LIVE, NAMED]).books] == ["acme", "main"]
    assert [b.name for b in books_of(Options(), Mode.LIVE, [NAMED]).books] == ["acme"]


def test_config_tells_books_and_takes_further_accounts(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(CONFIG)
    options = Options(config=config_from(tmp_path / "books.toml"), accounts=("acct_1", "acct_2"))
    (book,) = books_of(options, Mode.TEST, []).books
    assert (book.name, book.mode) == ("acme", "live")
    assert book.stripe_accounts == ("acct_1", "acct_2")
    assert book.bank_account_of("ba_1", "usd") == "main"


def test_config_of_one_book_needs_no_word_for_it(tmp_path: Path) -> None:
    (tmp_path / "book.toml").write_text(CONFIG.replace("[[books]]\n", ""))
    assert config_from(tmp_path / "book.toml").book_map.books[0].name == "acme"


def test_config_names_a_chart_beside_it(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(CONFIG + 'chart = "chart.toml"\n')
    (tmp_path / "chart.toml").write_text(CHART)
    chart = config_from(tmp_path / "books.toml").charts[Book("acme")]
    assert [a.display for a in chart.accounts] == ["Cash"]


@pytest.mark.parametrize(
    ("config", "chart", "part"),
    [
        ("books = ", "", "TOML"),
        ('mode = "sandbox"', "", "mode"),
        ('colour = "red"', "", "colour"),
        (CONFIG + CONFIG, "", "named twice"),
        (CONFIG.replace('"usd"', '"xxx"'), "", "books"),
        (CONFIG + 'time_zone = "Mars"\n', "", "time zone"),
        (CONFIG + 'chart = "chart.toml"\n', "version = 2", "chart.toml"),
    ],
)
def test_config_that_is_not_right_says_where(
    config: str, chart: str, part: str, tmp_path: Path
) -> None:
    (tmp_path / "books.toml").write_text(config)
    (tmp_path / "chart.toml").write_text(chart)
    with pytest.raises(Unreadable, match=part):
        config_from(tmp_path / "books.toml")


def test_config_of_a_chart_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(CONFIG + 'chart = "nowhere.toml"\n')
    with pytest.raises(OSError, match=r"nowhere\.toml"):
        config_from(tmp_path / "books.toml")

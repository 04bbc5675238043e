"""Laws of statement files: reading is total, what is accepted adds up, overlaps change nothing."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.feeds.statements.csv_map import CsvColumns, CsvMap
from services.feeds.statements.identity import Edge, identified
from services.feeds.statements.reading import read_statements
from services.feeds.statements.values import (
    Balance,
    Format,
    Statement,
    StatementFile,
    StatementLine,
    StatementRefused,
    checked,
)
from shared.contracts.money import Money, currency_of

DATA = Path(__file__).parent / "data"
SAMPLES = [p.read_bytes() for p in sorted(DATA.iterdir()) if p.suffix != ".toml"]
EUR = currency_of("eur")
DAY = date(2026, 11, 1)
MAP = CsvMap(
    delimiter=";",
    encoding="iso-8859-1",
    skip_lines=2,
    decimal=",",
    thousands=".",
    date_format="%d.%m.%Y",
    account="A1",
    currency="eur",
    columns=CsvColumns(booked_on="Buchungstag", amount="Betrag", balance="Saldo"),
)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A sample with a few bytes put in, taken out or doubled; or bytes of no kind."""
    data = draw(st.sampled_from(SAMPLES) | st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        until = at + draw(st.integers(0, 12))
        data = data[:at] + draw(st.binary(max_size=8) | st.just(data[at : at + 90])) + data[until:]
    return data


@given(data=mangled(), form=st.sampled_from(Format), size=st.integers(1, 4096))
@settings(max_examples=200, deadline=None)
@example(data=b"", form=Format.CAMT, size=1)
@example(data=b":20:x\n:60F:C000000EUR1,\n", form=Format.MT940, size=3)
def test_any_bytes_are_accepted_or_refused_with_a_reason(
    data: bytes, form: Format, size: int
) -> None:
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    refused: StatementRefused | None = None
    found = StatementFile(form, ())
    try:
        found = read_statements(chunks, form, csv_map=MAP)
    except StatementRefused as error:
        refused = error
    assert refused is None or (refused.why and refused.fix)
    for statement in found.statements:
        assert checked(statement) is statement
        if statement.opening is not None and statement.closing is not None:
            moved = sum(line.amount.minor for line in statement.booked)
            assert statement.opening.amount.minor + moved == statement.closing.amount.minor


def line(minor: int, day: int, text: str) -> StatementLine:
    return StatementLine(Money(minor, EUR), DAY + timedelta(days=day), description=text)


TEXTS = st.sampled_from(["rent", "fee", "po_1"])


def statement(
    lines: Sequence[StatementLine], opening: int, number: str = "", *, is_bare: bool = False
) -> Statement:
    """The statement of some lines that follow on one another."""
    closing = opening + sum(each.amount.minor for each in lines)
    days = [each.booked_on for each in lines] or [DAY]
    return Statement(
        account="A1",
        currency=EUR,
        number=number,
        opening=None if is_bare else Balance(Money(opening, EUR), min(days)),
        closing=None if is_bare else Balance(Money(closing, EUR), max(days)),
        lines=tuple(lines),
    )


def ids_of(told: Sequence[Statement], account: str = "a") -> set[str]:
    """The ids of all lines when statements are told in this order."""
    ids: set[str] = set()
    edges: dict[tuple[date, int, int], Edge] = {}
    for each in told:
        found = identified(each, list(edges.values()), account=account, posts=True)
        for edge in found.edges:
            edges.setdefault((edge.day, edge.begins, edge.ends), edge)
        ids |= {one.id for one in found.lines}
    return ids


@st.composite
def windows(draw: st.DrawFn) -> tuple[list[StatementLine], list[Statement]]:
    """Whole days of lines, twins among them, and windows of days that together tell them all."""
    days = draw(st.lists(st.lists(st.tuples(st.integers(-3, 3), TEXTS), max_size=5), min_size=1))
    told = [[line(m, day, t) for m, t in rows] for day, rows in enumerate(days)]
    flat = [each for rows in told for each in rows]
    cuts = draw(st.lists(st.integers(0, len(told)), max_size=6))
    spans = [*pairwise(sorted({0, len(told), *cuts}))]
    spans += draw(st.lists(st.sampled_from(spans), max_size=2))
    spans += [
        (min(pair), max(pair))
        for pair in draw(st.lists(st.tuples(*(st.integers(0, len(told)),) * 2), max_size=4))
    ]
    found = list[Statement]()
    for begin, end in draw(st.permutations(spans)):
        opening = 100 + sum(n.amount.minor for rows in told[:begin] for n in rows)
        rows = [n for each in told[begin:end] for n in each]
        found.append(statement(rows, opening, is_bare=draw(st.booleans())))
    return flat, found


@given(windows())
@settings(max_examples=150, deadline=None)
def test_any_overlapping_windows_of_days_tell_the_same_lines_in_any_order(
    told: tuple[list[StatementLine], list[Statement]],
) -> None:
    flat, statements = told
    assert ids_of(statements) == ids_of([statement(flat, 100)])
    assert len(ids_of(statements)) == len(flat)


def test_line_that_was_told_without_the_account_in_its_id_keeps_that_id() -> None:
    twins = [line(-5, 0, "fee"), line(-5, 0, "fee")]
    found = identified(statement(twins, 100), (), account="a", posts=True)
    (first, second) = [found.before[each.id] for each in found.lines]
    assert [each.id for each in found.under({first})] == [first, found.lines[1].id]
    assert [each.id for each in found.under({first, second})] == [first, second]
    assert list(found.under(())) == list(found.lines)


@st.composite
def parts(draw: st.DrawFn) -> tuple[list[StatementLine], list[Statement]]:
    """One day's lines, cut in its middle into statements that follow on one another; some again."""
    flat = [
        line(m, 0, t) for m, t in draw(st.lists(st.tuples(st.integers(1, 3), TEXTS), min_size=1))
    ]
    cuts = sorted({0, len(flat), *draw(st.lists(st.integers(0, len(flat)), max_size=4))})
    found = [
        statement(flat[a:b], sum(n.amount.minor for n in flat[:a]), f"7/{number}")
        for number, (a, b) in enumerate(pairwise(cuts), 1)
    ]
    again = draw(st.lists(st.sampled_from([*found, statement(flat, 0)]), max_size=3))
    return flat, draw(st.permutations([*found, *again]))


@given(parts())
@settings(max_examples=150, deadline=None)
def test_day_cut_into_several_statements_keeps_its_true_twins_in_any_order(
    told: tuple[list[StatementLine], list[Statement]],
) -> None:
    flat, statements = told
    assert ids_of(statements) == ids_of([statement(flat, 0)])
    assert len(ids_of(statements)) == len(flat)

"""What a preview is told beside the lines: the clock, the mode, the accounts, the books."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.ledger.activation.in_force import InForce
from services.ledger.chart import Chart, chart_of
from services.ledger.decisions import RULES_VERSION
from services.ledger.readers.exact_json import as_object
from shared.contracts import topics
from shared.contracts.books import Basis, BookData, BookMap, Mode
from shared.contracts.errors import Refused, Unreadable
from shared.contracts.journal import DEFAULT_BOOK, Book
from shared.contracts.stripe_context import account_named
from tallystick.preview.lines import Told

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """The options as a person gave them; ``None`` and empty mean: take it from the lines."""

    as_of: datetime | None = None
    mode: Mode | None = None
    accounts: tuple[str, ...] = ()
    config: "Config | None" = None
    basis: Basis | None = None
    chart: Chart | None = None
    rules_version: int = RULES_VERSION


@dataclass(frozen=True, slots=True)
class Config:
    """The books as a file tells them, and the charts that they name."""

    book_map: BookMap
    charts: Mapping[Book, Chart]


def config_from(path: Path) -> Config:
    """The books that a TOML file tells; a chart's path is beside that file.

    Raises:
        Unreadable: Not TOML, not books, or a chart that is none; says where.
        OSError: A file cannot be read.
    """
    try:
        fields: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
        # One book may stand at the top of the file, without the word "books".
        told = fields if "books" in fields else {"books": [fields]}
        book_map = BookMap.model_validate(told)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path.name} is not TOML: {error}") from None
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, mistake['loc'])) or 'books'}: {mistake['msg']}"
            for mistake in error.errors(include_url=False)[:3]
        )
        raise Unreadable(f"{path.name} does not tell books: {said}") from None
    except Refused as refused:
        raise Unreadable(f"{path.name} does not tell books: {refused}") from None
    charts: dict[Book, Chart] = {}
    for book in book_map.books:
        if book.chart is not None:
            text = (path.parent / book.chart).read_text(encoding="utf-8")
            try:
                charts[book.book] = chart_of(text)
            except Refused as refused:
                raise Unreadable(f"{book.chart}: {refused}") from None
    return Config(book_map, charts)


def in_force_of(options: Options, book_map: BookMap) -> InForce:
    """What the lines are booked by: what the file says, and over it what was asked for."""
    charts = dict(options.config.charts) if options.config is not None else {}
    bases: dict[Book, Basis] = {}
    for book in book_map.books:
        if options.chart is not None:
            charts[book.book] = options.chart
        if options.basis is not None:
            bases[book.book] = options.basis
    return InForce(book_map, charts, bases, options.rules_version)


def mode_of(options: Options, told: Iterable[Told]) -> Mode:
    """The mode asked for, else live where any line is of live mode, else test.

    What belongs to another account says nothing of ours, unless there is nothing else.
    """
    if options.mode is not None:
        return options.mode
    lines = tuple(told)
    named = options.config.book_map.books if options.config is not None else ()
    ours = {"", *options.accounts, *(name for book in named for name in book.stripe_accounts)}
    own = tuple(line for line in lines if account_of(line) in ours)
    return Mode.of(livemode=any(_is_live(line) for line in own or lines))


def account_of(line: Told) -> str:
    """The Stripe account that a line says it is of; empty for our own."""
    if line.topic != topics.STRIPE_EVENTS:
        return line.account
    account, context = (line.value.get(name) for name in ("account", "context"))
    return account_named(
        account if isinstance(account, str) else "", context if isinstance(context, str) else ""
    )


def _is_live(line: Told) -> bool:
    if line.topic not in {topics.STRIPE_EVENTS, topics.STRIPE_OBJECTS}:
        return False
    shown = as_object((as_object(line.value.get("data")) or {}).get("object")) or {}
    return line.value.get("livemode") is True or shown.get("livemode") is True


def books_of(options: Options, mode: Mode, told: Iterable[Told]) -> BookMap:
    """The books of a run.

    Without a file there is one book for each name that the lines give, ``main`` for none; each
    takes every bank account that appears in it, and ``main`` (else the first) the Stripe accounts
    that are named as ours. A book of a file that says no mode has the mode of the run.
    """
    if options.config is not None:
        return BookMap(
            books=tuple(
                book.model_copy(
                    update={
                        "mode": book.mode or mode,
                        "stripe_accounts": _accounts(book, options.accounts, number),
                    }
                )
                for number, book in enumerate(options.config.book_map.books)
            )
        )
    default = str(DEFAULT_BOOK)
    names = sorted({line.book or default for line in told}) or [default]
    ours = default if default in names else names[0]
    return BookMap(
        books=tuple(
            BookData(name=name, mode=mode, stripe_accounts=options.accounts if name == ours else ())
            for name in names
        )
    )


def _accounts(book: BookData, ours: tuple[str, ...], number: int) -> tuple[str, ...]:
    """A file's accounts; those of the command line belong to the first book."""
    return book.stripe_accounts if number else tuple(dict.fromkeys((*book.stripe_accounts, *ours)))


def clock_of(options: Options, told: Iterable[Told]) -> datetime:
    """The time asked for, else the latest that the lines tell."""
    if options.as_of is not None:
        return options.as_of
    return max((line.at for line in told if line.at is not None), default=_EPOCH)

"""CSV by a declared map of its columns: nothing is guessed, and a column that lacks is refused.

[csv]
delimiter = ";"            decimal = ","          date_format = "%d.%m.%Y"
account = "DE…"            currency = "eur"       sign = "in_positive"
[csv.columns]
booked_on = "Buchungstag"  amount = "Betrag"      description = ["Verwendungszweck"]
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.feeds.statements.texts import (
    LINES_MAX,
    amount_of,
    currency_named,
    plain,
    raw_lines,
    sha256_of,
    shown,
)
from services.feeds.statements.values import (
    Balance,
    Format,
    Statement,
    StatementFile,
    StatementLine,
    StatementRefused,
    checked,
)
from shared.contracts.money import Currency, Money

Columns = tuple[str, ...]
One = Annotated[str, Field(min_length=1, max_length=200)]
_TRAILING_SIGN: Final = re.compile(r"(.*?)\s*([+-])")
_COLUMNS_MAX: Final = 500
_DAYS_TRIED: Final = (date(2024, 2, 29), date(2026, 11, 12), date(2031, 1, 5))
# Signs that look as what a map can name: spaces that do not break, an apostrophe, a minus.
_ALIKE: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2019": "'", "\u2212": "-"})


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CsvColumns(_Data):
    """Which column tells what, by its heading; ``#3`` is the third one.

    ``debit`` and ``credit`` are two columns of amounts in place of ``amount``. ``indicator`` holds
    a word for money out beside an amount without a sign. ``balance`` is the running one.
    """

    booked_on: One
    value_on: One | None = None
    amount: One | None = None
    debit: One | None = None
    credit: One | None = None
    indicator: One | None = None
    balance: One | None = None
    bank_id: One | None = None
    account: One | None = None
    currency: One | None = None
    description: Columns = ()
    reference: Columns = ()
    counterparty: Columns = ()

    @field_validator("description", "reference", "counterparty", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        two = (self.debit, self.credit)
        if two.count(None) not in ((0,) if self.amount is None else (2,)):
            raise ValueError("name either amount, or both debit and credit")
        if self.indicator is not None and self.amount is None:
            raise ValueError("an indicator stands beside an amount")
        return self


class CsvMap(_Data):
    """How a bank writes its CSV. ``sign``: is money in above zero, or money out?"""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    encoding: Literal["utf-8", "iso-8859-1", "windows-1252", "utf-16"] = "utf-8"
    skip_lines: int = Field(default=0, ge=0, le=200)
    has_header: bool = True
    decimal: Literal[".", ","]
    thousands: Literal["", ".", ",", " ", "'"] = ""
    date_format: Annotated[str, Field(min_length=2, max_length=40)]
    sign: Literal["in_positive", "out_positive"] = "in_positive"
    debit_words: tuple[str, ...] = ()
    credit_words: tuple[str, ...] = ()
    account: str = ""
    currency: str = ""
    columns: CsvColumns

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not _says_whole_days(self.date_format):
            raise ValueError(f"date_format {self.date_format!r} does not say day, month and year")
        if self.thousands == self.decimal:
            raise ValueError("decimal and thousands are the same sign")
        if not (self.account or self.columns.account):
            raise ValueError("say account, or the column that has it")
        if not (self.currency or self.columns.currency):
            raise ValueError("say currency, or the column that has it")
        if bool(self.columns.indicator) != bool(self.debit_words and self.credit_words):
            raise ValueError("an indicator column needs debit_words and credit_words")
        if not self.has_header and any(not c.startswith("#") for c in _named(self.columns)):
            raise ValueError("without a header, columns are named by number: #1, #2, …")
        return self


def _says_whole_days(date_format: str) -> bool:
    """Whether days come out as they went in: what a format leaves out would be made up."""
    try:
        return all(
            datetime.strptime(day.strftime(date_format), date_format).date() == day  # noqa: DTZ007 - days, no instants
            for day in _DAYS_TRIED
        )
    except ValueError:
        return False


class CsvMapFile(_Data):
    """The whole TOML file of a map."""

    csv: CsvMap


def _named(columns: CsvColumns) -> Iterator[str]:
    for value in columns.model_dump().values():
        yield from ([value] if isinstance(value, str) else value or ())


def read_csv(chunks: Iterable[bytes], how: CsvMap) -> StatementFile:
    """The lines of each account, and its balances where a running balance is told.

    Raises:
        StatementRefused: The file is not as the map says, or its balances do not run.
    """
    rows = _rows(chunks, how)
    at: Mapping[str, int] | None = None
    if how.has_header:
        header = next(rows, None)
        if header is None:
            raise StatementRefused("it has no header")
        at = _places([plain(cell) for cell in header[1]], how.columns)
    found: dict[tuple[str, str], list[tuple[StatementLine, Money | None]]] = {}
    for count, (number, row) in enumerate(rows, 1):
        if count > LINES_MAX:
            raise StatementRefused(f"it has more than {LINES_MAX} lines")
        if at is None:
            at = _places([f"#{i}" for i in range(1, len(row) + 1)], how.columns)
        try:
            account, line, balance = _row(row, at, how)
        except StatementRefused as error:
            raise StatementRefused(f"line {number}: {error.why}", fix=_FIX) from None
        found.setdefault((account, line.amount.currency.code), []).append((line, balance))
    statements = tuple(
        checked(_statement(account, currency_named(code), lines))
        for (account, code), lines in sorted(found.items())
    )
    if not statements:
        raise StatementRefused("it has no lines")
    return StatementFile(Format.CSV, statements)


_FIX: Final = "hold the file's first lines against its map (docs/howto/import-bank-statements.md)"


def _rows(chunks: Iterable[bytes], how: CsvMap) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold something, each with the number of its line."""
    reader = csv.reader(
        _lines(chunks, how), delimiter=how.delimiter, quotechar=how.quote, strict=True
    )
    width = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise StatementRefused(f"line {reader.line_num}: {error}", fix=_FIX) from None
        if not any(cell.strip() for cell in row):
            continue
        width = width or len(row)
        if len(row) != width or width > _COLUMNS_MAX:
            raise StatementRefused(
                f"line {reader.line_num} has {len(row)} columns, and the first has {width}",
                fix=_FIX,
            )
        yield reader.line_num + how.skip_lines, row


def _lines(chunks: Iterable[bytes], how: CsvMap) -> Iterator[str]:
    if how.encoding == "utf-16":
        try:
            raw: Iterable[bytes] = (b"".join(chunks).decode("utf-16").encode(),)
        except UnicodeDecodeError:
            raise StatementRefused("its map says utf-16, and it is not", fix=_FIX) from None
        codec = "utf-8"
    else:
        raw, codec = chunks, how.encoding
    for number, line in enumerate(raw_lines(raw), 1):
        if number <= how.skip_lines:
            continue
        if b"\0" in line:
            raise StatementRefused("the file holds NUL bytes: it is in other characters", fix=_FIX)
        try:
            yield line.removeprefix(b"\xef\xbb\xbf").decode(codec) + "\n"
        except UnicodeDecodeError:
            raise StatementRefused(
                f"its map says {how.encoding}, and line {number} holds other bytes", fix=_FIX
            ) from None


def _places(header: list[str], columns: CsvColumns) -> dict[str, int]:
    numbered = {f"#{i}": i - 1 for i in range(1, len(header) + 1)}
    named: dict[str, int] = {}
    for name in _named(columns):
        if name in numbered:
            named[name] = numbered[name]
            continue
        if header.count(name) != 1:
            how_often = "no column" if name not in header else "two columns"
            raise StatementRefused(
                f"there is {how_often} {shown(name)}; there are"
                f" {', '.join(shown(h) for h in header[:20])}",
                fix=_FIX,
            )
        named[name] = header.index(name)
    return named


def _row(
    row: list[str], at: Mapping[str, int], how: CsvMap
) -> tuple[str, StatementLine, Money | None]:
    columns = how.columns

    def cell(name: str | None) -> str:
        return "" if name is None else row[at[name]].strip()

    currency = currency_named(cell(columns.currency) or how.currency)
    account = (cell(columns.account) or how.account).replace(" ", "")
    valued, balance = cell(columns.value_on), cell(columns.balance)
    line = StatementLine(
        amount=_amount(cell, currency, how),
        booked_on=_day(cell(columns.booked_on), how),
        value_on=_day(valued, how) if valued else None,
        bank_id=plain(cell(columns.bank_id)),
        description=plain(*(cell(name) for name in columns.description)),
        reference=plain(*(cell(name) for name in columns.reference)),
        counterparty=plain(*(cell(name) for name in columns.counterparty)),
        source_sha256=sha256_of(*row),
    )
    return account, line, _number(balance, currency, how) if balance else None


def _amount(cell: Callable[[str | None], str], currency: Currency, how: CsvMap) -> Money:
    columns = how.columns
    if columns.amount is None:
        out, come = cell(columns.debit), cell(columns.credit)
        amounts = [_number(text, currency, how) if text else None for text in (out, come)]
        given = [amount for amount in amounts if amount]
        if len(given) > 1 or amounts == [None, None]:
            raise StatementRefused(f"debit {shown(out)} and credit {shown(come)}: which is it?")
        # Some banks write what leaves with a minus, in a column that is for it already.
        debit, credit = amounts
        return -abs(debit) if debit else credit or Money(0, currency)
    amount = _number(cell(columns.amount), currency, how)
    if columns.indicator is None:
        return amount if how.sign == "in_positive" else -amount
    word = cell(columns.indicator)
    if word not in (*how.debit_words, *how.credit_words) or amount.minor < 0:
        raise StatementRefused(f"amount {amount} with {shown(word)} says neither in nor out")
    return -amount if word in how.debit_words else amount


def _number(text: str, currency: Currency, how: CsvMap) -> Money:
    bare = text.translate(_ALIKE)
    trailing = _TRAILING_SIGN.fullmatch(bare)
    if trailing is not None:
        bare = trailing[2] + trailing[1]
    if how.thousands and how.thousands in bare:
        groups = re.escape(how.thousands)
        whole = bare.partition(how.decimal)[0]
        if not re.fullmatch(rf"[+-]?[0-9]{{1,3}}({groups}[0-9]{{3}})+", whole):
            raise StatementRefused(f"{shown(text)} has its thousands in the wrong places")
        bare = bare.replace(how.thousands, "")
    return amount_of(bare, currency, decimal=how.decimal)


def _day(text: str, how: CsvMap) -> date:
    try:
        return datetime.strptime(text, how.date_format).date()  # noqa: DTZ007 - a day, no instant
    except ValueError:
        raise StatementRefused(f"{shown(text)} is no day such as {how.date_format}") from None


def _statement(
    account: str, currency: Currency, rows: list[tuple[StatementLine, Money | None]]
) -> Statement:
    """Oldest first; running balances make it a statement that can be checked."""
    balances = [balance for _, balance in rows]
    if any(balance is None for balance in balances):
        return Statement(account, currency, lines=tuple(line for line, _ in rows))
    for ordered in (rows, rows[::-1]):
        at: int | None = None
        for line, balance in ordered:
            now = balance.minor if balance is not None else 0
            if at is not None and at + line.amount.minor != now:
                break
            at = now
        else:
            return _running(account, currency, ordered)
    raise StatementRefused(
        f"the running balance of {account} does not follow from its amounts, read in either order",
        fix="look for lines that were cut out, or a sign that the map has the other way round",
    )


def _running(
    account: str, currency: Currency, rows: list[tuple[StatementLine, Money | None]]
) -> Statement:
    (first, after), (last, closing) = rows[0], rows[-1]
    after, closing = after or Money(0, currency), closing or Money(0, currency)
    return Statement(
        account,
        currency,
        opening=Balance(after - first.amount, min(line.booked_on for line, _ in rows)),
        closing=Balance(closing, max(last.booked_on, *(line.booked_on for line, _ in rows))),
        lines=tuple(line for line, _ in rows),
    )

"""MT940 and MT942: SWIFT's statement messages, as banks write them into files.

``:61:`` has the line and ``:86:`` what it is about, in each bank's own way. A statement of several
pages ends with ``:62M:`` and goes on with ``:60M:``.
Source: SWIFT Standards Category 9, MT 940 Customer Statement Message, MT 942 Interim Report.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from services.feeds.statements.mt_details import details_of
from services.feeds.statements.texts import (
    LINES_MAX,
    amount_of,
    currency_named,
    plain,
    sha256_of,
    short_day,
    shown,
    text_lines,
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

_TAG: Final = re.compile(r":([0-9]{2}[A-Z]?|NS):(.*)")
_ENVELOPE: Final = re.compile(r"\{[0-9A-Z]+:.*")
_BALANCE: Final = re.compile(r"([CD])([0-9]{6})([A-Z]{3})([0-9]*,?[0-9]*)")
_LINE: Final = re.compile(
    r"([0-9]{6})([0-9]{4})?(R[CD]|E[CD]|[CD])([A-Z])?([0-9]*,?[0-9]*)([A-Z][A-Z0-9]{3})(.*)"
)
_FLOOR: Final = re.compile(r"([A-Z]{3})[CD]?[0-9,]*")
_TOTAL: Final = re.compile(r"([0-9]{1,5})([A-Z]{3})([0-9]*,?[0-9]*)")
_SIGNS: Final = {"C": 1, "D": -1, "RC": -1, "RD": 1, "EC": 1, "ED": -1}
# Some banks write which code of :86: has the reference where the reference itself belongs.
_NO_REFERENCES: Final = frozenset({"NONREF", "NOTPROVIDED", "NOREF", "EREF", "MARF", "PREF", ""})
_FIELD_LINES_MAX: Final = 200
_HALF_A_YEAR: Final = timedelta(days=183)


@dataclass(slots=True)
class _Message:
    """One message while its fields come in."""

    reference: str = ""
    account: str = ""
    number: str = ""
    opening: tuple[str, Balance] | None = None
    closing: tuple[str, Balance] | None = None
    available: Money | None = None
    currency: Currency | None = None
    is_interim: bool = False
    totals: dict[str, tuple[int, Money]] = field(default_factory=dict[str, tuple[int, Money]])
    lines: list[StatementLine] = field(default_factory=list[StatementLine])
    about: str = ""


def read_mt940(chunks: Iterable[bytes]) -> StatementFile:
    """All statements and interim reports of a file.

    Raises:
        StatementRefused: It is neither, or does not add up.
    """
    messages: list[_Message] = []
    lines = 0
    for tag, text in _fields(chunks):
        if tag == "20":
            messages.append(_Message(reference=text.strip()))
        elif not messages:
            raise StatementRefused(f"field :{tag}: stands before any :20:")
        else:
            lines += tag == "61"
            if lines > LINES_MAX:
                raise StatementRefused(f"it has more than {LINES_MAX} lines")
            _take(messages[-1], tag, text)
    if not messages:
        raise StatementRefused("it holds no :20:, so it is no MT940 or MT942")
    statements = tuple(checked(_closed(pages)) for pages in _paged(messages))
    return StatementFile(Format.MT940, statements)


def _fields(chunks: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Fields by tag, their further lines behind line feeds; what stands around is left out."""
    tag, texts = "", list[str]()
    is_inside = False
    for line in text_lines(chunks):
        stripped = line.strip()
        # What a line ends with may be the space between two words.
        found = _TAG.fullmatch(_opened(line.lstrip())) if stripped[:1] in (":", "{") else None
        ends = stripped in ("-", "-}") or stripped.startswith("-}{")
        if found is not None or ends or (is_inside and _ENVELOPE.fullmatch(stripped)):
            if tag:
                yield tag, "\n".join(texts)
            tag, texts = (found[1], [found[2]]) if found is not None else ("", [])
            is_inside = found is not None
        elif is_inside:
            texts.append(line.rstrip("\r\n"))
            if len(texts) > _FIELD_LINES_MAX:
                raise StatementRefused(f"field :{tag}: has more than {_FIELD_LINES_MAX} lines")
        elif stripped.startswith((":61", ":62", ":60")):
            raise StatementRefused(f"{shown(stripped)} is no field")
    if tag:
        yield tag, "\n".join(texts)


def _opened(line: str) -> str:
    """A line without the blocks that stand before its field: ``{1:…}{2:…}{4::20:X``."""
    if not line.startswith("{"):
        return line
    _, _, after = line.rpartition("{4:")
    return after if after.startswith(":") else line


def _take(message: _Message, tag: str, text: str) -> None:  # noqa: C901 - one case a field
    first = text.split("\n", 1)[0].strip()
    match tag:
        case "25" | "25P":
            message.account = first.replace(" ", "").removesuffix("/")
        case "28C" | "28":
            message.number = first
        case "60F" | "60M":
            message.opening = (tag[2], _balance(first))
            message.currency = message.opening[1].amount.currency
        case "62F" | "62M":
            message.closing = (tag[2], _balance(first))
        case "64":
            message.available = _balance(first).amount
        case "34F":
            message.is_interim = True
            message.currency = message.currency or _floor_currency(first)
        case "13" | "13D":
            # MT940 has no such field, but some banks write it there too.
            message.is_interim = message.is_interim or message.opening is None
        case "90C" | "90D":
            message.totals[tag[2]] = _total(first)
        case "61":
            if message.closing is not None:
                raise StatementRefused(f"statement {shown(message.reference)}: a line after :62:")
            message.lines.append(_line(text, message))
            message.about = ""
        case "86":
            _about(message, text)
        case _:
            pass


def _about(message: _Message, text: str) -> None:
    """``:86:`` after a line is about it; after the closing balance about the whole statement."""
    if message.closing is not None or not message.lines:
        return
    message.about += ("\n" if message.about else "") + text
    last = message.lines[-1]
    said = details_of(message.about)
    bare = last.description.partition("\n")[0]
    message.lines[-1] = StatementLine(
        amount=last.amount,
        booked_on=last.booked_on,
        value_on=last.value_on,
        is_pending=last.is_pending,
        bank_id=last.bank_id,
        description=plain(said.description) or plain(bare),
        reference=plain(said.reference, last.reference),
        counterparty=plain(said.counterparty),
        source_sha256=sha256_of(last.source_sha256, text),
    )


def _balance(text: str) -> Balance:
    found = _BALANCE.fullmatch(text)
    if found is None:
        raise StatementRefused(f"{shown(text)} is no balance such as C261121EUR1234,56")
    sign, day, code, amount = found.groups()
    said = amount_of(amount, currency_named(code), decimal=",")
    return Balance(said if sign == "C" else -said, short_day(day))


def _floor_currency(text: str) -> Currency:
    found = _FLOOR.fullmatch(text)
    if found is None:
        raise StatementRefused(f"{shown(text)} is no floor limit such as EURD0,00")
    return currency_named(found[1])


def _total(text: str) -> tuple[int, Money]:
    found = _TOTAL.fullmatch(text)
    if found is None:
        raise StatementRefused(f"{shown(text)} is no total such as 12EUR345,67")
    return int(found[1]), amount_of(found[3], currency_named(found[2]), decimal=",")


def _line(text: str, message: _Message) -> StatementLine:
    first, _, more = text.partition("\n")
    found = _LINE.fullmatch(first.strip())
    if found is None:
        raise StatementRefused(f"{shown(first)} is no line such as 2611211121C12,50NTRFNONREF")
    day, entry, mark, _, amount, _, references = found.groups()
    if message.currency is None:
        raise StatementRefused(f"line {shown(first)} stands before any field with a currency")
    said = amount_of(amount, message.currency, decimal=",")
    valued = short_day(day)
    own, _, bank = references.partition("//")
    bank_id, own = plain(bank), plain(own)
    return StatementLine(
        amount=said if _SIGNS[mark] > 0 else -said,
        booked_on=_entry_day(entry, valued) if entry else valued,
        value_on=valued,
        is_pending=mark.startswith("E"),
        bank_id="" if bank_id.upper() in _NO_REFERENCES else bank_id,
        description=plain(more),
        reference="" if own.upper() in _NO_REFERENCES else own,
        source_sha256=sha256_of(text),
    )


def _entry_day(text: str, valued: date) -> date:
    """The booking day, which has no year: that year's which brings it nearest to the value day."""
    days = list[date]()
    for year in (valued.year - 1, valued.year, valued.year + 1):
        try:
            days.append(date(year, int(text[:2]), int(text[2:])))
        except ValueError:
            continue
    near = [day for day in days if abs(day - valued) <= _HALF_A_YEAR]
    if not near:
        raise StatementRefused(f"{shown(text)} is no day beside {valued}")
    return min(near, key=lambda day: abs(day - valued))


def _paged(messages: list[_Message]) -> Iterator[list[_Message]]:
    pages: list[_Message] = []
    for each in messages:
        if pages and not _goes_on(pages[-1], each):
            raise _page_missing(pages[-1])
        pages.append(each)
        if each.closing is None or each.closing[0] == "F":
            yield pages
            pages = []
    if pages:
        yield pages


def _goes_on(page: _Message, after: _Message) -> bool:
    return (
        after.opening is not None
        and page.closing is not None
        and after.opening[0] == "M"
        and after.account == page.account
        and after.opening[1].amount == page.closing[1].amount
    )


def _page_missing(page: _Message) -> StatementRefused:
    return StatementRefused(
        f"statement {shown(page.reference)} ends with :62M:, and no page goes on from there",
        fix="put all of its pages into one file, in order",
    )


def _closed(pages: list[_Message]) -> Statement:
    first, last = pages[0], pages[-1]
    is_interim = any(page.is_interim for page in pages) and last.closing is None
    if not is_interim and (first.opening is None or last.closing is None):
        field_name = ":60F:" if first.opening is None else ":62F:"
        raise StatementRefused(
            f"statement {shown(first.reference)} has no {field_name}, so it is cut or no MT940"
        )
    if first.currency is None:
        raise StatementRefused(f"report {shown(first.reference)} names no currency")
    lines = tuple(line for page in pages for line in page.lines)
    for page in pages:
        _hold_against_totals(page)
    return Statement(
        account=first.account,
        currency=first.currency,
        number=first.number.partition("/")[0] if len(pages) > 1 else first.number,
        is_interim=is_interim,
        opening=None if first.opening is None else first.opening[1],
        closing=None if last.closing is None else last.closing[1],
        available=last.available,
        lines=lines,
    )


def _hold_against_totals(page: _Message) -> None:
    for mark, sign in (("C", 1), ("D", -1)):
        if mark not in page.totals:
            continue
        count, total = page.totals[mark]
        amounts = [abs(n.amount.minor) for n in page.lines if n.amount.minor * sign > 0]
        if (len(amounts), sum(amounts)) != (count, total.minor):
            raise StatementRefused(
                f"report {shown(page.reference)}: :90{mark}: says {count} lines of {total}, and it"
                f" has {len(amounts)} of {Money(sum(amounts), total.currency)}"
            )

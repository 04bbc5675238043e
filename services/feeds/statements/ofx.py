"""OFX 1.x (SGML) and 2.x (XML): read tag by tag, so that a missing end tag harms nothing.

Only five entities and character numbers are known; a document type is refused. So nothing in a
file can grow or fetch. FITID is the bank's id of a line.
Source: OFX 1.6 and 2.2 specifications, chapters 2, 3 and 11.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from services.feeds.statements.texts import (
    LINES_MAX,
    amount_of,
    currency_named,
    day_of,
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
from shared.contracts.money import Currency

_STATEMENTS: Final = frozenset({"STMTRS", "CCSTMTRS"})
_AGGREGATES: Final = _STATEMENTS | {
    "OFX",
    "BANKACCTFROM",
    "CCACCTFROM",
    "BANKTRANLIST",
    "BANKTRANLISTP",
    "STMTTRN",
    "STMTTRNP",
    "LEDGERBAL",
    "AVAILBAL",
    "CURRENCY",
    "ORIGCURRENCY",
    "PAYEE",
    "BANKACCTTO",
    "CCACCTTO",
}
_LINES: Final = frozenset({"STMTTRN", "STMTTRNP"})
_TAG: Final = re.compile(r"<(/?)([A-Za-z0-9_.]{1,40})\s*>([^<]*)|<([?!])([^>]*)>")
_DAY: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[0-9]{2,6})?(?:\.[0-9]+)?(?:\[.*\])?")
_HEADER: Final = re.compile(r"(ENCODING|CHARSET):\s*([A-Za-z0-9-]+)")
_XML_ENCODING: Final = re.compile(r"encoding=[\"']([A-Za-z0-9_.-]+)[\"']")
_CODECS: Final = {
    "1252": "cp1252",
    "ISO-8859-1": "iso-8859-1",
    "8859-1": "iso-8859-1",
    "WINDOWS-1252": "cp1252",
    "UTF-8": "utf-8",
    "US-ASCII": "ascii",
    "NONE": "ascii",
}
_CARRY_CHARACTERS_MAX: Final = 256 * 1024


@dataclass(slots=True)
class _Open:
    """A statement while its tags come in."""

    currency: Currency | None = None
    account: str = ""
    ledger: dict[str, str] = field(default_factory=dict[str, str])
    available: dict[str, str] = field(default_factory=dict[str, str])
    lines: list[StatementLine] = field(default_factory=list[StatementLine])


@dataclass(slots=True)
class _Reader:
    path: list[str] = field(default_factory=list[str])
    leaves: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    statement: _Open | None = None
    found: list[Statement] = field(default_factory=list[Statement])
    lines: int = 0
    has_ended: bool = False

    def begin(self, name: str, text: str) -> None:
        if name in _AGGREGATES:
            if self.has_ended or (name == "OFX") == bool(self.path):
                raise StatementRefused(f"<{name}> stands where it cannot")
            self.path.append(name)
            self.leaves.append({})
            if name in _STATEMENTS:
                if self.statement is not None:
                    raise StatementRefused("a statement stands inside another")
                self.statement = _Open()
            return
        if not self.path:
            if text:
                raise StatementRefused(f"<{name}> stands outside of <OFX>")
            return
        leaves = self.leaves[-1]
        if not text:
            return
        if self.path[-1] in _LINES and leaves.get(name, text) != text and name in _ONCE:
            raise StatementRefused(f"a line has two <{name}>")
        leaves.setdefault(name, text)
        if name == "CURDEF" and self.statement is not None:
            self.statement.currency = currency_named(text)

    def end(self, name: str) -> None:
        if name not in _AGGREGATES:
            return
        if not self.path or self.path[-1] != name:
            inside = f"<{self.path[-1]}>" if self.path else "the file"
            raise StatementRefused(f"</{name}> ends nothing: it stands in {inside}")
        self.path.pop()
        said = self.leaves.pop()
        if name == "OFX":
            self.has_ended = True
        if name == "PAYEE" and self.path[-1:] and self.path[-1] in _LINES:
            self.leaves[-1].setdefault("NAME", said.get("NAME", ""))
        if name == "CURRENCY" and self.path[-1:] and self.path[-1] in _LINES:
            self.leaves[-1]["CURRENCY"] = said.get("CURSYM", "?")
        if self.statement is not None:
            self._close(self.statement, name, said)

    def _close(self, statement: _Open, name: str, said: dict[str, str]) -> None:
        if name in ("BANKACCTFROM", "CCACCTFROM") and not statement.account:
            statement.account = plain(said.get("ACCTID", "")).replace(" ", "")
        elif name in _LINES:
            self.lines += 1
            if self.lines > LINES_MAX:
                raise StatementRefused(f"it has more than {LINES_MAX} lines")
            statement.lines.append(_line(said, statement, is_pending=name == "STMTTRNP"))
        elif name == "LEDGERBAL":
            statement.ledger = said
        elif name == "AVAILBAL":
            statement.available = said
        elif name in _STATEMENTS:
            self.found.append(checked(_statement(statement)))
            self.statement = None


_ONCE: Final = frozenset({"TRNAMT", "DTPOSTED", "FITID"})


def read_ofx(chunks: Iterable[bytes]) -> StatementFile:
    """All statements of a file.

    Raises:
        StatementRefused: It is no OFX, or holds what cannot be told exactly.
    """
    reader = _Reader()
    for is_end, name, text in _tags(chunks):
        if is_end:
            reader.end(name)
        else:
            reader.begin(name, text)
    if not reader.has_ended:
        raise StatementRefused("it does not end with </OFX>, so it is cut or no OFX")
    if not reader.found:
        raise StatementRefused("it holds no statement of a bank account or card")
    return StatementFile(Format.OFX, tuple(reader.found))


def _tags(chunks: Iterable[bytes]) -> Iterator[tuple[bool, str, str]]:
    """Tags with the text behind each; what is not a tag's text is none of ours."""
    carry = ""
    for text in _decoded(chunks):
        carry += text
        # The last tag may go on in the next line.
        cut = carry.rfind("<")
        if cut > 0:
            yield from _in(carry[:cut])
            carry = carry[cut:]
        if len(carry) > _CARRY_CHARACTERS_MAX:
            raise StatementRefused(f"a text is longer than {_CARRY_CHARACTERS_MAX} characters")
    yield from _in(carry)


def _in(text: str) -> Iterator[tuple[bool, str, str]]:
    at = 0
    for found in _TAG.finditer(text):
        between = text[at : found.start()]
        if "<" in between:
            raise StatementRefused(f"{shown(between[between.index('<') :])} is no tag")
        at = found.end()
        slash, name, value, mark, _ = found.groups()
        if mark == "!":
            raise StatementRefused(
                "it has a document type or entities, which no statement needs and attacks are"
                " made of",
                fix="do not import it; ask where it came from",
            )
        if mark is None:
            yield bool(slash), name.upper(), html.unescape(value).strip()
    if "<" in text[at:]:
        raise StatementRefused(f"{shown(text[at:])} is no tag")


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines as text, in the encoding that the head declares; one that is wrong is said."""
    codec, has_head = "", False
    for number, raw in enumerate(raw_lines(chunks), 1):
        line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        if b"\0" in line:
            raise StatementRefused(
                "the file holds NUL bytes: it is in 16-bit characters or no text"
            )
        if not has_head:
            codec = _declared(line.decode("ascii", "replace"), codec)
            has_head = b"<OFX>" in line.upper()
        try:
            yield line.decode(codec or "utf-8") + "\n"
        except UnicodeDecodeError:
            if codec in ("utf-8", "ascii", ""):
                declared = codec or "nothing else"
                raise StatementRefused(
                    f"it declares {declared.upper()}, and line {number} holds other bytes"
                ) from None
            yield line.decode("iso-8859-1") + "\n"


def _declared(line: str, codec: str) -> str:
    for name, value in _HEADER.findall(line):
        known = _CODECS.get(value.upper(), "")
        # CHARSET says which 8 bits there are where ENCODING says only that there are no more.
        if known and not (name == "CHARSET" and known == "ascii" and codec):
            codec = known
    xml = _XML_ENCODING.search(line)
    if xml is not None:
        codec = _CODECS.get(xml[1].upper(), "")
        if not codec:
            raise StatementRefused(f"the encoding {shown(xml[1])} is not read here")
    return codec


def _day(text: str) -> date:
    found = _DAY.fullmatch(text)
    if found is None:
        raise StatementRefused(f"{shown(text)} is no day such as 20261121120000")
    year, month, day = found.groups()
    return day_of(year, month, day, text)


def _line(said: dict[str, str], statement: _Open, *, is_pending: bool) -> StatementLine:
    currency = statement.currency
    if currency is None:
        raise StatementRefused("a line stands before the currency of its statement (CURDEF)")
    if other := said.get("CURRENCY"):
        raise StatementRefused(
            f"a line is told in {shown(other)} and a rate; what the account lost is not said"
        )
    if "CORRECTFITID" in said:
        raise StatementRefused(
            f"a line corrects {shown(said['CORRECTFITID'])}, told earlier",
            fix="take the statement of the whole period anew once the bank has corrected it",
        )
    text = said.get("TRNAMT", "")
    decimal = "," if "," in text else "."
    posted = said.get("DTPOSTED") or (said.get("DTTRAN", "") if is_pending else "")
    available = said.get("DTAVAIL", "")
    name, memo = plain(said.get("NAME", "")), plain(said.get("MEMO", ""))
    return StatementLine(
        amount=amount_of(text, currency, decimal=decimal),
        booked_on=_day(posted),
        value_on=_day(available) if available else None,
        is_pending=is_pending,
        bank_id=plain(said.get("FITID", "")),
        description=plain(name, memo, said.get("TRNTYPE", "") if not (name or memo) else ""),
        reference=plain(memo, said.get("REFNUM", ""), said.get("CHECKNUM", "")),
        counterparty=name,
        source_sha256=sha256_of(*(f"{k}={v}" for k, v in sorted(said.items()))),
    )


def _statement(found: _Open) -> Statement:
    if found.currency is None:
        raise StatementRefused("a statement names no currency (CURDEF)")
    closing, available = None, None
    if found.ledger:
        text = found.ledger.get("BALAMT", "")
        decimal = "," if "," in text else "."
        closing = Balance(
            amount_of(text, found.currency, decimal=decimal), _day(found.ledger.get("DTASOF", ""))
        )
    if found.available.get("BALAMT"):
        text = found.available["BALAMT"]
        available = amount_of(text, found.currency, decimal="," if "," in text else ".")
    return Statement(
        account=found.account,
        currency=found.currency,
        closing=closing,
        available=available,
        lines=tuple(found.lines),
    )

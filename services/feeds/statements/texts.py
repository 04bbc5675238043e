"""Amounts, dates and texts out of a file: exact, or refused; never guessed."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from services.feeds.statements.values import StatementRefused
from shared.contracts.errors import Refused
from shared.contracts.money import Currency, Money, currency_of

TEXT_CHARACTERS_MAX: Final = 4000
LINE_BYTES_MAX: Final = 256 * 1024
LINES_MAX: Final = 250_000
_DIGITS_MAX: Final = 30
_AMOUNT: Final = re.compile(r"([+-]?)([0-9]*)(?:[.,]([0-9]*))?")
_ISO_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T+Z-].*)?", re.DOTALL)
_SPACES: Final = re.compile(r"\s+")
_CENTURY_TURNS: Final = 80


def amount_of(text: str, currency: Currency, *, decimal: str = ".") -> Money:
    """An amount from its text, to the last digit; ``decimal`` is the sign between the parts.

    A minus before zero is zero. More decimals than the currency has are taken only as zeros.

    Raises:
        StatementRefused: It is no number, or not one of that currency.
    """
    found = _AMOUNT.fullmatch(text)
    sign, whole, part = found.groups(default="") if found else ("", "", "")
    other = "," if decimal == "." else "."
    if not (whole or part) or other in text or len(whole) + len(part) > _DIGITS_MAX:
        raise StatementRefused(f"{shown(text)} is no amount")
    kept, rest = part[: currency.exponent], part[currency.exponent :]
    if rest.strip("0"):
        raise StatementRefused(
            f"{shown(text)} has more than the {currency.exponent} decimals of {currency}"
        )
    minor = int((whole or "0") + kept.ljust(currency.exponent, "0"))
    return Money(-minor if sign == "-" else minor, currency)


def currency_named(code: str) -> Currency:
    """The currency of a code.

    Raises:
        StatementRefused: It is not registered.
    """
    try:
        return currency_of(code)
    except Refused:
        raise StatementRefused(f"{shown(code)} is no currency that is known here") from None


def day_of(year: str, month: str, day: str, text: str) -> date:
    """A day from its parts.

    Raises:
        StatementRefused: There is no such day.
    """
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise StatementRefused(f"{shown(text)} is no day of any calendar") from None


def iso_day(text: str) -> date:
    """The day of ``2026-11-21`` or ``2026-11-21T10:00:00+01:00``, as it is written.

    Raises:
        StatementRefused: It is none.
    """
    found = _ISO_DAY.fullmatch(text.strip())
    if found is None:
        raise StatementRefused(f"{shown(text)} is no day such as 2026-11-21")
    year, month, day = found.groups()
    return day_of(year, month, day, text)


def short_day(text: str) -> date:
    """The day of ``261121``; years from 80 on are of the last century.

    Raises:
        StatementRefused: It is none.
    """
    if len(text) != 6 or not text.isascii() or not text.isdigit():
        raise StatementRefused(f"{shown(text)} is no day such as 261121")
    century = "19" if int(text[:2]) >= _CENTURY_TURNS else "20"
    return day_of(century + text[:2], text[2:4], text[4:], text)


def plain(*texts: str) -> str:
    """Texts as one, each said once: no control characters, single spaces, bounded."""
    seen: dict[str, None] = {}
    for text in texts:
        clean = _SPACES.sub(" ", "".join(c if c.isprintable() else " " for c in text)).strip()
        if clean:
            seen[clean] = None
    # A character of two code units is cut whole, so what is kept is always text.
    return " ".join(seen)[:TEXT_CHARACTERS_MAX].strip()


def shown(text: str) -> str:
    """A text from outside as a message may show it."""
    return ascii(text if len(text) <= 60 else text[:59] + "…")


def sha256_of(*parts: str) -> str:
    """The digest of what a file says of one thing."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()


def raw_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""The lines of a file without their ends: ``\n``, ``\r\n`` or ``\r``.

    Raises:
        StatementRefused: A line is longer than any format has them.
    """
    rest = b""
    for chunk in chunks:
        rest += chunk
        # An \r at the very end may be the half of an \r\n.
        held = b"\r" if rest.endswith(b"\r") else b""
        *whole, rest = rest.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(
            b"\r", b"\n"
        ).split(b"\n")  # fmt: skip
        rest += held
        for line in whole:
            _bound(line)
            yield line
        _bound(rest)
    yield rest.removesuffix(b"\r")


def _bound(line: bytes) -> None:
    if len(line) > LINE_BYTES_MAX:
        raise StatementRefused(f"a line is longer than {LINE_BYTES_MAX} bytes")


def text_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines of a format that does not say its encoding: UTF-8 where it is, else ISO-8859-1.

    Raises:
        StatementRefused: It is in 16-bit characters, or holds a NUL.
    """
    is_first = True
    for raw in raw_lines(chunks):
        line = raw
        if is_first:
            is_first = False
            if line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise StatementRefused(
                    "the file is in UTF-16; this format is read in UTF-8 or ISO-8859-1",
                    fix="save it in UTF-8, or ask the bank for it so",
                )
            line = line.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in line:
            raise StatementRefused("the file holds NUL bytes, so it is no text")
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            yield line.decode("iso-8859-1")

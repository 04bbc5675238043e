"""A journal for hledger: transactions with all their evidence as tags, then assertions.

Accounts and commodities are declared behind the transactions, since only then is known which there
are; so a file that was cut off does not pass ``hledger check --strict``.
"""

import re
from datetime import date
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from services.ledger.exports.journal import About, Opening, Tally, Told
from services.ledger.exports.periods import BookUnfit, Periods
from services.ledger.exports.preamble import opening_day, preamble
from shared.contracts.envelope import rfc3339
from shared.contracts.money import decimal_text

TYPES: Final = {"assets": "A", "liabilities": "L", "equity": "E", "revenue": "R", "expenses": "X"}
_LETTERS: Final = re.compile(r"[A-Z]+")
_IN_TAGS: Final = {"%": "%25", ",": "%2C", "[": "%5B", "]": "%5D"}


class Hledger:
    """Writes one book; days are those of its time zone."""

    def __init__(self, book: str, zone: ZoneInfo) -> None:
        self._book = book
        self._periods = Periods(zone)

    def begin(self, about: About) -> str:
        """What the file is, and what stood before."""
        lines = [f"; {line}" for line in preamble(about, self._book, str(self._periods.zone))]
        lines += ["", "decimal-mark .", ""]
        if about.opening:
            day = opening_day(about, self._periods.zone)
            self._periods.open(about.opening, day)
            lines += _opening(about.opening, day)
        return "\n".join(lines) + "\n"

    def entry(self, told: Told) -> str:
        """A transaction; its code is its place in the chain.

        Raises:
            BookUnfit: It is of another book.
        """
        if told.book != self._book:
            raise BookUnfit(f"{told.reference} is of book {told.book}, not {self._book}")
        day = self._periods.add(told)
        said = _said(told.description or told.reference)
        lines = [
            f"{day} * ({told.origin}#{told.sequence}) {said}",
            _tag("reference", told.reference),
            _tag("kind", told.kind),
            _tag("effective", rfc3339(told.effective_at)),
            _tag("recorded", rfc3339(told.recorded_at)),
            _tag("rules", str(told.rules_version)),
            _tag("origin", told.origin),
            _tag("sequence", str(told.sequence)),
            _tag("offset", str(told.offset)),
            _tag("message", told.message_id),
            _tag("digest", told.digest),
            _tag("chain", told.chain),
        ]
        if told.reported_day is not None:
            lines.append(_tag("reported", told.reported_day.isoformat()))
        if told.reverses:
            lines.append(_tag("reverses", told.reverses))
        for leg in told.legs:
            amount = f"{decimal_text(leg.signed, leg.exponent)} {_symbol(leg.currency)}"
            key = f"  ; key: {_value(leg.key)}" if leg.key else ""
            lines.append(f"    {leg.account}  {amount}{key}")
        return "\n".join(lines) + "\n\n"

    def end(self, tally: Tally) -> str:
        """What stands on each account at the months' ends, accounts, commodities; what was told."""
        periods = self._periods
        lines: list[str] = []
        for day, standings in groupby(periods.standings(), key=lambda each: each.day):
            lines.append(f"{day} * What stands at the end of this day")
            for each in standings:
                exponent, symbol = periods.exponents[each.currency], _symbol(each.currency)
                nothing = decimal_text(0, exponent)
                amount = decimal_text(each.minor, exponent)
                lines.append(f"    {each.account}  {nothing} {symbol} = {amount} {symbol}")
            lines.append("")
        for account in periods.accounts():
            kind = TYPES.get(account.split(":", 1)[0])
            lines.append(f"account {account}" + (f"  ; type: {kind}" if kind else ""))
        for code, exponent in sorted(periods.exponents.items()):
            # hledger asks for a decimal mark even where no decimals follow.
            form = decimal_text(1000 * 10**exponent, exponent) + ("" if exponent else ".")
            lines.append(f"commodity {form} {_symbol(code)}")
        lines += ["", *(f"; {line}" for line in tally.lines())]
        return "\n".join(lines) + "\n"

    def seal(self, sha256: str) -> str:
        """The last line."""
        return f"; sha256 of all before this line: {sha256}\n"


def _opening(opening: tuple[Opening, ...], day: date) -> list[str]:
    lines = [f"{day} * What stood before"]
    for each in opening:
        amount = f"{decimal_text(each.minor, each.exponent)} {_symbol(each.currency)}"
        lines.append(f"    {each.account}  {amount}")
    return [*lines, ""]


def _symbol(code: str) -> str:
    symbol = code.upper()
    return symbol if _LETTERS.fullmatch(symbol) else f'"{symbol}"'


def _tag(name: str, value: str) -> str:
    return f"    ; {name}: {_value(value)}"


def _value(text: str) -> str:
    """A tag's value, in which what hledger reads otherwise is written as in addresses.

    A comma would end it, and a date in square brackets would be the day of the posting.
    """
    return "".join(_IN_TAGS.get(character, character) for character in _printing(text))


def _said(text: str) -> str:
    """A description, which a semicolon would end."""
    return _printing(text).replace(";", ",")


def _printing(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)

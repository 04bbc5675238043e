"""A journal for Beancount: transactions with all their evidence, then accounts and assertions.

Accounts and commodities are declared behind the transactions, as Beancount allows, because only
then is known which there are; so a file that was cut off does not pass ``bean-check``.
"""

import hashlib
import re
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.ledger.exports.journal import About, Opening, Tally, Told
from services.ledger.exports.periods import BookUnfit, Periods
from services.ledger.exports.preamble import opening_day, preamble
from shared.contracts.envelope import rfc3339
from shared.contracts.money import decimal_text

ROOTS: Final = {
    "assets": "Assets",
    "liabilities": "Liabilities",
    "equity": "Equity",
    "revenue": "Income",
    "expenses": "Expenses",
    # Off the balance sheet, where Beancount has no root: its two sides sum to zero.
    "memo": "Equity:Memo",
}
_PLAIN: Final = re.compile(r"[a-z0-9][A-Za-z0-9-]*")
_ODD: Final = re.compile(r"[^A-Za-z0-9-]")
_DIGEST_SHOWN: Final = 6


class Beancount:
    """Writes one book; days are those of its time zone."""

    def __init__(self, book: str, zone: ZoneInfo) -> None:
        self._book = book
        self._periods = Periods(zone)

    def begin(self, about: About) -> str:
        """What the file is, and what stood before."""
        lines = [f"; {line}" for line in preamble(about, self._book, str(self._periods.zone))]
        lines += ["", f'option "title" {_quoted(f"Tallystick, book {self._book}")}', ""]
        if about.opening:
            day = opening_day(about, self._periods.zone)
            self._periods.open(about.opening, day)
            lines += _opening(about.opening, day)
        return "\n".join(lines) + "\n"

    def entry(self, told: Told) -> str:
        """A transaction.

        Raises:
            BookUnfit: It is of another book.
        """
        if told.book != self._book:
            raise BookUnfit(f"{told.reference} is of book {told.book}, not {self._book}")
        day = self._periods.add(told)
        lines = [
            f"{day} * {_quoted(told.description or told.reference)}",
            f"  reference: {_quoted(told.reference)}",
            f"  kind: {_quoted(told.kind)}",
            f"  effective: {_quoted(rfc3339(told.effective_at))}",
            f"  recorded: {_quoted(rfc3339(told.recorded_at))}",
            f"  rules: {told.rules_version}",
            f"  origin: {_quoted(told.origin)}",
            f"  sequence: {told.sequence}",
            f"  offset: {told.offset}",
            f"  message: {_quoted(told.message_id)}",
            f"  digest: {_quoted(told.digest)}",
            f"  chain: {_quoted(told.chain)}",
        ]
        if told.reported_day is not None:
            lines.append(f"  reported: {told.reported_day}")
        if told.reverses:
            lines.append(f"  reverses: {_quoted(told.reverses)}")
        for leg in told.legs:
            amount = decimal_text(leg.signed, leg.exponent)
            lines.append(f"  {account_name(leg.account)}  {amount} {leg.currency.upper()}")
            if leg.key:
                lines.append(f"    key: {_quoted(leg.key)}")
        return "\n".join(lines) + "\n\n"

    def end(self, tally: Tally) -> str:
        """Commodities, accounts, what stands on each at the months' ends; then what was told."""
        periods = self._periods
        lines: list[str] = []
        day = periods.first_day or date(1970, 1, 1)
        for code, exponent in sorted(periods.exponents.items()):
            lines += [f"{day} commodity {code.upper()}", f"  decimals: {exponent}"]
        lines.append("")
        for account, codes in periods.accounts().items():
            names = ",".join(code.upper() for code in codes)
            lines += [f"{day} open {account_name(account)} {names}", f"  name: {_quoted(account)}"]
        lines.append("")
        for standing in periods.standings():
            # Beancount's assertions are of a day's beginning, and count sub-accounts.
            after = standing.day + timedelta(days=1)
            amount = decimal_text(standing.below, periods.exponents[standing.currency])
            name = account_name(standing.account)
            lines.append(f"{after} balance {name}  {amount} ~ 0 {standing.currency.upper()}")
        lines += ["", *(f"; {line}" for line in tally.lines())]
        return "\n".join(lines) + "\n"

    def seal(self, sha256: str) -> str:
        """The last line."""
        return f"; sha256 of all before this line: {sha256}\n"


def account_name(account: str) -> str:
    """An account's name in Beancount; two accounts never share one.

    Each part begins with a capital or a digit, ``_`` and ``.`` become ``-``. A part that others
    could come to be as well gets the beginning of its digest behind it.
    """
    root, *parts = account.split(":")
    names = [_part(part) for part in parts]
    if f"{ROOTS[root]}:{names[0]}" == ROOTS["memo"]:
        names[0] = _part(parts[0], is_shared=True)
    return ":".join([ROOTS[root], *names])


def _part(part: str, *, is_shared: bool = False) -> str:
    shown = _ODD.sub("-", part)
    if is_shared or not _PLAIN.fullmatch(part):
        shown += "-h" + hashlib.sha256(part.encode()).hexdigest()[:_DIGEST_SHOWN]
    return shown[0].upper() + shown[1:]


def _opening(opening: tuple[Opening, ...], day: date) -> list[str]:
    lines = [f'{day} * "What stood before"']
    for each in opening:
        amount = decimal_text(each.minor, each.exponent)
        lines.append(f"  {account_name(each.account)}  {amount} {each.currency.upper()}")
    return [*lines, ""]


def _quoted(text: str) -> str:
    """A string of Beancount's; what does not print is replaced, since no string needs it."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

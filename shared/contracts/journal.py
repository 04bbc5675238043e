"""A fact in double entry: postings, and the entry that balances or is not built.

Lines may be of any sign while a rule puts them together; a posting is always above zero:
``entry`` leaves zero lines out and turns negative ones to the other side.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

import msgspec

from shared.contracts.errors import AccountInvalid, EntryUnbalanced, TimeInvalid
from shared.contracts.money import Money
from shared.contracts.times import FIRST, LAST

Account = NewType("Account", str)
Reference = NewType("Reference", str)
Book = NewType("Book", str)

DEFAULT_BOOK: Final = Book("main")
ROOTS: Final = ("assets", "liabilities", "equity", "revenue", "expenses", "memo")
_SEGMENT: Final = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}"
_ACCOUNT = re.compile(rf"(?:{'|'.join(ROOTS)})(?::{_SEGMENT}){{1,7}}")


class Direction(StrEnum):
    """The side of a posting."""

    DEBIT = "debit"
    CREDIT = "credit"


def account(name: str) -> Account:
    """An account name, checked: a root, then one to seven segments.

    Raises:
        AccountInvalid: The name does not have that form.
    """
    if not _ACCOUNT.fullmatch(name):
        raise AccountInvalid(name)
    return Account(name)


class Line(msgspec.Struct, frozen=True, gc=False):
    """One leg while a rule puts an entry together; an amount below zero is of the other side."""

    account: Account
    amount: Money
    key: str = ""
    is_credit: bool = False

    @property
    def net(self) -> Money:
        """What it puts on the account: debit above zero, credit below."""
        return -self.amount if self.is_credit else self.amount

    def turned(self) -> "Line":
        """The leg that undoes this one."""
        return Line(self.account, self.amount, self.key, not self.is_credit)


def debit(name: Account, amount: Money, *, key: str = "") -> Line:
    """A leg that debits ``name``; a negative amount credits it."""
    return Line(name, amount, key)


def credit(name: Account, amount: Money, *, key: str = "") -> Line:
    """A leg that credits ``name``; a negative amount debits it."""
    return Line(name, amount, key, is_credit=True)


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One leg of an entry. ``amount`` is above zero; ``key`` is the sub-ledger dimension.

    Raises:
        ValueError: The amount is not above zero.
    """

    account: Account
    key: str
    direction: Direction
    amount: Money

    def __post_init__(self) -> None:
        if self.amount.minor <= 0:
            raise ValueError(f"a posting is above zero, not {self.amount}")

    @property
    def signed_minor(self) -> int:
        """Minor units, debit positive."""
        return self.amount.minor if self.direction is Direction.DEBIT else -self.amount.minor


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One balanced fact of a book.

    ``effective_at`` is when it happened and is no part of the digest, nor are the texts, the
    rules version and the message that told it: tellings may differ in them.

    Raises:
        EntryUnbalanced: Debits and credits differ in a currency, or there are under two postings.
        TimeInvalid: It took effect at an end of the calendar.
    """

    book: Book
    reference: Reference
    kind: str
    effective_at: datetime
    postings: tuple[Posting, ...]
    rules_version: int
    description: str = ""
    reverses: Reference | None = None

    def __post_init__(self) -> None:
        if self.effective_at.tzinfo is None:
            raise ValueError(f"{self.reference}: effective_at has no time zone")
        if not FIRST < self.effective_at < LAST:
            raise TimeInvalid(self.effective_at)
        debit_side = Direction.DEBIT
        excess: dict[str, int] = {}
        for posting in self.postings:
            amount = posting.amount
            code, minor = amount.currency.code, amount.minor
            signed = minor if posting.direction is debit_side else -minor
            excess[code] = excess.get(code, 0) + signed
        if any(excess.values()):
            code, minor = min(item for item in excess.items() if item[1])
            raise EntryUnbalanced(self.reference, currency=code, excess_minor=minor)
        if len(self.postings) < 2:
            raise EntryUnbalanced(self.reference, currency="none", excess_minor=0)

    def digest(self) -> bytes:
        """SHA-256 of what the entry says of money: the same fact told twice has the same one."""
        said = [
            f"{p.account}\x1f{p.key}\x1f{p.direction._value_}\x1f{p.amount.minor}"
            f"\x1f{p.amount.currency.code}"
            for p in self.postings
        ]
        head = f"{self.book}\x1e{self.reference}\x1e{self.reverses or ''}"
        return hashlib.sha256("\x1e".join([head, *sorted(said)]).encode()).digest()


def entry(
    *,
    book: Book,
    reference: Reference,
    kind: str,
    effective_at: datetime,
    lines: Sequence[Line],
    rules_version: int,
    description: str = "",
    reverses: Reference | None = None,
) -> Entry | None:
    """The entry of these lines, or ``None`` when every line is zero.

    Raises:
        EntryUnbalanced: The lines do not sum to zero in each currency.
    """
    postings = tuple([_posting(line) for line in lines if line.amount.minor])
    if not postings:
        return None
    return Entry(
        book, reference, kind, effective_at, postings, rules_version, description, reverses
    )


def reversal_of(
    original: Entry, *, reference: Reference, kind: str, effective_at: datetime
) -> Entry:
    """The entry that undoes ``original`` and names it: every posting on the other side."""
    return Entry(
        book=original.book,
        reference=reference,
        kind=kind,
        effective_at=effective_at,
        postings=tuple(
            Posting(
                p.account,
                p.key,
                Direction.CREDIT if p.direction is Direction.DEBIT else Direction.DEBIT,
                p.amount,
            )
            for p in original.postings
        ),
        rules_version=original.rules_version,
        reverses=original.reference,
    )


def _posting(line: Line) -> Posting:
    amount, is_credit = line.amount, line.is_credit
    if amount.minor < 0:
        amount, is_credit = -amount, not is_credit
    side = Direction.CREDIT if is_credit else Direction.DEBIT
    return Posting(line.account, line.key, side, amount)


def render(booked: Entry | None) -> str:
    """An entry as a bookkeeper writes it, one posting a line; empty for nothing."""
    if booked is None:
        return ""
    return render_postings(booked.postings)


def render_postings(postings: Iterable[Posting]) -> str:
    """Postings as ``Dr account[key]   amount CUR`` lines, amounts right-aligned."""
    rows = [
        (
            "Dr" if p.direction is Direction.DEBIT else "Cr",
            f"{p.account}[{p.key}]" if p.key else str(p.account),
            str(p.amount),
        )
        for p in postings
    ]
    name_width = max((len(name) for _, name, _ in rows), default=0)
    amount_width = max((len(amount) for _, _, amount in rows), default=0)
    return "\n".join(
        f"{side} {name:<{name_width}}  {amount:>{amount_width}}" for side, name, amount in rows
    )

"""BAI2: the cash management reports of American banks, with their control totals.

An amount has no decimal point: it counts the currency's minor units. A type code says what an
amount is: 010 and 015 are balances, 100 to 399 credits, 400 to 699 debits.
Source: Cash Management Balance Reporting Specifications, Version 2 (ANSI X9.121).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from services.feeds.statements.texts import (
    LINES_MAX,
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

_OPENING, _CLOSING, _AVAILABLE = "010", "015", "045"
_INTEGER: Final = re.compile(r"([+-]?)([0-9]{1,28})")
_CONTINUED_MAX: Final = 500
_NO_MONEY: Final = "890"
_INTERIM: Final = frozenset({"1", "3"})
_STATUS: Final = {"2": "deletes an earlier report", "4": "is a test"}


@dataclass(slots=True)
class _Account:
    number: str
    currency: Currency
    as_of: date
    is_interim: bool
    control: int = 0
    records: int = 0
    balances: dict[str, int] = field(default_factory=dict[str, int])
    lines: list[StatementLine] = field(default_factory=list[StatementLine])


@dataclass(slots=True)
class _Counted:
    """What the trailer of a file or group is held against."""

    control: int = 0
    parts: int = 0
    records: int = 0


@dataclass(slots=True)
class _Reader:
    file: _Counted | None = None
    group: _Counted | None = None
    account: _Account | None = None
    default_currency: str = "USD"
    as_of: date | None = None
    is_interim: bool = False
    is_over: bool = False
    found: list[Statement] = field(default_factory=list[Statement])
    lines: int = 0

    def take(self, code: str, fields: list[str], physical: int) -> None:
        self._count(code, physical)
        match code:
            case "01":
                self._begin_file(physical)
            case "02":
                self._begin_group(fields, physical)
            case "03":
                self._begin_account(fields, physical)
            case "16":
                self._line(fields)
            case "49":
                self._end_account(fields)
            case "98":
                self._end_group(fields)
            case "99":
                self._end_file(fields)
            case _:
                raise StatementRefused(f"record {shown(code)} is none of BAI2")

    def _count(self, code: str, physical: int) -> None:
        if self.is_over:
            raise StatementRefused("there is more after the 99 that ends the file")
        if code != "01" and self.file is None:
            raise StatementRefused("it does not begin with a 01 record, so it is no BAI2 file")
        for counted in (self.file, self.group):
            if counted is not None:
                counted.records += physical
        if self.account is not None:
            self.account.records += physical

    def _begin_file(self, physical: int) -> None:
        if self.file is not None:
            raise StatementRefused("a second 01 stands inside the file")
        self.file = _Counted(records=physical)

    def _begin_group(self, fields: list[str], physical: int) -> None:
        if self.group is not None:
            raise StatementRefused("a 02 stands inside a group that no 98 has ended")
        status = _at(fields, 3)
        if status in _STATUS:
            raise StatementRefused(f"a group {_STATUS[status]}", fix="ask the bank for an update")
        self.group = _Counted(records=physical)
        self.as_of = _day(_at(fields, 4))
        self.default_currency = _at(fields, 6) or "USD"
        self.is_interim = _at(fields, 7) in _INTERIM

    def _begin_account(self, fields: list[str], physical: int) -> None:
        if self.group is None or self.as_of is None or self.account is not None:
            raise StatementRefused("a 03 stands where no account can begin")
        currency = currency_named(_at(fields, 2) or self.default_currency)
        account = _Account(
            plain(_at(fields, 1)), currency, self.as_of, self.is_interim, records=physical
        )
        rest = fields[3:]
        while rest:
            kind, amount = _at(rest, 0), _at(rest, 1)
            if amount:
                minor = _minor(amount)
                account.control += minor
                if kind in account.balances:
                    raise StatementRefused(f"account {shown(account.number)} has {kind} twice")
                account.balances[kind] = minor
            rest = _after_funds(rest[3:])
        self.account = account

    def _line(self, fields: list[str]) -> None:
        if self.account is None:
            raise StatementRefused("a 16 stands outside of any account")
        self.lines += 1
        if self.lines > LINES_MAX:
            raise StatementRefused(f"it has more than {LINES_MAX} lines")
        account = self.account
        kind, text = _at(fields, 1), _at(fields, 2)
        rest = _after_funds(fields[3:])
        valued = _value_day(fields[3:])
        minor = _minor(text) if text else 0
        account.control += minor
        if kind == _NO_MONEY or not text:
            return
        sign = _sign(kind, minor)
        bank_id, own = _at(rest, 0), plain(_at(rest, 1))
        said = plain(",".join(rest[2:]))
        account.lines.append(
            StatementLine(
                amount=Money(sign * minor, account.currency),
                booked_on=account.as_of,
                value_on=valued,
                bank_id=plain(bank_id),
                description=said or f"BAI {kind}",
                reference=plain(own, said),
                source_sha256=sha256_of(*fields),
            )
        )

    def _end_account(self, fields: list[str]) -> None:
        if self.account is None or self.group is None:
            raise StatementRefused("a 49 ends no account")
        account, self.account = self.account, None
        _hold(f"account {shown(account.number)}", fields, account.control, account.records)
        self.group.control += account.control
        self.group.parts += 1
        self.found.append(checked(_statement(account)))

    def _end_group(self, fields: list[str]) -> None:
        if self.group is None or self.file is None or self.account is not None:
            raise StatementRefused("a 98 ends no group, or one whose account no 49 has ended")
        group, self.group = self.group, None
        _hold("a group", fields, group.control, group.records, group.parts)
        self.file.control += group.control
        self.file.parts += 1

    def _end_file(self, fields: list[str]) -> None:
        if self.file is None or self.group is not None:
            raise StatementRefused("a 99 stands inside a group that no 98 has ended")
        _hold("the file", fields, self.file.control, self.file.records, self.file.parts)
        self.is_over = True


def read_bai2(chunks: Iterable[bytes]) -> StatementFile:
    """All accounts of a file, held against its control totals.

    Raises:
        StatementRefused: It is no BAI2, or its totals do not agree.
    """
    reader = _Reader()
    for code, fields, physical in _records(chunks):
        reader.take(code, fields, physical)
    if not reader.is_over:
        raise StatementRefused("it does not end with a 99 record, so it is cut")
    return StatementFile(Format.BAI2, tuple(reader.found))


def _records(chunks: Iterable[bytes]) -> Iterator[tuple[str, list[str], int]]:
    """Records with their 88s joined, and of how many physical ones each is made."""
    held: list[str] | None = None
    physical = 0
    for line in text_lines(chunks):
        record = line.strip()
        if not record:
            continue
        code = record[:2]
        if code == "88":
            if held is None:
                raise StatementRefused("an 88 goes on with nothing")
            held, physical = _joined(held, record), physical + 1
            if physical > _CONTINUED_MAX:
                raise StatementRefused(f"a record goes on for more than {_CONTINUED_MAX} lines")
            continue
        if held is not None:
            yield held[0], held, physical
        held, physical = _split(record), 1
    if held is not None:
        yield held[0], held, physical


def _split(record: str) -> list[str]:
    # Only the text of a 16, which is its last field, may go without the slash.
    return [part.strip() for part in record.removesuffix("/").split(",")]


def _joined(held: list[str], record: str) -> list[str]:
    return held + _split(record)[1:]


def _at(fields: Sequence[str], index: int) -> str:
    return fields[index] if index < len(fields) else ""


def _minor(text: str) -> int:
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise StatementRefused(f"{shown(text)} is no whole number of minor units")
    return -int(found[2]) if found[1] == "-" else int(found[2])


def _day(text: str) -> date:
    return short_day(text[2:] if len(text) == 8 and text.startswith("20") else text)


def _sign(kind: str, minor: int) -> int:
    number = int(kind) if kind.isascii() and kind.isdigit() and len(kind) == 3 else 0
    if 100 <= number < 400:
        return 1
    if 400 <= number < 700:
        return -1
    if minor == 0:
        return 1
    raise StatementRefused(
        f"type code {shown(kind)} says neither credit nor debit",
        fix="codes of the bank's own cannot be booked: ask it to send standard ones",
    )


def _value_day(rest: Sequence[str]) -> date | None:
    return _day(rest[1]) if _at(rest, 0) == "V" and _at(rest, 1) else None


def _after_funds(rest: list[str]) -> list[str]:
    """What stands behind a funds type, which takes as many fields as it says."""
    match _at(rest, 0):
        case "V":
            return rest[3:]
        case "S":
            return rest[4:]
        case "D":
            number = _at(rest, 1)
            pairs = int(number) if number.isascii() and number.isdigit() else 0
            return rest[2 + 2 * min(pairs, len(rest)) :]
        case _:
            return rest[1:]


def _hold(what: str, fields: list[str], control: int, records: int, parts: int = -1) -> None:
    told = [_minor(text) for text in fields[1 : 4 if parts >= 0 else 3]]
    found = [control, parts, records] if parts >= 0 else [control, records]
    if told != found:
        raise StatementRefused(
            f"{what} does not agree with its trailer: control total and counts are"
            f" {', '.join(map(str, told))} there, and {', '.join(map(str, found))} by its records"
        )


def _statement(account: _Account) -> Statement:
    def balance(kind: str) -> Balance | None:
        minor = account.balances.get(kind)
        return None if minor is None else Balance(Money(minor, account.currency), account.as_of)

    available = account.balances.get(_AVAILABLE)
    opening, closing = balance(_OPENING), balance(_CLOSING)
    return Statement(
        account=account.number,
        currency=account.currency,
        is_interim=account.is_interim,
        opening=None if account.is_interim else opening,
        closing=None if account.is_interim else closing,
        available=None if available is None else Money(available, account.currency),
        lines=tuple(account.lines),
    )

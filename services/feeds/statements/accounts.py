"""Whose account a statement is: the names of the files, and ours."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.feeds.statements.texts import shown
from services.feeds.statements.values import Statement, StatementRefused
from shared.contracts.books import BookData, BookMap

_NO_LETTERS: Final = re.compile(r"[^A-Z0-9]")


class InterimIs(StrEnum):
    """What a line is that an interim report tells as booked."""

    PENDING = "pending"
    POSTED = "posted"


@dataclass(frozen=True, slots=True)
class StatementAccount:
    """An account that files tell: the files' name for it, and ours."""

    id: str
    name: str
    interim: InterimIs = InterimIs.PENDING
    stale_after_days: int | None = None


@dataclass(frozen=True, slots=True)
class Owned:
    """A statement, the account that it is of, and that account's book."""

    statement: Statement
    account: StatementAccount
    book: BookData


def normal_id(text: str) -> str:
    """An account's name as it is compared: capitals and figures alone."""
    return _NO_LETTERS.sub("", text.upper())


def owned(
    statements: Iterable[Statement],
    accounts: Iterable[StatementAccount],
    books: BookMap,
    *,
    polled: frozenset[str] = frozenset(),
) -> tuple[Owned, ...]:
    """Each statement with its account; ``polled`` are names of accounts that a bank is asked for.

    Raises:
        StatementRefused: Nobody has said whose account one is, or two feeds would tell it.
    """
    known = {normal_id(a.id): a for a in accounts}
    return tuple(_owned(statement, known, books, polled) for statement in statements)


def _owned(
    statement: Statement,
    known: dict[str, StatementAccount],
    books: BookMap,
    polled: frozenset[str],
) -> Owned:
    ident = normal_id(statement.account)
    # Some banks write the currency behind the account: DE89…EUR.
    bare = ident.removesuffix(statement.currency.code.upper())
    account = known.get(ident) or known.get(bare)
    if account is None:
        raise StatementRefused(
            f"nobody has said whose account {shown(statement.account)} is ({statement.name})",
            fix=(
                f'add [[statements]] with id = "{statement.account}" and a name to the banks file'
                " (TALLYSTICK_FEEDS_BANKS_FILE), or import it with --account NAME"
            ),
        )
    if account.name in polled:
        raise StatementRefused(
            f"account {account.name} is read from its bank's API: a file would tell each line"
            " a second time",
            fix="take it out of [[banks]] or out of [[statements]]",
        )
    book = books.of_bank(account.name)
    if book is None:
        raise StatementRefused(
            f"no book names the bank account {account.name!r}, and there are several books",
            fix="name it in the books file (TALLYSTICK_BOOKS_FILE)",
        )
    currencies = [b.currency for b in book.bank_accounts if b.name == account.name]
    if currencies and currencies[0] != statement.currency.code:
        raise StatementRefused(
            f"{statement.name} is in {statement.currency}, and account {account.name} is in"
            f" {currencies[0].upper()} by the books file",
            fix="correct whichever is wrong; an account has one currency",
        )
    return Owned(statement, account, book)

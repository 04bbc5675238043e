"""Which bank accounts commands may name, where a book says which ones it has.

The chart knows bank accounts as a family, `assets:bank:NAME`, so by the chart alone a mistyped name
is an account like any other. A book that names its bank accounts has those, each in its currency,
and those that a command has opened. One that something was booked on before is taken too: a bank
tells of it, or it is an old mistake that has to be mended. A book that names none takes any, and
the answer says which it had never heard of.
"""

from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from services.ledger.accounts import BANK
from services.ledger.rules.refusals import CommandRefused
from services.ledger.rulings.cases import Case
from shared.contracts.journal import Entry

# The name under which an answer tells the bank accounts that nothing was booked on before.
NEW_BANKS: Final = "new_banks"


def require_bank_accounts(case: Case, booked: Entry) -> None:
    """Refuse an entry on a bank account that the book does not have, or not in that currency.

    Raises:
        CommandRefused: It names one.
    """
    for posting in booked.postings:
        require_bank_account(case, posting.account, posting.amount.currency.code)


def require_bank_account(case: Case, account: str, code: str) -> None:
    """Refuse a bank account that the book does not have, or not in that currency.

    Raises:
        CommandRefused: It is one.
    """
    if is_unheard_of(case, account):
        name = account.removeprefix(BANK)
        known = ", ".join(each.name for each in case.book.data.bank_accounts)
        case.refuse(
            CommandRefused(
                f"the book has no bank account {name!r}: it has {known}",
                rule="account_known",
                values={"account": account, "bank_accounts": known},
                way_out="name one of these; one that is new is told in the books file (`tallystick"
                f" activate book-map FILE`), or opened (`tallystick accounts open {account}"
                ' "NAME"`)',
            )
        )
    for each in case.book.data.bank_accounts:
        is_other = f"{BANK}{each.name}" == account and each.currency != code
        if is_other and not _is_opened(case, account) and not _has_moved(case, account, code):
            case.refuse(
                CommandRefused(
                    f"{account} is in {each.currency.upper()}, not in {code.upper()}",
                    rule="account_currency",
                    values={"account": account, "currency": code, "is_in": each.currency},
                    way_out=f"say what it came to in {each.currency.upper()}, against"
                    " equity:exchange, or name another account",
                )
            )


def is_unheard_of(case: Case, account: str) -> bool:
    """Whether it is a bank account that a book which names its own does not know."""
    ours = case.book.data.bank_accounts
    return (
        bool(ours)
        and account.startswith(BANK)
        and account.removeprefix(BANK) not in {each.name for each in ours}
        and not _is_opened(case, account)
        and not _has_moved(case, account)
    )


def first_postings(case: Case, booked: Entry) -> dict[str, JsonValue] | None:
    """What an answer says of bank accounts that are new to a book which names none."""
    if case.book.data.bank_accounts:
        return None
    found = sorted(set(_new(case, booked)))
    return {NEW_BANKS: [*found]} if found else None


def _new(case: Case, booked: Entry) -> Iterator[str]:
    for posting in booked.postings:
        account = str(posting.account)
        is_known = _is_opened(case, account) or _has_moved(case, account)
        if account.startswith(BANK) and not is_known:
            yield account


def _is_opened(case: Case, account: str) -> bool:
    return account in case.standing.changes


def _has_moved(case: Case, account: str, code: str = "") -> bool:
    """Whether anything was ever booked there, in that currency where one is told."""
    return any(name[0] == account and code in ("", name[2]) for name in case.standing.posted)

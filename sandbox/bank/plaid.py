"""The bank in Plaid's words: shapes of its objects, and walks through what changed.

Money that leaves is above zero, amounts are JSON numbers, and a pending line that posts comes
under a new id that names the old one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from sandbox.bank.core import SimulatedBank
from sandbox.bank.facts import BankAccount, Line, PendingLine
from sandbox.world.jsons import JsonObject

_LOCATION: Final = (
    *("address", "city", "country", "lat"),
    *("lon", "postal_code", "region", "store_number"),
)
_EXPONENTS: Final = {"jpy": 0, "kwd": 3}


class PlaidRefusal(Exception):
    """A request that Plaid answers with an error object."""

    def __init__(self, kind: str, code: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message

    def body(self, request_id: str) -> JsonObject:
        """The error as it goes over the wire."""
        return {
            "display_message": None,
            "error_code": self.code,
            "error_message": self.message,
            "error_type": self.kind,
            "request_id": request_id,
            "suggested_action": None,
        }


@dataclass(slots=True)
class Walk:
    """What changed for one reader, page after page; ``state`` is what it was made from."""

    state: str
    told: Mapping[str, JsonObject]
    items: list[tuple[str, JsonObject]]
    generation: int


@dataclass(slots=True)
class PlaidStream:
    """The cursors that were handed out: what each reader has been told, and where it walks.

    A cursor of another generation is none. An account that is not gathered says so, and one that
    is gathered in part tells that part.
    """

    bank: SimulatedBank
    _told: dict[str, tuple[int, Mapping[str, JsonObject]]] = field(
        default_factory=dict[str, tuple[int, Mapping[str, JsonObject]]]
    )
    _walks: dict[str, tuple[Walk, int]] = field(default_factory=dict[str, tuple[Walk, int]])

    def page(self, now: int, account: BankAccount, cursor: str, count: int) -> JsonObject:
        """The next page behind a cursor.

        Raises:
            PlaidRefusal: The cursor is none, or the account changed since the walk began.
        """
        if not self.bank.is_gathered:
            return _page([], "", has_more=False, status="NOT_READY")
        current = self._current(now, account)
        state = _digest(current)
        if cursor in self._walks:
            walk, at = self._walks[cursor]
            if walk.generation != self.bank.cursor_generation:
                raise _no_cursor()
            if walk.state != state:
                raise PlaidRefusal(
                    "TRANSACTIONS_ERROR",
                    "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
                    "Underlying transaction data changed since last page was fetched.",
                )
        else:
            walk, at = self._begun(cursor, current, state), 0
        shown, end = walk.items[at : at + count], at + count
        has_more = end < len(walk.items)
        following = f"{_digest({'state': state, 'from': cursor})}:{end if has_more else 'end'}"
        if has_more:
            self._walks[following] = (walk, end)
        else:
            self._told[following] = (walk.generation, walk.told)
        update = "HISTORICAL" if self.bank.gathered_from is None else "INITIAL"
        return _page(shown, following, has_more=has_more, status=f"{update}_UPDATE_COMPLETE")

    def _begun(self, cursor: str, current: Mapping[str, JsonObject], state: str) -> Walk:
        generation = self.bank.cursor_generation
        before: Mapping[str, JsonObject] = {}
        if cursor:
            if cursor not in self._told or self._told[cursor][0] != generation:
                raise _no_cursor()
            before = self._told[cursor][1]
        items: list[tuple[str, JsonObject]] = []
        for line_id, shown in current.items():
            if line_id not in before:
                items.append(("added", shown))
            elif before[line_id] != shown:
                items.append(("modified", shown))
        items.extend(
            ("removed", {"transaction_id": gone, "account_id": shown["account_id"]})
            for gone, shown in before.items()
            if gone not in current
        )
        return Walk(state, current, items, generation)

    def _current(self, now: int, account: BankAccount) -> dict[str, JsonObject]:
        first = self.bank.gathered_from or date.min
        pending = [p for p in self.bank.pending(account.id) if p.completed is None]
        lines = [one for one in self.bank.lines(now, account.id) if one.booked_on >= first]
        shown = [transaction_object(line, account) for line in lines]
        shown += [pending_transaction_object(p, account) for p in pending]
        return {str(each["transaction_id"]): each for each in reversed(shown)}


def _no_cursor() -> PlaidRefusal:
    return PlaidRefusal(
        "INVALID_REQUEST", "INVALID_FIELD", "cursor not associated with access_token"
    )


def _page(
    items: list[tuple[str, JsonObject]], cursor: str, *, has_more: bool, status: str
) -> JsonObject:
    return {
        "accounts": [],
        "added": [shown for what, shown in items if what == "added"],
        "has_more": has_more,
        "modified": [shown for what, shown in items if what == "modified"],
        "next_cursor": cursor,
        "removed": [shown for what, shown in items if what == "removed"],
        "request_id": "simulated",
        "transactions_update_status": status,
    }


def account_balance_object(account: BankAccount, *, posted: int, available: int) -> JsonObject:
    """An account with what it holds."""
    return {
        "account_id": account.id,
        "balances": {
            "available": number(available, account.currency),
            "current": number(posted, account.currency),
            "iso_currency_code": account.currency.upper(),
            "limit": None,
            "unofficial_currency_code": None,
        },
        "mask": account.id[-4:],
        "name": account.name,
        "official_name": None,
        "subtype": "checking",
        "type": "depository",
    }


def transaction_object(line: Line, account: BankAccount) -> JsonObject:
    """A posted transaction."""
    words = line.wording
    return _transaction(
        line.id,
        account,
        amount=line.amount,
        day=line.booked_on.isoformat(),
        name=words.description,
        original=" ".join(filter(None, (words.description, words.remittance))),
        merchant=words.payer,
        reference=words.trace,
        pending_id=line.pending_id,
    )


def pending_transaction_object(pending: PendingLine, account: BankAccount) -> JsonObject:
    """A transaction that has not posted."""
    return _transaction(
        pending.id,
        account,
        amount=pending.amount,
        day=pending.day.isoformat(),
        name=pending.description,
        original=pending.description,
        is_pending=True,
    )


def number(minor: int, currency: str) -> int | float:
    """An amount as Plaid's JSON has it."""
    exponent = _EXPONENTS.get(currency, 2)
    return minor if exponent == 0 else minor / 10**exponent


def _transaction(
    line_id: str,
    account: BankAccount,
    *,
    amount: int,
    day: str,
    name: str,
    original: str,
    merchant: str = "",
    reference: str = "",
    pending_id: str | None = None,
    is_pending: bool = False,
) -> JsonObject:
    return {
        "account_id": account.id,
        "account_owner": None,
        "amount": number(-amount, account.currency),
        "authorized_date": None,
        "authorized_datetime": None,
        "category": None,
        "category_id": None,
        "check_number": None,
        "counterparties": [],
        "date": day,
        "datetime": None,
        "iso_currency_code": account.currency.upper(),
        "location": {name: None for name in _LOCATION},  # noqa: C420 - keeps its type
        "logo_url": None,
        "merchant_entity_id": None,
        "merchant_name": merchant or None,
        "name": name,
        "original_description": original or None,
        "payment_channel": "other",
        "payment_meta": {
            "by_order_of": None,
            "payee": None,
            "payer": merchant or None,
            "payment_method": None,
            "payment_processor": None,
            "ppd_id": None,
            "reason": None,
            "reference_number": reference or None,
        },
        "pending": is_pending,
        "pending_transaction_id": pending_id,
        "personal_finance_category": None,
        "personal_finance_category_icon_url": "https://plaid.test/icon.png",
        "transaction_code": None,
        "transaction_id": line_id,
        "transaction_type": "special",
        "unofficial_currency_code": None,
        "website": None,
    }


def _digest(value: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]

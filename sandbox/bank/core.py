"""The simulated bank: accounts, lines, balances, its own books, and its faults."""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from sandbox.bank.facts import BankAccount, Line, PendingLine, Wording
from sandbox.world.books import Books, Leg
from sandbox.world.calendar import day_of
from sandbox.world.dice import Dice

OUTSIDE: Final = "outside"


@dataclass(slots=True)
class SimulatedBank:
    """A bank that our money is at; deterministic from its seed.

    ``balance_lag_seconds`` lets the balance limp behind the lines. ``cursor_generation`` makes
    cursors of an earlier one invalid. ``is_gathered`` and ``gathered_from`` are of who tells
    changes: whether the account was read at all yet, and from which day on so far.
    """

    dice: Dice
    books: Books = field(default_factory=Books)
    balance_lag_seconds: int = 0
    cursor_generation: int = 0
    is_gathered: bool = True
    gathered_from: date | None = None
    _accounts: dict[str, BankAccount] = field(default_factory=dict[str, BankAccount])
    _lines: dict[str, Line] = field(default_factory=dict[str, Line])
    _pending: dict[str, PendingLine] = field(default_factory=dict[str, PendingLine])
    _sequence: int = 0

    def open_account(self, at: int, name: str, currency: str) -> BankAccount:
        """A new account, empty."""
        account = BankAccount(
            id=f"account_{self.dice.lower_token(f'account/{name}', 20)}",
            name=name,
            currency=currency,
            number_id=f"account_number_{self.dice.lower_token(f'number/{name}', 20)}",
            created=at,
        )
        self._accounts[account.id] = account
        return account

    def accounts(self) -> list[BankAccount]:
        """All accounts, in the order of their opening."""
        return list(self._accounts.values())

    def account(self, account_id: str) -> BankAccount:
        """An account by its id.

        Raises:
            KeyError: There is none.
        """
        return self._accounts[account_id]

    def named(self, name: str) -> BankAccount:
        """An account by its owner's name for it.

        Raises:
            KeyError: There is none.
        """
        for account in self._accounts.values():
            if account.name == name:
                return account
        raise KeyError(name)

    def post(
        self,
        at: int,
        account_id: str,
        amount: int,
        wording: Wording,
        *,
        booked_on: date | None = None,
        visible_from: int | None = None,
        pending_id: str | None = None,
    ) -> Line:
        """Post a line: the balance moves now, whenever the list shows it."""
        account = self._accounts[account_id]
        sequence = self._next_sequence()
        line = Line(
            id=f"transaction_{self.dice.lower_token(f'line/{sequence}', 20)}",
            account_id=account.id,
            amount=amount,
            currency=account.currency,
            created=at,
            booked_on=booked_on or day_of(at),
            sequence=sequence,
            wording=wording,
            visible_from=at if visible_from is None else visible_from,
            pending_id=pending_id,
        )
        self._lines[line.id] = line
        if pending_id is not None:
            self.complete(at, pending_id)
        self._record(at, line.id, "posted", account, amount)
        return line

    def announce(self, at: int, account_id: str, amount: int, description: str) -> PendingLine:
        """Announce a line that is not posted yet."""
        account = self._accounts[account_id]
        sequence = self._next_sequence()
        pending = PendingLine(
            id=f"pending_transaction_{self.dice.lower_token(f'pending/{sequence}', 20)}",
            account_id=account.id,
            amount=amount,
            currency=account.currency,
            created=at,
            sequence=sequence,
            description=description,
        )
        self._pending[pending.id] = pending
        return pending

    def complete(self, at: int, pending_id: str) -> PendingLine:
        """An announced line has become a posted one."""
        self._pending[pending_id] = replace(self._pending[pending_id], completed=at)
        return self._pending[pending_id]

    def withdraw(self, pending_id: str) -> None:
        """An announced line vanishes without ever having been posted."""
        del self._pending[pending_id]

    def amend(self, at: int, line_id: str, amount: int) -> Line:
        """A fault: a posted line changes its amount, and the balance with it."""
        line = self._lines[line_id]
        changed = replace(line, amount=amount)
        self._lines[line_id] = changed
        account = self._accounts[line.account_id]
        self._record(at, line.id, "amended", account, amount - line.amount)
        return changed

    def remove(self, at: int, line_id: str) -> Line:
        """A fault: a posted line is taken back, and is listed no more."""
        line = self._lines.pop(line_id)
        self._record(at, line.id, "removed", self._accounts[line.account_id], -line.amount)
        return line

    def tell_again(self, line_id: str, tellings: int) -> Line:
        """A fault: the list shows one line several times."""
        self._lines[line_id] = replace(self._lines[line_id], tellings=tellings)
        return self._lines[line_id]

    def move_unseen(self, at: int, account_id: str, amount: int) -> None:
        """A fault: the balance moves, and no line ever says so."""
        sequence = self._next_sequence()
        self._record(at, f"unseen-{sequence}", "unseen", self._accounts[account_id], amount)

    def lines(self, now: int, account_id: str | None = None) -> list[Line]:
        """What the list shows at a second, newest first."""
        shown = [
            line
            for line in self._lines.values()
            if line.visible_from <= now and account_id in (None, line.account_id)
        ]
        return sorted(shown, key=lambda line: (line.created, line.sequence), reverse=True)

    def line(self, line_id: str) -> Line:
        """A posted line by its id.

        Raises:
            KeyError: There is none.
        """
        return self._lines[line_id]

    def every_line(self) -> list[Line]:
        """All posted lines in the order of posting, shown or not."""
        return sorted(self._lines.values(), key=lambda line: line.sequence)

    def pending(self, account_id: str | None = None) -> list[PendingLine]:
        """All announced lines, newest first."""
        shown = [p for p in self._pending.values() if account_id in (None, p.account_id)]
        return sorted(shown, key=lambda p: (p.created, p.sequence), reverse=True)

    def balance(self, account_id: str) -> int:
        """What an account holds, by the bank's own books."""
        account = self._accounts[account_id]
        return self.books.balance(account.id, account.currency)

    def told_balance(self, account_id: str, now: int) -> tuple[int, int]:
        """What the bank says an account holds: posted, and available."""
        account = self._accounts[account_id]
        limit = now - self.balance_lag_seconds
        posted = sum(
            leg.minor
            for record in self.books.records
            if record.at <= limit
            for leg in record.legs
            if leg.account == account.id
        )
        held = sum(p.amount for p in self.pending(account.id) if p.completed is None)
        return posted, posted + min(held, 0)

    def _record(self, at: int, fact: str, text: str, account: BankAccount, amount: int) -> None:
        self.books.record(
            at,
            fact,
            text,
            Leg(account.id, account.currency, amount),
            Leg(OUTSIDE, account.currency, -amount),
        )

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

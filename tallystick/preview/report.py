"""What a preview says: entries, balances, matches, discrepancies, and what was refused.

The JSON form is a contract (``docs/reference/preview.schema.json``): others test our books by it.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.envelope import rfc3339
from shared.contracts.journal import Entry, render
from shared.contracts.messages import postings_on_wire
from shared.contracts.money import Money, MoneyOnWire
from tallystick.preview.books import Balance
from tallystick.preview.foreign import Foreign
from tallystick.preview.lines import Unread

Json = dict[str, object]


@dataclass(frozen=True, slots=True, order=True)
class MatchedLine:
    """A bank line and what it settles; ``delta`` is the line less its share of that."""

    book: str
    line: str
    account: str
    settles: tuple[str, ...]
    delta: Money
    rule: str


@dataclass(frozen=True, slots=True)
class Found:
    """A discrepancy that is open now."""

    book: str
    id: str
    kind: str
    subject: str
    amount: Money | None
    expected: str = ""
    found: str = ""
    explanation: str = ""
    next_step: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Where it stands in the report."""
        return (self.book, self.kind, self.subject)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a preview found, each part in its order.

    ``books`` are the names of the books that the lines belong to; with more than one of them each
    row of the JSON form names its book. ``foreign`` tells the Stripe accounts that no book names,
    with their numbers of lines; they are for people alone.
    """

    as_of: datetime
    mode: str
    books: tuple[str, ...]
    entries: tuple[Entry, ...]
    balances: tuple[Balance, ...]
    matches: tuple[MatchedLine, ...]
    discrepancies: tuple[Found, ...]
    refused: tuple[Unread, ...]
    foreign: tuple[Foreign, ...] = ()

    def as_json(self) -> Json:
        """The report in its documented form."""
        return {
            "as_of": rfc3339(self.as_of),
            "mode": self.mode,
            "entries": [self._in(e.book, _entry(e)) for e in self.entries],
            "balances": [self._in(b.book, _balance(b)) for b in self.balances],
            "matches": [self._in(m.book, _match(m)) for m in self.matches],
            "discrepancies": [self._in(d.book, _discrepancy(d)) for d in self.discrepancies],
            "refused": [{"topic": r.topic, "id": r.id, "reason": r.reason} for r in self.refused],
        }

    def _in(self, book: str, row: Json) -> Json:
        return row | {"book": book} if len(self.books) > 1 else row


def _entry(entry: Entry) -> Json:
    return {
        "reference": entry.reference,
        "kind": entry.kind,
        "effective_at": rfc3339(entry.effective_at),
        "description": entry.description,
        "reverses": entry.reverses,
        "postings": [
            {
                "account": posting.account,
                "key": posting.key,
                "direction": posting.direction.value,
                "amount": posting.amount.model_dump(),
            }
            for posting in postings_on_wire(entry)
        ],
        "text": render(entry),
    }


def _balance(balance: Balance) -> Json:
    return {
        "account": balance.account,
        "key": balance.key,
        "currency": balance.currency.code,
        "exponent": balance.currency.exponent,
        "minor": str(balance.minor),
    }


def _match(match: MatchedLine) -> Json:
    return {
        "line": match.line,
        "account": match.account,
        "settles": list(match.settles),
        "delta": str(match.delta.minor),
        "currency": match.delta.currency.code,
        "exponent": match.delta.currency.exponent,
        "rule": match.rule,
    }


def _discrepancy(found: Found) -> Json:
    return {
        "kind": found.kind,
        "subject": found.subject,
        "amount": None if found.amount is None else MoneyOnWire.of(found.amount).model_dump(),
        "id": found.id,
        "expected": found.expected,
        "found": found.found,
        "explanation": found.explanation,
        "next_step": found.next_step,
    }

"""What our own messages say of money: bank lines, matches, manual entries."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from oracle import by_request
from oracle.customer_credits import credits_by_command
from oracle.movements import SUSPENSE
from oracle.reading import Json, items, optional_text, require_a_time, text, wire_money
from oracle.values import CannotBook, CannotRead, Fact, Leg, fact, reference, reversed_legs

EXCHANGE: Final = "equity:exchange"
# What waits for a match, and what takes an exchange. A match that names any other account was told
# by somebody which, and may be refused, as a command may.
_SETTLED_BY_MATCHES: Final = frozenset(
    {
        SUSPENSE,
        EXCHANGE,
        "assets:stripe:in-transit",
        "assets:stripe:settling",
        "liabilities:connect",
    }
)
_SEGMENT: Final = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}"
_ACCOUNT = re.compile(rf"(?:assets|liabilities|equity|revenue|expenses|memo)(?::{_SEGMENT}){{1,7}}")


def account(told: Json) -> str:
    """The account that a leg names.

    Raises:
        CannotBook: No account name.
    """
    name = told.get("account")
    if not isinstance(name, str) or not _ACCOUNT.fullmatch(name):
        raise CannotBook(f"{str(name)[:60]!r} is not an account")
    return name


def bank_line(book: str, told: Json) -> Iterator[Fact | None]:
    """A line in its N-th form: the reversal of the form before, and the form that stands now."""
    if told.get("kind", "line") != "line":
        return
    bank, line = text(told, "account"), text(told, "id")
    if not re.fullmatch(_SEGMENT, bank):
        raise CannotRead(f"{bank[:60]!r} is not the name of a bank account")
    require_a_time(told, "booked_on", "previous_booked_on")
    revision = told.get("revision", 1)
    if type(revision) is not int or revision < 1:
        raise CannotRead("a revision counts from 1")
    state = told.get("state", "posted")
    if state not in ("pending", "posted", "removed"):
        raise CannotRead(f"{state!r} is not a state of a bank line")

    def form(money: object) -> list[Leg]:
        amount, currency = wire_money(money)
        return [
            Leg(f"assets:bank:{bank}", "", currency, amount),
            Leg(SUSPENSE, line, currency, -amount),
        ]

    now = form(told.get("amount"))
    if told.get("previous") is not None:
        if revision == 1:
            raise CannotRead("the first form of a line has none before it")
        before = reference("bank", bank, "line", line, f"r{revision - 1}")
        legs = form(told["previous"])
        yield fact(book, f"{before}:reversed", reversed_legs(legs), reverses=before)
    if state == "posted":
        yield fact(book, reference("bank", bank, "line", line, f"r{revision}"), now)


def match(told: Json) -> Fact | None:
    """What a match clears, debit positive as told; in an exchange the rest of each currency."""
    kind, book = text(told, "kind"), text(told, "book")
    require_a_time(told, "effective_at")
    revision = told.get("revision")
    if type(revision) is not int or revision < 1:
        raise CannotRead("a revision counts from 1")
    name = reference("match", text(told, "id"), str(revision))
    legs: list[Leg] = []
    for cleared in items(told.get("clears")):
        amount, currency = wire_money(cleared.get("amount"))
        legs.append(Leg(account(cleared), optional_text(cleared, "key"), currency, amount))
    if told.get("match_kind") == "exchange":
        rest: Counter[str] = Counter()
        for leg in legs:
            rest[leg.currency] += leg.minor
        legs += [Leg(EXCHANGE, "", currency, -total) for currency, total in rest.items()]
    if kind == "match_made":
        return fact(book, name, legs)
    if kind == "match_undone":
        return fact(book, f"{name}:undone", reversed_legs(legs), reverses=name)
    raise CannotRead(f"{kind!r} is no matter of matches")


def names_a_chosen_account(told: Fact) -> bool:
    """Whether a match posts to an account that somebody chose, so that it may have been refused."""
    return any(leg.account not in _SETTLED_BY_MATCHES for leg in told.legs)


def command(told: Json) -> Fact | None:
    """A manual entry as asked for; a rate moves no money."""
    key, book = text(told, "idempotency_key"), told.get("book", "main")
    if not isinstance(book, str) or not book:
        raise CannotRead("a command names a book")
    if told.get("kind") in ("grant_credits", "spend_credits"):
        return credits_by_command(book, command_reference(key), told)
    if told.get("kind") != "manual_entry":
        return by_request.at_once(book, command_reference(key), told)
    legs: list[Leg] = []
    for posting in items(told.get("postings")):
        amount, currency = wire_money(posting.get("amount"))
        if amount <= 0:
            raise CannotBook(f"{key}: a posting of {amount}")
        if posting.get("side") not in ("debit", "credit"):
            raise CannotRead("a posting is a debit or a credit")
        sign = 1 if posting["side"] == "debit" else -1
        legs.append(Leg(account(posting), optional_text(posting, "key"), currency, sign * amount))
    return fact(book, command_reference(key), legs)


def command_reference(key: str) -> str:
    """The reference of a command; a key that is long or not printable goes in as its hash."""
    if len(key) > 200 or not key.isprintable():
        key = hashlib.sha256(key.encode()).hexdigest()
    return reference("command", key)

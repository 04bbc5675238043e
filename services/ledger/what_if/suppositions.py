"""What the books would say if something else were in force: suppositions, and the difference.

A supposition is an activation that nobody made. It holds on top of all that were made, from its
positions on, so what was put in force later does not take it back. Commands are not judged again:
what was decided stays decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pydantic import JsonValue

from services.ledger.activation.activations import (
    FROM_THE_BEGINNING,
    Activation,
    Activations,
    Since,
    Timeline,
    value_of,
)
from services.ledger.activation.in_force import InForce
from shared.contracts.books import BookMap
from shared.contracts.commands import Activated
from shared.contracts.journal import Account, Book, Direction, Entry, Reference
from shared.contracts.messages import Position

Place = tuple[str, str, str]
Sums = tuple[int, int]


def supposed(
    what: Activated, said: JsonValue, *, book: Book, since: Since = FROM_THE_BEGINNING
) -> Activation:
    """Something that would be in force.

    Raises:
        ActivationRefused: It is not a value of that kind.
    """
    return Activation(0, what, book, said, value_of(what, said), since)


@dataclass(frozen=True, slots=True)
class Supposed(Activations):
    """What was put in force, and what would be on top of it."""

    suppositions: tuple[Activation, ...] = ()

    @classmethod
    def on(cls, made: Activations, suppositions: Sequence[Activation]) -> Self:
        """Suppositions on top of what was put in force."""
        return cls(made.first, made.made, tuple(suppositions))

    def along(self, topic: str, partition: int) -> Timeline:
        """What would be in force along a partition."""
        made = Activations.along(self, topic, partition)
        since = [(each.since.get((topic, partition), 0), each) for each in self.suppositions]
        offsets = sorted({*made.offsets, *(offset for offset, _ in since)})
        found: list[InForce] = []
        for offset in offsets:
            in_force = made.at(offset)
            for begun, each in since:
                if begun <= offset:
                    in_force = each.applied(in_force)
            found.append(in_force)
        return Timeline(tuple(offsets), tuple(found))

    def book_maps(self) -> tuple[BookMap, ...]:
        """Every book map that is, was or would be in force."""
        told = (each.applied(self.first).book_map for each in self.suppositions)
        return tuple(dict.fromkeys((*Activations.book_maps(self), *told)))


@dataclass(frozen=True, slots=True)
class BalanceDifference:
    """What stands on an account in a currency, and what would; debit positive, in minor units."""

    book: str
    account: str
    currency: str
    exponent: int
    before: int
    after: int

    @property
    def difference(self) -> int:
        """By how much it would be more."""
        return self.after - self.before


class Apart(StrEnum):
    """How an entry would differ."""

    NOT_BOOKED = "would not be booked"
    BOOKED = "would be booked"
    OTHERWISE = "would be booked otherwise"


@dataclass(frozen=True, slots=True)
class EntryDifference:
    """A fact that the books tell and would not, would tell and do not, or would tell otherwise.

    ``told_at`` is where the message stands that would book it.
    """

    here: Entry | None
    there: Entry | None
    told_at: Position | None = None

    @property
    def apart(self) -> Apart:
        """How they differ."""
        if self.here is None:
            return Apart.BOOKED
        return Apart.NOT_BOOKED if self.there is None else Apart.OTHERWISE

    @property
    def entry(self) -> Entry:
        """The entry of the books, or the one that would be there.

        Raises:
            ValueError: Neither is there.
        """
        found = self.here or self.there
        if found is None:
            raise ValueError("a difference of nothing")
        return found

    @property
    def reference(self) -> Reference:
        """The fact's name."""
        return self.entry.reference

    def keys(self, account: Account) -> tuple[str, ...]:
        """The keys of an account under which it moves something else than it would, sorted."""
        moved: dict[tuple[str, str], int] = {}
        for sign, entry in ((-1, self.here), (1, self.there)):
            for posting in entry.postings if entry is not None else ():
                if posting.account == account:
                    at = (posting.key, posting.amount.currency.code)
                    moved[at] = moved.get(at, 0) + sign * posting.signed_minor
        return tuple(sorted({key for (key, _), minor in moved.items() if minor}))

    def legs(self) -> tuple[BalanceDifference, ...]:
        """By account and currency what the entry moves, and what it would."""
        moved: dict[tuple[str, str, int], list[int]] = {}
        for side, entry in enumerate((self.here, self.there)):
            for posting in entry.postings if entry is not None else ():
                currency = posting.amount.currency
                sign = 1 if posting.direction is Direction.DEBIT else -1
                key = (posting.account, currency.code, currency.exponent)
                moved.setdefault(key, [0, 0])[side] += sign * posting.amount.minor
        return tuple(
            BalanceDifference(self.entry.book, account, code, exponent, before, after)
            for (account, code, exponent), (before, after) in sorted(moved.items())
            if before != after
        )


def balances_apart(
    here: Mapping[Place, Sums], there: Mapping[Place, Sums], exponents: Mapping[str, int]
) -> tuple[BalanceDifference, ...]:
    """Where balances, told as (debits, credits) by (book, account, currency), stand differently."""
    zero = (0, 0)
    found = (
        BalanceDifference(
            *place,
            exponents[place[2]],
            _net(here.get(place, zero)),
            _net(there.get(place, zero)),
        )
        for place in sorted(here.keys() | there.keys())
    )
    return tuple(each for each in found if each.difference)


def _net(sums: Sums) -> int:
    debits, credits_ = sums
    return debits - credits_

"""The books as they were in force where a message stands.

What was put in force is read from the command that asked for it, as it stands on its topic. From
which positions it holds was decided once and is on record, so that is taken as given.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from oracle import stripe
from oracle.reading import Json, an_object, items, json_object, maybe_object, optional_text, text
from oracle.values import CannotDecide, CannotRead, Position, Record


@dataclass(frozen=True, slots=True)
class BookData:
    """A book's mode (empty: either), the Stripe accounts that are ours, what it takes in.

    ``time_zone`` is where its days begin at midnight.
    """

    mode: str = ""
    stripe_accounts: frozenset[str] = frozenset()
    wants: stripe.Wants = field(default_factory=stripe.Wants)
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Books:
    """The books of an installation, from the same TOML file that the services read."""

    by_name: dict[str, BookData] = field(default_factory=lambda: {"main": BookData()})

    @classmethod
    def of(cls, toml: str) -> "Books":
        """The books that this TOML names; without any, ``main`` in either mode."""
        return cls.told(items(tomllib.loads(toml).get("books")))

    @classmethod
    def told(cls, books: Iterable[Json]) -> "Books":
        """The books that are so told; without any, ``main`` in either mode."""
        found: dict[str, BookData] = {}
        for book in books:
            found[optional_text(book, "name") or "main"] = BookData(
                mode=optional_text(book, "mode"),
                stripe_accounts=frozenset(str(n) for n in book.get("stripe_accounts") or ()),
                wants=_wants(book),
                time_zone=optional_text(book, "time_zone") or "UTC",
            )
        return cls(found) if found else cls()

    def is_on_accrual(self, name: str) -> bool:
        """Whether a book counts revenue when it is invoiced and served."""
        known = self.by_name.get(name)
        return known is not None and known.wants.invoices

    def by_rules(self, version: object) -> "Books":
        """The same by another version of the ledger's rules.

        Raises:
            CannotRead: There is no reading of it here.
        """
        if not isinstance(version, int) or not 1 <= version <= stripe.LATEST_RULES:
            raise CannotRead(f"there is no reading of rules version {version} here")
        return Books(
            {
                name: replace(book, wants=replace(book.wants, rules=version))
                for name, book in self.by_name.items()
            }
        )

    def rules(self) -> int:
        """The version of the rules that all books are read by."""
        return next(book.wants.rules for book in self.by_name.values())

    def on_basis(self, name: str, *, is_accrual: bool) -> "Books":
        """The same with another basis of a book."""
        known = self.by_name.get(name, BookData())
        changed = replace(known, wants=replace(known.wants, invoices=is_accrual))
        return Books({**self.by_name, name: changed})


def _wants(book: Json) -> stripe.Wants:
    rate = Fraction(str(book.get("credits_per_money", 1)))
    return stripe.Wants(
        invoices=book.get("basis") == "accrual",
        credits=rate if book.get("sells_credits") is True else None,
    )


@dataclass(frozen=True, slots=True)
class PutInForce:
    """One decision on record: its number, the command, and the first offsets that it holds for.

    A partition without an offset here has it from its beginning.
    """

    number: int
    command: Position
    since: Mapping[tuple[str, int], int]

    def holds(self, position: Position) -> bool:
        """Whether it holds for the message at a position."""
        return self.since.get((position.topic, position.partition), 0) <= position.offset


@dataclass(slots=True)
class InForce:
    """What the books are at each position, the later decided over the earlier."""

    files: Books
    steps: tuple[tuple[PutInForce, Json], ...]
    _known: dict[tuple[int, ...], Books] = field(default_factory=dict[tuple[int, ...], Books])

    @classmethod
    def of(
        cls, files: Books, decided: Sequence[PutInForce], records: Sequence[Record]
    ) -> "InForce":
        """What decisions put in force, as their commands among the records say.

        Raises:
            CannotDecide: A decision has no command, or there is no reading of it here.
        """
        wanted = {each.command for each in decided}
        found = {r.position: r for r in records if r.position in wanted}
        steps: list[tuple[PutInForce, Json]] = []
        for each in sorted(decided, key=lambda one: one.number):
            record = found.get(each.command)
            if record is None:
                raise CannotDecide(f"what was put in force as {each.number} has no command")
            try:
                told = json_object(record.value)
                _applied(files, told)
            except CannotRead as why:
                raise CannotDecide(f"what was put in force as {each.number}: {why}") from None
            steps.append((each, told))
        return cls(files, tuple(steps))

    def at(self, position: Position) -> Books:
        """The books as they are in force for the message at a position."""
        holding = [(each, told) for each, told in self.steps if each.holds(position)]
        key = tuple(each.number for each, _ in holding)
        if key not in self._known:
            books = self.files
            for _, told in holding:
                books = _applied(books, told)
            self._known[key] = books
        return self._known[key]


def _applied(books: Books, told: Json) -> Books:
    """The books with what a command puts in force."""
    value = told.get("value")
    match text(told, "what"):
        case "genesis":
            began = an_object(value, "what the books began with")
            named = Books.told(items(an_object(began.get("book_map"), "a book map").get("books")))
            named = named.by_rules(began.get("rules_version"))
            for name, basis in (maybe_object(began.get("bases")) or {}).items():
                named = named.on_basis(name, is_accrual=basis == "accrual")
            return named
        case "book_map":
            named = Books.told(items(an_object(value, "a book map").get("books")))
            named = named.by_rules(books.rules())
            for name in books.by_name.keys() & named.by_name.keys():
                named = named.on_basis(name, is_accrual=books.is_on_accrual(name))
            return named
        case "basis":
            return books.on_basis(told.get("book") or "main", is_accrual=value == "accrual")
        case "rules_version":
            return books.by_rules(value)
        case "chart":
            # A chart refuses commands, and refusals are on record.
            return books
        case unknown:
            raise CannotRead(f"{unknown} is nothing that can be put in force")

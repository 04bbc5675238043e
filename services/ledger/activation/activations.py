"""Activations: what was put in force, in the order it was decided, each from its positions on.

    number   1                2                  3
    what     genesis          rules_version 2    basis accrual, of book main
    since    the beginning    stripe.events/0 at 100, …   where each input stood

What is in force for a message is a function of these and of where the message stands, so a rebuild
that knows them all before it reads a message decides as it was decided, whatever it reads first.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from services.ledger.activation.in_force import InForce
from services.ledger.chart import Chart, chart_of, default_chart
from services.ledger.rules.refusals import CommandRefused
from shared.contracts.books import Basis, BookMap
from shared.contracts.commands import Activated
from shared.contracts.errors import Refused
from shared.contracts.journal import Book

Place = tuple[str, int]
Since = Mapping[Place, int]
Value = int | Chart | Basis | BookMap | InForce

# The name under which a decision tells the activation that it made.
ACTIVATION: Final = "activation"
FROM_THE_BEGINNING: Final[Since] = MappingProxyType({})


class ActivationRefused(CommandRefused):
    """Something that cannot be put in force; says why, and what can."""


@dataclass(frozen=True, slots=True)
class Activation:
    """One thing put in force.

    ``since`` is the first offset of each input partition that it holds for; a partition that it
    does not name came later, or it is the first activation of all: it holds there from the
    beginning. ``said`` is the value as it was asked for, ``value`` what that means.
    """

    number: int
    what: Activated
    book: Book
    said: JsonValue
    value: Value
    since: Since

    def applied(self, before: InForce) -> InForce:
        """What is in force with this, of what was in force before."""
        match self.value:
            case InForce():
                return self.value
            case Chart():
                return replace(before, charts={**before.charts, self.book: self.value})
            case Basis():
                return replace(before, bases={**before.bases, self.book: self.value})
            case BookMap():
                # A map says which basis a new book begins with, and changes none that is in force.
                kept = {book.book: before.of(book).basis for book in before.book_map.books}
                return replace(before, book_map=self.value, bases={**before.bases, **kept})
            case int():
                return replace(before, rules_version=self.value)


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is in force along one partition: from each of the offsets on, the one beside it."""

    offsets: tuple[int, ...]
    in_force: tuple[InForce, ...]

    def at(self, offset: int) -> InForce:
        """What is in force for the message at an offset."""
        if len(self.offsets) == 1:
            return self.in_force[0]
        return self.in_force[bisect_right(self.offsets, offset) - 1]


@dataclass(frozen=True, slots=True)
class Activations:
    """All activations, by number; before the first of them holds ``first``."""

    first: InForce
    made: tuple[Activation, ...] = ()

    @property
    def number(self) -> int:
        """The number of the last one, 0 before any."""
        return self.made[-1].number if self.made else 0

    def along(self, topic: str, partition: int) -> Timeline:
        """What is in force along a partition."""
        since = [(each.since.get((topic, partition), 0), each) for each in self.made]
        offsets = sorted({0, *(offset for offset, _ in since)})
        return Timeline(
            tuple(offsets),
            tuple(
                _folded(self.first, [each for begun, each in since if begun <= offset])
                for offset in offsets
            ),
        )

    def at(self, topic: str, partition: int, offset: int) -> InForce:
        """What is in force for a message."""
        return self.along(topic, partition).at(offset)

    def last(self) -> InForce:
        """What is in force once every position named has been passed."""
        return _folded(self.first, self.made)

    def chart_text(self, book: Book) -> str | None:
        """The text of a book's chart as it was put in force; ``None``: nothing ever told it."""
        for each in reversed(self.made):
            if each.what is Activated.CHART and each.book == book:
                return str(each.said)
            if each.what is Activated.GENESIS:
                began = _Genesis.model_validate(each.said)
                return began.charts.get(book) or began.default_chart or None
        return None

    def rules_versions(self) -> frozenset[int]:
        """Every rules version that is or was in force."""
        told = (each.applied(self.first).rules_version for each in self.made)
        return frozenset((self.first.rules_version, *told))

    def book_maps(self) -> tuple[BookMap, ...]:
        """Every book map that is or was in force."""
        told = (each.applied(self.first).book_map for each in self.made)
        return tuple(dict.fromkeys((self.first.book_map, *told)))


def _folded(first: InForce, made: Sequence[Activation]) -> InForce:
    for each in made:
        first = each.applied(first)
    return first


class _Genesis(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rules_version: int
    book_map: BookMap
    charts: dict[str, str]
    bases: dict[str, Basis]
    # Empty where the books began before it was told: then it is that of the program that runs.
    default_chart: str = ""


def value_of(what: Activated, said: JsonValue) -> Value:
    """What an activation's value means.

    Raises:
        ActivationRefused: It is not a value of that kind; says what is.
    """
    try:
        return _value_of(what, said)
    except ActivationRefused:
        raise
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or what}: {each['msg']}"
            for each in error.errors(include_url=False)[:3]
        )
        raise ActivationRefused(
            f"not a {what.replace('_', ' ')}: {mistakes}", rule="value", values={"what": what}
        ) from None
    except Refused as refused:
        raise ActivationRefused(str(refused), rule="value", values={"what": what}) from None


def _value_of(what: Activated, said: JsonValue) -> Value:
    match what:
        case Activated.GENESIS:
            told = _Genesis.model_validate(said)
            return InForce(
                told.book_map,
                {Book(name): chart_of(text) for name, text in told.charts.items()},
                {Book(name): basis for name, basis in told.bases.items()},
                told.rules_version,
                chart_of(told.default_chart) if told.default_chart else default_chart(),
            )
        case Activated.RULES_VERSION:
            if type(said) is not int:
                raise _not_a_value(what, "a rules version is a number", said)
            return said
        case Activated.CHART:
            if not isinstance(said, str):
                raise _not_a_value(what, "a chart is the text of its TOML file", said)
            return chart_of(said)
        case Activated.BASIS:
            if said not in tuple(Basis):
                raise _not_a_value(what, "a basis is cash or accrual", said)
            return Basis(str(said))
        case Activated.BOOK_MAP:
            return BookMap.model_validate(said)


def _not_a_value(what: Activated, rule: str, said: JsonValue) -> ActivationRefused:
    shown = str(said)[:80]
    return ActivationRefused(
        f"{rule}, not {shown!r}", rule="value", values={"what": what, "value": shown}
    )


def genesis_value(first: InForce, charts: Mapping[Book, str], default: str) -> JsonValue:
    """What books begin with, as the first activation tells it.

    ``charts`` are texts of files; ``default`` is that of every other book, now and later.
    """
    return {
        "rules_version": first.rules_version,
        "book_map": book_map_value(first.book_map),
        "charts": {str(book): text for book, text in sorted(charts.items())},
        "bases": {book.name: first.of(book).basis.value for book in first.book_map.books},
        "default_chart": default,
    }


def book_map_value(book_map: BookMap) -> JsonValue:
    """A book map as an activation tells it: without paths, which mean nothing elsewhere."""
    told: JsonValue = book_map.model_dump(mode="json", exclude={"books": {"__all__": {"chart"}}})
    return told


class _Position(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    topic: str
    partition: int
    offset: int


class ActivationRecord(BaseModel):
    """An activation as its outcome tells it, beside who asked for it and why."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    what: Activated
    book: str
    value: JsonValue
    positions: tuple[_Position, ...] = ()
    actor: str = ""
    reason: str = ""

    @classmethod
    def of(cls, made: Activation, *, actor: str, reason: str) -> "ActivationRecord":
        """The record of an activation."""
        return cls(
            number=made.number,
            what=made.what,
            book=made.book,
            value=made.said,
            positions=tuple(
                _Position(topic=topic, partition=partition, offset=offset)
                for (topic, partition), offset in sorted(made.since.items())
            ),
            actor=actor,
            reason=reason,
        )

    def activation(self) -> Activation:
        """What it records.

        Raises:
            ActivationRefused: This program cannot read it.
        """
        return Activation(
            self.number,
            self.what,
            Book(self.book),
            self.value,
            value_of(self.what, self.value),
            MappingProxyType({(p.topic, p.partition): p.offset for p in self.positions}),
        )

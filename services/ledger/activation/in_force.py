"""What is in force where a message stands: the books, their charts and bases, the rules version.

It is data that bookings depend on, so it is asked for with each message and never looked up by a
rule: ``decide(message, in_force)``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from services.ledger.chart import NO_CHARTS, Chart, default_chart
from services.ledger.decisions import RULES_VERSION
from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.journal import Book

NO_BASES: Final[Mapping[Book, Basis]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BookInForce:
    """One book as its rules are asked: what it is, by which chart, basis and rules version."""

    data: BookData = field(default_factory=BookData)
    chart: Chart = field(default_factory=default_chart)
    basis: Basis = Basis.CASH
    rules_version: int = RULES_VERSION

    @property
    def name(self) -> Book:
        """The book's name, as entries carry it."""
        return Book(self.data.name)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that says when the book's days begin."""
        return self.data.zone


@dataclass(frozen=True, slots=True)
class InForce:
    """All books as they are in force at one position of the log.

    A book without a chart of its own has the default chart, as it was when the books began; one
    whose basis nothing says has that of its data.
    """

    book_map: BookMap = field(default_factory=BookMap)
    charts: Mapping[Book, Chart] = field(default_factory=lambda: NO_CHARTS)
    bases: Mapping[Book, Basis] = field(default_factory=lambda: NO_BASES)
    rules_version: int = RULES_VERSION
    default: Chart = field(default_factory=default_chart)
    _of_map: dict[str, BookInForce] = field(
        default_factory=dict[str, BookInForce], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        # Each message asks for its book, which is nearly always one of the map.
        self._of_map.update((data.name, self._made(data)) for data in self.book_map.books)

    def of(self, data: BookData) -> BookInForce:
        """A book with what is in force for it, be it one of the map or not."""
        known = self._of_map.get(data.name)
        return known if known is not None and known.data is data else self._made(data)

    def _made(self, data: BookData) -> BookInForce:
        book = data.book
        return BookInForce(
            data=data,
            chart=self.charts.get(book) or self.default,
            basis=self.bases.get(book, data.basis),
            rules_version=self.rules_version,
        )

    def named(self, name: str) -> BookInForce:
        """The book of that name; one that the map does not know stands by itself."""
        return self.of(self.book_map.named(name) or BookData(name=name))

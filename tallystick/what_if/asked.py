"""What is supposed, read from what stands on the command line."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.ledger.activation.activations import Activation, Since, book_map_value
from services.ledger.what_if.suppositions import supposed
from shared.contracts.books import BookMap
from shared.contracts.commands import Activated
from shared.contracts.journal import Book

_PLACE: Final = re.compile(r"([a-z0-9._-]+)/([0-9]{1,5})@([0-9]{1,18})", re.ASCII)


def since_of(texts: Sequence[str]) -> Since:
    """Positions as a person writes them: ``stripe.events/3@17`` is from that message on.

    Raises:
        ValueError: One is none.
    """
    found: dict[tuple[str, int], int] = {}
    for text in texts:
        place = _PLACE.fullmatch(text)
        if place is None:
            raise ValueError(f"{text[:80]!r} is no position, such as stripe.events/0@17")
        found[place[1], int(place[2])] = int(place[3])
    return found


def suppositions_of(
    *,
    book: str,
    rules: int | None,
    chart: Path | None,
    basis: str | None,
    books: Path | None,
    since: Since,
) -> list[Activation]:
    """What would be in force, each from the same positions on; the book map comes first.

    A chart and a basis are those of ``book``. A book map brings the charts that it names.

    Raises:
        OSError: A file cannot be read.
        ValueError: It does not make a book map.
        ActivationRefused: It does not make a chart.
    """
    found: list[Activation] = []

    def suppose(what: Activated, said: str | int, of: str = book) -> None:
        found.append(supposed(what, said, book=Book(of), since=since))

    if books is not None:
        told = BookMap.model_validate(tomllib.loads(books.read_text("utf-8")))
        value = book_map_value(told)
        found.append(supposed(Activated.BOOK_MAP, value, book=Book(book), since=since))
        for each in told.books:
            if each.chart is not None:
                suppose(Activated.CHART, Path(each.chart).read_text("utf-8"), each.name)
    if chart is not None:
        suppose(Activated.CHART, chart.read_text("utf-8"))
    if basis is not None:
        suppose(Activated.BASIS, basis)
    if rules is not None:
        suppose(Activated.RULES_VERSION, rules)
    return found

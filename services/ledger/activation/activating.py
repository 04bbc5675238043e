"""Whether a thing may be put in force, judged over what is in force and how far inputs are booked.

Nothing that was booked is ever decided again, so a position that was passed is refused; and what
the journal stands on (that a book exists, where its days begin) is not changed by an activation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from pydantic import JsonValue

from services.ledger.activation.activations import (
    FROM_THE_BEGINNING,
    Activation,
    ActivationRefused,
    Activations,
    Place,
    Since,
    value_of,
)
from services.ledger.activation.in_force import InForce
from services.ledger.activation.rule_versions import Rules
from services.ledger.chart import Chart
from shared.contracts.books import BankAccount, Basis, BookData, BookMap
from shared.contracts.commands import Activate, Activated, InputPosition
from shared.contracts.journal import Book

_NAMED_MAX: Final = 5


def activation(
    asked: Activate, known: Activations, booked: Mapping[Place, int], rules: Rules
) -> Activation:
    """The activation that a command makes; ``booked`` is how far each input partition is booked.

    Where the command names no position it holds from where each input stands.

    Raises:
        ActivationRefused: It cannot be put in force, or not from there; says why and what can.
    """
    if asked.what is Activated.GENESIS:
        raise ActivationRefused(
            "these books have begun",
            rule="begun_once",
            way_out="put a rules version, a chart, a basis or a book map in force",
        )
    value = value_of(asked.what, asked.value)
    book = Book(asked.book)
    match value:
        case InForce() | Chart() | Basis():
            pass
        case BookMap():
            _require_same_books(value, known.last().book_map)
        case int():
            _require_rules(value, rules)
    if isinstance(value, Chart | Basis) and known.last().book_map.named(book) is None:
        raise ActivationRefused(
            f"there is no book {book[:80]!r}",
            rule="book_known",
            values={"book": book[:80]},
            way_out="name one that is",
        )
    since = _since(asked.positions, booked)
    return Activation(known.number + 1, asked.what, book, asked.value, value, since)


def genesis(said: JsonValue, book: Book) -> Activation:
    """The first activation: what the books began with, from the beginning.

    Raises:
        ActivationRefused: It does not say what books begin with.
    """
    value = value_of(Activated.GENESIS, said)
    return Activation(1, Activated.GENESIS, book, said, value, FROM_THE_BEGINNING)


def _require_rules(version: int, rules: Rules) -> None:
    if version not in rules:
        known = ", ".join(map(str, sorted(rules)))
        raise ActivationRefused(
            f"rules version {version} is not one that the ledger's program has, which are {known}",
            rule="rules_version_known",
            values={"rules_version": str(version), "known": known},
            way_out="run the program that has it first",
        )


def _require_same_books(asked: BookMap, known: BookMap) -> None:
    """A book stays, and its days begin where they began: its sums by day stand on that."""
    for book in known.books:
        found = asked.named(book.name)
        if found is None:
            raise ActivationRefused(
                f"book {book.name} has a history and stays in the map",
                rule="book_kept",
                values={"book": book.name},
                way_out="leave it there, without accounts where nothing is to be booked any more",
            )
        if found.time_zone != book.time_zone:
            raise ActivationRefused(
                f"book {book.name} keeps its days in {book.time_zone}, which its sums by day are"
                " made in",
                rule="time_zone_kept",
                values={"book": book.name, "time_zone": book.time_zone},
                way_out=f"begin another book for {found.time_zone}",
            )


def _since(asked: Sequence[InputPosition], booked: Mapping[Place, int]) -> Since:
    since = dict(booked)
    for position in asked:
        place = (position.topic, position.partition)
        if place not in booked:
            raise ActivationRefused(
                f"{position.topic[:80]}/{position.partition} is no input of the ledger",
                rule="input_known",
                values={"topic": position.topic[:80], "partition": str(position.partition)},
                way_out="name a partition that the ledger books",
            )
        if position.offset < booked[place]:
            raise ActivationRefused(
                f"{position.topic}/{position.partition} is booked up to {booked[place]}, which is"
                f" behind {position.offset}, and what is booked stays as it was decided",
                rule="position_ahead",
                values={
                    "topic": position.topic,
                    "partition": str(position.partition),
                    "offset": str(position.offset),
                    "booked": str(booked[place]),
                },
                way_out=f"name {booked[place]} or later, and correct what lies before by a reversal"
                " and new entries",
            )
        since[place] = position.offset
    return since


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the files of an installation say something else than what is in force."""

    book: str
    what: Activated
    detail: str


def differences(in_force: InForce, files: InForce) -> list[Difference]:
    """Where files say something else of what bookings depend on; nothing, when they agree.

    What people read and what the reconciler goes by (display names, due times, payers, Stripe
    destinations, the currency of statements) may be changed in a file at any time.
    """
    found: list[Difference] = []
    ours, theirs = in_force.book_map.books, files.book_map.books
    if [_deciding(book) for book in ours] != [_deciding(book) for book in theirs]:
        found.append(
            Difference("", Activated.BOOK_MAP, _books_apart(in_force.book_map, files.book_map))
        )
    for data in theirs:
        mine, said = in_force.named(data.name), files.of(data)
        # A file that says neither basis nor chart says with which a book begins, and nothing of
        # what was put in force later.
        if "basis" in data.model_fields_set and mine.basis is not said.basis:
            detail = f"in force is {mine.basis}, the books file says {said.basis}"
            found.append(Difference(data.name, Activated.BASIS, detail))
        # The default chart of this program is no word of the file's either.
        if data.book in files.charts and (apart := _charts_apart(mine.chart, said.chart)):
            found.append(Difference(data.name, Activated.CHART, apart))
    return found


def is_booked_alike(book: Book, one: InForce, other: InForce) -> bool:
    """Whether a message that names a book is booked alike by both; no fact depends on a chart."""
    mine, theirs = one.named(book), other.named(book)
    return (
        mine.rules_version == theirs.rules_version
        and mine.basis is theirs.basis
        and _deciding(mine.data) == _deciding(theirs.data)
    )


def _deciding(book: BookData) -> BookData:
    """What of a book's data bookings depend on."""
    plain = BookData()
    return book.model_copy(
        update={
            "reporting_currency": plain.reporting_currency,
            "payer_names": plain.payer_names,
            "chart": plain.chart,
            "basis": plain.basis,
            "bank_accounts": tuple(
                account.model_copy(update={"destinations": ()}) for account in book.bank_accounts
            ),
        }
    )


def _books_apart(in_force: BookMap, files: BookMap) -> str:
    ours = {book.name: _deciding(book) for book in in_force.books}
    theirs = {book.name: _deciding(book) for book in files.books}
    said: list[str] = []
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in theirs:
            said.append(f"book {name} is in force and not in the file")
        elif name not in ours:
            said.append(f"book {name} is in the file and not in force")
        else:
            said.extend(
                f"book {name}: {field.replace('_', ' ')} in force {_short(one)}, in the file"
                f" {_short(other)}"
                for field in BookData.model_fields
                for one, other in ((getattr(ours[name], field), getattr(theirs[name], field)),)
                if one != other
            )
    return "; ".join(said[:_NAMED_MAX]) or "the books stand in another order"


def _short(value: object) -> str:
    match value:
        case None | () | "":
            return "none"
        case tuple():
            return ", ".join(_short(each) for each in cast("tuple[object, ...]", value))
        case BankAccount():
            return value.name
        case _:
            return str(value)


def _charts_apart(in_force: Chart, file: Chart) -> str:
    ours, theirs = (
        {
            each.name: replace(each, display="", due_days=None, is_in_business_days=False)
            for each in chart.accounts
        }
        for chart in (in_force, file)
    )
    said = [
        *(f"{name} is in force and not in the file" for name in ours if name not in theirs),
        *(f"{name} is in the file and not in force" for name in theirs if name not in ours),
        *(f"{name} is another" for name in ours if theirs.get(name, ours[name]) != ours[name]),
    ]
    more = len(said) - _NAMED_MAX
    return "; ".join(said[:_NAMED_MAX]) + (f"; {more} more" if more > 0 else "")

"""What moves one key and goes on to another: an invoice that was given up, a payment's customer.

Each fact that moves the first key is followed by one that moves it on.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from oracle.customer_credits import CREDITS
from oracle.invoices import RECEIVABLE
from oracle.journal import Booked, Books
from oracle.report import Difference, written
from oracle.values import Fact, Model, Name, PassedOn, Position

# Whose facts go on, from each account, and how what follows them is named.
_OF: Final = {
    RECEIVABLE: (("stripe:invoice:", "stripe:credit_note:", "command:"), "bad_debt:"),
    CREDITS: (("stripe:credit:", "command:"), "assigned:"),
}
Tellers = dict[Position, str]
# Book, account and key.
Key = tuple[str, str, str]


def movers(facts: Mapping[Name, Fact]) -> dict[Key, list[Fact]]:
    """The facts that move each key that may go on: gone through once, however many keys do."""
    found: dict[Key, list[Fact]] = {}
    for name, told in facts.items():
        for account, key in {(leg.account, leg.key) for leg in told.legs}:
            if account in _OF and name.reference.startswith(_OF[account][0]):
                found.setdefault((name.book, account, key), []).append(told)
    return found


def followers(moving: Mapping[Key, list[Fact]], on: PassedOn) -> Iterator[tuple[Fact, Fact]]:
    """The facts that move a key, each with what moves it on."""
    _, beginning = _OF[on.account]
    for told in moving.get((on.book, on.account, on.key), ()):
        moved = [leg for leg in told.legs if (leg.account, leg.key) == (on.account, on.key)]
        legs = [leg._replace(account=on.to_account, key=on.to_key) for leg in moved]
        legs += [leg._replace(minor=-leg.minor) for leg in moved]
        name = Name(on.book, beginning + told.name.reference)
        yield told, Fact(name, tuple(sorted(legs)))


def passed_on_differences(
    model: Model,
    books: Books,
    expected: dict[Name, Fact],
    unheard: set[Position],
) -> Iterator[Difference]:
    """What must have gone on and has not, or otherwise; adds to what is expected.

    ``expected`` has the facts as they stand. What is only told by messages that are ``unheard``,
    as they contradict another, is not told.
    """
    booked = {entry.name: entry for entry in books.entries}
    following: dict[Name, Fact] = {}
    moving = movers(expected)
    for on, tellers in _standing(model, booked, moving, unheard).items():
        for first, after in followers(moving, on):
            following[after.name] = after
            by = tellers | {t.position: t.message_id for t in model.tellings[first.name]}
            yield from _against(after, booked.get(after.name), by)
    expected |= following
    yield from _silent(model, books, unheard)


def _standing(
    model: Model,
    booked: Mapping[Name, Booked],
    moving: Mapping[Key, list[Fact]],
    unheard: set[Position],
) -> dict[PassedOn, Tellers]:
    """Where each key goes on to: of several that are told, as the books have it, else the first."""
    told: dict[Key, dict[PassedOn, Tellers]] = {}
    for on, said in model.passed_on.items():
        heard = {position: named for position, named in said if position not in unheard}
        if heard:
            told.setdefault(on[:3], {})[on] = heard
    found: dict[PassedOn, Tellers] = {}
    for choices in told.values():
        first = min(choices, key=lambda on: min(choices[on]))
        chosen = (on for on in choices if _is_booked(on, booked, moving))
        on = next(chosen, first)
        found[on] = choices[on]
    return found


def _is_booked(
    on: PassedOn, booked: Mapping[Name, Booked], moving: Mapping[Key, list[Fact]]
) -> bool:
    return any(
        after.name in booked and tuple(sorted(booked[after.name].legs)) == after.legs
        for _, after in followers(moving, on)
    )


def _silent(model: Model, books: Books, unheard: set[Position]) -> Iterator[Difference]:
    """Where a key is told to go on to more than one place, somebody must have said so."""
    told: dict[Key, set[Position]] = {}
    targets: dict[Key, int] = {}
    for on, said in model.passed_on.items():
        heard = {position for position, _ in said} - unheard
        if heard:
            told.setdefault(on[:3], set()).update(heard)
            targets[on[:3]] = targets.get(on[:3], 0) + 1
    for key, positions in told.items():
        if targets[key] > 1 and not books.conflicts & positions:
            yield Difference("conflict_not_noted", ":".join(key), "", "", max(positions))


def _against(after: Fact, stands: Booked | None, tellers: Tellers) -> Iterator[Difference]:
    name = after.name.reference
    if stands is None:
        yield Difference("missing", name, written(after.legs), "", min(tellers))
        return
    at = stands.caused_by
    if tuple(sorted(stands.legs)) != after.legs:
        yield Difference("legs_differ", name, written(after.legs), written(stands.legs), at)
    if at not in tellers:
        yield Difference("not_the_first_telling", name, str(sorted(tellers)), str(tuple(at)), at)
    elif tellers[at] != stands.message_id:
        yield Difference("message_differs", name, tellers[at], stands.message_id, at)

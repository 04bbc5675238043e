"""What would stand on the receivables of invoices that were given up is lost, and stands there.

Of such an invoice each fact that moves its receivable is followed by one that moves that on.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from oracle.invoices import LOSS, RECEIVABLE
from oracle.journal import Booked
from oracle.report import Difference, written
from oracle.values import Fact, GivenUp, Leg, Model, Name, Position

_OF_RULES: Final = ("stripe:invoice:", "stripe:credit_note:")
Tellers = dict[Position, str]


def bad_debts(facts: Mapping[Name, Fact], given_up: GivenUp) -> Iterator[tuple[Fact, Fact]]:
    """The facts that move the receivable of an invoice, each with what moves it on."""
    for name, told in facts.items():
        if name.book != given_up.book or not name.reference.startswith(_OF_RULES):
            continue
        moved = [
            leg for leg in told.legs if (leg.account, leg.key) == (RECEIVABLE, given_up.invoice)
        ]
        on = [leg._replace(account=LOSS, key="") for leg in moved]
        on += [leg._replace(minor=-leg.minor) for leg in moved]
        if on:
            yield told, Fact(Name(name.book, f"{name.reference}:bad_debt"), tuple(sorted(on)))


def bad_debt_differences(
    model: Model,
    booked: Mapping[Name, Booked],
    expected: dict[Name, Fact],
    unheard: set[Position],
) -> Iterator[Difference]:
    """What must have moved on and has not, or otherwise; adds to what is expected.

    ``expected`` has the facts as they stand. What is only told by messages that are ``unheard``,
    as they contradict another, is not told.
    """
    for given_up, said in model.given_up.items():
        told = {position: named for position, named in said if position not in unheard}
        if not told:
            continue
        for first, lost in list(bad_debts(expected, given_up)):
            expected[lost.name] = lost
            by = told | {t.position: t.message_id for t in model.tellings[first.name]}
            yield from _against(lost, booked.get(lost.name), by)


def _against(lost: Fact, stands: Booked | None, tellers: Tellers) -> Iterator[Difference]:
    name = lost.name.reference
    if stands is None:
        yield Difference("missing", name, written(lost.legs), "", min(tellers))
        return
    at = stands.caused_by
    legs: tuple[Leg, ...] = tuple(sorted(stands.legs))
    if legs != lost.legs:
        yield Difference("legs_differ", name, written(lost.legs), written(stands.legs), at)
    if at not in tellers:
        yield Difference("not_the_first_telling", name, str(sorted(tellers)), str(tuple(at)), at)
    elif tellers[at] != stands.message_id:
        yield Difference("message_differs", name, tellers[at], stands.message_id, at)

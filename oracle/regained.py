"""Losses that are none: what was given up is turned round, as it stands, once both are told."""

from collections.abc import Iterator, Mapping

from oracle.journal import Booked
from oracle.report import Difference, written
from oracle.values import Fact, Leg, Model, Name, Position, Regained, reversed_legs


def regained_differences(
    model: Model,
    booked: Mapping[Name, Booked],
    expected: dict[Name, Fact],
    unheard: set[Position],
) -> Iterator[Difference]:
    """What must have been regained and was not, or otherwise; adds to what is expected.

    ``expected`` has the losses as they stand. What is only told by messages that are ``unheard``,
    as they contradict another, is not told.
    """
    for each, tellers in model.regained.items():
        told = [teller for teller in tellers if teller[0] not in unheard]
        loss = expected.get(Name(each.name.book, each.lost))
        if not told or loss is None or each.name in model.tellings:
            continue
        legs = tuple(sorted(reversed_legs(loss.legs)))
        expected[each.name] = Fact(each.name, legs, reverses=each.lost)
        stands = booked.get(each.name)
        if stands is None:
            where = min(position for position, _ in told)
            yield Difference("missing", each.name.reference, written(legs), "", where)
        else:
            told += [(t.position, t.message_id) for t in model.tellings[loss.name]]
            yield from _otherwise(each, legs, stands, dict(told))


def _otherwise(
    told: Regained, legs: tuple[Leg, ...], stands: Booked, tellers: Mapping[Position, str]
) -> Iterator[Difference]:
    name, at = told.name.reference, stands.caused_by
    if tuple(sorted(stands.legs)) != legs:
        yield Difference("legs_differ", name, written(legs), written(stands.legs), at)
    if stands.reverses != told.lost:
        yield Difference("reverses_differ", name, told.lost, stands.reverses, at)
    if at not in tellers:
        yield Difference("not_the_first_telling", name, str(sorted(tellers)), str(tuple(at)), at)
    elif tellers[at] != stands.message_id:
        yield Difference("message_differs", name, tellers[at], stands.message_id, at)

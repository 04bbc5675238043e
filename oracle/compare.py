"""The model against the books: a pure function of both, so that faults can be planted in either."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from oracle.chain import chain_differences, first_appearances, publication_differences
from oracle.clock import tick_differences
from oracle.journal import Booked, Books, KeyedPlace, Place, Totals
from oracle.passed_on import passed_on_differences
from oracle.releases import fact_of, is_release, release_differences, reversed_releases
from oracle.report import Difference, Report, sorted_differences, written
from oracle.truth import Truth, truth_differences
from oracle.values import Fact, Leg, Model, Name, Position, Told

P = TypeVar("P", bound=tuple[str, ...])


@dataclass(slots=True)
class Standing:
    """Which positions tell what an event may not say any more, and which may or may not stand."""

    lost: set[Position] = field(default_factory=set[Position])
    open: set[Position] = field(default_factory=set[Position])
    differences: list[Difference] = field(default_factory=list[Difference])


def compare(model: Model, books: Books, truth: Truth | None = None) -> Report:
    """Every difference between what the records tell and what the books say."""
    standing = standing_of(model, books)
    expected, differences = _entries(model, books, standing)
    positions = {f"{topic}/{number}": at for (topic, number), at in books.positions.items()}
    found = [
        *standing.differences,
        *differences,
        *_events(model, books),
        *_judged(model, books),
        *tick_differences(model, books, expected, standing.lost),
        *_sums(expected, books),
        *chain_differences(books.entries, "journal"),
        *chain_differences(first_appearances(books.published), "ledger.entries"),
        *publication_differences(books.entries, books.published, positions),
        *(truth_differences(truth, expected, books) if truth else ()),
    ]
    compared = {
        "records": sum(model.records.values()),
        "entries": len(books.entries),
        "postings": sum(len(booked.legs) for booked in books.entries),
        "balances": len(books.balances),
        "ticks": len(books.ticked),
        "open_items": len(books.open_items),
        "published": len(books.published),
    }
    if books.events is not None:
        compared["events"] = len(books.events)
    if truth:
        compared["truths"] = len(truth.rows)
    notes = {"unreadable": len(model.unreadable), "refused": len(model.refused)}
    return Report(compared, sorted_differences(found), notes=notes)


def standing_of(model: Model, books: Books) -> Standing:
    """Of messages with one id and other content the first stands.

    In one partition that is the lower offset. Between partitions the recorded order decides: the
    ledger's own memory of the id, or else the version that an entry was booked from.
    """
    standing = Standing()
    causes = {booked.caused_by for booked in books.entries}
    for (book, identity), versions in model.versions.items():
        if len(versions) == 1:
            continue
        every = [position for positions in versions.values() for position in positions]
        firsts = {
            min(p for p in every if p.origin == origin) for origin in {p.origin for p in every}
        }
        remembered = (books.events or {}).get((book, identity))
        if remembered is not None and remembered in every:
            chosen = {remembered}
        else:
            chosen = firsts & causes or firsts
        winners = {digest for digest, at in versions.items() if chosen & set(at)}
        for digest, at in versions.items():
            if digest not in winners:
                standing.lost.update(at)
            elif len(winners) > 1:
                standing.open.update(at)
        if len(winners) > 1 and firsts & causes:
            standing.differences.append(
                Difference(
                    "contradiction_booked",
                    identity,
                    "one version",
                    f"{len(winners)} versions",
                    min(every),
                )
            )
        losers = standing.lost.intersection(every)
        if losers and not books.conflicts & losers:
            standing.differences.append(
                Difference("conflict_not_noted", identity, "event_conflict", "", min(losers))
            )
    return standing


def _entries(
    model: Model, books: Books, standing: Standing
) -> tuple[dict[Name, Fact], list[Difference]]:
    """What must stand in the journal, and where the journal says otherwise."""
    expected: dict[Name, Fact] = {}
    found: list[Difference] = []
    booked: dict[Name, Booked] = {}
    for entry in books.entries:
        if entry.name in booked:
            found.append(
                Difference("booked_twice", entry.name.reference, "once", "again", entry.caused_by)
            )
        booked[entry.name] = entry
        found += _itself(entry, books)
    for name, tellings in model.tellings.items():
        told = [telling for telling in tellings if telling.position not in standing.lost]
        if not told:
            continue
        stands = booked.get(name)
        if stands is None:
            if _may_be_absent(told, books, standing) or _undoes_nothing(told, booked):
                continue
            first = min(told, key=lambda telling: telling.position)
            expected[name] = first.fact
            found.append(
                Difference("missing", name.reference, written(first.fact.legs), "", first.position)
            )
            continue
        expected[name] = _standing_fact(stands, told)
        found += _against(stands, told, books)
    found += passed_on_differences(model, books, expected, standing.lost)
    released = [entry for entry in books.entries if is_release(entry, model)]
    undone = reversed_releases(released, model.reversals)
    expected |= {
        name: fact
        for name, fact in undone
        if name in booked and tuple(sorted(booked[name].legs)) == fact.legs
    }
    found += release_differences(released, expected.items())
    expected |= {entry.name: fact_of(entry) for entry in released}
    for name, entry in booked.items():
        if name not in expected:
            found.append(
                Difference("extra", name.reference, "", written(entry.legs), entry.caused_by)
            )
    return expected, found


def _may_be_absent(told: Iterable[Told], books: Books, standing: Standing) -> bool:
    return all(
        telling.position in standing.open
        or not telling.fact.is_sure
        or (telling.is_request and telling.position in books.refused)
        for telling in told
    )


def _undoes_nothing(told: Iterable[Told], booked: Mapping[Name, Booked]) -> bool:
    """Whether it takes back what was refused: that this stands nowhere is told by itself."""
    return all(
        telling.is_request
        and telling.fact.reverses
        and Name(telling.fact.name.book, telling.fact.reverses) not in booked
        for telling in told
    )


def _standing_fact(entry: Booked, told: list[Told]) -> Fact:
    """The telling that the entry was booked from, or the first, where it names none of them."""
    for telling in told:
        if telling.position == entry.caused_by:
            return telling.fact
    return min(told, key=lambda telling: telling.position).fact


def _itself(entry: Booked, books: Books) -> Iterator[Difference]:
    """Whether an entry is one at all: balanced, of two legs or more, of a message that was read."""
    sums: Counter[str] = Counter()
    for leg in entry.legs:
        sums[leg.currency] += leg.minor
    off = {currency: excess for currency, excess in sums.items() if excess}
    if off or len(entry.legs) < 2:
        yield Difference(
            "unbalanced", entry.name.reference, "0", str(off or "one leg"), entry.caused_by
        )
    at = entry.caused_by
    if at.offset >= books.positions.get((at.topic, at.partition), 0):
        yield Difference(
            "position_behind", entry.name.reference, f"past {at.offset}",
            str(books.positions.get((at.topic, at.partition), 0)), at,
        )  # fmt: skip


def _against(entry: Booked, told: list[Told], books: Books) -> Iterator[Difference]:
    """An entry against every telling of its reference."""
    name = entry.name.reference
    contents = {telling.fact.legs for telling in told}
    teller = min(
        (t for t in told if t.position == entry.caused_by or _goes_before(t, entry)),
        key=lambda t: t.position,
        default=None,
    )
    fact = _standing_fact(entry, told)
    if tuple(sorted(entry.legs)) != fact.legs:
        yield Difference(
            "legs_differ", name, written(fact.legs), written(entry.legs), entry.caused_by
        )
    if teller is None or teller.position != entry.caused_by:
        first = teller or min(told, key=lambda t: t.position)
        yield Difference(
            "not_the_first_telling", name, str(tuple(first.position)), str(tuple(entry.caused_by)),
            first.position,
        )  # fmt: skip
    elif teller.message_id != entry.message_id:
        yield Difference(
            "message_differs", name, teller.message_id, entry.message_id, entry.caused_by
        )
    if fact.reverses and fact.reverses != entry.reverses:
        yield Difference("reverses_differ", name, fact.reverses, entry.reverses, entry.caused_by)
    if len(contents) > 1 and entry.name not in books.reference_conflicts:
        yield Difference(
            "conflict_not_noted", name, "reference_conflict", "", max(t.position for t in told)
        )


def _goes_before(telling: Told, entry: Booked) -> bool:
    """Whether a telling must have been booked before the entry's own: same origin, and sure."""
    return (
        telling.fact.is_sure
        and telling.position.origin == entry.origin
        and telling.position < entry.caused_by
    )


def _events(model: Model, books: Books) -> Iterator[Difference]:
    """The ids that the ledger remembers against those that the topics told."""
    if books.events is None:
        return
    for (book, identity), versions in model.versions.items():
        if (book, identity) not in books.events:
            yield Difference(
                "event_missing", identity, book, "", min(p for at in versions.values() for p in at)
            )
    for (book, identity), position in books.events.items():
        if (book, identity) not in model.versions:
            yield Difference("event_extra", identity, "", book, position)


def _judged(model: Model, books: Books) -> Iterator[Difference]:
    """What tells nothing is parked or refused, never skipped in silence."""
    judged = books.refused | books.parked | books.conflicts
    # A message told once more says nothing new: it was judged where it was told first.
    alike = {
        position: positions
        for versions in model.versions.values()
        for positions in versions.values()
        for position in positions
    }
    for position, why in [*model.unreadable, *model.refused]:
        if judged.isdisjoint(alike.get(position, [position])):
            yield Difference("skipped_in_silence", why, "parked or refused", "", position)


def _sums(expected: Mapping[Name, Fact], books: Books) -> Iterator[Difference]:
    """Balances, open items and trial balance: of the model, of the postings, and as cached."""
    model_legs = [(name.book, leg) for name, fact in expected.items() for leg in fact.legs]
    journal_legs = [(entry.name.book, leg) for entry in books.entries for leg in entry.legs]
    model_totals, journal_totals = totals_of(model_legs), totals_of(journal_legs)
    model_nets = {place: totals.net for place, totals in model_totals.items()}
    journal_nets = {place: totals.net for place, totals in journal_totals.items()}
    yield from _unequal("balance_differs", model_nets, journal_nets)
    yield from _unequal("cached_balance_differs", journal_nets, books.balances)
    yield from _unequal("open_item_differs", open_items_of(model_legs), books.open_items)
    for place in sorted({*journal_totals, *books.trial_balance}):
        nothing = Totals(0, 0, 0)
        ours, theirs = (rows.get(place, nothing) for rows in (journal_totals, books.trial_balance))
        if ours != theirs:
            yield Difference("trial_balance_differs", ":".join(place), str(ours), str(theirs))
    off: Counter[tuple[str, str]] = Counter()
    for place, totals in books.trial_balance.items():
        off[place.book, place.currency] += totals.debit - totals.credit
    for (book, currency), excess in sorted(off.items()):
        if excess:
            yield Difference("trial_balance_off", f"{book} {currency}", "0", str(excess))


def totals_of(legs: Iterable[tuple[str, Leg]]) -> dict[Place, Totals]:
    """Debits, credits and net of each account and currency."""
    found: dict[Place, Totals] = {}
    for book, leg in legs:
        place = Place(book, leg.account, leg.currency)
        debit, credit, net = found.get(place, (0, 0, 0))
        found[place] = Totals(
            debit + max(leg.minor, 0), credit + max(-leg.minor, 0), net + leg.minor
        )
    return found


def open_items_of(legs: Iterable[tuple[str, Leg]]) -> dict[KeyedPlace, int]:
    """What stands open under each key."""
    found: defaultdict[KeyedPlace, int] = defaultdict(int)
    for book, leg in legs:
        if leg.key:
            found[KeyedPlace(book, leg.account, leg.key, leg.currency)] += leg.minor
    return {place: minor for place, minor in found.items() if minor}


def _unequal(kind: str, ours: Mapping[P, int], theirs: Mapping[P, int]) -> Iterator[Difference]:
    for place in sorted({*ours, *theirs}):
        if ours.get(place, 0) != theirs.get(place, 0):
            yield Difference(
                kind, ":".join(place), str(ours.get(place, 0)), str(theirs.get(place, 0))
            )

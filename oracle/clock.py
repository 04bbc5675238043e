"""Every clock tick made once more: what each line has to have earned by the days of each tick.

Written from the accounting page. That a tick was accepted, and how far the clock had come, is a
decision on record. What it releases is not taken from there: after it a line must have just that
left unearned which is left of a sum that is earned evenly, day by day, to the end of its service.

Which tellings of other partitions a tick had heard of is on no record. What it had heard it knows
for ever, and with one record it knows all before it in that partition; so each line must have a
way in which all its releases are right, and what one line shows to be known is known of all.

A credit note that an event shows with ten of its lines takes back of the others when it is told
again with more. Those tellings book nothing, so they stand in no chain: the record has an offset.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Final
from zoneinfo import ZoneInfo

from oracle.invoices import UNEARNED
from oracle.journal import Booked, Books
from oracle.releases import is_release
from oracle.report import Difference
from oracle.values import Fact, Model, Name, Position, Service, Taken, Tick, Told

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_MONTHS_MADE_UP: Final = 24
Known = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """An entry that says something of a line: what it posts, serves, takes back.

    Or a later telling of it, which posts nothing; its sequence is where its record stands.
    """

    origin: str
    sequence: int
    stands: int
    credited: int
    serves: Service | None
    takes: tuple[Taken, ...]


@dataclass(slots=True)
class _Ticked:
    """A tick that moved the clock on: the day that it reached, what it released on which days."""

    day: date
    position: Position
    released: dict[date, dict[str, int]] = field(default_factory=dict[date, dict[str, int]])


def tick_differences(
    model: Model,
    books: Books,
    expected: Mapping[Name, Fact],
    lost: Collection[Position] = (),
) -> Iterator[Difference]:
    """Ticks that released what they should not, or did not release what they should.

    What stands at positions that are ``lost`` was not listened to.
    """
    released: dict[Position, list[Booked]] = defaultdict(list)
    changes: dict[tuple[str, str], list[_Change]] = defaultdict(list)
    for entry in books.entries:
        if is_release(entry, model):
            released[entry.caused_by].append(entry)
        else:
            fact = expected.get(entry.name)
            for line, change in _changes(entry, fact):
                changes[entry.name.book, line].append(change)
            if fact is not None:
                told = [t for t in model.tellings.get(entry.name, ()) if t.position not in lost]
                for line, change in _told_again(fact, told):
                    changes[entry.name.book, line].append(change)
    ticks: dict[str, dict[Position, Tick]] = defaultdict(dict)
    for position, tick in model.ticks.items():
        ticks[tick.book][position] = tick
    for book, asked in sorted(ticks.items()):
        zone = ZoneInfo(min(asked.items())[1].zone)
        moved, odd = _moved(asked, books, released, zone)
        yield from odd
        closed = {
            date.fromisoformat(through)
            for position, (name, through) in model.closings.items()
            if name == book and through and position not in books.refused
        }
        lines = {line: told for (of, line), told in changes.items() if of == book}
        yield from _of_book(book, moved, lines, max(closed, default=None), zone)


def _changes(entry: Booked, fact: Fact | None) -> Iterator[tuple[str, _Change]]:
    lines = {leg.key for leg in entry.legs if leg.account == UNEARNED and leg.key}
    takes = fact.takes if fact is not None else ()
    for line in sorted(lines | {each.line for each in takes}):
        credited = sum(-g.minor for g in entry.legs if (g.account, g.key) == (UNEARNED, line))
        serves = fact.serves if fact is not None and fact.serves else None
        yield (
            line,
            _Change(
                entry.origin,
                entry.sequence,
                entry.caused_by.offset + 1,
                credited,
                serves if serves is not None and serves.line == line else None,
                tuple(each for each in takes if each.line == line),
            ),
        )


def _told_again(fact: Fact, tellings: Iterable[Told]) -> Iterator[tuple[str, _Change]]:
    """What other tellings of the same money take back of lines that the first did not show."""
    known = {each.line for each in fact.takes}
    for told in sorted(tellings, key=lambda each: each.position):
        if not told.fact.is_sure or sorted(told.fact.legs) != sorted(fact.legs):
            continue
        stands = told.position.offset + 1
        for each in told.fact.takes:
            if each.line not in known and not each.is_void:
                known.add(each.line)
                origin = _again(told.position.origin)
                yield each.line, _Change(origin, stands, stands, 0, None, (each,))


def _again(origin: str) -> str:
    """The records of a partition by themselves, beside the chain of what they book."""
    return f"{origin} again"


def _moved(
    asked: Mapping[Position, Tick],
    books: Books,
    released: Mapping[Position, Sequence[Booked]],
    zone: ZoneInfo,
) -> tuple[list[_Ticked], list[Difference]]:
    """The ticks that moved the clock on, in their order; and releases of others."""
    moved: dict[date, _Ticked] = {}
    odd: list[Difference] = []
    for position, tick in sorted(asked.items()):
        day = _instant(tick.until).astimezone(zone).date()
        reached = datetime(day.year, day.month, day.day, tzinfo=zone)
        said, entries = books.ticked.get(position), released.get(position, ())
        if said is None or _instant(said) != reached:
            odd += [_odd(each, "no release: the clock was not moved on") for each in entries]
            continue
        known = moved.setdefault(day, _Ticked(day, position))
        if entries and known.released:
            odd += [_odd(each, "one tick for a day") for each in entries]
            continue
        if entries:
            known.position = position
        for each in entries:
            at = (_instant(each.effective_at) + _SECOND).astimezone(zone)
            if at.time() != datetime.min.time():
                odd.append(_odd(each, "in the last second of a day"))
                continue
            of_day = known.released.setdefault(at.date(), {})
            for leg in each.legs:
                if leg.account == UNEARNED:
                    of_day[leg.key] = of_day.get(leg.key, 0) + leg.minor
    return [moved[day] for day in sorted(moved)], odd


def _odd(entry: Booked, expected: str) -> Difference:
    return Difference(
        "release_odd", entry.name.reference, expected, entry.effective_at, entry.caused_by
    )


def _of_book(
    book: str,
    moved: Sequence[_Ticked],
    lines: Mapping[str, Sequence[_Change]],
    closed: date | None,
    zone: ZoneInfo,
) -> Iterator[Difference]:
    served = {n: each for n, each in lines.items() if any(c.serves is not None for c in each)}
    began = [
        datetime.fromtimestamp(c.serves.since, zone).date()
        for each in served.values()
        for c in each
        if c.serves is not None
    ]
    before: date | None = min(began, default=None)
    steps: list[tuple[_Ticked, list[tuple[date, bool]], dict[str, int]]] = []
    heard: dict[str, int] = {}
    for tick in moved:
        days = _days(before, tick.day)
        for day in sorted(tick.released.keys() - set(days)):
            yield Difference("release_odd", f"{book}@{day}", "", "a day of no tick", tick.position)
        for name in {name for of_day in tick.released.values() for name in of_day}:
            for change in served.get(name, ()):
                if change.serves is not None:
                    again = _again(change.origin)
                    heard[change.origin] = max(heard.get(change.origin, 0), change.sequence)
                    heard[again] = max(heard.get(again, 0), change.stands)
        due = [(day, _must(day, tick, closed)) for day in days]
        steps.append((tick, due, dict(heard)))
        before = max(before or tick.day, tick.day)
    for name, told in sorted(served.items()):
        yield from _of_line(book, name, told, steps, zone)


def _days(before: date | None, last: date) -> list[date]:
    """The first of each month since the clock stood, and the day that it is moved on to."""
    found: list[date] = []
    day = before or last
    while (day := (day.replace(day=1) + 31 * _DAY).replace(day=1)) < last:
        found.append(day)
    return [*found, last]


def _must(day: date, tick: _Ticked, closed: date | None) -> bool:
    """Whether a tick had to look at a day: closed ones are passed over, and those of long ago."""
    if day == tick.day or day in tick.released:
        return True
    months = (tick.day.year - day.year) * 12 + tick.day.month - day.month
    return months < _MONTHS_MADE_UP and (closed is None or day - _DAY > closed)


def _of_line(
    book: str,
    name: str,
    told: Sequence[_Change],
    steps: Iterable[tuple[_Ticked, list[tuple[date, bool]], dict[str, int]]],
    zone: ZoneInfo,
) -> Iterator[Difference]:
    """The first tick after which a line has not left what it must, whatever was known of it."""
    by_origin: dict[str, list[_Change]] = defaultdict(list)
    for change in sorted(told, key=lambda each: (each.origin, each.sequence)):
        by_origin[change.origin].append(change)
    queues = [by_origin[origin] for origin in sorted(by_origin)]
    ways: set[Known] = {(0,) * len(queues)}
    released = 0
    for tick, days, heard in steps:
        least = [
            sum(1 for change in queue if change.sequence <= heard.get(change.origin, 0))
            for queue in queues
        ]
        ways = {
            more
            for way in ways
            for more in product(
                *(range(max(w, m), len(q) + 1) for w, m, q in zip(way, least, queues, strict=True))
            )
        }
        for day, is_due in days:
            minor = tick.released.get(day, {}).get(name, 0)
            due = {way: _due(way, queues, released, day, zone) for way in ways}
            ways = {
                way for way, right in due.items() if minor in right or (not is_due and not minor)
            }
            if not ways:
                expected = sorted({each for right in due.values() for each in right})
                yield Difference(
                    "release_differs",
                    f"{book}:{UNEARNED}[{name}] before {day}",
                    " or ".join(map(str, expected)),
                    str(minor),
                    tick.position,
                )
                return
            released += minor


def _due(
    way: Known, queues: Sequence[Sequence[_Change]], released: int, day: date, zone: ZoneInfo
) -> tuple[int, ...]:
    """What is to be released of a line on a day, by one who has heard so much of it."""
    known = [change for queue, count in zip(queues, way, strict=True) for change in queue[:count]]
    service = next((change.serves for change in known if change.serves is not None), None)
    if service is None:
        return (0,)
    stands = sum(change.credited for change in known) - released
    taken = [each for change in known for each in change.takes]
    right = stands - left_unearned(service, taken, day, zone)
    # Where nothing stands the clock need not know the line any more.
    return (right,) if stands else (0, right)


def left_unearned(service: Service, taken: Iterable[Taken], day: date, zone: ZoneInfo) -> int:
    """What of a line is to be left when a day begins.

    It is earned evenly, and the last day takes the remainder. What is taken back lowers, from the
    next day on, what is left by then, and never past nothing nor past the whole. Of what was
    voided nothing is left, on whatever day: nothing was earned.
    """
    whole, sign = abs(service.net), 1 if service.net >= 0 else -1
    begins = datetime.fromtimestamp(service.since, zone).date()
    ends = datetime.fromtimestamp(service.until, zone).date()
    lowered: dict[date, int] = defaultdict(int)
    for each in taken:
        if each.is_void:
            return 0
        lowered[datetime.fromtimestamp(each.at, zone).date()] += sign * each.minor
    left = whole
    for at in sorted(at for at, minor in lowered.items() if minor and at < day):
        left = _evenly(left, begins, ends, at)
        begins = max(begins, at)
        left = max(0, min(whole, left - lowered[at]))
    return sign * _evenly(left, begins, ends, day)


def _evenly(left: int, begins: date, ends: date, day: date) -> int:
    if day <= begins:
        return left
    if day >= ends:
        return 0
    return left - left * (day - begins).days // (ends - begins).days


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)

"""Which line of a file is which: the same line in overlapping files once, true twins each.

A line's id is what it says and, among equal ones of its day, the how-manieth it is. Files that
overlap tell a day from its beginning, so each counts alike. A statement which goes on in the
middle of a day, where another ended, counts on from that one: their running balances tell them
apart.

The account is part of the id, since the books keep what nothing explains yet by a line's id alone,
and two accounts say much the same: a fee of each month, or an id that a bank counts from 1 in each.
Lines that were told before it was part of it keep the id that they have.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import pairwise

from services.feeds.revisions import ToldLine
from services.feeds.statements.texts import sha256_of
from services.feeds.statements.values import Statement, StatementLine
from shared.contracts.observations import LineState

_ID_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Edge:
    """The first or last day of a statement: where its balance begins and ends on that day.

    ``passes`` are the balances that it goes through before it ends; ``counts`` how many lines of
    each content it has on the day.
    """

    day: date
    number: str
    begins: int
    ends: int
    passes: frozenset[int]
    counts: Mapping[str, int]

    def is_apart_from(self, other: "Edge") -> bool:
        """Whether the two tell different parts of the day: neither begins within the other."""
        if self.ends == other.begins and _follows(self.number, other.number):
            return True
        if other.ends == self.begins and _follows(other.number, self.number):
            return True
        return self.begins not in other.passes and other.begins not in self.passes


@dataclass(frozen=True, slots=True)
class Identified:
    """A statement's lines under their ids, and its edges for those that come later.

    ``before`` is the id of each line without the account in it.
    """

    lines: tuple[ToldLine, ...]
    edges: tuple[Edge, ...]
    before: Mapping[str, str]

    def under(self, known: Container[str]) -> Iterator[ToldLine]:
        """The lines, those that are ``known`` by an id without the account under that one."""
        for line in self.lines:
            before = self.before[line.id]
            yield replace(line, id=before) if before in known else line


def identified(
    statement: Statement, known: Iterable[Edge], *, account: str, posts: bool
) -> Identified:
    """The lines of our account as they are told.

    ``posts`` is false where what is booked is still provisional.
    """
    edges = edges_of(statement)
    others = list(known)
    seen: Counter[str] = Counter()
    for edge in edges:
        seen.update(_counts_apart(edge, [o for o in others if o.day == edge.day]))
    # Booked ones first: an announced twin of a booked line is a second one.
    ordered = sorted(statement.lines, key=lambda line: line.is_pending)
    told: list[ToldLine] = []
    before: dict[str, str] = {}
    for line in ordered:
        content = content_of(line)
        seen[content] += 1
        line_id = f"{sha256_of('line', account, content)[:_ID_CHARACTERS]}.{seen[content]}"
        before[line_id] = f"{content}.{seen[content]}"
        told.append(_told(line, line_id, posts=posts))
    return Identified(tuple(told), edges, before)


def content_of(line: StatementLine) -> str:
    """What a line says that no two tellings of it differ in: by the bank's id, where it has one."""
    amount = (str(line.amount.minor), line.amount.currency.code)
    day = line.booked_on.isoformat()
    if line.bank_id:
        return sha256_of("id", line.bank_id, day, *amount)[:_ID_CHARACTERS]
    valued = "" if line.value_on is None else line.value_on.isoformat()
    texts = (line.description, line.reference, line.counterparty)
    return sha256_of("text", day, valued, *amount, *texts)[:_ID_CHARACTERS]


def edges_of(statement: Statement) -> tuple[Edge, ...]:
    """The first and the last day of a statement with both balances; one, when it is one day."""
    lines = statement.booked
    if statement.opening is None or statement.closing is None or not lines:
        return ()
    at = statement.opening.amount.minor
    first, last = (f(line.booked_on for line in lines) for f in (min, max))
    walks: dict[date, list[int]] = {first: [], last: []}
    counts: dict[date, Counter[str]] = {first: Counter(), last: Counter()}
    for line in lines:
        after = at + line.amount.minor
        if line.booked_on in walks:
            walk = walks[line.booked_on]
            walk.extend((after,) if walk else (at, after))
            counts[line.booked_on][content_of(line)] += 1
        at = after
    return tuple(
        Edge(
            day=day,
            number=statement.number,
            begins=walk[0],
            ends=walk[-1],
            passes=frozenset(walk[:-1]),
            counts=dict(counts[day]),
        )
        for day, walk in sorted(walks.items())
    )


def _counts_apart(edge: Edge, others: list[Edge]) -> Counter[str]:
    """How many lines of each content other statements tell of the day, each line once."""
    taken: list[Edge] = []
    for other in sorted(others, key=lambda e: (-len(e.passes), e.begins, e.ends)):
        if other.is_apart_from(edge) and all(other.is_apart_from(one) for one in taken):
            taken.append(other)
    found: Counter[str] = Counter()
    for one in taken:
        found.update(one.counts)
    return found


def _follows(number: str, after: str) -> bool:
    """Whether a statement's number is the next one: ``12`` and ``13``, ``12/1`` and ``12/2``."""
    before, behind = (number.split("/"), after.split("/"))
    parts = [*before, *behind]
    if len(before) != len(behind) or not all(p.isascii() and p.isdigit() for p in parts):
        return False
    return any(
        int(b) == int(a) + 1 and before[:i] == behind[:i]
        for i, (a, b) in enumerate(zip(before, behind, strict=True))
    )


def _told(line: StatementLine, line_id: str, *, posts: bool) -> ToldLine:
    is_pending = line.is_pending or not posts
    day = line.booked_on
    return ToldLine(
        id=line_id,
        state=LineState.PENDING if is_pending else LineState.POSTED,
        amount=line.amount,
        created_at=datetime(day.year, day.month, day.day, tzinfo=UTC),
        booked_on=day,
        value_on=line.value_on,
        description=line.description,
        reference=line.reference,
        counterparty=line.counterparty,
        source_sha256=line.source_sha256,
    )


def gaps(statements: Iterable[Statement]) -> list[str]:
    """What seems to lack between statements of one account, in words."""
    whole = [s for s in statements if s.opening is not None and s.closing is not None]
    ordered = sorted(whole, key=lambda s: (s.closing.on if s.closing else date.min, s.number))
    return [
        f"between {a.name} and {b.name}: the one closes with {a.closing.amount}, the other opens"
        f" with {b.opening.amount}"
        for a, b in pairwise(ordered)
        if a.closing and b.opening and a.closing.on <= b.opening.on
        if a.closing.amount != b.opening.amount
    ]

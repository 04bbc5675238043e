"""What is known of a book, in Postgres, and the part of it that is open, in hand.

The open part (facts that are not done with, and the matches and discrepancies about them) is
kept between judgements as long as the book's version says that nobody else has changed it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.reconciler.facts.kinds import Fact
from services.reconciler.findings.classes import ONE_SHOT
from services.reconciler.reconcile import Kept
from services.reconciler.scope import hooks, match_hooks, meeting
from services.reconciler.shell.keeping.fact_json import fact_of, fact_text, kind_of
from shared.contracts.discrepancies import DiscrepancyState
from shared.contracts.look_ups import LookUpAsked
from shared.contracts.messages import (
    MATCH_RECORD,
    DiscrepancyReported,
    MatchMade,
    MatchUndone,
)
from shared.runtime.postgres import Tx, load_queries

SQL: Final = load_queries(Path(__file__).parents[1] / "sql")
MATCH: Final = "match:"


@dataclass(slots=True)
class OpenBook:
    """The open part of a book.

    ``woken`` are keys whose rows still say that they are done with, a match's as ``match:ID``.
    ``accepted`` are discrepancies in hand that a person closed for good. ``asked`` are look-ups
    that are still due and known to be asked for, ``unasked`` those known not to be. ``kept`` is
    what the last judgement has worked out, whatever became of its transaction.
    """

    book: str
    version: int
    facts: dict[str, Fact] = field(default_factory=dict[str, Fact])
    matches: dict[str, MatchMade] = field(default_factory=dict[str, MatchMade])
    discrepancies: dict[str, DiscrepancyReported] = field(
        default_factory=dict[str, DiscrepancyReported]
    )
    woken: set[str] = field(default_factory=set[str])
    accepted: set[str] = field(default_factory=set[str])
    asked: set[str] = field(default_factory=set[str])
    unasked: set[str] = field(default_factory=set[str])
    kept: Kept = field(default_factory=Kept)
    _hooks: dict[str, tuple[Fact, frozenset[str]]] = field(
        default_factory=dict[str, tuple[Fact, frozenset[str]]]
    )

    def hooks_of(self, key: str) -> frozenset[str]:
        """What an open fact can be met by; worked out once for each telling."""
        fact = self.facts[key]
        known = self._hooks.get(key)
        if known is None or known[0] is not fact:
            known = self._hooks[key] = (fact, hooks(fact))
        return known[1]

    def let_go(self, keys: Iterable[str]) -> None:
        """Take facts out of the open part."""
        for key in keys:
            self.facts.pop(key, None)
            self._hooks.pop(key, None)

    def copy(self) -> "OpenBook":
        """One that may be changed while this one stands."""
        return OpenBook(
            self.book,
            self.version,
            dict(self.facts),
            dict(self.matches),
            dict(self.discrepancies),
            set(self.woken),
            set(self.accepted),
            set(self.asked),
            set(self.unasked),
            self.kept,
            dict(self._hooks),
        )


class Memory:
    """Open books in hand, by name; what a transaction made of them is taken when it committed."""

    def __init__(self) -> None:
        self._in_hand: dict[str, OpenBook] = {}

    async def hold(self, tx: Tx, book: str) -> OpenBook:
        """The open part of a book, locked until the transaction ends."""
        version: int = await tx.fetchval(SQL["hold_book"], book)
        known = self._in_hand.get(book)
        if known is not None and known.version == version:
            return known.copy()
        found = OpenBook(book, version)
        for row in await tx.fetch(SQL["active_facts"], book):
            found.facts[row["key"]] = fact_of(row["kind"], row["body"])
        for row in await tx.fetch(SQL["active_matches"], book):
            found.matches[row["id"]] = MatchMade.model_validate_json(row["record"])
        for row in await tx.fetch(SQL["unresolved_discrepancies"], book, sorted(ONE_SHOT)):
            found.discrepancies[row["id"]] = DiscrepancyReported.model_validate_json(row["record"])
        return found

    def keep(self, book: OpenBook) -> None:
        """Take what a transaction that has committed made of a book."""
        self._in_hand[book.book] = book

    def forget(self) -> None:
        """Let go of all; for after a transaction of which nobody knows whether it committed."""
        self._in_hand.clear()


async def facts_by_key(tx: Tx, book: str, keys: Iterable[str]) -> dict[str, Fact]:
    """The facts with these keys, done with or not."""
    rows = await tx.fetch(SQL["facts_by_key"], book, sorted(set(keys)))
    return {row["key"]: fact_of(row["kind"], row["body"]) for row in rows}


async def put_facts(tx: Tx, book: str, facts: Mapping[str, Fact], *, dormant: set[str]) -> None:
    """Write facts as they are known now, with what they can be met by."""
    if not facts:
        return
    rows = sorted(facts.items())
    await tx.execute(
        SQL["put_facts"],
        book,
        [key for key, _ in rows],
        [kind_of(fact) for _, fact in rows],
        [fact_text(fact) for _, fact in rows],
        [key in dormant for key, _ in rows],
    )
    pairs = [(hook, key) for key, fact in rows for hook in sorted(hooks(fact))]
    await tx.execute(SQL["put_hooks"], book, [h for h, _ in pairs], [k for _, k in pairs])


async def met_by(tx: Tx, book: str, changed: Iterable[str]) -> set[str]:
    """The keys of all that changed facts can affect, through whatever many hooks."""
    seen: set[str] = set()
    fresh = set(changed)
    while fresh:
        seen |= fresh
        rows = await tx.fetch(SQL["hooks_by_key"], book, sorted(fresh))
        met = sorted({meeting(row["hook"]) for row in rows})
        found = await tx.fetch(SQL["keys_by_hook"], book, met)
        fresh = {row["key"] for row in found} - seen
    return seen


async def wake(tx: Tx, open_book: OpenBook, changed: Iterable[str]) -> None:
    """Add to the open part all that changed facts can affect."""
    facts, matches = _apart(await met_by(tx, open_book.book, changed))
    asleep = await facts_by_key(tx, open_book.book, facts - open_book.facts.keys())
    open_book.facts.update(asleep)
    open_book.woken |= asleep.keys()
    missing = sorted(matches - open_book.matches.keys())
    for row in await tx.fetch(SQL["matches_by_id"], missing) if missing else ():
        if row["is_standing"]:
            open_book.matches[row["id"]] = MatchMade.model_validate_json(row["record"])
            open_book.woken |= {MATCH + row["id"]} if row["is_dormant"] else set()


async def wake_rows(tx: Tx, book: str, changed: Iterable[str]) -> None:
    """Mark all that changed facts can affect as not done with, for a judgement to come."""
    facts, matches = _apart(await met_by(tx, book, changed))
    await set_dormant(
        tx,
        book,
        facts=dict.fromkeys(sorted(facts), False),
        matches=dict.fromkeys(sorted(matches), False),
    )


def _apart(keys: Iterable[str]) -> tuple[set[str], set[str]]:
    found = set(keys)
    matches = {key for key in found if key.startswith(MATCH)}
    return found - matches, {key.removeprefix(MATCH) for key in matches}


async def last_revisions(tx: Tx, ids: Iterable[str]) -> dict[str, int]:
    """The last revision of matches that were ever made."""
    rows = await tx.fetch(SQL["matches_by_id"], sorted(set(ids)))
    return {row["id"]: row["revision"] for row in rows}


async def last_reports(tx: Tx, ids: Iterable[str]) -> dict[str, DiscrepancyReported]:
    """The last records of discrepancies that were ever opened."""
    asked = sorted(set(ids))
    rows = await tx.fetch(SQL["discrepancies_by_id"], asked) if asked else ()
    return {row["id"]: DiscrepancyReported.model_validate_json(row["record"]) for row in rows}


async def put_matches(tx: Tx, records: Iterable[MatchMade | MatchUndone]) -> set[str]:
    """Write the last records of matches; the books in which that was news."""
    last = last_of(records)
    rows = [last[key] for key in sorted(last)]
    if not rows:
        return set()
    fresh = await tx.fetch(
        SQL["put_matches"],
        [r.book for r in rows],
        [r.id for r in rows],
        [r.revision for r in rows],
        [isinstance(r, MatchMade) for r in rows],
        [False for _ in rows],
        [r.model_dump_json() for r in rows],
    )
    by_book: dict[str, list[tuple[str, str]]] = {}
    for made in (r for r in rows if isinstance(r, MatchMade)):
        pairs = by_book.setdefault(made.book, [])
        pairs += ((hook, MATCH + made.id) for hook in sorted(match_hooks(made)))
    for book, pairs in sorted(by_book.items()):
        await tx.execute(SQL["put_hooks"], book, [h for h, _ in pairs], [k for _, k in pairs])
    return {row["book"] for row in fresh}


def last_of(records: Iterable[MatchMade | MatchUndone]) -> dict[str, MatchMade | MatchUndone]:
    """The last record of each match, though older ones be repeated after it.

    An outbox of which a part was published before a crash is published anew from its start.
    """
    last: dict[str, MatchMade | MatchUndone] = {}
    for record in records:
        last[record.id] = max(last.get(record.id, record), record, key=_match_step)
    return last


def _match_step(record: MatchMade | MatchUndone) -> tuple[int, bool]:
    return (record.revision, isinstance(record, MatchUndone))


def match_record(text: str | bytes) -> MatchMade | MatchUndone:
    """The match record that JSON tells."""
    return MATCH_RECORD.validate_json(text)


async def put_discrepancies(tx: Tx, reports: Iterable[DiscrepancyReported]) -> set[str]:
    """Write the last records of discrepancies; the books in which that was news."""
    last: dict[str, DiscrepancyReported] = {}
    for report in reports:
        before = last.get(report.id)
        if before is None or before.revision < report.revision:
            last[report.id] = report
    rows = [last[key] for key in sorted(last)]
    if not rows:
        return set()
    fresh = await tx.fetch(
        SQL["put_discrepancies"],
        [r.book for r in rows],
        [r.id for r in rows],
        [r.revision for r in rows],
        [r.discrepancy.value for r in rows],
        [r.state.value for r in rows],
        [r.subject for r in rows],
        [None if r.amount is None else int(r.amount.minor) for r in rows],
        [None if r.amount is None else r.amount.currency for r in rows],
        [None if r.amount is None else r.amount.exponent for r in rows],
        [r.opened_at for r in rows],
        [r.changed_at for r in rows],
        [r.resolved_at for r in rows],
        [r.model_dump_json() for r in rows],
    )
    return {row["book"] for row in fresh}


async def put_look_ups(tx: Tx, asked: Iterable[LookUpAsked]) -> set[str]:
    """Write down what is asked for by name; the books in which that was news."""
    rows = {each.id: each for each in asked}.values()
    if not rows:
        return set()
    fresh = await tx.fetch(
        SQL["put_look_ups"],
        [each.book for each in rows],
        [each.id for each in rows],
        [each.subject for each in rows],
        [each.deadline for each in rows],
        [each.look_up.value for each in rows],
        [each.where for each in rows],
        [each.asked_at for each in rows],
    )
    return {row["book"] for row in fresh}


async def set_dormant(
    tx: Tx, book: str, *, facts: Mapping[str, bool], matches: Mapping[str, bool]
) -> None:
    """Write which facts and matches have become done with, or are no longer."""
    if facts:
        await tx.execute(SQL["set_dormant"], book, list(facts), list(facts.values()))
    if matches:
        await tx.execute(SQL["set_matches_dormant"], list(matches), list(matches.values()))


def is_resolved(report: DiscrepancyReported) -> bool:
    """Whether a discrepancy is over."""
    return report.state is DiscrepancyState.RESOLVED

"""One book judged: what is known goes through the core, and what differs is written and told.

All in the transaction of the caller, who holds the book: matches, discrepancies, the letters
that tell of them, what is done with, and when to look again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.reconciler.facts.known import Facts
from services.reconciler.findings import life
from services.reconciler.findings.classes import ONE_SHOT
from services.reconciler.findings.found import Reconciliation, difference
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.calendars import FEED_SILENCE_MAX
from services.reconciler.scope import match_hooks
from services.reconciler.shell.judging import acts, look_ups
from services.reconciler.shell.judging.in_hand import Rules, facts_in_hand
from services.reconciler.shell.keeping import memory
from services.reconciler.shell.keeping.memory import SQL, OpenBook
from services.reconciler.shell.telling import letters
from services.reconciler.shell.telling.outbox import put
from shared.contracts.acts import ActDecided
from shared.contracts.look_ups import LookUpAsked
from shared.contracts.messages import DiscrepancyReported, MatchMade, MatchUndone
from shared.runtime.postgres import Tx

_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judgement changed, what of people's acts it decided, and what it asked for."""

    decisions: tuple[ActDecided, ...] = ()
    matches: tuple[MatchMade | MatchUndone, ...] = ()
    discrepancies: tuple[DiscrepancyReported, ...] = ()
    look_ups: tuple[LookUpAsked, ...] = ()
    open_facts: int = field(default=0)

    @property
    def has_told(self) -> bool:
        """Whether there is something to publish."""
        return bool(self.decisions or self.matches or self.discrepancies or self.look_ups)


async def judge(tx: Tx, open_book: OpenBook, rules: Rules, *, at: datetime) -> Judgement:
    """Judge the open part of a book and write what differs; ``open_book`` is brought up to date.

    What people have asked for is decided first, so that it is judged with the rest.
    """
    asked = await acts.decide(tx, open_book, rules, at=at)
    facts, found = await _found(tx, open_book, rules, at=at)
    records = await _matches(tx, open_book, found)
    zone = rules.book(open_book.book).zone
    changed = await _discrepancies(tx, open_book, found, at=at, zone=zone)
    reports = [*asked.reports, *changed]
    await memory.put_matches(tx, records)
    await memory.put_discrepancies(tx, reports)
    await put(tx, letters.of_decisions(asked.decisions))
    await put(tx, letters.of_matches(records, at=at))
    await put(tx, letters.of_discrepancies(reports, at=at))
    asked_for = await look_ups.ask(tx, open_book, found.look_ups, at=at)
    await _settle_down(tx, open_book, found.dormant)
    ages = life.ages_next(open_book.discrepancies.values(), at=at, zone=zone)
    at_once = None if asked.is_done else at + _INSTANT
    rest = look_ups.next_pass(open_book, at=at)
    wake = (found.wake_at, ages, at_once, rest)
    await _look_again(tx, open_book.book, wake, facts.heard_at, at=at)
    open_book.version = await tx.fetchval(SQL["bump_book"], open_book.book)
    return Judgement(
        tuple(asked.decisions), tuple(records), tuple(reports), asked_for, len(open_book.facts)
    )


async def _found(
    tx: Tx, open_book: OpenBook, rules: Rules, *, at: datetime
) -> tuple[Facts, Reconciliation]:
    """What should stand and be open; what a person closed for good is let go of."""
    facts = await facts_in_hand(tx, open_book, rules)
    found = reconcile(facts, at=at, kept=open_book.kept)
    one_shot = {d.id for d in found.discrepancies if d.kind in ONE_SHOT}
    closed = {
        key
        for key, report in (await memory.last_reports(tx, one_shot)).items()
        if life.is_accepted(report)
    }
    if closed == open_book.accepted:
        return facts, found
    open_book.accepted = closed
    facts = replace(facts, accepted=frozenset(closed))
    return facts, reconcile(facts, at=at, kept=open_book.kept)


async def settle(tx: Tx, open_book: OpenBook, rules: Rules, *, at: datetime) -> None:
    """Let go of what is done with whatever else may still be read; nothing is found or told.

    Keeps what is in hand small while much is being read. What a match that does not stand yet
    would take stays: only a judgement may make it.
    """
    found = reconcile(await facts_in_hand(tx, open_book, rules), at=at, kept=open_book.kept)
    unmade = {
        hook
        for match in found.matches
        if match.id not in open_book.matches
        for hook in match_hooks(match.made(1))
    }
    held = {key for key in open_book.facts if unmade & open_book.hooks_of(key)}
    await _settle_down(tx, open_book, found.dormant - held)
    open_book.version = await tx.fetchval(SQL["bump_book"], open_book.book)


async def _matches(
    tx: Tx, open_book: OpenBook, found: Reconciliation
) -> list[MatchMade | MatchUndone]:
    fresh = [m.id for m in found.matches if m.id not in open_book.matches]
    revisions = await memory.last_revisions(tx, fresh) if fresh else {}
    records = difference(open_book.matches.values(), found.matches, revisions=revisions)
    for record in records:
        if isinstance(record, MatchMade):
            open_book.matches[record.id] = record
        else:
            open_book.matches.pop(record.id, None)
    return list(records)


async def _discrepancies(
    tx: Tx, open_book: OpenBook, found: Reconciliation, *, at: datetime, zone: ZoneInfo
) -> list[DiscrepancyReported]:
    known = dict(open_book.discrepancies)
    fresh = [d.id for d in found.discrepancies if d.id not in known]
    if fresh:
        known |= await memory.last_reports(tx, fresh)
    reports = life.reports(
        book=open_book.book, wanted=found.discrepancies, known=known, at=at, zone=zone
    )
    open_book.discrepancies |= {report.id: report for report in reports}
    open_book.discrepancies = {
        key: report for key, report in open_book.discrepancies.items() if life.is_in_hand(report)
    }
    return reports


async def _settle_down(tx: Tx, open_book: OpenBook, dormant: Iterable[str]) -> None:
    """Let go of what is done with: facts, and matches all of whose facts are.

    A match and its facts go together or stay together: a match whose facts were not in hand
    would look as if nothing spoke for it.
    """
    done = set(dormant) & open_book.facts.keys()
    of_matches = {key: match_hooks(made) for key, made in open_book.matches.items()}
    having = _having(open_book, of_matches.values())
    done -= _held_by_matches(of_matches.values(), having, done)
    facts = dict.fromkeys(sorted(done - open_book.woken), True)
    facts |= dict.fromkeys(sorted((open_book.woken & open_book.facts.keys()) - done), False)
    open_book.let_go(done)
    held = {hook for hook, keys in having.items() if keys - done}
    over = {k for k, hooks in of_matches.items() if not hooks & held}
    matches = {k: True for k in sorted(over) if memory.MATCH + k not in open_book.woken}
    matches |= {
        k: False
        for k in sorted(open_book.matches.keys() - over)
        if memory.MATCH + k in open_book.woken
    }
    await memory.set_dormant(tx, open_book.book, facts=facts, matches=matches)
    open_book.matches = {k: m for k, m in open_book.matches.items() if k not in over}
    open_book.woken = set()


def _having(open_book: OpenBook, of_matches: Iterable[frozenset[str]]) -> dict[str, set[str]]:
    """The facts in hand by those of their hooks that matches have: most facts have none of them."""
    asked = {hook for hooks in of_matches for hook in hooks}
    found: dict[str, set[str]] = {}
    if not asked:
        return found
    for key in open_book.facts:
        hooks = open_book.hooks_of(key)
        if not asked.isdisjoint(hooks):
            for hook in hooks & asked:
                found.setdefault(hook, set()).add(key)
    return found


def _held_by_matches(
    of_matches: Iterable[frozenset[str]], having: Mapping[str, set[str]], done: set[str]
) -> set[str]:
    """Facts that are done with but share a match with one that is not."""
    together = [{key for hook in hooks for key in having.get(hook, ())} for hooks in of_matches]
    kept: set[str] = set()
    while True:
        left = done - kept
        more = {key for keys in together if keys - left for key in keys & left}
        if not more:
            return kept
        kept |= more


async def _look_again(
    tx: Tx,
    book: str,
    wake_at: Iterable[datetime | None],
    heard_at: Mapping[str, datetime],
    *,
    at: datetime,
) -> None:
    """Write when the answer may change by itself: a due time, a window's end, a silent bank."""
    silences = [heard + FEED_SILENCE_MAX + _INSTANT for heard in heard_at.values()]
    times = [time for time in (*wake_at, *silences) if time is not None and time > at]
    if times:
        await tx.execute(SQL["set_due"], book, min(times))
    else:
        await tx.execute(SQL["clear_due"], book)

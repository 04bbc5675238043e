"""What reconciliation finds: matches, discrepancies, and what of it has to be published."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from services.reconciler.facts.kinds import Leg, Line
from shared.contracts.discrepancies import BreakClass, DiscrepancyId, DiscrepancyKind, MatchId
from shared.contracts.look_ups import LookUp, LookUpAsked, look_up_id
from shared.contracts.messages import (
    Clearing,
    MatchedLine,
    MatchKind,
    MatchMade,
    MatchUndone,
    NamedDifference,
    RunnerUp,
    Settled,
)
from shared.contracts.money import Money, MoneyOnWire


@dataclass(frozen=True, slots=True)
class Settles:
    """An object that a line settles: its whole amount and this line's share, as the bank signs."""

    object: str
    amount: Money
    share: Money


@dataclass(frozen=True, slots=True)
class Difference:
    """What a line settles more or less than its amount, as the bank signs it, by its name.

    ``account`` is where it is posted; empty where it stays open.
    """

    name: str
    minor: int
    account: str = ""


@dataclass(frozen=True, slots=True)
class NextBest:
    """The next best answer to what a line settles, and why it was not taken."""

    objects: tuple[str, ...]
    score: int
    reason: str


@dataclass(frozen=True, slots=True)
class Match:
    """Two halves that agree. ``clears`` are legs, debit positive; ``score`` is 100 at most."""

    id: MatchId
    kind: MatchKind
    book: str
    effective_at: datetime
    clears: tuple[Leg, ...]
    rule: str
    line: Line | None = None
    settles: tuple[Settles, ...] = ()
    evidence: tuple[str, ...] = ()
    rules_version: str = ""
    score: int | None = None
    difference: Difference | None = None
    runner_up: NextBest | None = None

    @property
    def delta_minor(self) -> int:
        """The line less its share of what it settles, in minor units; zero in an exchange."""
        if self.line is None:
            return 0
        return self.line.minor - sum(settled.share.minor for settled in self.settles)

    def made(self, revision: int) -> MatchMade:
        """The record that tells of the match."""
        return MatchMade(
            id=self.id,
            revision=revision,
            match_kind=self.kind,
            book=self.book,
            effective_at=self.effective_at,
            line=None if self.line is None else _matched(self.line),
            settles=tuple(
                Settled(
                    object=s.object,
                    amount=MoneyOnWire.of(s.amount),
                    share=MoneyOnWire.of(s.share),
                )
                for s in self.settles
            ),
            clears=tuple(_clearing(leg) for leg in self.clears),
            rule=self.rule,
            evidence=self.evidence,
            rules_version=self.rules_version,
            score=self.score,
            difference=self._difference(),
            runner_up=None if self.runner_up is None else _runner_up(self.runner_up),
        )

    def _difference(self) -> NamedDifference | None:
        if self.difference is None or self.line is None:
            return None
        amount = Money.of(self.difference.minor, self.line.currency)
        return NamedDifference(
            name=self.difference.name,
            amount=MoneyOnWire.of(amount),
            account=self.difference.account,
        )


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that is wrong now. ``amount`` is never negative; ``None`` where none is known.

    ``since`` is the day from which on it is wrong, where the facts tell one.
    """

    id: DiscrepancyId
    kind: DiscrepancyKind
    subject: str
    amount: Money | None
    expected: str
    found: str
    explanation: str
    next_step: str
    evidence: tuple[str, ...] = ()
    break_class: BreakClass | None = None
    cause: str = ""
    probable_cause: str = ""
    since: date | None = None


# Thousands are due at once and were asked for long ago: each judgement looks whether they were.
_look_up_id: Final = lru_cache(maxsize=16_384)(look_up_id)


@dataclass(frozen=True, slots=True)
class DueLookUp:
    """What is to be asked for by name: its deadline has passed, and it is still waited for."""

    subject: str
    deadline: datetime
    look_up: LookUp
    where: str
    kind: str
    account: str
    currency: str
    since: date | None

    def id(self, book: str) -> str:
        """The same for the same deadline of the same thing at the same place."""
        return _look_up_id(book, self.subject, self.deadline, self.look_up, self.where)

    def asked(self, book: str, *, at: datetime) -> LookUpAsked:
        """The message that asks for it."""
        return LookUpAsked(
            id=self.id(book),
            book=book,
            subject=self.subject,
            deadline=self.deadline,
            asked_at=at,
            look_up=self.look_up,
            where=self.where,
            kind=self.kind,
            account=self.account,
            currency=self.currency,
            since=self.since,
        )


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What should stand and be open now.

    ``wake_at`` is the next time at which the answer can change though no new fact comes.
    ``look_ups`` are due by then, the longest waiting first; most have been asked for before.
    ``dormant`` are the keys of facts that are done with: they need not be loaded again until a
    new fact shares a hook with them.
    """

    matches: tuple[Match, ...] = ()
    discrepancies: tuple[Discrepancy, ...] = ()
    wake_at: datetime | None = None
    dormant: frozenset[str] = frozenset()
    look_ups: tuple[DueLookUp, ...] = ()


def difference(
    standing: Iterable[MatchMade],
    wanted: Iterable[Match],
    *,
    revisions: Mapping[str, int],
    reason: str = "no longer follows from what is known",
) -> tuple[MatchMade | MatchUndone, ...]:
    """The records that turn what stands into what is wanted; the undoing comes first.

    ``revisions`` has the last revision used of each match id, undone ones too. Times, rules and
    evidence are not compared: a match with the same money stands as it was made.
    """
    stands = {MatchId(made.id): made for made in standing}
    wants = {match.id: match for match in wanted}
    undone = [
        _undone(made, reason)
        for match_id, made in sorted(stands.items())
        if match_id not in wants or not _same_money(made, wants[match_id])
    ]
    gone = {record.id for record in undone}
    made = [
        match.made(max(revisions.get(match_id, 0), _revision(stands, match_id)) + 1)
        for match_id, match in sorted(wants.items())
        if match_id not in stands or match_id in gone
    ]
    return (*undone, *made)


def _revision(stands: Mapping[MatchId, MatchMade], match_id: MatchId) -> int:
    made = stands.get(match_id)
    return 0 if made is None else made.revision


def _undone(made: MatchMade, reason: str) -> MatchUndone:
    return MatchUndone(
        id=made.id,
        revision=made.revision,
        match_kind=made.match_kind,
        book=made.book,
        effective_at=made.effective_at,
        clears=made.clears,
        reason=reason,
    )


def _same_money(made: MatchMade, wanted: Match) -> bool:
    again = wanted.made(made.revision)
    return sorted(made.clears, key=_leg_order) == sorted(again.clears, key=_leg_order)


def _leg_order(leg: Clearing) -> tuple[str, str, str, str]:
    return (leg.account, leg.key, leg.amount.currency, leg.amount.minor)


def _runner_up(next_best: NextBest) -> RunnerUp:
    return RunnerUp(objects=next_best.objects, score=next_best.score, reason=next_best.reason)


def _matched(line: Line) -> MatchedLine:
    return MatchedLine(
        account=line.account,
        id=line.id,
        revision=line.revision,
        amount=MoneyOnWire.of(line.money),
    )


def _clearing(leg: Leg) -> Clearing:
    return Clearing(
        account=leg.account,
        key=leg.key,
        amount=MoneyOnWire.of(leg_money(leg)),
    )


def leg_money(leg: Leg) -> Money:
    """A leg's amount, debit positive."""
    return Money.of(leg.minor, leg.currency)

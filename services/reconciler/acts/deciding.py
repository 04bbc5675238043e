"""Acts about matches decided: what a person asks for, held against what is known.

Pure: the same act on the same facts is decided the same. An act is carried out whole or not at all.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.reconciler.acts.working import NotAllowed
from services.reconciler.evidence.references import Evidence
from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.facts.rulings import Ruled, Ruling
from services.reconciler.findings.explain import money
from services.reconciler.matching.by_hand import by_hand, for_rules
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.passes import matched
from services.reconciler.matching.readings import Readings
from services.reconciler.matching.table import Table, Taken, table_of
from shared.contracts.acts import (
    LineName,
    MatchByHand,
    Paired,
    Pairing,
    Remainder,
    UnmatchLines,
    WriteOff,
)
from shared.contracts.journal import account
from shared.contracts.money import MoneyOnWire, currency_of
from shared.contracts.observations import LineState

_TWO_DECIMALS: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks and when, and which number the decision has in its book."""

    number: int
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _ByRules:
    """What the rules settle: by line, which lines hold an object, and what they have paid of it."""

    auto: Mapping[str, Taken]
    holders: Mapping[str, set[str]]
    paid: Mapping[str, int]


@dataclass(slots=True)
class _Desk:
    """What is known while an act is decided; what it takes is gone for what comes after in it."""

    known: Facts
    at: datetime
    readings: Readings
    table: Table
    lines: Mapping[str, Line]
    due: dict[str, Candidate]
    ruled: dict[str, Ruling]
    left: dict[str, int]
    over: frozenset[str]
    used: set[str] = field(default_factory=set[str])
    written_off: dict[str, int] = field(default_factory=dict[str, int])
    _by_rules: _ByRules | None = None

    def by_rules(self) -> _ByRules:
        """What the rules settle of what people have left to them, worked out when first asked."""
        if self._by_rules is None:
            self._by_rules = _settled_by_rules(self.known, self.at, self.readings)
        return self._by_rules


def matched_by_hand(
    facts: Facts, act: MatchByHand, asked: Asked, readings: Readings | None = None
) -> tuple[Ruling, ...]:
    """The rulings of a match by hand; ``readings`` are of acts that were decided before.

    Raises:
        NotAllowed: A line or an object is not known or not free, or the rules speak against it.
    """
    desk = _desk(facts, asked.at, readings)
    return tuple(
        ruling
        for pairing in act.matches
        for ruling in _paired(desk, pairing, asked, force=act.force)
    )


def unmatched(
    facts: Facts, act: UnmatchLines, asked: Asked, readings: Readings | None = None
) -> tuple[Ruling, ...]:
    """The rulings that take lines back.

    Raises:
        NotAllowed: A line settles nothing, or is not known.
    """
    desk = _desk(facts, asked.at, readings)
    return tuple(_taken_back(desk, name, asked, to_rules=act.to_rules) for name in act.lines)


def written_off(
    facts: Facts,
    act: WriteOff,
    asked: Asked,
    readings: Readings | None = None,
    *,
    minor_max: int,
) -> tuple[Ruling, ...]:
    """The rulings that write off what is left; ``minor_max`` is of a currency of two decimals.

    Raises:
        NotAllowed: Nothing is left, less is left, or it is more than may be written off.
    """
    desk = _desk(facts, asked.at, readings)
    return tuple(
        _written_off(desk, item, asked, f"write_off:{asked.number}:{place}", minor_max)
        for place, item in enumerate(act.items, start=1)
    )


def _desk(facts: Facts, at: datetime, readings: Readings | None) -> _Desk:
    texts = Readings() if readings is None else readings
    hand = by_hand(facts)
    table = table_of(hand.facts, texts)
    lines = {li.key: li for li in facts.lines if li.state is LineState.POSTED and li.minor}
    return _Desk(
        known=for_rules(hand),
        at=at,
        readings=texts,
        table=table,
        lines=lines,
        due=dict(table.candidates),
        ruled={r.line_key: r for r in facts.rulings if r.what is not Ruled.WRITE_OFF},
        left={
            key: table.by_hand.get(key, line.minor) - hand.cleared.get(key, 0)
            for key, line in lines.items()
        },
        over=frozenset(e.id for e in facts.expectations if e.stage.is_over),
    )


def _settled_by_rules(known: Facts, at: datetime, readings: Readings) -> _ByRules:
    taken = matched(known, at=at, readings=readings).taken
    holders: defaultdict[str, set[str]] = defaultdict(set)
    paid: defaultdict[str, int] = defaultdict(int)
    for key, one in taken.items():
        for share, cleared in zip(one.shares, one.cleared, strict=True):
            holders[share.candidate.id].add(key)
            paid[share.candidate.id] += cleared
    return _ByRules(taken, dict(holders), dict(paid))


def _line(desk: _Desk, name: LineName) -> Line:
    line = desk.lines.get(f"line:{name.account}/{name.id}")
    if line is None:
        raise NotAllowed(f"no posted line {name.id} is known on bank account {name.account}")
    return line


def _candidate(desk: _Desk, name: str, line: Line) -> Candidate:
    if name in desk.over:
        raise NotAllowed(f"{name} failed or was canceled: nothing is expected of it")
    candidate = desk.due.get(name)
    if candidate is None:
        raise NotAllowed(_not_due(desk, name))
    if candidate.expected.currency != line.currency:
        raise NotAllowed(
            f"{name} is in {candidate.expected.currency.upper()}, line {line.id} in"
            f" {line.currency.upper()}"
        )
    return candidate


def _not_due(desk: _Desk, name: str) -> str:
    by = sorted(
        ruling.line_id
        for ruling in desk.ruled.values()
        if ruling.what is Ruled.MATCH and any(each == name for each, _ in ruling.shares)
    )
    if by:
        return f"{name} is settled by {', '.join(by)}, by hand: unmatch that first"
    return f"nothing is due of {name}, or it is not known"


def _paired(desk: _Desk, pairing: Pairing, asked: Asked, *, force: bool) -> Iterable[Ruling]:
    lines = [_line(desk, name) for name in pairing.lines]
    candidates = [_candidate(desk, paired.object, lines[0]) for paired in pairing.objects]
    keys = {line.key for line in lines}
    for line in lines:
        _require_free(desk, line, {c.id for c in candidates}, force=force)
    for candidate in candidates:
        if not force and (taken := desk.by_rules().holders.get(candidate.id, set()) - keys):
            raise NotAllowed(f"{candidate.id} is settled by {', '.join(sorted(taken))}")
        for line in lines:
            if _names_another(desk.table.evidence[line.key], candidate.id):
                _unless(force, f"the text of line {line.id} speaks against {candidate.id}")
    if len(lines) > 1:
        shares = _several_lines(desk, lines, candidates[0], force=force)
    else:
        shares = [(lines[0], _one_line(desk, lines[0], pairing.objects, candidates, force=force))]
    for line, parts in shares:
        desk.left[line.key] -= sum(minor for _, minor in parts)
        desk.used.add(line.key)
        yield Ruling(
            name=line.key,
            number=asked.number,
            what=Ruled.MATCH,
            at=asked.at,
            bank_account=line.account,
            line_id=line.id,
            shares=tuple(parts),
            currency=line.currency,
            reason=asked.reason,
            actor=asked.actor,
        )
    for candidate in candidates:
        del desk.due[candidate.id]


def _names_another(evidence: Evidence, name: str) -> bool:
    """Whether a line names another payment. Another payer's name a person may overlook."""
    return (
        bool(evidence.foreign)
        or bool(evidence.strong and name not in evidence.strong)
        or any(name not in owners for owners in evidence.partial)
    )


def _require_free(desk: _Desk, line: Line, objects: set[str], *, force: bool) -> None:
    ruled = desk.ruled.get(line.key)
    if line.key in desk.used or (ruled is not None and ruled.what is Ruled.MATCH):
        raise NotAllowed(f"line {line.id} is matched by hand: unmatch it first")
    if not desk.left[line.key]:
        raise NotAllowed(f"nothing of line {line.id} is left")
    auto = None if force else desk.by_rules().auto.get(line.key)
    settles = set[str]() if auto is None else {share.candidate.id for share in auto.shares}
    if auto is not None and settles != objects:
        raise NotAllowed(f"line {line.id} settles {', '.join(sorted(settles))} by rule {auto.rule}")


def _one_line(
    desk: _Desk,
    line: Line,
    paired: Sequence[Paired],
    candidates: Sequence[Candidate],
    *,
    force: bool,
) -> list[tuple[str, int]]:
    """What one line settles of each: its share as asked for, else what is due."""
    left = desk.left[line.key]
    is_split = any(each.share is not None for each in paired)
    shares: list[tuple[str, int]] = []
    for each, candidate in zip(paired, candidates, strict=True):
        share = candidate.due_minor if each.share is None else _minor(each.share, line.currency)
        if each.share is None and len(paired) == 1:
            if share != left:
                says = f"{money(left, line.currency)} and {money(share, line.currency)} is due"
                _unless(force, f"line {line.id} is {says}: say which share, or force it")
            share = left
        if not _is_part(share, candidate.due_minor):
            due = money(candidate.due_minor, line.currency)
            _unless(
                force, f"{money(share, line.currency)} is no part of {due} due of {each.object}"
            )
        shares.append((each.object, share))
    whole = sum(share for _, share in shares)
    if not _is_part(whole, left):
        raise NotAllowed(
            f"the shares are {money(whole, line.currency)}, of line {line.id}"
            f" {money(left, line.currency)} is left"
        )
    if whole != left and not is_split:
        _unless(
            force,
            f"line {line.id} is {money(left, line.currency)} and {money(whole, line.currency)} is"
            " due: say which share, or force it",
        )
    return shares


def _several_lines(
    desk: _Desk, lines: Sequence[Line], candidate: Candidate, *, force: bool
) -> list[tuple[Line, list[tuple[str, int]]]]:
    """Several lines that settle one object, each with all that is left of it."""
    whole = sum(desk.left[line.key] for line in lines)
    if any(line.currency != candidate.expected.currency for line in lines):
        raise NotAllowed("the lines are of several currencies")
    if whole != candidate.due_minor:
        currency = candidate.expected.currency
        _unless(
            force,
            f"the lines are {money(whole, currency)} together, and"
            f" {money(candidate.due_minor, currency)} is due of {candidate.id}",
        )
    return [(line, [(candidate.id, desk.left[line.key])]) for line in lines]


def _taken_back(desk: _Desk, name: LineName, asked: Asked, *, to_rules: bool) -> Ruling:
    line = _line(desk, name)
    ruled = desk.ruled.get(line.key)
    is_ruled = ruled is not None and ruled.what in {Ruled.MATCH, Ruled.HOLD}
    if to_rules and not is_ruled:
        raise NotAllowed(f"the rules have line {line.id} already")
    is_held = ruled is not None and ruled.what is Ruled.HOLD
    is_matched = ruled is not None and ruled.what is Ruled.MATCH
    if not to_rules and not is_matched and line.key not in desk.by_rules().auto:
        said = "is held for a person already" if is_held else "settles nothing"
        raise NotAllowed(f"line {line.id} {said}")
    return Ruling(
        name=line.key,
        number=asked.number,
        what=Ruled.RELEASE if to_rules else Ruled.HOLD,
        at=asked.at,
        bank_account=line.account,
        line_id=line.id,
        currency=line.currency,
        reason=asked.reason,
        actor=asked.actor,
    )


def _written_off(desk: _Desk, item: Remainder, asked: Asked, name: str, minor_max: int) -> Ruling:
    line = None if item.line is None else _line(desk, item.line)
    if line is not None:
        left, currency, what = desk.left[line.key], line.currency, f"line {line.id}"
        if line.key in desk.by_rules().auto:
            left = 0
    else:
        object_id = item.object or ""
        candidate = desk.due.get(object_id)
        if candidate is None:
            raise NotAllowed(_not_due(desk, object_id))
        gone = desk.by_rules().paid.get(object_id, 0) + desk.written_off.get(object_id, 0)
        left = candidate.due_minor - gone
        currency, what = candidate.expected.currency, object_id
    asked_for = left if item.amount is None else _minor(item.amount, currency)
    minor = abs(asked_for) if left > 0 else -abs(asked_for)
    if not left or not _is_part(minor, left):
        raise NotAllowed(f"{money(left, currency)} is left of {what}")
    if abs(minor) > _limit(currency, minor_max):
        raise NotAllowed(
            f"{abs(money(minor, currency))} is more than may be written off,"
            f" {money(_limit(currency, minor_max), currency)}: book it by hand"
        )
    if line is not None:
        desk.left[line.key] -= minor
    else:
        name_of = item.object or ""
        desk.written_off[name_of] = desk.written_off.get(name_of, 0) + minor
    return Ruling(
        name=name,
        number=asked.number,
        what=Ruled.WRITE_OFF,
        at=asked.at,
        bank_account="" if line is None else line.account,
        line_id="" if line is None else line.id,
        object=item.object or "",
        # Refused here, where the refusal is on record: the ledger would refuse the match later.
        to=account(item.account),
        minor=minor,
        currency=currency,
        reason=asked.reason,
        actor=asked.actor,
    )


def _limit(currency: str, minor_max: int) -> int:
    beyond = max(0, currency_of(currency).exponent - _TWO_DECIMALS)
    return int(minor_max * 10**beyond)


def _minor(told: MoneyOnWire, currency: str) -> int:
    amount = told.money()
    if amount.currency.code != currency:
        raise NotAllowed(f"{amount} is not in {currency.upper()}")
    return amount.minor


def _is_part(minor: int, whole: int) -> bool:
    return 0 < minor <= whole or whole <= minor < 0


def _unless(force: bool, why: str) -> None:  # noqa: FBT001  # reads as a sentence
    if not force:
        raise NotAllowed(why)

"""What people ask for, decided in the transaction that judges their book, and put on record.

An act waits in a table from when it is read until its book is judged; then it is decided once.
The decision is published, and whoever has lost the tables reads it again instead of deciding anew.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, assert_never

from pydantic import JsonValue

from services.reconciler.acts import deciding
from services.reconciler.acts.deciding import Asked
from services.reconciler.acts.sign_off import Before, Figures, OnItsWay, in_transit, signed_off
from services.reconciler.acts.working import NotAllowed, worked
from services.reconciler.facts.kinds import IN_TRANSIT, Fact, Line
from services.reconciler.facts.known import fold
from services.reconciler.facts.rulings import Ruled, Ruling
from services.reconciler.matching.readings import Readings
from services.reconciler.rules.calendars import midnight
from services.reconciler.shell.judging.in_hand import Rules, facts_in_hand
from services.reconciler.shell.keeping import memory
from services.reconciler.shell.keeping.memory import SQL, OpenBook
from services.reconciler.shell.told import Told
from shared.contracts.acts import (
    RECONCILER_ACT,
    Act,
    ActDecided,
    Decided,
    HandRuling,
    HandShare,
    LineName,
    MatchByHand,
    SignOff,
    UnmatchLines,
    WorkDiscrepancies,
    WriteOff,
)
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id
from shared.contracts.errors import Refused
from shared.contracts.messages import DiscrepancyReported, Position
from shared.contracts.money import Money, MoneyOnWire
from shared.runtime.postgres import Tx

# Decided at once, so that a transaction stays short; the rest comes with the next judgement.
DECIDED_AT_ONCE: Final = 200
_ONE_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class Outcome:
    """What deciding gave: decisions, and the records of discrepancies that they changed."""

    decisions: list[ActDecided] = field(default_factory=list[ActDecided])
    reports: list[DiscrepancyReported] = field(default_factory=list[DiscrepancyReported])
    is_done: bool = True


@dataclass(frozen=True, slots=True)
class _Sitting:
    """What acts are decided by, one after the other: each text of a line is read once in it."""

    tx: Tx
    open_book: OpenBook
    rules: Rules
    readings: Readings = field(default_factory=Readings)


@dataclass(slots=True)
class _Effects:
    """What one act changes."""

    detail: str = ""
    rulings: tuple[Ruling, ...] = ()
    reports: tuple[DiscrepancyReported, ...] = ()
    decided: dict[str, JsonValue] | None = None


async def remember(tx: Tx, told: Iterable[Told]) -> None:
    """Write acts that were told; they wait for the judgement of their book."""
    rows = [(one.record, one.act) for one in told if one.act is not None]
    if not rows:
        return
    await tx.execute(
        SQL["put_acts"],
        [act.book for _, act in rows],
        [act.idempotency_key for _, act in rows],
        [record.envelope().id for record, _ in rows],
        [act.kind for _, act in rows],
        [act.model_dump_json() for _, act in rows],
        [record.topic for record, _ in rows],
        [record.partition for record, _ in rows],
        [record.offset for record, _ in rows],
    )


async def decide(tx: Tx, open_book: OpenBook, rules: Rules, *, at: datetime) -> Outcome:
    """Decide what waits for a book; ``open_book`` is brought up to date."""
    rows = await tx.fetch(SQL["pending_acts"], open_book.book, DECIDED_AT_ONCE)
    outcome = Outcome(is_done=len(rows) < DECIDED_AT_ONCE)
    number: int = await tx.fetchval(SQL["last_number"], open_book.book) if rows else 0
    sitting = _Sitting(tx, open_book, rules)
    for row in rows:
        number += 1
        act = RECONCILER_ACT.validate_json(row["content"])
        asked = Asked(number, act.actor, act.reason, at)
        verdict, effects = await _decided(sitting, act, asked)
        if verdict is Decided.ACCEPTED:
            await _carry_out(tx, open_book, effects)
            outcome.reports += effects.reports
        decision = _record(row, act, asked, verdict, effects)
        await tx.execute(
            SQL["decide_act"],
            act.book,
            act.idempotency_key,
            row["message_id"],
            decision.outcome.value,
            number,
            decision.model_dump_json(),
        )
        outcome.decisions.append(decision)
    return outcome


async def _decided(sitting: _Sitting, act: Act, asked: Asked) -> tuple[Decided, _Effects]:
    tx, open_book, rules = sitting.tx, sitting.open_book, sitting.rules
    if await tx.fetch(SQL["decided_under"], act.book, act.idempotency_key):
        return Decided.CONFLICT, _Effects("this key was used for another act; the first one stands")
    try:
        match act:
            case WorkDiscrepancies():
                effects = await _worked(tx, open_book, act, asked.at)
            case MatchByHand() | UnmatchLines() | WriteOff():
                effects = await _ruled(sitting, act, asked)
            case SignOff():
                effects = await _signed(tx, open_book, rules, act)
            case _:
                assert_never(act)
    except (NotAllowed, Refused) as error:
        return Decided.REFUSED, _Effects(str(error))
    return Decided.ACCEPTED, effects


async def _worked(tx: Tx, open_book: OpenBook, act: WorkDiscrepancies, at: datetime) -> _Effects:
    ids = list(dict.fromkeys(act.discrepancies))
    known = await memory.last_reports(tx, ids) | {
        key: open_book.discrepancies[key] for key in ids if key in open_book.discrepancies
    }
    missing = [key for key in ids if key not in known or known[key].book != act.book]
    if missing:
        raise NotAllowed(f"no discrepancy {', '.join(missing[:5])} is known in this book")
    reports = tuple(worked(known[key], act, at=at) for key in ids)
    # What it is about may have been let go of: whether it stands has to be looked at again.
    about = {f"concern:{r.discrepancy}/{r.subject}" for r in reports}
    await memory.wake(tx, open_book, about | {f"expectation:{r.subject}" for r in reports})
    many = "" if len(reports) == 1 else f" of {len(reports)}"
    return _Effects(f"{act.act}{many}: {', '.join(ids[:5])}", reports=reports)


async def _ruled(
    sitting: _Sitting, act: MatchByHand | UnmatchLines | WriteOff, asked: Asked
) -> _Effects:
    await memory.wake(sitting.tx, sitting.open_book, _keys_of(act))
    facts = await facts_in_hand(sitting.tx, sitting.open_book, sitting.rules)
    readings = sitting.readings
    match act:
        case MatchByHand():
            rulings = deciding.matched_by_hand(facts, act, asked, readings)
            detail = f"matched {len(rulings)} by hand"
        case UnmatchLines():
            rulings = deciding.unmatched(facts, act, asked, readings)
            detail = f"took back {len(rulings)}"
        case WriteOff():
            limit = sitting.rules.write_off_minor_max
            rulings = deciding.written_off(facts, act, asked, readings, minor_max=limit)
            detail = f"wrote off {len(rulings)}"
        case _:
            assert_never(act)
    return _Effects(detail, rulings=rulings)


def _keys_of(act: MatchByHand | UnmatchLines | WriteOff) -> set[str]:
    """The keys of the facts that an act names."""
    match act:
        case MatchByHand():
            lines = [name for pairing in act.matches for name in pairing.lines]
            objects = [each.object for pairing in act.matches for each in pairing.objects]
        case UnmatchLines():
            lines, objects = list(act.lines), []
        case WriteOff():
            lines = [item.line for item in act.items if item.line is not None]
            objects = [item.object for item in act.items if item.object is not None]
        case _:
            assert_never(act)
    named = {f"line:{name.account}/{name.id}" for name in lines}
    return named | {f"expectation:{name}" for name in objects}


async def _signed(tx: Tx, open_book: OpenBook, rules: Rules, act: SignOff) -> _Effects:
    where = (act.book, act.account, act.currency)
    last = await tx.fetchrow(SQL["last_sign_off"], *where)
    before = None
    if last is not None:
        before = Before(datetime.fromisoformat(last["through"]).date(), last["digest"])
    book = rules.book(act.book)
    proof = await tx.fetchrow(SQL["proof_of_day"], *where, act.through)
    proven_on = act.through if proof is None else proof["day"]
    lines = await _posted(tx, act, act.through)
    proven = await _posted(tx, act, proven_on)
    end = midnight(act.through + _ONE_DAY, book.zone)
    standing = await tx.fetch(SQL["standing_of_account"], act.book, act.account, end)
    proven_end = midnight(proven_on + _ONE_DAY, book.zone)
    told = "".join(f"{row['id']}:{row['revision']}\n" for row in standing)
    figures = Figures(
        proven_on=None if proof is None else proof["day"],
        proven_at=None if proof is None else proof["at"],
        bank_minor=0 if proof is None else int(proof["bank_minor"]),
        ledger_minor=0 if proof is None else int(proof["ledger_minor"]),
        lines=lines[0],
        lines_minor=lines[1],
        lines_since=lines[0] - proven[0],
        matches=len(standing),
        matches_digest=hashlib.sha256(told.encode()).hexdigest(),
        in_transit=in_transit(
            await on_its_way(tx, act.book, act.currency, before=proven_end),
            book,
            account=act.account,
            currency=act.currency,
        ),
        open_lines=_open_lines(open_book, act),
    )
    frozen = signed_off(act, figures, before)
    return _Effects(f"{act.account} signed off through {act.through}", decided=frozen)


async def _posted(tx: Tx, act: SignOff, through: date) -> tuple[int, int]:
    """How many posted lines the account has up to a day, and their sum."""
    row = await tx.fetchrow(SQL["posted_lines"], act.book, act.account, act.currency, through)
    return (0, 0) if row is None else (row["lines"], int(row["minor"]))


async def on_its_way(tx: Tx, book: str, currency: str, *, before: datetime) -> list[OnItsWay]:
    """What was in transit before a moment, by key; keys that are done with since then as well."""
    rows = await tx.fetch(SQL["in_transit_before"], book, IN_TRANSIT, currency, before)
    return [OnItsWay(row["key"], int(row["minor"]), row["destination"] or "") for row in rows]


def _open_lines(open_book: OpenBook, act: SignOff) -> tuple[str, ...]:
    """The lines of the account up to the day about which something is open."""
    about_lines = (
        DiscrepancyKind.UNIDENTIFIED_BANK_CREDIT,
        DiscrepancyKind.UNIDENTIFIED_BANK_DEBIT,
        DiscrepancyKind.AMBIGUOUS_MATCH,
        DiscrepancyKind.DUPLICATE_BANK_CREDIT,
    )
    unresolved = {
        key for key, report in open_book.discrepancies.items() if not memory.is_resolved(report)
    }
    return tuple(
        sorted(
            fact.id
            for fact in open_book.facts.values()
            if isinstance(fact, Line)
            and (fact.account, fact.currency) == (act.account, act.currency)
            and fact.booked_on <= act.through
            and any(discrepancy_id(act.book, k, fact.key) in unresolved for k in about_lines)
        )
    )


async def _carry_out(tx: Tx, open_book: OpenBook, effects: _Effects) -> None:
    for report in effects.reports:
        open_book.discrepancies[report.id] = report
        open_book.accepted.discard(report.id)
    await memory.put_discrepancies(tx, effects.reports)
    if effects.rulings:
        await _put_rulings(tx, open_book, effects.rulings)


async def _put_rulings(tx: Tx, open_book: OpenBook, rulings: Iterable[Ruling]) -> None:
    facts: list[Fact] = list(rulings)
    told = fold(facts)
    merged = fold(told.values(), await memory.facts_by_key(tx, open_book.book, told))
    await memory.put_facts(tx, open_book.book, merged, dormant=set())
    open_book.facts.update(merged)
    await memory.wake(tx, open_book, merged)


def _record(
    row: Any,  # a row of the table of acts
    act: Act,
    asked: Asked,
    verdict: Decided,
    effects: _Effects,
) -> ActDecided:
    return ActDecided(
        outcome=verdict,
        book=act.book,
        number=asked.number,
        idempotency_key=act.idempotency_key,
        message_id=row["message_id"],
        act=act.kind,
        actor=act.actor,
        reason=act.reason,
        detail=effects.detail[:2000],
        caused_by=Position(
            topic=row["topic"], partition=row["partition"], offset=row["caused_offset"]
        ),
        decided_at=asked.at,
        rulings=tuple(_on_wire(ruling) for ruling in effects.rulings),
        decided=effects.decided,
    )


def _on_wire(ruling: Ruling) -> HandRuling:
    named = None
    if ruling.line_id:
        named = LineName(account=ruling.bank_account, id=ruling.line_id)
    return HandRuling(
        key=ruling.name,
        what=ruling.what,
        line=named,
        object=ruling.object,
        shares=tuple(
            HandShare(object=name, amount=MoneyOnWire.of(Money.of(minor, ruling.currency)))
            for name, minor in ruling.shares
        ),
        account=ruling.to,
        amount=MoneyOnWire.of(Money.of(ruling.minor, ruling.currency)),
    )


def rulings_of(decision: ActDecided) -> list[Ruling]:
    """The rulings that a decision on record made."""
    return [
        Ruling(
            name=told.key,
            number=decision.number,
            what=Ruled(told.what),
            at=decision.decided_at,
            bank_account="" if told.line is None else told.line.account,
            line_id="" if told.line is None else told.line.id,
            object=told.object,
            shares=tuple((s.object, s.amount.money().minor) for s in told.shares),
            to=told.account,
            minor=told.amount.money().minor,
            currency=told.amount.currency,
            reason=decision.reason,
            actor=decision.actor,
        )
        for told in decision.rulings
    ]


async def recall(tx: Tx, decisions: Iterable[ActDecided]) -> dict[str, list[Ruling]]:
    """Write decisions read from the topic; the rulings that are news, by book."""
    news: dict[str, list[Ruling]] = {}
    for decision in decisions:
        fresh = await tx.fetchval(
            SQL["recall_decision"],
            decision.book,
            decision.idempotency_key,
            decision.message_id,
            decision.act,
            decision.caused_by.topic,
            decision.caused_by.partition,
            decision.caused_by.offset,
            decision.outcome.value,
            decision.number,
            decision.model_dump_json(),
        )
        if fresh:
            news.setdefault(decision.book, []).extend(rulings_of(decision))
    return news

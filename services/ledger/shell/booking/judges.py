"""The commands of a batch, judged in the batch's transaction, or followed where a record has them.

after the facts      read where the books stand, judge matches, then one command after another
with the entries     write what else they change: periods, accounts, holds
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from services.ledger.decisions import REPLAYED, Remark
from services.ledger.periods import Closing, Closings
from services.ledger.rulings.effects import AccountChanged, HoldEnded, HoldPlaced, PeriodChanged
from services.ledger.rulings.judging import Recorded, followed, judge
from services.ledger.shell.booking.batch import Batch, Caused, Place, Told
from services.ledger.shell.booking.clock_store import (
    hear_earlier_cuts,
    tell_clocks,
    write_clocks,
)
from services.ledger.shell.booking.judging_store import read_standings
from services.ledger.shell.booking.match_judging import MatchAsked, judge_matches
from services.ledger.shell.booking.reporting_days import report_anew
from services.ledger.shell.booking.rows import Row
from services.ledger.shell.queries import SQL
from shared.contracts.errors import InvariantBroken
from shared.contracts.journal import Book
from shared.contracts.messages import OutcomeKind
from shared.contracts.references import passes_on
from shared.contracts.topics import LEDGER_COMMANDS
from shared.runtime.postgres import Tx


async def closings_of(tx: Tx, books: Sequence[Book]) -> dict[Book, Closings]:
    """How far books are closed, and since when."""
    found: dict[Book, list[Closing]] = {}
    for row in await tx.fetch(SQL["read_closings"], books):
        found.setdefault(Book(row["book"]), []).append(
            Closing(row["number"], row["since"], row["closed_through"], row["locked_through"])
        )
    return {book: Closings.of(closings) for book, closings in found.items()}


async def judge_batch(
    tx: Tx, batch: Batch, facts: Sequence[Told], matches: Sequence[MatchAsked]
) -> list[Told]:
    """Judge the batch's matches and commands after its facts; gives what they book.

    The rest is noted.
    """
    waiting = [
        (each, each.decision.asked)
        for each in sorted(batch.asked, key=lambda d: (d.record.partition, d.record.offset))
        if each.decision is not None and each.decision.asked is not None
    ]
    if not waiting and not matches:
        return []
    asked_for = [asked for _, asked in waiting]
    standings = await read_standings(
        tx,
        asked_for,
        [each.told.entry for each in matches],
        batch.closings,
        earliest=min(
            each.record.appended_at
            for each in (*(by for by, _ in waiting), *(match.told.by for match in matches))
        ),
    )
    for standing in standings.values():
        standing.extra.update(batch.extra)
    books = {asked.book.name: asked.book for asked in asked_for}
    for told in facts:
        book = books.get(told.entry.book)
        if book is not None:
            recorded_at = told.by.record.appended_at
            standings[book.name].take(told.entry, book, recorded_at=recorded_at)
    tell_clocks(standings, batch, facts)
    tellings = await judge_matches(tx, batch, matches, standings)
    await hear_earlier_cuts(tx, standings)
    for each, asked in waiting:
        standing, recorded_at = standings[asked.book.name], each.record.appended_at
        record = batch.recorded.get(id(each))
        judged = (
            followed(asked, standing, _as_decided(record), recorded_at=recorded_at)
            if record is not None
            else judge(asked, standing, recorded_at=recorded_at)
        )
        batch.remark(each, judged.remark)
        batch.caused.extend(Caused(each, effect) for effect in judged.effects)
        tellings.extend(batch.tellings_of(each, judged.entries))
    return tellings


def _as_decided(record: Recorded) -> Recorded:
    """A record without what was passed on of it, which was no decision."""
    decided = tuple(each for each in record.entries if not passes_on(each.reference))
    return replace(record, entries=decided)


async def answer_again(tx: Tx, batch: Batch) -> None:
    """Give whoever repeats a command the answer that it had."""
    if not batch.again:
        return
    places = sorted({place for _, place in batch.again})
    said: dict[Place, Remark] = {}
    for row in await tx.fetch(
        SQL["read_first_outcomes"],
        [origin_id for origin_id, _ in places],
        [offset for _, offset in places],
    ):
        said[row["origin_id"], row["caused_offset"]] = Remark(
            OutcomeKind(row["outcome"]),
            row["reason"],
            row["subject"],
            row["detail"],
            row["reference"],
            decided=row["decided"],
        )
    for each in batch.decided:
        told = batch.remarks.get(id(each))
        if told and each.record.topic == LEDGER_COMMANDS:
            place = (batch.head_of(each).origin_id, each.record.offset)
            said.setdefault(place, told[0])
    for each, place in batch.again:
        first = said.get(place)
        if first is not None:
            is_accepted = first.outcome is OutcomeKind.ACCEPTED
            detail = REPLAYED if is_accepted else first.detail
            batch.remark(each, replace(first, detail=detail))


async def write_effects(tx: Tx, batch: Batch, zones: Mapping[str, ZoneInfo]) -> None:
    """Write what the commands change beside the journal, before their entries are written.

    A closing that is new moves what was booked after it to the day it is reported on.
    """
    periods = [(c, c.effect.closing) for c in batch.caused if isinstance(c.effect, PeriodChanged)]
    if periods:
        await tx.execute(
            SQL["add_closings"], *_transposed([_period(batch, c, each) for c, each in periods])
        )
        for book in sorted({_book(c) for c, _ in periods}):
            before = batch.closings.get(book, Closings())
            after = (await closings_of(tx, [book])).get(book, before)
            await report_anew(tx, book, before, after, zones.get(book))
            batch.closings[book] = after
    changes = [c for c in batch.caused if isinstance(c.effect, AccountChanged)]
    if changes:
        await tx.execute(
            SQL["add_account_changes"], *_transposed([_change(batch, each) for each in changes])
        )
    placed = {_hold_name(c): c for c in batch.caused if isinstance(c.effect, HoldPlaced)}
    if placed:
        await tx.execute(SQL["place_holds"], *_transposed([_hold(c) for c in placed.values()]))
    await write_clocks(tx, batch)
    ended = {_hold_name(c): c for c in batch.caused if isinstance(c.effect, HoldEnded)}
    if ended:
        await tx.execute(SQL["end_holds"], *_transposed([_end(c) for c in ended.values()]))


def _book(caused: Caused) -> Book:
    if caused.by.decision is None:
        raise InvariantBroken("what was not decided changes something")
    return caused.by.decision.book


def _at(caused: Caused) -> datetime:
    return caused.by.record.appended_at


def _period(batch: Batch, caused: Caused, closing: Closing) -> Row:
    return (
        _book(caused),
        closing.number,
        closing.since,
        closing.closed_through,
        closing.locked_through,
        batch.head_of(caused.by).origin_id,
        caused.by.record.offset,
    )


def _change(batch: Batch, caused: Caused) -> Row:
    if not isinstance(caused.effect, AccountChanged):
        raise InvariantBroken("an account's change is none")
    change = caused.effect.change
    return (
        _book(caused),
        change.account,
        change.number,
        change.display,
        change.is_open,
        change.is_of_chart,
        change.key,
        change.normal.value,
        change.has_floor,
        _at(caused),
        batch.head_of(caused.by).origin_id,
        caused.by.record.offset,
    )


def _hold_name(caused: Caused) -> tuple[str, str]:
    match caused.effect:
        case HoldPlaced():
            return (_book(caused), caused.effect.hold.id)
        case HoldEnded():
            return (_book(caused), caused.effect.hold_id)
        case _:
            raise InvariantBroken("a hold's change is none")


def _hold(caused: Caused) -> Row:
    if not isinstance(caused.effect, HoldPlaced):
        raise InvariantBroken("a hold's placing is none")
    hold = caused.effect.hold
    return (
        _book(caused),
        hold.id,
        hold.account,
        hold.key,
        hold.amount.currency.code,
        hold.amount.currency.exponent,
        hold.amount.minor,
        hold.expires_at,
        _at(caused),
    )


def _end(caused: Caused) -> Row:
    if not isinstance(caused.effect, HoldEnded):
        raise InvariantBroken("a hold's end is none")
    return (_book(caused), caused.effect.hold_id, caused.effect.state.value, _at(caused))


def _transposed(rows: Sequence[Row]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]

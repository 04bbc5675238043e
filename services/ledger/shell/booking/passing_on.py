"""What posts to one key and goes on to another: both sides met in one place, in any order.

    told to go on now     kept; what stands on the key by then goes on by that message
    posted now            goes on by its own message, where it is known to go on
    read once more        by the message that our own topics name

Who tells either holds the key, and some others with it, until the commit: of two batches the later
sees the other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple
from zlib import crc32

from services.ledger.decisions import Remark
from services.ledger.passed_on import PassedOn
from services.ledger.passing_on import contradiction, may_be_passed_on, passed_on, places_of
from services.ledger.shell.booking.batch import Batch, Told
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.decision_records import records_of
from services.ledger.shell.booking.judging_store import hold_names
from services.ledger.shell.booking.rows import Row, entries_of
from services.ledger.shell.queries import SQL
from shared.contracts.journal import Account, Entry
from shared.contracts.references import passes_on
from shared.runtime.postgres import Tx

# Locks are few, as Postgres has room for some thousands, and a batch may be of as many keys.
_LOCKS: Final = 64


class _Key(NamedTuple):
    """A key of an account in a book."""

    book: str
    account: str
    key: str


class _Moved(NamedTuple):
    """What goes on, and the message that it does by."""

    by: Decided
    booked: Entry
    on: PassedOn


async def passed_on_now(tx: Tx, batch: Batch, fresh: Iterable[Told]) -> list[Told]:
    """What goes on with this batch; ``fresh`` are the facts that it books.

    What its commands book comes later (``passed_on_behind``), under locks that are taken here.
    """
    posted = _posted(fresh)
    told = list(_told_by(batch.passing_on))
    keys = sorted({*(key for _, key, _ in told), *(key for _, key in posted)})
    locks = {_lock_of(number): True for number in range(_LOCKS) if _may_post(batch)}
    locks |= {_lock_of(_number_of(key)): False for key in keys}
    await hold_names(tx, locks)
    if not keys:
        return []
    known = await _known(tx, keys)
    newly = _newly(batch, told, known)
    await _keep(tx, batch, newly)
    moved = _moved(posted, {**known, **{key: on for key, (_, on) in newly.items()}})
    moved += await _standing(tx, newly)
    return await _tellings(tx, batch, [*(each.by for each, _ in posted), *batch.passing_on], moved)


async def passed_on_behind(tx: Tx, batch: Batch, judged: Iterable[Told]) -> list[Told]:
    """What goes on of what commands book now, a person's mending by hand among it."""
    posted = _posted(judged)
    if not posted:
        return []
    known = await _known(tx, sorted({key for _, key in posted}))
    return await _tellings(tx, batch, [each.by for each, _ in posted], _moved(posted, known))


def _posted(booked: Iterable[Told]) -> list[tuple[Told, _Key]]:
    return [
        (each, _Key(each.entry.book, *place)) for each in booked for place in places_of(each.entry)
    ]


def _may_post(batch: Batch) -> bool:
    """Whether commands of the batch may post to a key that goes on."""
    asked = (each.decision.asked for each in batch.asked if each.decision is not None)
    return any(each is not None and may_be_passed_on(each.book) for each in asked)


def _number_of(key: _Key) -> int:
    return crc32("\x1f".join(key).encode()) % _LOCKS


def _lock_of(number: int) -> tuple[str, ...]:
    return ("passed on", str(number))


def _told_by(messages: Iterable[Decided]) -> Iterator[tuple[Decided, _Key, PassedOn]]:
    for by in messages:
        if by.decision is not None:
            for on in by.decision.passed_on:
                yield by, _Key(by.decision.book, on.account, on.key), on


async def _known(tx: Tx, keys: Sequence[_Key]) -> Mapping[_Key, PassedOn]:
    rows = await tx.fetch(SQL["read_passed_on"], *_columns(keys))
    return {
        _Key(row["book"], row["account"], row["key"]): PassedOn(
            Account(row["account"]),
            row["key"],
            Account(row["to_account"]),
            row["to_key"],
            row["at"],
            rules_version=0,
        )
        for row in rows
    }


def _newly(
    batch: Batch,
    told: Iterable[tuple[Decided, _Key, PassedOn]],
    known: Mapping[_Key, PassedOn],
) -> dict[_Key, tuple[Decided, PassedOn]]:
    """What is told to go on for the first time; of what is told otherwise than before, remarks."""
    newly: dict[_Key, tuple[Decided, PassedOn]] = {}
    for by, key, on in told:
        if key not in known:
            newly.setdefault(key, (by, on))
        first = known.get(key) or newly[key][1]
        remark: Remark | None = contradiction(first, on)
        if remark is not None:
            batch.remark(by, remark)
            batch.booked.conflicts += 1
    return newly


async def _keep(tx: Tx, batch: Batch, newly: Mapping[_Key, tuple[Decided, PassedOn]]) -> None:
    rows: list[Row] = []
    for key in sorted(newly):
        by, on = newly[key]
        said_by = (batch.head_of(by).origin_id, by.record.offset)
        rows.append((*key, on.to, on.to_key, on.at, *said_by))
    if rows:
        await tx.execute(SQL["add_passed_on"], *_columns(rows))


def _moved(posted: Iterable[tuple[Told, _Key]], on: Mapping[_Key, PassedOn]) -> list[_Moved]:
    return [
        _Moved(told.by, told.entry, replace(on[key], rules_version=told.entry.rules_version))
        for told, key in posted
        if key in on
    ]


async def _standing(tx: Tx, newly: Mapping[_Key, tuple[Decided, PassedOn]]) -> list[_Moved]:
    """What stood on the keys before the batch, of what is told to go on only now."""
    if not newly:
        return []
    rows = await tx.fetch(SQL["read_on_keys"], *_columns(list(newly)))
    return [
        _Moved(newly[key][0], entry, newly[key][1])
        for (book, _), entry in entries_of(rows).items()
        for key in (_Key(book, *place) for place in places_of(entry))
        if key in newly
    ]


async def _tellings(
    tx: Tx, batch: Batch, tellers: Sequence[Decided], moved: Sequence[_Moved]
) -> list[Told]:
    """As records of these messages tell; of those without one, as it is worked out now."""
    once = list({id(by): by for by in tellers}.values())
    records = await records_of(tx, batch, once)
    found: list[Told] = []
    for by in once:
        record = records.get(id(by))
        if record is not None:
            found += batch.tellings_of(by, (e for e in record.entries if passes_on(e.reference)))
    for each in moved:
        if id(each.by) not in records:
            found += batch.tellings_of(each.by, [passed_on(each.booked, each.on)])
    return found


def _columns(rows: Sequence[Row]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]

"""What posts to one key and goes on to another: both sides met in one place, in any order.

    told to go on now     kept; what stands on the key by then goes on by that message
    posted now            goes on by its own message, where it is known to go on
    read once more        by the message that our own topics name

Who tells either holds the key, and some others with it, until the commit: of two batches the later
sees the other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from zlib import crc32

from services.ledger.decisions import Remark
from services.ledger.passed_on import PassedOn
from services.ledger.passing_on import KINDS, contradiction, passed_on, passes_on, places_of
from services.ledger.shell.booking.batch import Batch, Told
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.decision_records import records_of
from services.ledger.shell.booking.judging_store import hold_names
from services.ledger.shell.booking.rows import Row, entries_of
from services.ledger.shell.queries import SQL
from shared.contracts.journal import Account, Entry
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
    """What goes on with this batch; ``fresh`` are the facts that it books."""
    posted = [
        (each, _Key(each.entry.book, *place))
        for each in fresh
        if each.entry.kind in KINDS
        for place in places_of(each.entry)
    ]
    if not posted and not batch.passing_on:
        return []
    told = list(_told_by(batch.passing_on))
    keys = sorted({*(key for _, key, _ in told), *(key for _, key in posted)})
    await hold_names(tx, {_lock_of(key): False for key in keys})
    known = await _known(tx, keys)
    newly = _newly(batch, told, known)
    await _keep(tx, {key: on for key, (_, on) in newly.items()})
    moved = list(_posted(posted, {**known, **{key: on for key, (_, on) in newly.items()}}))
    moved += await _standing(tx, newly)
    tellers = {id(by): by for by in (*(each.by for each, _ in posted), *batch.passing_on)}
    return await _tellings(tx, batch, list(tellers.values()), moved)


def _lock_of(key: _Key) -> tuple[str, ...]:
    return ("passed on", str(crc32("\x1f".join(key).encode()) % _LOCKS))


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


async def _keep(tx: Tx, newly: Mapping[_Key, PassedOn]) -> None:
    if newly:
        rows = [(*key, on.to, on.to_key, on.at) for key, on in sorted(newly.items(), key=_by_key)]
        await tx.execute(SQL["add_passed_on"], *_columns(rows))


def _by_key(item: tuple[_Key, PassedOn]) -> _Key:
    return item[0]


def _posted(posted: Iterable[tuple[Told, _Key]], on: Mapping[_Key, PassedOn]) -> Iterator[_Moved]:
    for told, key in posted:
        if key in on:
            version = told.entry.rules_version
            yield _Moved(told.by, told.entry, _under(on[key], version))


def _under(on: PassedOn, rules_version: int) -> PassedOn:
    return PassedOn(on.account, on.key, on.to, on.to_key, on.at, rules_version)


async def _standing(tx: Tx, newly: Mapping[_Key, tuple[Decided, PassedOn]]) -> list[_Moved]:
    """What stood on the keys before the batch, of what is told to go on only now."""
    if not newly:
        return []
    rows = await tx.fetch(SQL["read_on_keys"], *_columns(list(newly)), sorted(KINDS))
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
    records = await records_of(tx, batch, tellers)
    found: list[Told] = []
    for by in tellers:
        record = records.get(id(by))
        if record is not None:
            found += batch.tellings_of(by, (e for e in record.entries if passes_on(e.reference)))
    for each in moved:
        if id(each.by) not in records:
            found += batch.tellings_of(each.by, [passed_on(each.booked, each.on)])
    return found


def _columns(rows: Sequence[Row]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]

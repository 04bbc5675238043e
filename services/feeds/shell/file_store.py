"""What statement files leave behind in the schema ``feeds``: each file whole, or nothing of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import asyncpg

from services.feeds.refusals import Refusal
from services.feeds.revisions import Form, line_observation
from services.feeds.shell.store import SQL, form_of, row_of
from services.feeds.statements.accounts import InterimIs, Owned
from services.feeds.statements.identity import Edge, Identified, edges_of, identified
from services.feeds.statements.takings import (
    ClosingBalance,
    balance_message,
    closing_balance,
    new_forms,
    require_one_kind,
    require_one_teller,
    settled_until,
)
from services.feeds.statements.values import Format
from shared.contracts.observations import LineState
from shared.runtime.postgres import Database, Tx

ROWS_AT_ONCE: Final = 5000


class Outcome(StrEnum):
    """What became of a file."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Taken:
    """A file and what became of it; ``fresh`` is how many lines it told that were not known."""

    sha256: str
    name: str
    size_bytes: int
    format: str
    outcome: Outcome
    taken_at: datetime
    reason: str = ""
    fix: str = ""
    accounts: tuple[str, ...] = ()
    lines: int = 0
    fresh: int = 0
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class _Changes:
    """What a file changes of one account, before it is written."""

    edges: list[Edge] = field(default_factory=list[Edge])
    forms: tuple[Form, ...] = ()
    settled: date | None = None


class _DryRun(Exception):
    """Nothing is to be kept of this transaction."""


class FileStore:
    """The memory of statement files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def file(self, sha256: str) -> Taken | None:
        """What became of a file of that digest."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL["file_of"], sha256)
        return None if row is None else _taken(row)

    async def files_like(self, prefix: str) -> list[Taken]:
        """The files whose digest begins so, two at most."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["files_by_prefix"], prefix)
        return [_taken(row) for row in rows]

    async def newest(self, outcome: str, limit: int) -> list[Taken]:
        """The newest files, of an outcome or of all."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["newest_files"], outcome, limit)
        return [_taken(row) for row in rows]

    async def refused_count(self) -> int:
        """How many files were refused and not accepted since."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(SQL["refused_count"]))

    async def is_known(self, account: str) -> bool:
        """Whether any file has told of an account."""
        async with self._database.connection() as connection:
            return await connection.fetchrow(SQL["teller_of"], account) is not None

    async def last_read(self, account: str) -> datetime | None:
        """When a file last told of an account."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL["teller_of"], account)
        return None if row is None else row["read_at"]

    async def refuse(self, taken: Taken, *, book: str) -> None:
        """Remember that a file was refused, why, and which book hears of it."""
        async with self._database.connection() as connection:
            await connection.execute(SQL["remember_file"], *_file_row(taken), book)

    async def untold_refusals(self, limit: int, *, first_book: str) -> list[Refusal]:
        """The refused files of which how they stand is not acknowledged, the oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["untold_refusals"], limit)
        return [
            Refusal(
                sha256=row["sha256"],
                name=row["name"],
                reason=row["reason"],
                fix=row["fix"],
                book=row["refused_in"] or first_book,
                since=row["refused_at"],
                decided_at=row["taken_at"],
                stands=row["outcome"] == Outcome.REFUSED,
            )
            for row in rows
        ]

    async def told_refusals(self, refusals: Sequence[Refusal]) -> None:
        """These are acknowledged."""
        async with self._database.connection() as connection:
            await connection.executemany(
                SQL["told_refusal"], [(each.sha256, each.decided_at) for each in refusals]
            )

    async def accept(
        self,
        taken: Taken,
        owned: Sequence[Owned],
        form: Format,
        *,
        recollected: Mapping[str, Sequence[Form]],
        is_dry: bool = False,
    ) -> Taken:
        """Write a whole file down: lines and balances with their messages, and the file.

        ``recollected`` are forms that the topic has of accounts which are new here.

        Raises:
            StatementRefused: An account is told by another kind of file; nothing is written.
        """
        result = taken

        async def work(tx: Tx) -> None:
            nonlocal result
            result = await _accept(tx, taken, owned, form, recollected)
            if is_dry:
                raise _DryRun

        try:
            await self._database.run(work)
        except _DryRun:
            return result
        return result


async def _accept(
    tx: Tx,
    taken: Taken,
    owned: Sequence[Owned],
    form: Format,
    recollected: Mapping[str, Sequence[Form]],
) -> Taken:
    by_account: dict[str, list[Owned]] = {}
    for each in owned:
        by_account.setdefault(each.account.name, []).append(each)
    # In one order, so that two files that share two accounts do not wait for each other.
    for name in sorted(by_account):
        await tx.fetchval(SQL["lock_account"], name)
    before = await tx.fetchrow(SQL["file_of"], taken.sha256)
    if before is not None and before["outcome"] == Outcome.ACCEPTED:
        return _known(before)
    fresh = 0
    for name in sorted(by_account):
        await tx.executemany(
            SQL["remember_form"], [row_of(name, f, None) for f in recollected.get(name, ())]
        )
        fresh += await _account(tx, name, by_account[name], form, taken)
    result = Taken(
        sha256=taken.sha256,
        name=taken.name,
        size_bytes=taken.size_bytes,
        format=form.value,
        outcome=Outcome.ACCEPTED,
        taken_at=taken.taken_at,
        accounts=tuple(sorted(by_account)),
        lines=sum(len(each.statement.lines) for each in owned),
        fresh=fresh,
        remarks=taken.remarks,
    )
    await tx.execute(SQL["remember_file"], *_file_row(result), None)
    return result


async def _account(tx: Tx, name: str, owned: list[Owned], form: Format, taken: Taken) -> int:
    """Write what a file tells of one account; gives how many lines are new."""
    teller = await tx.fetchrow(SQL["teller_of"], name)
    require_one_teller(name, "" if teller is None else teller["format"], form)
    for each in owned:
        require_one_kind(each)
    before: date | None = None if teller is None else teller["settled_until"]
    days = [day for day in (before, settled_until(owned)) if day is not None]
    settled = max(days, default=None)
    changes = await _changes(tx, name, owned, settled)
    # Part by part: none of very many lasts longer than a statement may, and what they say is held
    # only until it is written.
    for at in range(0, len(changes.forms), ROWS_AT_ONCE):
        part = changes.forms[at : at + ROWS_AT_ONCE]
        rows = [row_of(name, f, _message(f, name, form, taken)) for f in part]
        await tx.executemany(SQL["remember_form"], rows)
    await tx.executemany(SQL["remember_edge"], [_edge_row(name, e) for e in changes.edges])
    await tx.execute(SQL["move_teller"], name, form.value, settled, taken.taken_at)
    for index, each in enumerate(owned):
        closing = closing_balance(each)
        if closing is not None:
            await _balance(tx, each, closing, f"{taken.sha256}:{name}:{index}", form)
    return sum(f.line.state is not LineState.REMOVED for f in changes.forms)


def _message(form: Form, name: str, told_as: Format, taken: Taken) -> bytes:
    observation = line_observation(
        form, account=name, provider=told_as.value, observed_at=taken.taken_at
    )
    return observation.model_dump_json().encode()


async def _changes(tx: Tx, name: str, owned: list[Owned], settled: date | None) -> _Changes:
    changes = _Changes(settled=settled)
    days = sorted({edge.day for each in owned for edge in edges_of(each.statement)})
    known_edges = [_edge(row) for row in await tx.fetch(SQL["edges_on"], name, days)]
    read: list[Identified] = []
    for each in owned:
        posts = not each.statement.is_interim or each.account.interim is InterimIs.POSTED
        edges = (*known_edges, *changes.edges)
        found = identified(each.statement, edges, account=name, posts=posts)
        changes.edges.extend(found.edges)
        read.append(found)
    ids = sorted({n for found in read for pair in found.before.items() for n in pair})
    known = {r["line_id"]: form_of(r) for r in await tx.fetch(SQL["forms_by_id"], name, ids)}
    told = [line for found in read for line in found.under(known)]
    pending: dict[str, Form] = {}
    if settled is not None:
        rows = await tx.fetch(SQL["pending_forms"], name, settled)
        pending = {row["line_id"]: form_of(row) for row in rows}
    changes.forms = new_forms(told, known, pending, settled=settled)
    return changes


async def _balance(
    tx: Tx, owned: Owned, closing: ClosingBalance, reading: str, form: Format
) -> None:
    """A balance is accepted when balance, lines and balance agree: the file's own, or ours."""
    name, balance = owned.account.name, closing.balance
    agreed = closing.is_checked
    code = balance.amount.currency.code
    if not agreed:
        before = await tx.fetchrow(SQL["balance_before"], name, code, balance.on)
        if before is not None:
            between = await tx.fetchval(
                SQL["posted_between"], name, code, before["on_day"], balance.on
            )
            agreed = before["amount_minor"] + between == balance.amount.minor
    message = balance_message(closing, owned, agreed=agreed, reading=reading, form=form)
    await tx.execute(
        SQL["remember_balance"],
        name,
        reading,
        balance.on,
        balance.amount.minor,
        code,
        message.model_dump_json().encode(),
    )


def _known(row: asyncpg.Record) -> Taken:
    found = _taken(row)
    return Taken(
        sha256=found.sha256,
        name=found.name,
        size_bytes=found.size_bytes,
        format=found.format,
        outcome=Outcome.KNOWN,
        taken_at=found.taken_at,
        accounts=found.accounts,
        lines=found.lines,
    )


def _taken(row: asyncpg.Record) -> Taken:
    return Taken(
        sha256=row["sha256"],
        name=row["name"],
        size_bytes=row["size_bytes"],
        format=row["format"],
        outcome=Outcome(row["outcome"]),
        taken_at=row["taken_at"],
        reason=row["reason"],
        fix=row["fix"],
        accounts=tuple(row["accounts"]),
        lines=row["lines"],
        fresh=row["fresh"],
        remarks=tuple(row["remarks"]),
    )


def _file_row(taken: Taken) -> tuple[object, ...]:
    return (
        taken.sha256,
        taken.name,
        taken.size_bytes,
        taken.format,
        taken.outcome.value,
        taken.reason,
        taken.fix,
        list(taken.accounts),
        taken.lines,
        taken.fresh,
        list(taken.remarks),
        taken.taken_at,
    )


def _edge(row: asyncpg.Record) -> Edge:
    return Edge(
        day=row["day"],
        number=row["number"],
        begins=row["begins_minor"],
        ends=row["ends_minor"],
        passes=frozenset(row["passes"]),
        counts=row["counts"],
    )


def _edge_row(account: str, edge: Edge) -> tuple[object, ...]:
    return (
        account,
        edge.day,
        edge.begins,
        edge.ends,
        edge.number,
        sorted(edge.passes),
        dict(edge.counts),
    )

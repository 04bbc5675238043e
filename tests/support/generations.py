"""Generations of the journal in tests: told, swapped, read meanwhile, and required to be sound."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from services.ledger.proof.hash_chain import first_break
from services.ledger.shell.proof.verify import verify_journal
from services.ledger.shell.rebuilding.generations import Generation, generations, owner_at
from services.ledger.shell.rebuilding.rebuild import Swapped, rebuild_and_compare, rebuild_and_swap
from services.ledger.shell.store import open_journal
from shared.contracts.books import BookMap
from tests.support.ledger import LedgerRig, charge, event, garbage, polled


async def tell(rig: LedgerRig, first: int, last: int) -> None:
    """Charges by events and by polls, some twice, one contradicted, one unreadable."""
    await rig.publish(
        *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(first, last)),
        *(polled(charge(f"ch_{n}", 100 + n)) for n in range(first, last)),
        *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(first, last, 3)),
        event(f"evt_other_{first}", charge(f"ch_{first}", 999)),
        garbage(f"bad_{first}", b"{"),
    )


async def swap(rig: LedgerRig, **changes: object) -> Swapped:
    """A rebuilding that is to take the place of the journal in use."""
    return await rebuild_and_swap(rig.settings().kafka, rig.dsn, BookMap(), **changes)  # type: ignore[arg-type]  # keywords of that function


async def known(rig: LedgerRig) -> list[Generation]:
    """The generations that there are."""
    async with owner_at(rig.dsn) as owner:
        return await generations(owner)


async def require_sound(rig: LedgerRig, entries: int) -> None:
    """The journal holds, every entry was published once, and a rebuilding is equal."""
    journal = await open_journal(rig.dsn)
    verified = await verify_journal(journal)
    await journal.close()
    assert (verified.entries, verified.problems) == (entries, ())
    published = await rig.entries()
    assert len(published) == len({(e.origin, e.sequence) for e in published}) == entries
    assert first_break(published) is None
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()


@dataclass(slots=True)
class Reading:
    """What a reader of the views met."""

    answers: int = 0
    errors: list[str] = field(default_factory=list[str])
    entries: list[int] = field(default_factory=list[int])
    longest_seconds: float = 0.0


@asynccontextmanager
async def reading(rig: LedgerRig) -> AsyncGenerator[Reading]:
    """Somebody who reads the views without a pause, as the role that may."""
    met, stop = Reading(), asyncio.Event()

    async def read() -> None:
        connection = await asyncpg.connect(
            rig.dsn, server_settings={"role": "ledger_reader", "search_path": "ledger_read"}
        )
        clock = asyncio.get_running_loop().time
        try:
            while not stop.is_set():
                began = clock()
                try:
                    async with connection.transaction(isolation="repeatable_read", readonly=True):
                        net = await connection.fetchval("select sum(net_minor) from trial_balance")
                        counted = await connection.fetchval("select count(*) from entries")
                        legs = await connection.fetchval(
                            "select sum(case direction when 'debit' then minor else -minor end)"
                            " from postings"
                        )
                        days = await connection.fetchval(
                            "select sum(debit_minor - credit_minor) from turnover('main')"
                        )
                except asyncpg.PostgresError as error:
                    met.errors.append(repr(error))
                    continue
                if (net, legs, days) != (0, 0, 0):
                    met.errors.append(f"not balanced: {net}, {legs}, {days}")
                met.entries.append(counted)
                met.answers += 1
                met.longest_seconds = max(met.longest_seconds, clock() - began)
        finally:
            await connection.close()

    task = asyncio.create_task(read())
    try:
        yield met
    finally:
        stop.set()
        await task

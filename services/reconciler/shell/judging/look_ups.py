"""What is asked for by name, in the transaction of the judgement that has found it due.

A look-up is written down and put into the outbox at once, so it is asked for once: whoever is
killed before the commit has asked for nothing, and whoever is killed after it has it published.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from services.reconciler.findings.found import DueLookUp
from services.reconciler.shell.keeping import memory
from services.reconciler.shell.keeping.memory import SQL, OpenBook
from services.reconciler.shell.telling import letters
from services.reconciler.shell.telling.outbox import put
from shared.contracts.look_ups import LookUpAsked
from shared.runtime.postgres import Tx

# Whoever begins with years of history, or was away for months, does not ask for it all at once.
ASKED_MAX: Final = 100
ASKED_WITHIN: Final = timedelta(minutes=1)


async def ask(
    tx: Tx, open_book: OpenBook, due: Iterable[DueLookUp], *, at: datetime
) -> tuple[LookUpAsked, ...]:
    """Ask for what is due and was not asked for, the longest waiting first; a bounded number."""
    wanted = {each.id(open_book.book): each for each in due}
    open_book.asked &= wanted.keys()
    open_book.unasked &= wanted.keys()
    waiting = [key for key in wanted if key not in open_book.asked]
    unknown = [key for key in waiting if key not in open_book.unasked]
    if unknown:
        known = {row["id"] for row in await tx.fetch(SQL["known_look_ups"], unknown)}
        open_book.asked |= known
        open_book.unasked |= set(unknown) - known
    fresh = [key for key in waiting if key in open_book.unasked]
    if not fresh:
        return ()
    recent = await tx.fetchval(SQL["look_ups_since"], open_book.book, at - ASKED_WITHIN)
    room = max(0, ASKED_MAX - recent)
    asked = tuple(wanted[key].asked(open_book.book, at=at) for key in fresh[:room])
    await memory.put_look_ups(tx, asked)
    await put(tx, letters.of_look_ups(asked))
    open_book.asked |= {each.id for each in asked}
    open_book.unasked -= open_book.asked
    return asked


def next_pass(open_book: OpenBook, *, at: datetime) -> datetime | None:
    """When what was left for lack of room is asked for; ``None`` when nothing was."""
    return at + ASKED_WITHIN if open_book.unasked else None

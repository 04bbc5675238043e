"""What corrects a book, in a file for `tallystick book send`: messages told again, and commands."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import orjson

from services.ledger.accounts import UNEARNED
from services.ledger.chart import Chart
from services.ledger.rules.revenue_release import RELEASED
from services.ledger.shell.queries import SQL
from services.ledger.shell.rebuilding.what_if import ToldThere, WhatIf
from services.ledger.what_if.corrections import (
    CORRECTING,
    Correcting,
    Step,
    correction,
    key_of,
    undoing,
)
from services.ledger.what_if.suppositions import EntryDifference
from shared.contracts import references
from shared.contracts.journal import Book, Entry, Reference
from shared.contracts.messages import Position
from shared.contracts.references import passes_on
from shared.runtime.postgres import Tx
from tallystick.what_if.told_again import Facts, ToldAgain

REASON: Final = "corrected by a what-if"
LEFT_SHOWN_MAX: Final = 20


@dataclass(slots=True)
class Corrections:
    """Writes what corrects one fact after another, each on lines of its own.

    ``before`` are the keys of earlier corrections that stand, with what each booked. ``again`` are
    facts that messages tell again; ``by_hand`` counts those that the books lack and
    that commands book instead, by the reason; ``of_the_clock`` are releases that the next clock
    tick makes up, ``passed_on`` are entries that follow others, which commands take back. ``left``
    are facts that nothing can correct, each with the reason; ``elsewhere`` counts those of other
    books.
    """

    file: Path
    book: Book
    chart: Chart
    effective_at: datetime | None
    journal: Tx
    found: WhatIf
    before: Mapping[str, Reference]
    reason: str = REASON
    facts: int = 0
    commands: int = 0
    again: Facts = field(default_factory=Facts)
    by_hand: Counter[str] = field(default_factory=Counter[str])
    of_the_clock: int = 0
    passed_on: int = 0
    corrected_before: int = 0
    elsewhere: int = 0
    left_count: int = 0
    left: list[str] = field(default_factory=list[str])
    _out: TextIO | None = None

    def __enter__(self) -> Self:
        self._out = self.file.open("w", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._out is not None:
            self._out.close()

    async def take(self, apart: EntryDifference) -> None:
        """Write what corrects a fact."""
        if apart.entry.book != self.book:
            self.elsewhere += 1
        elif await self._is_of_the_clock(apart):
            self.of_the_clock += 1
        elif apart.here is not None and passes_on(apart.here.reference):
            self.passed_on += 1
        elif apart.here is not None or apart.there is None or apart.told_at is None:
            await self._command(apart)
        else:
            await self._lacking(apart, apart.there, apart.told_at)

    async def _lacking(self, apart: EntryDifference, fact: Entry, told_at: Position) -> None:
        """Write which messages tell a fact that the books lack, or what stands for it by hand."""
        also = await self.found.said_to_go_on(fact) if passes_on(fact.reference) else None
        tellers = [told_at] if also is None or also == told_at else [told_at, also]
        reasons = (self.found.again.why_not(self.book, teller) for teller in tellers)
        if why := next(filter(None, reasons), ""):
            if await self._command(apart):
                self.by_hand[why] += 1
            return
        line = ToldAgain.of(fact, *tellers)
        self.again.take(line)
        self._write(line.model_dump(mode="json"))
        by_hand = self.before.get(key_of(apart, Step.ANEW))
        if by_hand is not None:
            self._write_command(
                undoing(apart, by_hand, effective_at=self.effective_at, reason=self.reason)
            )

    async def _command(self, apart: EntryDifference) -> bool:
        """Write the commands that correct a fact; whether there are any that were not sent yet."""
        made = correction(
            apart,
            self.chart,
            effective_at=self.effective_at,
            reason=self.reason,
            reversed_before=await self._reversed_by_others(apart),
        )
        if made.why_not:
            self.left_count += 1
            if len(self.left) < LEFT_SHOWN_MAX:
                self.left.append(f"{made.reference}: {made.why_not}")
            return False
        due = [each for each in made.commands if each.idempotency_key not in self.before]
        if not due:
            self.corrected_before += 1
            return False
        self.facts += 1
        for command in due:
            self._write_command(command)
        return True

    async def _reversed_by_others(self, apart: EntryDifference) -> tuple[str, ...]:
        """The entry's reference, where it was reversed, and not to correct this very fact."""
        if apart.here is None or key_of(apart, Step.REVERSE) in self.before:
            return ()
        rows = await self.journal.fetch(SQL["reversed_before"], self.book, [apart.here.reference])
        return tuple(row["reverses"] for row in rows)

    async def _is_of_the_clock(self, apart: EntryDifference) -> bool:
        """Whether the next clock tick makes up what another has released, or has not.

        A tick books what is left between what stands of a line and what is to stand. So it needs
        no command for lines whose deferral stands as it would, or is told again.
        """
        if apart.entry.kind != RELEASED:
            return False
        lines = [references.invoice_line(key) for key in apart.keys(UNEARNED) if key]
        known = await self.found.told_there(self.book, lines)
        return bool(lines) and all(
            line in known and self._stands_or_is_told(known[line]) for line in lines
        )

    def _stands_or_is_told(self, deferral: ToldThere) -> bool:
        if not deferral.is_lacking:
            return deferral.is_same
        return not self.found.again.why_not(self.book, deferral.at)

    def _write_command(self, command: Correcting) -> None:
        # The book is named to whoever sends them, the actor is who does.
        self._write(command.model_dump(mode="json", exclude={"book", "actor"}, exclude_none=True))
        self.commands += 1

    def _write(self, told: Mapping[str, object]) -> None:
        if self._out is not None:
            self._out.write(orjson.dumps(told).decode() + "\n")


async def corrections_before(journal: Tx, book: Book) -> dict[str, Reference]:
    """The keys of corrections that stand in a book, whoever sent them, with what each booked."""
    found: dict[str, Reference] = {}
    for row in await journal.fetch(SQL["corrections_before"], book):
        _, _, key = row["reference"].rpartition(f":{CORRECTING}")
        found[f"{CORRECTING}{key}"] = Reference(row["reference"])
    return found

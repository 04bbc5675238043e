"""The commands that correct a book, in a file that `tallystick book send` and the HTTP API take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import orjson

from services.ledger.chart import Chart
from services.ledger.shell.queries import SQL
from services.ledger.what_if.corrections import correction
from services.ledger.what_if.suppositions import EntryDifference
from shared.runtime.postgres import Tx

REASON: Final = "corrected by a what-if"
LEFT_SHOWN_MAX: Final = 20


@dataclass(slots=True)
class Corrections:
    """Writes a line for each command, one fact after another.

    ``left`` are facts that no command can correct, each with the reason; ``elsewhere`` counts those
    of other books.
    """

    file: Path
    book: str
    chart: Chart
    effective_at: datetime | None
    journal: Tx
    reason: str = REASON
    facts: int = 0
    commands: int = 0
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
        """Write the commands that correct a fact."""
        if apart.entry.book != self.book:
            self.elsewhere += 1
            return
        made = correction(
            apart,
            self.chart,
            effective_at=self.effective_at,
            reason=self.reason,
            reversed_before=await self._reversed(apart),
        )
        if made.why_not:
            self.left_count += 1
            if len(self.left) < LEFT_SHOWN_MAX:
                self.left.append(f"{made.reference}: {made.why_not}")
            return
        self.facts += 1
        for command in made.commands:
            # The book is named to whoever sends them, the actor is who does.
            told: Mapping[str, object] = command.model_dump(
                mode="json", exclude={"book", "actor"}, exclude_none=True
            )
            if self._out is not None:
                self._out.write(orjson.dumps(told).decode() + "\n")
            self.commands += 1

    async def _reversed(self, apart: EntryDifference) -> tuple[str, ...]:
        if apart.here is None:
            return ()
        rows = await self.journal.fetch(
            SQL["reversed_before"], apart.here.book, [apart.here.reference]
        )
        return tuple(row["reverses"] for row in rows)

"""Figures by key: as keys stand now, as they stood at a moment of either axis, and of a period.

What stood is read from what the ledger kept near that moment, and from the postings between; what a
period turned over, from the postings of the days that it was recorded in.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from services.console.shell.readers import Row, Snapshot
from services.console.statements.figures import Figure
from services.console.statements.moments import EVER, AsOf, Moment, midnight
from services.console.statements.query import Asked
from services.console.statements.roll_up import Part
from services.console.views import BadRequest
from shared.contracts.money import Currency

# Read for one answer at most: a person waits for it.
POSTINGS_MAX: Final = 500_000
_Key = tuple[str, str, Currency]


class Keys:
    """The keys of one account, and of those under it, in one moment of the views."""

    def __init__(self, views: Snapshot, asked: Asked, under: str) -> None:
        self._views = views
        self._book = asked.book
        self._under = under
        self._asked = asked

    async def figures(self) -> list[Part]:
        """What stood under each key; of a period that has a first day, what each turned over.

        Raises:
            BadRequest: More would have to be read than a person waits for.
        """
        if self._asked.period.first is not None:
            return _parts(await self._moved())
        end = self._asked.end
        stood = await self._standing() if end == EVER else await self._stood(end)
        return _parts({key: (max(net, 0), max(-net, 0)) for key, net in stood.items() if net})

    async def _standing(self) -> dict[_Key, int]:
        """What stands now.

        Raises:
            BadRequest: Under more keys than are read for one answer.
        """
        rows = await self._views.rows("open_keys", self._book.name, self._under, POSTINGS_MAX + 1)
        self._bounded(len(rows))
        return {_key(row): row["minor"] for row in rows}

    async def _stood(self, end: AsOf) -> dict[_Key, int]:
        """What stood at a moment.

        Raises:
            BadRequest: More lies between it and what was kept than is read for one answer.
        """
        rows = await self._views.rows(
            "open_keys_as_of",
            self._book.name,
            self._under,
            self._book.time_zone,
            _before(end.effective),
            _before(end.recorded),
            POSTINGS_MAX + 1,
        )
        self._bounded(max((row["looked_at"] for row in rows), default=0))
        return {_key(row): row["minor"] for row in rows}

    async def _moved(self) -> dict[_Key, tuple[int, int]]:
        """What was debited and credited in the period.

        Raises:
            BadRequest: The account moved more often in it than is read for one answer.
        """
        end, first = self._asked.end, self._asked.period.first
        rows = await self._views.rows(
            "turnover_of_keys",
            self._book.name,
            self._under,
            self._book.time_zone,
            None if first is None else midnight(first, self._book.zone),
            _before(end.effective),
            _before(end.recorded),
            POSTINGS_MAX + 1,
        )
        self._bounded(max((row["postings"] for row in rows), default=0))
        return {_key(row): (row["debit_minor"], row["credit_minor"]) for row in rows}

    def _bounded(self, count: int) -> None:
        if count > POSTINGS_MAX:
            raise BadRequest(
                f"by: more than {POSTINGS_MAX:,} postings would have to be read for the keys of"
                f" {self._under}; name an account under it, or a shorter span that begins with from"
            )


def _before(moment: Moment | None) -> datetime | None:
    return None if moment is None else moment.before


def _key(row: Row) -> _Key:
    return row["account"], row["key"], Currency(row["currency"], row["exponent"])


def _parts(sums: Mapping[_Key, tuple[int, int]]) -> list[Part]:
    return [
        Part(Figure(account, currency, debit, credit), key=name)
        for (account, name, currency), (debit, credit) in sums.items()
    ]

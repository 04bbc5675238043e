"""Figures by key: as keys stand now, as they stood at a moment of either axis, and of a period.

What stood is what stands now without what came since, or all that had come by then: whichever has
fewer days to read. The sums by day say in which days an account moved; no others are read.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from services.console.shell.readers import Row, Snapshot
from services.console.statements.figures import Figure
from services.console.statements.moments import (
    EVER,
    FIRST_DAY,
    LAST_DAY,
    AsOf,
    Moment,
    midnight,
)
from services.console.statements.query import Asked
from services.console.statements.roll_up import Part
from services.console.views import BadRequest
from shared.contracts.money import Currency

# Read for one answer at most: a person waits for it.
POSTINGS_MAX: Final = 500_000
_ONE_DAY: Final = timedelta(days=1)
_BEGINNING: Final = datetime(1900, 1, 1, tzinfo=UTC)
_END: Final = datetime(9000, 1, 1, tzinfo=UTC)
_Key = tuple[str, str, Currency]


@dataclass(frozen=True, slots=True)
class _Span:
    """Days in which an account moved, cut to what counts, and when that was recorded."""

    days: Sequence[date]
    begins: datetime = _BEGINNING
    before: datetime = _END
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


class Keys:
    """The keys of one account, and of those under it, in one moment of the views."""

    def __init__(self, views: Snapshot, asked: Asked, under: str) -> None:
        self._views = views
        self._book = asked.book
        self._under = under
        self._asked = asked
        self._left = POSTINGS_MAX

    async def figures(self) -> list[Part]:
        """What stood under each key; of a period that has a first day, what each turned over.

        Raises:
            BadRequest: More would have to be read than a person waits for.
        """
        end, first = self._asked.end, self._asked.period.first
        if first is not None:
            return _parts(await self._moved([await self._of_period(first, end)]))
        stood = await self._standing() if end == EVER else await self._stood(end)
        return _parts({key: (max(net, 0), max(-net, 0)) for key, net in stood.items() if net})

    async def _of_period(self, first: date, end: AsOf) -> _Span:
        return _Span(
            await self._days(first=first, last=_day(end.effective), recorded=_day(end.recorded)),
            before=_END if end.effective is None else end.effective.before,
            recorded_before=None if end.recorded is None else end.recorded.before,
        )

    async def _standing(self) -> dict[_Key, int]:
        """What stands now.

        Raises:
            BadRequest: Under more keys than are read for one answer.
        """
        rows = await self._views.rows("open_keys", self._book.name, self._under, self._left + 1)
        self._take(len(rows))
        return {_key(row): row["minor"] for row in rows}

    async def _stood(self, end: AsOf) -> dict[_Key, int]:
        until, since = await self._until(end), await self._since(end)
        if sum(len(span.days) for span in until) <= sum(len(span.days) for span in since):
            return {
                key: debit - credit for key, (debit, credit) in (await self._moved(until)).items()
            }
        standing = defaultdict(int, await self._standing())
        for key, (debit, credit) in (await self._moved(since)).items():
            standing[key] -= debit - credit
        return standing

    async def _until(self, end: AsOf) -> list[_Span]:
        """All that had come by a moment."""
        return [await self._of_period(FIRST_DAY, end)]

    async def _since(self, end: AsOf) -> list[_Span]:
        """What came since: what takes effect later, and what was recorded later of before."""
        found: list[_Span] = []
        effective, recorded = end.effective, end.recorded
        if effective is not None:
            found.append(_Span(await self._days(first=effective.day), begins=effective.before))
        if recorded is not None:
            found.append(
                _Span(
                    await self._days(last=_day(effective), recorded_from=recorded.day),
                    before=_END if effective is None else effective.before,
                    recorded_from=recorded.before,
                )
            )
        return found

    async def _days(
        self,
        *,
        first: date = FIRST_DAY,
        last: date = LAST_DAY,
        recorded_from: date = FIRST_DAY,
        recorded: date = LAST_DAY,
    ) -> list[date]:
        rows = await self._views.rows(
            "days_moved_under", self._book.name, self._under, first, last, recorded_from, recorded
        )
        return [row["effective_day"] for row in rows]

    async def _moved(self, spans: Iterable[_Span]) -> dict[_Key, tuple[int, int]]:
        """What was debited and credited in spans.

        Raises:
            BadRequest: They hold more postings than are read for one answer.
        """
        zone = self._book.zone
        found: defaultdict[_Key, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for span in spans:
            rows = await self._views.rows(
                "turnover_of_keys",
                self._book.name,
                self._under,
                [max(midnight(day, zone), span.begins) for day in span.days],
                [min(midnight(day + _ONE_DAY, zone), span.before) for day in span.days],
                span.recorded_from,
                span.recorded_before,
                self._left + 1,
            )
            self._take(sum(row["postings"] for row in rows))
            for row in rows:
                debit, credit = found[_key(row)]
                found[_key(row)] = (debit + row["debit_minor"], credit + row["credit_minor"])
        return found

    def _take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise BadRequest(
                f"by: more than {POSTINGS_MAX:,} postings would have to be read for the keys of"
                f" {self._under}; name an account under it, or a shorter span that begins with from"
            )


def _day(moment: Moment | None) -> date:
    return LAST_DAY if moment is None else moment.day


def _key(row: Row) -> _Key:
    return row["account"], row["key"], Currency(row["currency"], row["exponent"])


def _parts(sums: Mapping[_Key, tuple[int, int]]) -> list[Part]:
    return [
        Part(Figure(account, currency, debit, credit), key=name)
        for (account, name, currency), (debit, credit) in sums.items()
    ]

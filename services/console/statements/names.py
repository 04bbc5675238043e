"""What people read for an account: the name that held at the moment that a statement is of.

Names come from what commands said of accounts, and from the charts that were put in force. An entry
may take effect before its account was named at all: then its first name is the one that is read.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, cast

from services.console.statements.moments import AsOf
from services.console.views import Json

Names = Callable[[str], str]
Row = Mapping[str, Any]  # Any: a row of a view
_PLACE: Final = re.compile(r"[A-Z][A-Z0-9]*")
_CHARTS_KEPT: Final = 16


def itself(account: str) -> str:
    """An account's name as it is, where nothing says a better one."""
    return account


def covers(name: str, account: str) -> bool:
    """Whether an account is that of the chart's name; a segment in capitals stands for any."""
    own, other = name.split(":"), account.split(":")
    return len(own) == len(other) and all(
        mine == theirs or (_PLACE.fullmatch(mine) and theirs)
        for mine, theirs in zip(own, other, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Named:
    """What a command called an account; ``of_chart`` is whether the chart has a name for it too."""

    display: str
    of_chart: bool
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class AccountNames:
    """Every name that a book's accounts have had: by commands, and by charts, the first first."""

    commanded: Mapping[str, tuple[Named, ...]]
    charts: tuple[tuple[datetime, str], ...]

    def at(self, as_of: AsOf, chart: Names | None = None) -> Names:
        """The names that held at a moment, the earlier one where two are asked for.

        ``chart`` goes before the charts that were put in force.
        """
        moments = [m.before for m in (as_of.effective, as_of.recorded) if m is not None]
        before = min(moments, default=None)
        of_chart = chart or self._chart(before)

        def name(account: str) -> str:
            told = self.commanded.get(account, ())
            held = [each for each in told if before is None or each.recorded_at < before]
            if held:
                return held[-1].display
            if told and not told[0].of_chart:
                return told[0].display
            return of_chart(account)

        return name

    def _chart(self, before: datetime | None) -> Names:
        held = [text for since, text in self.charts if before is None or since < before]
        text = held[-1] if held else next((text for _, text in self.charts), "")
        exact, families = _displays(text)

        def name(account: str) -> str:
            if account in exact:
                return exact[account]
            family = (said for pattern, said in families if covers(pattern, account))
            return next(family, account)

        return name


def account_names(activations: Iterable[Row], changes: Iterable[Row]) -> AccountNames:
    """The names of a book's accounts, from its activations and its accounts' changes, in order."""
    charts: list[tuple[datetime, str]] = []
    for row in activations:
        value = row["value"]
        if row["what"] == "genesis":
            value = value.get("charts", {}).get(row["book"]) or value.get("default_chart", "")
        if value:
            charts.append((row["recorded_at"], value))
    commanded: dict[str, tuple[Named, ...]] = {}
    for row in changes:
        if row["display"]:
            named = Named(row["display"], row["is_of_chart"], row["recorded_at"])
            commanded[row["account"]] = (*commanded.get(row["account"], ()), named)
    return AccountNames(commanded, tuple(charts))


def with_displays(told: Json, names: Names) -> Json:
    """JSON in which whatever names an account says as its last field what people call it."""
    found: Json = {name: _named(value, names) for name, value in told.items()}
    account = told.get("account")
    return found | {"display": names(account)} if isinstance(account, str) else found


def _named(value: object, names: Names) -> object:
    if isinstance(value, dict):
        return with_displays(cast("Json", value), names)
    if isinstance(value, list):
        return [_named(each, names) for each in cast("list[object]", value)]
    return value


@lru_cache(_CHARTS_KEPT)
def _displays(chart: str) -> tuple[Mapping[str, str], tuple[tuple[str, str], ...]]:
    """A chart's names by account, and those of its families."""
    rows: list[Row] = tomllib.loads(chart).get("account", [])
    pairs = [(row["name"], row.get("display") or row["name"]) for row in rows]
    return dict(pairs), tuple(p for p in pairs if any(map(_PLACE.fullmatch, p[0].split(":"))))

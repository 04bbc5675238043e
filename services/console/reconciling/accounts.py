"""Which accounts a write-off may go to: those of the chart in force, and those that were opened.

Read from what the ledger publishes: every chart that was put in force, and what commands did to
accounts. A mistyped name is refused here, before anything is asked for, since what is decided about
matches knows no chart.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from services.console.statements.names import covers
from services.console.views import Json

_SEE_CHART: Final = "see the chart with `tallystick activate show --chart`"

Row = Mapping[str, Any]  # Any: a row of a view


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """The chart's names, in which a segment in capitals stands for any, and what commands did.

    ``chart`` is none where the books began before their chart was put on record: then every name
    may be one of it.
    """

    chart: frozenset[str] | None
    mirrors: frozenset[str] = frozenset()
    is_open: Mapping[str, bool] = field(default_factory=dict[str, bool])

    def refusal(self, account: str) -> Json | None:
        """Why nothing may be written off to an account, with the way out; none where it may."""
        if account in self.mirrors:
            return _refused(
                f"{account} always equals what another party says",
                rule="mirror",
                account=account,
                way_out=f"choose an account of your own; {_SEE_CHART}",
            )
        if account in self.is_open:
            return None if self.is_open[account] else _closed(account)
        if self.chart is None or any(covers(name, account) for name in self.chart):
            return None
        known = sorted({*self.chart, *(name for name, is_open in self.is_open.items() if is_open)})
        near = get_close_matches(account, known, n=1)
        said = f"; did you mean {near[0]}?" if near else ""
        return _refused(
            f"{account} is no account of this book{said}",
            rule="account_known",
            account=account,
            way_out=f'choose another, or open it: `tallystick accounts open {account} "NAME"`;'
            f" {_SEE_CHART}",
        )


def known_accounts(activations: Iterable[Row], changes: Iterable[Row]) -> KnownAccounts:
    """The accounts of a book, from its activations and its accounts' changes, the first first."""
    text: str = ""
    for row in activations:
        match row["what"]:
            case "genesis":
                charts = row["value"].get("charts", {})
                text = charts.get(row["book"]) or row["value"].get("default_chart", "")
            case "chart":
                text = row["value"]
            case _:
                continue
    rows: list[Row] = tomllib.loads(text).get("account", []) if text else []
    return KnownAccounts(
        frozenset(row["name"] for row in rows) if text else None,
        frozenset(row["name"] for row in rows if row.get("mirror")),
        {row["account"]: row["is_open"] for row in changes},
    )


def _closed(account: str) -> Json:
    return _refused(
        f"{account} is closed",
        rule="account_open",
        account=account,
        way_out="choose another, or open it again with `tallystick accounts open`",
    )


def _refused(said: str, *, rule: str, account: str, way_out: str) -> Json:
    return {
        "outcome": "refused",
        "reason": f"{said}; {way_out}",
        "reference": None,
        "decided": {"rule": rule, "values": {"account": account}, "way_out": way_out},
        "position": None,
    }

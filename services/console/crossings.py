"""From figures to what is told of monitors: who crossed, who came back, who is watched no more."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from services.console.monitors import Monitor, Value, judged
from services.console.statements.figures import rounded
from shared.contracts.messages import Position
from shared.contracts.money import MINOR_MAX, Money, MoneyOnWire, decimal_text
from shared.contracts.monitors import MonitorCrossed, MonitorState

Name = tuple[str, str]
_DECIMALS: Final = 2


def crossings(
    values: Iterable[tuple[Monitor, Value | str]],
    stands: Mapping[Name, MonitorCrossed],
    now: datetime,
    at: tuple[Position, ...],
) -> list[MonitorCrossed]:
    """What is to be told: monitors that stand otherwise than the topic says, and withdrawn ones.

    A monitor that was never told of stands cleared. One whose figure cannot be read stays.
    """
    told: list[MonitorCrossed] = []
    names: set[Name] = set()
    for monitor, value in values:
        name = (monitor.book, monitor.name)
        names.add(name)
        before = stands.get(name)
        state = MonitorState.CLEARED
        if before is not None and before.state is MonitorState.BREACHED:
            state = MonitorState.BREACHED
        if isinstance(value, str):
            continue
        after = judged(monitor, value, state)
        if after is not state:
            revision = before.revision + 1 if before is not None else 1
            told.append(
                MonitorCrossed(
                    book=monitor.book,
                    monitor=monitor.name,
                    revision=revision,
                    state=after,
                    figure=monitor.figure,
                    value=shown(monitor, value),
                    amount=_money(monitor, value),
                    threshold=str(monitor.threshold),
                    clears_at=str(monitor.clears),
                    explanation=_said(monitor, value, after),
                    read_at=now,
                    positions=at,
                )
            )
    for name, before in stands.items():
        if name not in names and before.state is MonitorState.BREACHED:
            told.append(
                before.model_copy(
                    update={
                        "revision": before.revision + 1,
                        "state": MonitorState.WITHDRAWN,
                        "explanation": f"{before.monitor} is watched no more",
                        "read_at": now,
                        "positions": at,
                    }
                )
            )
    return told


def shown(monitor: Monitor, value: Value) -> str:
    """A figure as a person reads it."""
    if value.exact is None:
        return "without bound"
    if monitor.ratio is None:
        return f"{decimal_text(int(value.exact), monitor.money.exponent)} {monitor.money}"
    return decimal_text(rounded(value.exact * 10**_DECIMALS), _DECIMALS)


def _said(monitor: Monitor, value: Value, state: MonitorState) -> str:
    reads = shown(monitor, value)
    if state is MonitorState.BREACHED:
        side = "falls to" if monitor.is_floor else "rises to"
        return f"the {monitor.figure} is {reads}; told when it {side} {monitor.threshold}"
    return f"the {monitor.figure} is {reads} again; it had to come back to {monitor.clears}"


def _money(monitor: Monitor, value: Value) -> MoneyOnWire | None:
    """A balance as amounts are told; none where it is more than one of them can be."""
    if monitor.ratio is not None or value.exact is None or abs(value.exact) > MINOR_MAX:
        return None
    return MoneyOnWire.of(Money(int(value.exact), monitor.money))

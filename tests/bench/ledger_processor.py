"""What a run takes of the processors: for each message, by who takes it, and as the journal grows.

Wall-clock rates depend on what else the machine does. Processor time for each message does so much
less, and the share of the machine that others had says how far a rate is to be believed. What a
processor does in a second is not the same each second either, where a machine is shared or caches
are: the same few messages are decided each time, and what that takes is told beside the others.
"""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import psutil

from sandbox.stack.process import ProcessRecord
from services.ledger.activation.in_force import InForce
from services.ledger.shell.booking.deciding import Decider
from shared.runtime.kafka import Record
from tests.bench.ledger_mix import CREATED, messages
from tests.support.stack import RunningStack

_DECIDED: Final = 200


@dataclass(frozen=True, slots=True)
class _Taken:
    """Seconds of processor taken until now, when so many messages were reached."""

    reached: int
    by: Mapping[str, float]
    busy: float
    idle: float
    yardstick: float


@dataclass(slots=True)
class Meter:
    """The processor time of processes and all that they started, by a name for each."""

    roots: Mapping[str, tuple[int, ...]]
    taken: list[_Taken] = field(default_factory=list[_Taken])

    @classmethod
    def of(cls, stack: RunningStack, ledgers: tuple[int, ...]) -> "Meter":
        """One of ledgers, and of the stack where it is embedded."""
        return cls({"ledger": ledgers} | servers_of(stack))

    def note(self, reached: int) -> None:
        """Take down what was taken until now."""
        machine = psutil.cpu_times()
        by = seconds_of(self.roots)
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        self.taken.append(_Taken(reached, by, sum(machine) - idle, idle, _yardstick()))

    def whole(self) -> str:
        """What was taken from the first time that was taken down to the last."""
        return _span(self.taken[0], self.taken[-1])

    def each(self) -> float:
        """Seconds of processor for one message of the whole run, of all together."""
        first, last = self.taken[0], self.taken[-1]
        return (sum(last.by.values()) - sum(first.by.values())) / (last.reached - first.reached)

    def told(self) -> list[str]:
        """A line for the whole run, and for the first and the last third of it."""
        if len(self.taken) < 4 or self.taken[-1].reached <= self.taken[0].reached:
            return []
        third = len(self.taken) // 3
        spans = (
            ("whole", self.taken[0], self.taken[-1]),
            ("first third", self.taken[0], self.taken[third]),
            ("last third", self.taken[-1 - third], self.taken[-1]),
        )
        return [
            f"{name}: {_span(first, last)}; to decide the same {self._usual(first, last):.1f} µs"
            for name, first, last in spans
        ]

    def _usual(self, first: _Taken, last: _Taken) -> float:
        """The median of what the yardstick took from one time to another, in millionths."""
        among = self.taken[self.taken.index(first) : self.taken.index(last) + 1]
        return statistics.median(each.yardstick for each in among) * 1e6


def servers_of(stack: RunningStack) -> dict[str, tuple[int, ...]]:
    """The processes of an embedded stack's servers, by name; none where it is another's."""
    if stack.embedded is None:
        return {}
    started = {"postgres": stack.embedded.postgres, "kafka": stack.embedded.kafka}
    records = {name: ProcessRecord.load(server.record_file) for name, server in started.items()}
    return {name: (record.pid,) for name, record in records.items() if record is not None}


def seconds_of(roots: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """Seconds of processor that processes have taken until now, by their names."""
    return {name: sum(map(_seconds, pids)) for name, pids in roots.items()}


def _span(first: _Taken, last: _Taken) -> str:
    count = max(1, last.reached - first.reached)
    own = {name: last.by[name] - first.by[name] for name in last.by}
    busy, idle = last.busy - first.busy, last.idle - first.idle
    whole = max(busy + idle, 1e-9)
    each = ", ".join(f"{name} {seconds / count * 1e6:.1f}" for name, seconds in own.items())
    return (
        f"{each} µs of processor a message; of the machine {sum(own.values()) / whole:.0%},"
        f" others {max(0.0, busy - sum(own.values())) / whole:.0%}"
    )


@cache
def _the_same() -> tuple[Record, ...]:
    """A few messages of the mix."""
    return tuple(
        Record(
            topic=told.topic,
            partition=0,
            offset=offset,
            key=told.key,
            value=told.envelope.data,
            headers=tuple(told.envelope.headers()),
            timestamp_ms=CREATED * 1000,
        )
        for offset, told in enumerate(messages(_DECIDED))
        if told.envelope is not None
    )


def _yardstick() -> float:
    """Seconds of processor to decide one message, of the same few each time."""
    decider = Decider(InForce())
    began = time.process_time()
    for record in _the_same():
        decider.decided(record)
    return (time.process_time() - began) / _DECIDED


def _seconds(pid: int) -> float:
    """What a process has taken, with all that it started, be they running or gone."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for member in family:
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if member is process:
            total += times.children_user + times.children_system
    return total

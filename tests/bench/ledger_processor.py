"""What a run takes of the processors: for each message, by who takes it, and as the journal grows.

Wall-clock rates depend on what else the machine does. Processor time for each message does so much
less, and the share of the machine that others had says how far a rate is to be believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from sandbox.stack.process import ProcessRecord
from tests.support.stack import RunningStack


@dataclass(frozen=True, slots=True)
class _Taken:
    """Seconds of processor taken until now, when so many messages were reached."""

    reached: int
    by: Mapping[str, float]
    busy: float
    idle: float


@dataclass(slots=True)
class Meter:
    """The processor time of processes and all that they started, by a name for each."""

    roots: Mapping[str, tuple[int, ...]]
    taken: list[_Taken] = field(default_factory=list[_Taken])

    @classmethod
    def of(cls, stack: RunningStack, ledgers: tuple[int, ...]) -> "Meter":
        """One of ledgers, and of the stack where it is embedded."""
        roots = {"ledger": ledgers}
        if stack.embedded is not None:
            for name, server in (
                ("postgres", stack.embedded.postgres),
                ("kafka", stack.embedded.kafka),
            ):
                record = ProcessRecord.load(server.record_file)
                roots |= {name: (record.pid,)} if record is not None else {}
        return cls(roots)

    def note(self, reached: int) -> None:
        """Take down what was taken until now."""
        machine = psutil.cpu_times()
        by = {name: sum(map(_seconds, pids)) for name, pids in self.roots.items()}
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        self.taken.append(_Taken(reached, by, sum(machine) - idle, idle))

    def whole(self) -> str:
        """What was taken from the first time that was taken down to the last."""
        return _span(self.taken[0], self.taken[-1])

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
        return [f"{name}: {_span(first, last)}" for name, first, last in spans]


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

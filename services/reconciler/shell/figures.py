"""What the reconciler counts about itself."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.reconciler.shell.judging.judge import Judgement
from shared.contracts.messages import MatchMade
from shared.runtime.kafka import Partition

KINDS: Final = "kind"
WINDOW: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Pace:
    """A sustained rate: what was counted in a window that slides, by its length."""

    _counted: deque[tuple[datetime, int]] = field(default_factory=deque[tuple[datetime, int]])

    def after(self, records: int, at: datetime) -> float:
        """The rate when so many more were counted."""
        if records:
            self._counted.append((at, records))
        while self._counted and at - self._counted[0][0] > WINDOW:
            self._counted.popleft()
        return sum(count for _, count in self._counted) / WINDOW.total_seconds()


class Figures:
    """Counters and gauges; a registry of one's own keeps tests apart."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._records = Counter(
            "tallystick_reconciler_records_taken", "records that were new", registry=registry
        )
        self._rate = Gauge(
            "tallystick_reconciler_records_per_second",
            "records taken a second, over the last minute",
            registry=registry,
        )
        self._acts = Counter(
            "tallystick_reconciler_acts",
            "what people asked for, by what became of it",
            ["act", "outcome"],
            registry=registry,
        )
        self._pace = Pace()
        self._parked = Counter(
            "tallystick_reconciler_records_parked",
            "records sent to the dead letters",
            registry=registry,
        )
        self._reread = Counter(
            "tallystick_reconciler_records_reread",
            "records that Faust did not deliver and that were read again",
            registry=registry,
        )
        self._matches = Counter(
            "tallystick_reconciler_matches",
            "matches made and undone",
            ["record"],
            registry=registry,
        )
        self._reports = Counter(
            "tallystick_reconciler_discrepancies",
            "discrepancies opened, changed and resolved",
            ["kind", "state"],
            registry=registry,
        )
        self._look_ups = _look_ups(registry)
        self._unresolved = Gauge(
            "tallystick_reconciler_discrepancies_unresolved",
            "discrepancies that stand",
            ["kind"],
            registry=registry,
        )
        self._open_facts = Gauge(
            "tallystick_reconciler_open_facts", "facts that are not done with", registry=registry
        )
        self._lag = Gauge(
            "tallystick_reconciler_lag_records",
            "records not read yet, by partition",
            ["topic", "partition"],
            registry=registry,
        )
        self._outbox = Gauge(
            "tallystick_reconciler_outbox_records",
            "records that wait to be published",
            registry=registry,
        )

    def taken(self, records: int, *, parked: int, at: datetime) -> None:
        """A batch was taken."""
        self._records.inc(records)
        self._parked.inc(parked)
        self._rate.set(self._pace.after(records, at))

    def quiet(self, at: datetime) -> None:
        """Nothing was taken until now, so that the rate comes down by itself."""
        self._rate.set(self._pace.after(0, at))

    def reread(self, records: int) -> None:
        """Records were read past Faust."""
        self._reread.inc(records)

    def judged(self, judgement: Judgement) -> None:
        """A book was judged."""
        self._open_facts.set(judgement.open_facts)
        for record in judgement.matches:
            self._matches.labels("made" if isinstance(record, MatchMade) else "undone").inc()
        for decision in judgement.decisions:
            self._acts.labels(decision.act, decision.outcome).inc()
        for report in judgement.discrepancies:
            self._reports.labels(report.discrepancy, report.state).inc()
        for asked in judgement.look_ups:
            self._look_ups.labels(asked.look_up).inc()

    def stands(
        self, *, lags: Mapping[Partition, int], unresolved: Mapping[str, int], outbox: int
    ) -> None:
        """How things stand now."""
        for partition, lag in lags.items():
            self._lag.labels(partition.topic, partition.partition).set(lag)
        self._unresolved.clear()
        for kind, count in unresolved.items():
            self._unresolved.labels(kind).set(count)
        self._outbox.set(outbox)


def _look_ups(registry: CollectorRegistry) -> Counter:
    return Counter(
        "tallystick_reconciler_look_ups",
        "what was asked for by name since its deadline had passed, by where one looks",
        ["look_up"],
        registry=registry,
    )

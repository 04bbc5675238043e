"""What the reconciler counts about itself."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.reconciler.shell.judge import Judgement
from shared.contracts.messages import MatchMade
from shared.runtime.kafka import Partition

KINDS: Final = "kind"


class Figures:
    """Counters and gauges; a registry of one's own keeps tests apart."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._records = Counter(
            "tallystick_reconciler_records_taken", "records that were new", registry=registry
        )
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

    def taken(self, records: int, *, parked: int) -> None:
        """A batch was taken."""
        self._records.inc(records)
        self._parked.inc(parked)

    def reread(self, records: int) -> None:
        """Records were read past Faust."""
        self._reread.inc(records)

    def judged(self, judgement: Judgement) -> None:
        """A book was judged."""
        self._open_facts.set(judgement.open_facts)
        for record in judgement.matches:
            self._matches.labels("made" if isinstance(record, MatchMade) else "undone").inc()
        for report in judgement.discrepancies:
            self._reports.labels(report.discrepancy, report.state).inc()

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

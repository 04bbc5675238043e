"""A counter that one thread alone counts in, as an event loop does.

The library's own takes a lock and asks twice whether it may be counted in; where each delivery is
counted by several labels that is more than making its headers.
"""

from collections.abc import Iterable, Sequence

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Counter(Collector):
    """Counts by the values of its labels."""

    def __init__(
        self,
        name: str,
        about: str,
        labels: Sequence[str] = (),
        *,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._counts: dict[tuple[str, ...], int] = {}
        registry.register(self)

    def inc(self, *values: str) -> None:
        """Count one more under these values, in the order of the labels."""
        counts = self._counts
        counts[values] = counts.get(values, 0) + 1

    def collect(self) -> Iterable[CounterMetricFamily]:
        """What a scrape is told."""
        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric(values, count)
        yield family

"""The metrics: named as operators expect, made once, and without labels that never end."""

from collections import Counter

import pytest

from shared.runtime.metrics import PREFIX
from tallystick.metrics_docs import Metric, metrics_of
from tests.support.tidy import ROOT

METRICS = [*metrics_of(ROOT / "services"), *metrics_of(ROOT / "shared")]
# What a label may not be: there are as many of these as there is traffic.
ENDLESS = frozenset(
    {"id", "event", "event_id", "object", "peer", "address", "path", "email", "url"}
)


def test_metrics_are_read_from_the_code() -> None:
    found = {metric.name: metric for metric in METRICS}
    assert found["tallystick_ingest_requests_total"].labels == ("endpoint", "outcome", "reason")
    assert found["tallystick_build_info"].labels == ("version",)
    assert "tallystick_projector_events_total" in found


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metric_is_named_in_base_units_and_bounded(metric: Metric) -> None:
    assert metric.name.startswith(PREFIX)
    assert not metric.name.endswith(("_ms", "_milliseconds", "_minutes", "_kb", "_mb"))
    assert not ENDLESS & set(metric.labels)
    assert metric.about


def test_metric_has_one_meaning() -> None:
    doubled = [name for name, count in Counter(m.name for m in METRICS).items() if count > 1]
    assert doubled == []

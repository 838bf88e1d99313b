"""The daemon's own metrics."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from sentinel.adapters.http.metrics import METRICS, Kind, PrometheusTelemetry
from sentinel.metric_names import MetricName


def text(telemetry: PrometheusTelemetry) -> str:
    return generate_latest(telemetry.registry).decode()


def test_counters_gauges_and_histograms_show() -> None:
    """What was counted, set and observed stands in the exposition under the prefix."""
    telemetry = PrometheusTelemetry()
    telemetry.count("decisions_total", action="undo", reason="CrashLoop")
    telemetry.count("decisions_total", 2, action="undo", reason="CrashLoop")
    telemetry.gauge("queue_depth", 7)
    telemetry.observe("undo_seconds", 0.03)
    shown = text(telemetry)
    assert 'sentinel_decisions_total{action="undo",reason="CrashLoop"} 3.0' in shown
    assert "sentinel_queue_depth 7.0" in shown
    assert 'sentinel_undo_seconds_bucket{le="0.05"} 1.0' in shown
    assert 'sentinel_undo_seconds_bucket{le="0.025"} 0.0' in shown


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_can_be_written(metric: object) -> None:
    """Each name of the table takes a value with its labels and is exposed with its help."""
    telemetry = PrometheusTelemetry()
    labels = dict.fromkeys(metric.labels, "x")  # type: ignore[attr-defined]
    name, kind = metric.name, metric.kind  # type: ignore[attr-defined]
    write = {
        Kind.COUNTER: telemetry.count,
        Kind.GAUGE: telemetry.gauge,
        Kind.HISTOGRAM: telemetry.observe,
        Kind.INFO: lambda name, _value, **labels: telemetry.info(name, **labels),
    }[kind]
    write(name, 1.0, **labels)
    assert f"# HELP sentinel_{name}" in text(telemetry)


def test_what_holds_now_replaces_what_held_before() -> None:
    """Of the digests of rule sets the one in force alone is shown."""
    telemetry = PrometheusTelemetry()
    telemetry.info("rules_info", digest="f00d")
    telemetry.info("rules_info", digest="new")
    assert 'sentinel_rules_info{digest="new"} 1.0' in text(telemetry)
    assert "f00d" not in text(telemetry)


def test_an_unknown_name_is_refused() -> None:
    """A metric that is not in the table is a mistake, not a new metric."""
    with pytest.raises(KeyError):
        PrometheusTelemetry().count("surprises_total")


def test_wrong_labels_are_refused() -> None:
    """A label that the metric does not have is a mistake."""
    with pytest.raises(ValueError, match=r"[Ll]abel"):
        PrometheusTelemetry().count("undo_total", colour="red")


def test_a_series_can_begin_before_there_is_anything_to_count() -> None:
    """Prometheus then sees its first increase."""
    telemetry = PrometheusTelemetry()
    telemetry.begin(MetricName.UNDO_TOTAL, outcome="done")
    telemetry.begin(MetricName.LEAD_TIME_SECONDS, workload_namespace="shop")
    assert 'sentinel_undo_total{outcome="done"} 0.0' in text(telemetry)
    assert 'sentinel_lead_time_seconds_bucket{le="60.0",workload_namespace="shop"} 0.0' in text(telemetry)

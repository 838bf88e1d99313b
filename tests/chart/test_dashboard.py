"""The Grafana dashboard and the alerts ask for metrics that there are, by labels that they have."""

import json
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from sentinel.adapters.http.metrics import METRICS, PREFIX, Kind
from tests.support.helm import CHART, Helm, only

SCRAPED = {"job", "namespace", "pod", "instance"}
OTHERS = {
    "up": set[str](),
    "process_resident_memory_bytes": set[str](),
    "kube_deployment_spec_paused": {"deployment"},
}


def series() -> dict[str, set[str]]:
    """Each series that the daemon exposes, with its labels."""
    found = dict(OTHERS)
    for metric in METRICS:
        name, labels = f"{PREFIX}_{metric.name}", set(metric.labels)
        if metric.kind is Kind.HISTOGRAM:
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            found[name] = labels
    return found


def selectors(node: Any) -> Iterator[tuple[str, set[str]]]:
    """Each series that an expression selects, with the labels that it matches."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, {matcher.name for matcher in node.matchers.matchers}
    for part in ("expr", "lhs", "rhs", "vector_selector", "args"):
        inner = getattr(node, part, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if each is not None:
                yield from selectors(each)


def grouping(node: Any) -> Iterator[str]:
    """The labels that an expression groups by."""
    modifier = getattr(node, "modifier", None)
    if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
        yield from modifier.labels
    for part in ("expr", "lhs", "rhs", "args"):
        inner = getattr(node, part, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if each is not None:
                yield from grouping(each)


def check(expression: str) -> int:
    """Assert that an expression's series and labels exist; how many series it selects."""
    known = series()
    tree = promql_parser.parse(expression)
    found = list(selectors(tree))
    for name, labels in found:
        assert name in known, f"{name} in {expression}"
        assert labels <= known[name] | SCRAPED, f"{labels} of {name} in {expression}"
    assert set(grouping(tree)) <= SCRAPED.union(*(known[name] for name, _ in found)), expression
    return len(found)


DASHBOARDS = {
    "rollback-sentinel.json": "dashboard.json",
    "rollback-sentinel-dora.json": "dora-dashboard.json",
}
"""The chart's files by their names in the ConfigMap."""


def dashboard(name: str) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    loaded: dict[str, Any] = json.loads((CHART / "files" / name).read_text())
    return loaded


@pytest.mark.parametrize("name", DASHBOARDS.values())
def test_the_dashboards_ask_for_metrics_that_there_are(name: str) -> None:
    """Every expression of every panel."""
    for panel in dashboard(name)["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5m").replace("[$window]", "[7d]")
            assert check(expression) > 0, panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS.values())
def test_panels_do_not_overlap(name: str) -> None:
    """Each cell of the grid belongs to one panel, and ids are unique."""
    taken: dict[tuple[int, int], str] = {}
    panels = dashboard(name)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} and {taken.get((x, y))}"
                taken[x, y] = panel["title"]
                assert x < 24


def test_the_configmap_carries_the_dashboards(helm: Helm) -> None:
    """With the label by which Grafana's sidecar finds it, in the namespace that the values name."""
    values = {"metrics": {"dashboard": {"enabled": True, "namespace": "monitoring"}}}
    found = only(helm.template(values), "ConfigMap", "-dashboard")
    assert found["metadata"]["namespace"] == "monitoring"
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    carried = {key: json.loads(text) for key, text in found["data"].items()}
    assert carried == {key: dashboard(name) for key, name in DASHBOARDS.items()}


def test_the_recording_rules_ask_for_metrics_that_there_are(helm: Helm) -> None:
    """Four figures for each window that the values name."""
    values = {"metrics": {"doraRules": {"enabled": True, "windows": ["7d", "30d"]}}}
    (group,) = only(helm.template(values), "PrometheusRule", "-dora")["spec"]["groups"]
    assert [rule["record"] for rule in group["rules"]] == [
        f"workload_namespace:sentinel_{name}{window}"
        for window in ("7d", "30d")
        for name in (
            "deployments:increase",
            "change_failures:ratio",
            "lead_time_seconds:median",
            "time_to_restore_seconds:median",
        )
    ]
    assert all(check(rule["expr"]) > 0 for rule in group["rules"])


@pytest.mark.parametrize("heartbeat", [True, False])
def test_the_alerts_ask_for_metrics_that_there_are(helm: Helm, heartbeat: bool) -> None:
    """Every expression of the PrometheusRule, with and without the heartbeat."""
    values = {"metrics": {"prometheusRule": {"enabled": True, "heartbeat": heartbeat}}}
    (group,) = only(helm.template(values), "PrometheusRule")["spec"]["groups"]
    for rule in group["rules"]:
        assert check(rule["expr"]) > 0, rule["alert"]
    assert ("RollbackSentinelHeartbeat" in {rule["alert"] for rule in group["rules"]}) is heartbeat

"""The library of metric families."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel.domain.policy.rules import Arms, CountQuery, ErrorRateRule, HistogramQuery, LatencyRule
from sentinel.policies.load import restore
from sentinel.policies.mistakes import InputError
from sentinel.policies.presets import PRESETS, preset_of
from sentinel.policies.schema.described import json_schema

DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "rules-presets.md").read_text()
WITH_HISTOGRAM = sorted(name for name, preset in PRESETS.items() if preset.histogram)


def rule(**kind: dict[str, object]) -> ErrorRateRule | LatencyRule:
    """The rule that a document with this one kind of rule means."""
    document = {
        "apiVersion": "rollback-sentinel.dev/v1",
        "kind": "RolloutPolicy",
        "metadata": {"name": "shop"},
        "spec": {"match": {}, "rules": [{"name": "one", **kind}]},
    }
    found = restore(document).rules[0]
    assert isinstance(found, ErrorRateRule | LatencyRule)
    return found


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_fills_in_its_counters(name: str) -> None:
    """A preset alone gives the system's selectors, each of which passes the checks of one that was written out."""
    preset = PRESETS[name]

    query = rule(errorRate={"preset": name, "max": "5%"}).query

    assert query == CountQuery(preset.source, preset.total, preset.errors, Arms(version_label=preset.arms))


@pytest.mark.parametrize("name", WITH_HISTOGRAM)
def test_a_preset_fills_in_its_histogram(name: str) -> None:
    """Latencies come in seconds, whatever the system's unit."""
    preset = PRESETS[name]

    query = rule(latency={"preset": name, "p99": "1s"}).query

    assert preset.histogram is not None
    milliseconds = preset.unit == "1ms"
    arms = Arms(version_label=preset.arms)
    assert query == HistogramQuery("prometheus", preset.histogram, arms, 0.001 if milliseconds else 1.0)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_names_its_origin(name: str) -> None:
    """Where the names are written down is part of the library."""
    assert all("/" in origin for origin in PRESETS[name].origin)
    assert PRESETS[name].origin


def test_a_field_may_be_overridden() -> None:
    """What the rule itself says goes before the preset, field by field."""
    own = 'http_requests_total{namespace="$namespace", status=~"5.."}'

    query = rule(errorRate={"preset": "prometheus-http", "prometheus": {"errors": own}, "max": "5%"}).query

    assert query == CountQuery("prometheus", PRESETS["prometheus-http"].total, own)


def test_another_way_to_tell_the_arms_replaces_the_presets() -> None:
    """A pod label beside a preset that tells arms by a version label is no contradiction."""
    query = rule(latency={"preset": "traefik", "prometheus": {"podLabel": "backend"}, "mean": "1s"}).query

    assert query.arms == Arms(pod_label="backend")


def test_datadog_has_no_latency() -> None:
    """A latency by Datadog's traces is refused, with what to use instead."""
    with pytest.raises(InputError) as refusal:
        preset_of("datadog-apm").latencies()

    assert "query rule" in refusal.value.hint


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_documented(name: str) -> None:
    """The documentation shows a preset's selectors as they are, and where its names come from."""
    preset = PRESETS[name]
    _, _, section = DOCUMENTATION.partition(f"\n## {name}\n")
    section = section.partition("\n## ")[0]

    assert all(text in section for text in (preset.total, preset.errors, *preset.origin))


def test_the_json_schema_lists_the_presets() -> None:
    """An editor offers every preset, and asks for no field that a preset fills in."""
    definitions = json_schema()["$defs"]
    assert isinstance(definitions, dict)

    preset = definitions["ErrorRateSpec"]["properties"]["preset"]
    assert sorted(preset["anyOf"][0]["enum"]) == sorted(PRESETS)
    assert "required" not in definitions["PrometheusCounts"]


def test_a_presets_selectors_take_the_namespaces_label() -> None:
    """Beside a preset, `namespaceLabel` says where its selectors look for the namespace."""
    own = {"namespaceLabel": "kubernetes_namespace", "podLabel": "kubernetes_pod_name"}

    query = rule(errorRate={"preset": "prometheus-http", "prometheus": own, "max": "5%"}).query

    assert query == CountQuery(
        "prometheus",
        'http_requests_total{kubernetes_namespace="$namespace"}',
        'http_requests_total{kubernetes_namespace="$namespace", code=~"5.."}',
        Arms("kubernetes_pod_name", namespace_label="kubernetes_namespace"),
    )


@pytest.mark.parametrize(
    ("selector", "more", "label"),
    [
        ('r{k8s_ns="$namespace"}', {}, "k8s_ns"),
        ('r{k8s_ns="$namespace"}', {"namespaceLabel": "other"}, "other"),
        ('r{k8s_ns="$namespace", ns="$namespace"}', {}, "namespace"),
        ('r{k8s_ns=~"$namespace|all"}', {}, "namespace"),
        ("r", {}, "namespace"),
    ],
)
def test_the_namespaces_label_is_the_one_held_against_it(
    selector: str, more: dict[str, str], label: str
) -> None:
    """Unless the rule says it: the one label that its selector wants to be the workload's namespace."""
    counts = {"total": selector, "errors": "failures", **more}
    histogram = {"histogram": selector, **more}

    by_count = rule(errorRate={"prometheus": counts, "max": "5%"}).query.arms
    by_histogram = rule(latency={"prometheus": histogram, "mean": "1s"}).query.arms

    assert (by_count.namespace_label, by_histogram.namespace_label) == (label, label)


def test_datadogs_namespace_tag_is_the_one_held_against_it() -> None:
    """A scope's tag that must be the workload's namespace names it in the answer as well."""
    scope = "{env:prod,k8s.namespace:$namespace}"
    counts = {"total": f"sum:hits{scope}", "errors": f"sum:errors{scope}"}

    assert rule(errorRate={"datadog": counts, "max": "5%"}).query.arms.namespace_label == "k8s.namespace"

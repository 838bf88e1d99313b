"""Rollouts without kube-state-metrics: by the names of pods in the rules' metrics."""

from datetime import timedelta

from sentinel.app.rehearsal.byname import queries, replicas_of, samples_of
from sentinel.app.rehearsal.discovery import rollouts_in
from sentinel.app.rehearsal.history import RangeSeries
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import Arms, CountQuery, ErrorRateRule, HistogramQuery, LatencyRule
from tests.app.rehearsal.results import T0

WEB = ("shop", "web")


def pod(name: str, begin: int, end: int) -> RangeSeries:
    """A pod that was there from one minute to another."""
    return RangeSeries(
        {"pod": name}, tuple((T0 + timedelta(minutes=minute), 1.0) for minute in range(begin, end))
    )


def test_each_metric_is_asked_for_its_pods_under_its_own_label() -> None:
    """In the workload's namespace alone; errors without requests name no pod, versions are no pods."""
    counts = CountQuery("prometheus", "total", "errors")
    labels = Arms("kubernetes_pod_name", namespace_label="kubernetes_namespace")
    renamed = HistogramQuery("prometheus", "h", labels)
    version = CountQuery("prometheus", "x", "y", Arms(version_label="version"))
    rules = (
        ErrorRateRule("a", counts, 0.1),
        LatencyRule("b", renamed, 1.0),
        ErrorRateRule("c", version, 0.1),
    )
    assert queries([Policy("p", "d", rules=rules)], WEB) == (
        'count by (pod) (total{namespace="shop"})',
        'label_replace(count by (kubernetes_pod_name) (h_count{kubernetes_namespace="shop"}), "pod", "$1", '
        '"kubernetes_pod_name", "(.*)")',
    )


def test_pods_of_a_new_hash_are_a_rollout() -> None:
    """The hash stands in the pod's name."""
    pods = [
        pod("web-old1-a", 0, 30),
        pod("web-old1-b", 0, 31),
        pod("web-new1-c", 29, 60),
        pod("web-new1-d", 30, 60),
    ]
    (rollout,) = rollouts_in(replicas_of(pods, WEB), {}, T0 + timedelta(hours=1))
    assert (rollout.candidate, rollout.stable) == ("new1", "old1")


def test_a_pod_is_ready_while_its_series_are_there() -> None:
    """Nothing else is known of it."""
    samples = samples_of([pod("web-new1-c", 3, 5)])
    assert samples.series["ready"][0].points == samples.series["owner"][0].points
    assert samples.series["owner"][0].labels["owner_name"] == "web-new1"

"""Past rollouts without kube-state-metrics: pods are told apart by their names in the rules' own metrics.

A pod of a Deployment is named `<deployment>-<pod template hash>-<suffix>`. Its series say when it was there, and it is
taken as ready while they do; restarts and crashes are not known.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sentinel.adapters.prometheus.series.selectors import COUNT, histogram_series, narrowed
from sentinel.app.rehearsal.history import MetricHistory, RangeSeries
from sentinel.app.rehearsal.recorded import Samples
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import PROMETHEUS, CountQuery, ErrorRateRule, LatencyRule
from sentinel.engine.arms.selector import label_name
from sentinel.engine.arms.variables import render

_SUFFIX = r"-(?P<hash>[a-z0-9]{1,12})-[a-z0-9]{1,12}"


async def read_pods(
    history: MetricHistory,
    policies: Iterable[Policy],
    workload: tuple[str, str],
    since: datetime,
    until: datetime,
    step: timedelta,
) -> tuple[RangeSeries, ...]:
    """One series for each pod of a Deployment, while any metric of the rules has it. Raises SourceError."""
    asked = await asyncio.gather(
        *(history.range(query, since, until, step) for query in queries(policies, workload))
    )
    pattern = re.compile(re.escape(workload[1]) + _SUFFIX)
    times: dict[str, set[datetime]] = {}
    for one in (series for several in asked for series in several):
        pod = one.labels.get("pod", "")
        if pattern.fullmatch(pod):
            times.setdefault(pod, set()).update(at for at, _ in one.points)
    return tuple(
        RangeSeries({"pod": pod}, tuple((at, 1.0) for at in sorted(found))) for pod, found in times.items()
    )


def queries(policies: Iterable[Policy], workload: tuple[str, str]) -> tuple[str, ...]:
    """A question for the pods of a namespace to each metric that the policies count requests by."""
    found: dict[str, None] = {}
    for rule in (rule for policy in policies for rule in policy.rules):
        if not isinstance(rule, ErrorRateRule | LatencyRule) or rule.query.arms.version_label:
            continue
        if rule.query.source != PROMETHEUS:
            continue
        variables = {"namespace": workload[0], "workload": workload[1], "kind": "Deployment"}
        if isinstance(rule.query, CountQuery):
            selector = render(rule.query.total, variables)
        else:
            selector = histogram_series(render(rule.query.histogram, variables), COUNT)
        label, place = rule.query.arms.pod_label, rule.query.arms.namespace_label
        selector = narrowed(selector, (place, "=", workload[0]))
        counted = f"count by ({label_name(label)}) ({selector})"
        renamed = f'label_replace({counted}, "pod", "$1", "{label}", "(.*)")'
        found[counted if label == "pod" else renamed] = None
    return tuple(found)


def replicas_of(pods: Sequence[RangeSeries], workload: tuple[str, str]) -> tuple[RangeSeries, ...]:
    """How many pods each revision had, in the form of kube-state-metrics' ReplicaSets."""
    counts: dict[str, Counter[datetime]] = {}
    for pod in pods:
        counts.setdefault(set_of(pod.labels["pod"]), Counter()).update(at for at, _ in pod.points)
    return tuple(
        RangeSeries(
            {"namespace": workload[0], "owner_name": workload[1], "replicaset": name},
            tuple((at, float(count[at])) for at in sorted(count)),
        )
        for name, count in counts.items()
    )


def samples_of(pods: Sequence[RangeSeries]) -> Samples:
    """The pods' series as kube-state-metrics would have shown them."""
    owner = tuple(
        RangeSeries({"pod": pod.labels["pod"], "owner_name": set_of(pod.labels["pod"])}, pod.points)
        for pod in pods
    )
    phase = tuple(RangeSeries({"pod": pod.labels["pod"], "phase": "Running"}, pod.points) for pod in pods)
    return Samples({"owner": owner, "ready": tuple(pods), "phase": phase})


def set_of(pod: str) -> str:
    """The ReplicaSet's name in a pod's."""
    return pod.rpartition("-")[0]

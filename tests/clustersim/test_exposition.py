"""The metrics endpoints, read back by prometheus-client's parser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from clustersim.cluster import SimulatedCluster
from clustersim.metrics.exposition import render
from clustersim.metrics.requests import Quality


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    """Two ready pods under even traffic, with errors."""
    async with SimulatedCluster() as running:
        running.deploy("api", "app:v1", 2)
        running.serve("app:v1", Quality(errors=0.5))
        await asyncio.sleep(10)
        running.offer("api", 10, arrivals="even")
        await asyncio.sleep(100)
        yield running


async def read(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    async with ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_one_target_carries_all_pods(cluster: SimulatedCluster) -> None:
    """Counters by namespace, pod and code add up to what was offered."""
    samples = await read(f"{cluster.metrics_url}/metrics")
    requests = {labels: v for (name, labels), v in samples.items() if name == "http_requests_total"}
    assert {key for labels in requests for key, _ in labels} == {"namespace", "pod", "code"}
    assert {dict(labels)["code"] for labels in requests} == {"200", "500"}
    assert sum(requests.values()) == pytest.approx(1000, abs=1)


async def test_the_histogram_is_cumulative_and_complete(cluster: SimulatedCluster) -> None:
    """Buckets grow with their bound, and the last one is the count."""
    samples = await read(f"{cluster.metrics_url}/metrics")
    pod = cluster.pods("api")[0]["metadata"]["name"]
    base = {"namespace": "default", "pod": pod}
    name = "http_request_duration_seconds"
    buckets = {
        float(dict(labels)["le"]): value
        for (sample, labels), value in samples.items()
        if sample == f"{name}_bucket" and dict(labels)["pod"] == pod
    }
    ordered = [buckets[bound] for bound in sorted(buckets)]
    assert ordered == sorted(ordered)
    assert ordered[-1] == samples[f"{name}_count", tuple(sorted(base.items()))]


async def test_each_pod_has_a_path_of_its_own(cluster: SimulatedCluster) -> None:
    """Service discovery lists the pods; each path gives that pod's series without the two labels."""
    async with ClientSession() as session, session.get(f"{cluster.metrics_url}/http_sd") as response:
        groups: list[dict[str, Any]] = await response.json()
    assert {group["labels"]["pod"] for group in groups} == {
        pod["metadata"]["name"] for pod in cluster.pods("api")
    }
    for group in groups:
        assert cluster.metrics_url == f"http://{group['targets'][0]}"
        samples = await read(cluster.metrics_url + group["labels"]["__metrics_path__"])
        assert ("http_requests_total", (("code", "200"),)) in samples


async def test_a_pod_that_does_not_run_answers_503(cluster: SimulatedCluster) -> None:
    """As a target that is down."""
    url = f"{cluster.metrics_url}/pods/default/nobody/metrics"
    async with ClientSession() as session, session.get(url) as response:
        assert response.status == 503


async def test_paused_deployments_show_in_the_state_metrics(cluster: SimulatedCluster) -> None:
    """What an alert on a forgotten pause looks at."""
    cluster.pause("api")
    samples = await read(f"{cluster.metrics_url}/kube-state-metrics/metrics")
    labels = (("deployment", "api"), ("namespace", "default"))
    assert samples["kube_deployment_spec_paused", labels] == 1


def test_label_values_are_escaped() -> None:
    """Quotes, backslashes and line ends survive the text format."""
    wild = 'a"b\\c\nd'
    text = render([("http_requests_total", {"pod": wild}, 1.0)])
    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].labels == {"pod": wild}

"""Jobs in the simulated cluster, with the lives that its kubelets give their pods."""

from __future__ import annotations

import asyncio
from typing import Any

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.node.behaviour import Behaviour, failing, hanging
from clustersim.storage.resources import EVENTS, JOBS, PODS

QUIET = ClusterOptions(serve=False)


def make(cluster: SimulatedCluster, restart: str = "Never", **spec: Any) -> None:
    """A Job of one pod."""
    pod = {"restartPolicy": restart, "containers": [{"name": "main", "image": "smoke:1"}]}
    body = {
        "metadata": {"name": "smoke", "namespace": "default"},
        "spec": {"template": {"spec": pod}, **spec},
    }
    cluster.store.create(JOBS, body)


def ended(cluster: SimulatedCluster) -> str:
    """The last condition of the Job and its reason."""
    status = cluster.store.get(JOBS, "default", "smoke").get("status") or {}
    conditions = status.get("conditions") or [{"type": "", "reason": ""}]
    return f"{conditions[-1]['type']} {conditions[-1]['reason']}".strip()


def phases(cluster: SimulatedCluster) -> list[str]:
    """The phases of its pods."""
    return [pod["status"]["phase"] for pod in cluster.store.list(PODS, "default")]


async def test_a_pod_that_is_not_restarted_ends_well_by_itself() -> None:
    """Two seconds after it began to run; the Job is complete."""
    async with SimulatedCluster(options=QUIET) as cluster:
        make(cluster)
        await asyncio.sleep(2)
        assert (phases(cluster), ended(cluster)) == (["Running"], "")
        await asyncio.sleep(2)
        assert (phases(cluster), ended(cluster)) == (["Succeeded"], "Complete CompletionsReached")


async def test_a_failing_pod_is_replaced_until_the_limit() -> None:
    """Ten seconds later, then twenty: three pods for two tries more."""
    async with SimulatedCluster(options=QUIET, behaviours={"smoke:*": failing()}) as cluster:
        make(cluster, backoffLimit=2)
        await asyncio.sleep(10)
        assert phases(cluster) == ["Failed"]
        await asyncio.sleep(50)
        assert (phases(cluster), ended(cluster)) == (["Failed"] * 3, "Failed BackoffLimitExceeded")
        reasons = [event["reason"] for event in cluster.store.list(EVENTS, "default")]
        assert reasons.count("SuccessfulCreate") == 3


async def test_a_pod_that_is_restarted_on_failure_stays_one_pod() -> None:
    """It fails twice, then ends well."""
    twice = Behaviour(crash_after=1.0, crashes=2)
    async with SimulatedCluster(options=QUIET, behaviours={"smoke:*": twice}) as cluster:
        make(cluster, "OnFailure", backoffLimit=4)
        await asyncio.sleep(60)
        assert (phases(cluster), ended(cluster)) == (["Succeeded"], "Complete CompletionsReached")


async def test_a_hanging_job_is_ended_by_its_deadline() -> None:
    """Its pod is deleted first."""
    async with SimulatedCluster(options=QUIET, behaviours={"smoke:*": hanging()}) as cluster:
        make(cluster, activeDeadlineSeconds=30)
        await asyncio.sleep(29)
        assert (phases(cluster), ended(cluster)) == (["Running"], "")
        await asyncio.sleep(5)
        assert (phases(cluster), ended(cluster)) == ([], "Failed DeadlineExceeded")


async def test_a_job_runs_as_many_pods_at_once_as_it_asks_for() -> None:
    """Three to complete, two at a time."""
    async with SimulatedCluster(options=QUIET) as cluster:
        make(cluster, completions=3, parallelism=2)
        await asyncio.sleep(2)
        assert phases(cluster) == ["Running"] * 2
        await asyncio.sleep(5)
        assert (phases(cluster), ended(cluster)) == (["Succeeded"] * 3, "Complete CompletionsReached")

"""Jobs of gates: what is made of a policy's template, how a Job is read, and whose is taken away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.node.behaviour import failing, hanging
from clustersim.storage.resources import JOBS, PODS
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.coordination.jobs import KubernetesJobs, job_of
from sentinel.adapters.kubernetes.custom.records import KubernetesRecordStore
from sentinel.domain.errors import ClusterError, InvalidObjectError
from sentinel.domain.gate import JobGate, JobPhase, JobState
from sentinel.domain.record.record import Record
from tests.adapters.kubernetes.worlds import record

OURS: Record = replace(record(), uid="4c1d8a3e-0000-4000-8000-000000000001")
CONTAINER = {"name": "main", "image": "smoke:1"}


def gate(*containers: dict[str, Any], within: int = 60, pod: Any = None, **spec: Any) -> JobGate:
    """A gate with a Job of these containers."""
    pod_spec = {"containers": list(containers) or [CONTAINER], **(pod or {})}
    template = {"spec": {**spec, "template": {"spec": pod_spec}}}
    return JobGate("smoke", template, timedelta(seconds=within))


class Bench:
    """The adapter under test and a record that owns the Jobs."""

    def __init__(self, jobs: KubernetesJobs, records: KubernetesRecordStore, record: Record) -> None:
        self.jobs = jobs
        self.records = records
        self.record = record

    async def run(
        self,
        name: str = "smoke-1",
        *,
        made: bool = False,
        of: JobGate | None = None,
        by: Record | None = None,
    ) -> JobState:
        return await self.jobs.run(of or gate(), by or self.record, name, made=made)

    async def seen(self) -> tuple[JobPhase, str]:
        """Where the Job that was made stands."""
        state = await self.run(made=True)
        return state.phase, state.message


@pytest.fixture
async def bench(client: ApiClient) -> Bench:
    """Its record is in the cluster: the Jobs of one that is not would be collected."""
    records = KubernetesRecordStore(client)
    return Bench(KubernetesJobs(client), records, await records.create(record()))


def test_a_job_is_tied_to_the_record_and_bounded() -> None:
    """Owned by it, so that it goes with it; ended by Kubernetes itself; one failure is the answer."""
    job = job_of(gate(), OURS, "smoke-1")
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("RolloutRecord", OURS.name, OURS.uid)
    assert "blockOwnerDeletion" not in owner
    spec = job["spec"]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"]) == (60, 0)
    assert spec["ttlSecondsAfterFinished"] == 86400
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "Ignore"
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["automountServiceAccountToken"]) == ("Never", False)
    labels = job["metadata"]["labels"]
    assert labels["rollback-sentinel.dev/workload"] == OURS.key.name
    assert spec["template"]["metadata"]["labels"] == labels


def test_what_the_template_says_stays() -> None:
    """But for a deadline that is longer than the gate has time."""
    given = gate(
        activeDeadlineSeconds=600,
        backoffLimit=2,
        ttlSecondsAfterFinished=60,
        pod={"restartPolicy": "OnFailure", "automountServiceAccountToken": True, "serviceAccountName": "x"},
    )
    spec = job_of(given, OURS, "smoke-1")["spec"]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"]) == (60, 2)
    assert spec["ttlSecondsAfterFinished"] == 60
    assert "podFailurePolicy" not in spec
    assert spec["template"]["spec"]["automountServiceAccountToken"] is True
    assert spec["template"]["spec"]["serviceAccountName"] == "x"


def test_every_container_is_told_of_the_rollout() -> None:
    """Before its own variables, which may refer to ours and win over them."""
    own = [{"name": "URL", "value": "http://$(ROLLOUT_WORKLOAD)"}, {"name": "ROLLOUT_STEP", "value": "x"}]
    given = gate({**CONTAINER, "env": own}, pod={"initContainers": [CONTAINER]})
    pod = job_of(given, OURS, "smoke-1")["spec"]["template"]["spec"]
    told = {each["name"]: each["value"] for each in pod["initContainers"][0]["env"]}
    assert told["ROLLOUT_NAMESPACE"] == OURS.key.namespace
    assert (told["ROLLOUT_KIND"], told["ROLLOUT_WORKLOAD"]) == ("Deployment", OURS.key.name)
    assert (told["ROLLOUT_STEP"], told["ROLLOUT_RECORD"]) == ("1", OURS.name)
    env = pod["containers"][0]["env"]
    assert env[-2:] == own
    assert len({each["name"] for each in env}) == len(env)


def test_the_template_itself_is_left_as_it_is() -> None:
    """It is the policy's, and is used again."""
    given = gate({**CONTAINER, "env": [{"name": "A", "value": "b"}]})
    before = repr(given)
    job_of(given, OURS, "smoke-1")
    assert repr(given) == before


async def test_a_job_is_made_once_and_then_found(bench: Bench, cluster: SimulatedCluster) -> None:
    """Asked again, also by one that does not know of it, it is looked at."""
    first = await bench.run()
    assert (first.phase, first.made) == (JobPhase.RUNNING, True)
    again = await bench.run()
    assert (again.phase, again.made) == (JobPhase.RUNNING, False)
    assert len(cluster.store.list(JOBS)) == 1


async def test_how_a_job_ended_is_told_by_its_conditions(bench: Bench, cluster: SimulatedCluster) -> None:
    """Success, failure, and the deadline, each with what the controller says; until then, its pods."""
    await bench.run()
    await asyncio.sleep(2.5)
    assert await bench.seen() == (JobPhase.RUNNING, "pods: 1 active, 1 ready")
    await asyncio.sleep(5)
    done = "CompletionsReached: Reached expected number of succeeded pods"
    assert await bench.seen() == (JobPhase.SUCCEEDED, done)


async def test_a_job_that_failed_says_why(bench: Bench, cluster: SimulatedCluster) -> None:
    """Too often, or for too long."""
    cluster.behave("smoke:1", failing())
    await bench.run()
    await asyncio.sleep(10)
    told = "BackoffLimitExceeded: Job has reached the specified backoff limit"
    assert await bench.seen() == (JobPhase.FAILED, told)
    cluster.behave("smoke:1", hanging())
    late = await bench.run("smoke-2", of=gate(within=5))
    assert late.phase is JobPhase.RUNNING
    await asyncio.sleep(10)
    late = await bench.run("smoke-2", of=gate(within=5), made=True)
    assert late.phase is JobPhase.TIMED_OUT
    assert late.message.startswith("DeadlineExceeded")


async def test_a_job_that_was_deleted_is_not_made_again(bench: Bench, cluster: SimulatedCluster) -> None:
    """Neither when it is gone nor while it goes."""
    await bench.run()
    cluster.store.delete(JOBS, "default", "smoke-1", propagation="Foreground")
    assert (await bench.seen())[0] is JobPhase.GONE
    await asyncio.sleep(60)
    assert (await bench.seen())[0] is JobPhase.GONE
    assert cluster.store.list(JOBS) == []


async def test_anothers_job_of_that_name_is_neither_ours_nor_deleted(
    bench: Bench, cluster: SimulatedCluster
) -> None:
    """It belongs to another rollout, or to nobody."""
    theirs = await bench.records.create(record("web-2"))
    await bench.run(by=theirs)
    with pytest.raises(ClusterError, match="belongs to something else") as refusal:
        await bench.run()
    assert (refusal.value.reason, refusal.value.retryable) == ("NotOurs", False)
    assert await bench.jobs.remove(bench.record, "smoke-1") is False
    assert len(cluster.store.list(JOBS)) == 1


async def test_a_job_is_taken_away_with_its_pods(bench: Bench, cluster: SimulatedCluster) -> None:
    """And once; one that is not there is fine."""
    await bench.run()
    await asyncio.sleep(2.5)
    assert await bench.jobs.remove(bench.record, "smoke-1") is True
    await asyncio.sleep(40)
    assert (cluster.store.list(JOBS), cluster.store.list(PODS)) == ([], [])
    assert await bench.jobs.remove(bench.record, "smoke-1") is False


async def test_a_template_with_a_field_that_there_is_not_is_refused(bench: Bench) -> None:
    """By its path: it is not dropped without a word."""
    with pytest.raises(
        ClusterError, match=r'unknown field "spec.template.spec.containers\[0\].imagePull"'
    ) as no:
        await bench.run(of=gate({**CONTAINER, "imagePull": "Always"}))
    assert not no.value.retryable


async def test_a_job_that_is_invalid_is_refused(bench: Bench) -> None:
    """With the field's name."""
    with pytest.raises(InvalidObjectError, match="image: Required value"):
        await bench.run(of=gate({"name": "main"}))


async def test_a_job_goes_with_its_record(bench: Bench, cluster: SimulatedCluster) -> None:
    """By Kubernetes' garbage collector."""
    await bench.run()
    await bench.records.delete(bench.record)
    await asyncio.sleep(60)
    assert (cluster.store.list(JOBS), cluster.store.list(PODS)) == ([], [])

"""Stories of a step that waits for a Job: smoke tests that succeed, fail, hang, and are overtaken by events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from clustersim.node.behaviour import Behaviour, crash_loop, failing, hanging
from clustersim.storage.resources import JOBS, PODS
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.stories.test_freeze import switch
from tests.support.account import let_run_jobs
from tests.support.world import CANARY_POLICY, NAMESPACE, World, actions, decision, world

ALLOWED = {"SENTINEL_GATES__JOBS__ENABLED": "true"}
TEMPLATE = "{spec: {template: {spec: {containers: [{name: main, image: 'smoke:1'}]}}}}"
LONG = Behaviour(ends_after=60.0)


def policy(more: str = "", template: str = TEMPLATE) -> str:
    """The canary policy with a Job as the gate of its first step."""
    gate = f"gates: [{{name: smoke, job: {{within: 2m, template: {template}}}{more}}}]"
    return CANARY_POLICY.replace("{weight: 10%, bake: 1m}", f"{{weight: 10%, bake: 1m, {gate}}}")


@pytest.fixture
async def gated(tmp_path: Path) -> AsyncIterator[World]:
    """A release that a Job must agree to."""
    async with world(tmp_path, policy(), **ALLOWED) as here:
        let_run_jobs(here.cluster)
        yield here


async def released(here: World, smoke: Behaviour | None = None) -> None:
    """A new image, whose smoke test behaves so."""
    if smoke is not None:
        here.cluster.behave("smoke:1", smoke)
    await at_rest(here)
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)


def jobs(here: World) -> list[dict[str, Any]]:
    return here.cluster.store.list(JOBS, NAMESPACE)


def smoke_pods(here: World) -> list[dict[str, Any]]:
    """The pods of Jobs that are not on their way out."""
    pods = here.cluster.store.list(PODS, NAMESPACE, lambda pod: "job-name" in pod["metadata"]["labels"])
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


async def running(here: World) -> dict[str, Any]:
    """The one Job, once its pod runs."""
    await here.until(lambda: any(p["status"]["phase"] == "Running" for p in smoke_pods(here)), within=300)
    (job,) = jobs(here)
    return job


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """What the container of a pod is told."""
    return {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}


async def test_a_release_goes_on_when_its_job_succeeds(gated: World) -> None:
    """One Job, owned by the rollout's record, told what it tests; the release is promoted as any other."""
    await released(gated)
    record = await gated.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    (job,), (pod,) = jobs(gated), smoke_pods(gated)
    (owner,) = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("RolloutRecord", record.name, record.uid)
    told = environment(pod)
    assert (told["ROLLOUT_WORKLOAD"], told["ROLLOUT_IMAGE"], told["ROLLOUT_STEP"]) == ("web", "web:2", "1")
    assert told["ROLLOUT_REVISION"] == record.candidate.hash
    assert pod["spec"]["automountServiceAccountToken"] is False


async def test_the_step_waits_while_its_job_runs(gated: World) -> None:
    """And says for which, and how far it is."""
    await released(gated, LONG)
    job = await running(gated)
    await gated.until(lambda: "1 ready" in str(gated.record(image="web:2")))
    record = gated.record(image="web:2")
    assert record is not None
    assert (record.state.progress.step, record.state.reason) == (0, "AwaitingGates")
    assert job["metadata"]["name"] in record.state.message
    await gated.phase(Phase.PROMOTED, image="web:2")


async def test_a_job_that_fails_holds_the_release(gated: World) -> None:
    """At once, with the Job's name and what its controller says; a human's word has another one run."""
    await released(gated, failing())
    record = await gated.phase(Phase.HELD, image="web:2", within=300)
    held = decision(record, Action.HOLD)
    assert (held.reason, held.rule, held.escalated) == ("GateFailed", "smoke", True)
    (failed,) = jobs(gated)
    assert failed["metadata"]["name"] in held.message
    assert held.cause.job == failed["metadata"]["name"]
    assert "Job has reached the specified backoff limit" in held.message
    assert gated.pods_of("web:2") == 1
    gated.cluster.behave("smoke:1", Behaviour())
    gated.command("resume")
    await gated.phase(Phase.PROMOTED, image="web:2")
    assert len(jobs(gated)) == 2


async def test_a_job_that_fails_undoes_the_release_where_the_policy_says_so(tmp_path: Path) -> None:
    """The old image is back; the Job stays, for its log."""
    async with world(tmp_path, policy(", onFailure: undo"), **ALLOWED) as here:
        let_run_jobs(here.cluster)
        await released(here, failing())
        record = await here.phase(Phase.UNDONE, image="web:2", within=300)
        assert (decision(record, Action.UNDO).rule, decision(record, Action.UNDO).reason) == (
            "smoke",
            "GateFailed",
        )
        assert here.image() == "web:1"
        assert len(jobs(here)) == 1


async def test_a_job_that_hangs_holds_the_release_and_never_undoes_it(tmp_path: Path) -> None:
    """By a reason of its own: what did not end has proven nothing. Kubernetes has stopped it by its deadline."""
    async with world(tmp_path, policy(", onFailure: undo"), **ALLOWED) as here:
        let_run_jobs(here.cluster)
        await released(here, hanging())
        record = await here.phase(Phase.HELD, image="web:2", within=400)
        held = decision(record, Action.HOLD)
        assert (held.reason, held.escalated) == ("GateTimeout", True)
        assert "DeadlineExceeded" in held.message
        assert smoke_pods(here) == []


async def test_a_restarted_daemon_finds_the_job_that_runs(gated: World) -> None:
    """It makes no second one, and its end counts."""
    await released(gated, LONG)
    await running(gated)
    await gated.restart()
    await gated.phase(Phase.PROMOTED, image="web:2")
    assert len(jobs(gated)) == 1


async def test_a_job_that_ends_while_no_daemon_runs_counts(gated: World) -> None:
    """Even past its time: what it says of itself is asked before anything is decided."""
    await released(gated, LONG)
    await running(gated)
    await gated.stop()
    await gated.until(lambda: smoke_pods(gated)[0]["status"]["phase"] == "Succeeded", within=90)
    here_for_long = gated.cluster.now()
    await gated.until(lambda: (gated.cluster.now() - here_for_long).total_seconds() > 240, within=300)
    await gated.start()
    record = await gated.phase(Phase.PROMOTED, image="web:2")
    assert Action.HOLD not in [entry.action for entry in record.decisions]


async def test_an_undo_takes_the_job_away(gated: World) -> None:
    """Nobody waits for it any more; its pod goes with it."""
    await released(gated, LONG)
    await running(gated)
    gated.cluster.behave("web:2", crash_loop())
    await gated.phase(Phase.UNDONE, image="web:2", within=50)
    await gated.until(lambda: jobs(gated) == [] and smoke_pods(gated) == [], within=5)


async def test_a_newer_release_takes_the_job_away(gated: World) -> None:
    """And has one of its own."""
    await released(gated, LONG)
    first = await running(gated)
    gated.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await gated.phase(Phase.SUPERSEDED, image="web:2", within=60)
    await gated.until(lambda: jobs(gated) == [], within=30)
    await gated.phase(Phase.PROMOTED, image="web:3")
    (second,) = jobs(gated)
    assert second["metadata"]["name"] != first["metadata"]["name"]


async def test_a_newer_release_while_no_daemon_runs_takes_the_job_away(gated: World) -> None:
    """The next daemon finds both."""
    await released(gated, LONG)
    first = await running(gated)
    await gated.stop()
    gated.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await gated.start()
    await gated.phase(Phase.SUPERSEDED, image="web:2", within=60)
    await gated.until(lambda: first["metadata"]["uid"] not in {j["metadata"]["uid"] for j in jobs(gated)})


async def test_a_job_that_somebody_deletes_holds_the_release(gated: World) -> None:
    """It is not made again behind their back."""
    await released(gated, LONG)
    job = await running(gated)
    gated.cluster.store.delete(JOBS, NAMESPACE, job["metadata"]["name"])
    record = await gated.phase(Phase.HELD, image="web:2", within=60)
    assert "deleted before it ended" in decision(record, Action.HOLD).message
    assert jobs(gated) == []


async def test_a_job_that_kubernetes_does_not_take_holds_the_release(tmp_path: Path) -> None:
    """At once, with what it says."""
    odd = TEMPLATE.replace("image: 'smoke:1'", "image: 'smoke:1', ports: [{port: 80}]")
    async with world(tmp_path, policy(template=odd), **ALLOWED) as here:
        let_run_jobs(here.cluster)
        await released(here)
        record = await here.phase(Phase.HELD, image="web:2", within=300)
        assert "unknown field" in decision(record, Action.HOLD).message


async def test_a_frozen_sentinel_neither_makes_nor_deletes_a_job(gated: World) -> None:
    """The kill switch comes while one runs: it is left to itself, and a newer release has none."""
    await released(gated, LONG)
    first = await running(gated)
    await switch(gated, frozen=True)
    gated.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await gated.phase(Phase.SUPERSEDED, image="web:2", within=60)
    await asyncio.sleep(120)
    assert [job["metadata"]["uid"] for job in jobs(gated)] == [first["metadata"]["uid"]]


async def test_the_right_to_run_jobs_is_asked_for_at_the_start(tmp_path: Path) -> None:
    """A daemon that may not says so, by the verbs and the resource."""
    async with world(tmp_path, policy(), **ALLOWED) as here:
        with pytest.raises(Exception, match="our account may not get, create, delete jobs"):
            await here.start()

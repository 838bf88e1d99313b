"""The whole daemon beside a real Argo controller, as it was recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path

from clustersim.cluster import ClusterOptions
from clustersim.replay.argo import RecordedController, define_rollouts
from sentinel.adapters.kubernetes.workloads.registry import DRIVERS
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.kinds import WorkloadKind
from tests.stories.test_least_privilege import Right
from tests.stories.test_least_privilege import used as used  # a fixture
from tests.stories.test_service_account import asked
from tests.support.account import let_guard
from tests.support.world import World, actions, decision, world

POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: argo}
spec:
  match: {kinds: [Rollout], namespaces: [rec]}
  strategy: {bake: 5s, guard: 10m, deadline: 30m, warmup: 0s}
  rules:
    - {name: crash-loop, crashLoop: {}}
    - {name: health, health: {readyWithin: 2m}}
  alerts:
    - {match: ['severity="page"'], action: undo, lookback: 0s}
"""
NAMESPACE = "rec"
PAGE = {"alertname": "HighErrorRate", "severity": "page", "namespace": NAMESPACE, "rollout": "web"}


def bare() -> ClusterOptions:
    """A cluster in which nobody but the recording controls workloads and pods."""
    return ClusterOptions(kubelet=False, controllers=False)


@asynccontextmanager
async def playing(
    folder: Path, name: str, *, last: float = inf, streams: bool = True, **before: Callable[[World], bool]
) -> AsyncIterator[tuple[World, RecordedController]]:
    """The daemon at work while a recording plays; `before` are what the recording's remarks wait for.

    Without `streams` the API server refuses to begin a watch with the state, so that it has to be listed.
    """
    settings = {"SENTINEL_KUBERNETES__KINDS": '["Rollout"]'}
    async with world(folder, POLICY, options=bare(), **settings) as here:
        let_guard(here.cluster, "rollouts")
        waits = {
            step.replace("_", " "): (lambda holds=holds: holds(here))  # type: ignore[misc]
            for step, holds in before.items()
        }
        define_rollouts(here.cluster)
        controller = RecordedController(here.cluster, name, waits, last)
        here.cluster.api.streams_state = streams
        await here.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(controller.play())
            yield here, controller


def released(here: World) -> Record | None:
    """The record of version 2."""
    return next((r for r in here.records() if any(":2" in image for image in r.candidate.images)), None)


async def reached(here: World, phase: Phase) -> Record:
    """The record of version 2 once it is in a phase."""
    await here.until(
        lambda: (record := released(here)) is not None and record.state.phase is phase, what=f"it is {phase}"
    )
    record = released(here)
    assert record is not None
    return record


async def test_a_good_release_is_promoted_at_its_pause(tmp_path: Path) -> None:
    """The controller goes on because the sentinel ends its pause, and takes the rest of its steps by itself."""
    async with playing(tmp_path, "canary-promoted") as (here, controller):
        record = await reached(here, Phase.PROMOTED)
        assert "advance" in actions(record)
        assert controller.rollout["status"]["stableRS"] == record.candidate.hash


async def test_a_crash_loop_is_aborted_and_undone_at_once(tmp_path: Path) -> None:
    """Argo alone would wait for ever; the old revision is whole again before the container is started a second time."""
    async with playing(tmp_path, "canary-crash-loop") as (here, controller):
        record = await reached(here, Phase.UNDONE)
        undone = decision(record, Action.UNDO)
        assert undone.rule == "crash-loop"
        assert (undone.at - record.started_at).total_seconds() < 5
        assert (decision(record, Action.RESTORED).at - undone.at).total_seconds() < 5
        template = controller.rollout["spec"]["template"]
        assert template["spec"]["containers"][0]["image"].endswith(":1")
        assert controller.rollout["status"]["phase"] == "Healthy"


async def test_a_controller_that_is_down_is_noticed_at_the_update_and_at_the_promotion(
    tmp_path: Path,
) -> None:
    """At the update the rollout is held before it begins; in the rollout it is held again, and goes on by itself."""
    starts = 0

    def may_start(here: World) -> bool:
        """Whether the rollout is held."""
        nonlocal starts
        latest = here.records()[0]
        held = latest.state.hold is not None and latest.state.hold.reason == "ControllerDown"
        if held:
            starts += 1
            assert latest.candidate.images == ("registry.example/web:2",)
        return held

    async with playing(tmp_path, "controller-down", the_controller_starts=may_start) as (here, _):
        record = await reached(here, Phase.PROMOTED)
        assert actions(record)[:4] == ["hold", "advance", "hold", "resume"]
        assert decision(record, Action.START).reason == "NewRevision"
        assert starts == 2
        assert [r.name for r in here.records() if r.candidate.digest == record.candidate.digest] == [
            record.name
        ]
        assert all(r.key.namespace == NAMESPACE for r in here.records())


async def test_the_rights_for_rollouts_are_used_and_enough(tmp_path: Path, used: set[Right]) -> None:
    """A template that stands in a Deployment is promoted, and put back there after an alert; each right is used."""
    for story in ("own", "referred"):
        (tmp_path / story).mkdir()
    async with playing(tmp_path / "own", "canary-crash-loop", streams=False) as (here, _):
        await reached(here, Phase.UNDONE)
    async with playing(tmp_path / "referred", "workload-ref", last=17.0) as (here, controller):
        await reached(here, Phase.PROMOTED)
        await here.post_alerts({**here.alert(rollout="web"), "labels": PAGE})
        record = await reached(here, Phase.UNDONE)
        assert decision(record, Action.UNDO).rule == "alert HighErrorRate"
        assert controller.rollout["status"]["stableRS"] != record.candidate.hash
    assert asked(DRIVERS[WorkloadKind.ROLLOUT].verbs) <= used

"""Stories of StatefulSets and DaemonSets: released in canary steps, judged, undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clustersim.cluster import JsonObject
from clustersim.faults import FaultKind, InjectedFault
from clustersim.metrics.traffic import Quality
from clustersim.node.behaviour import crash_loop
from clustersim.node.machines import NodeSpec
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.kinds import DAEMON, KINDS, PODS, STATEFUL, STEPS, Kind, Set, guarded
from tests.support.world import NAMESPACE, actions, decision


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Set]:
    """A workload of each kind."""
    kind: Kind = request.param
    async with guarded(kind, tmp_path) as ready:
        yield ready


async def test_a_good_release_goes_step_by_step_and_is_promoted(made: Set) -> None:
    """Two pods of six bake, then three, then all; nothing of ours is left on it."""
    made.release("web:2")
    await made.world.phase(Phase.BAKING, image="web:2")
    assert made.world.pods_of("web:2") == 2
    assert not made.free()
    record = await made.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    assert made.world.pods_of("web:2") == PODS
    assert made.free()


async def test_a_canary_that_fails_requests_is_undone(made: Set) -> None:
    """The template comes back with all pods of it; the other pods were never touched."""
    made.world.cluster.serve("web:2", Quality(errors=0.2))
    made.release("web:2")
    record = await made.world.phase(Phase.UNDONE, image="web:2")
    assert actions(record) == ["undo", "restored"]
    assert decision(record, Action.UNDO).rule == "error-rate"
    assert (made.image(), made.world.pods_of("web:1"), made.free()) == ("web:1", PODS, True)
    assert record.state.weight <= 0.5


async def test_a_crash_loop_is_undone(made: Set) -> None:
    """Also where the controller leaves the broken pod in the way."""
    made.world.cluster.behave("web:2", crash_loop())
    made.release("web:2")
    record = await made.world.phase(Phase.UNDONE, image="web:2", within=600)
    assert actions(record) == ["undo", "restored"]
    assert (made.image(), made.world.pods_of("web:1"), made.free()) == ("web:1", PODS, True)


async def test_a_newer_release_supersedes_the_canary(made: Set) -> None:
    """It starts over at the first step, against the same stable revision."""
    made.release("web:2")
    await made.world.phase(Phase.BAKING, image="web:2")
    made.release("web:3")
    record = await made.world.phase(Phase.BAKING, image="web:3")
    assert record.stable is not None
    assert record.stable.images == ("web:1",)
    assert (await made.world.phase(Phase.SUPERSEDED, image="web:2")).state.ending.ended_at is not None
    assert made.world.pods_of("web:1") >= 3
    await made.world.phase(Phase.PROMOTED, image="web:3")


async def test_a_template_put_back_by_hand_ends_the_rollout(made: Set) -> None:
    """And our brake with it."""
    made.release("web:2")
    await made.world.phase(Phase.BAKING, image="web:2")
    made.release("web:1")
    record = await made.world.phase(Phase.SUPERSEDED, image="web:2")
    assert record.state.reason == "RolledBackByHand"
    await made.settle()
    assert (made.world.pods_of("web:1"), made.free()) == (PODS, True)


async def test_a_brake_lifted_by_hand_is_not_put_back(made: Set) -> None:
    """The rollout goes on to 100 % and is judged there."""
    made.release("web:2")
    await made.world.phase(Phase.BAKING, image="web:2")

    def lift(obj: JsonObject) -> None:
        strategy = obj["spec"]["updateStrategy"]
        strategy["type"] = "RollingUpdate"
        if made.kind is STATEFUL:
            strategy["rollingUpdate"]["partition"] = 0

    made.change(lift)
    record = await made.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["resume", "promote"]
    assert made.free()


async def test_a_workload_that_is_deleted_ends_its_rollout(made: Set) -> None:
    """There is nothing left to judge."""
    made.release("web:2")
    await made.world.phase(Phase.BAKING, image="web:2")
    made.world.cluster.store.delete(made.kind.resource, NAMESPACE, "web")
    record = await made.world.phase(Phase.FAILED, image="web:2")
    assert record.state.reason == "WorkloadDeleted"


@pytest.mark.parametrize("write", range(1, 8))
async def test_an_undo_interrupted_at_any_write_is_completed(made: Set, write: int) -> None:
    """The answer to one write is lost and the daemon dies there: another one completes it, once."""
    faults = made.world.cluster.faults
    verbs = frozenset({"create", "update", "patch", "delete"})
    drop = InjectedFault(FaultKind.DROP, verbs, count=1, skip=write)
    faults.add(drop)
    made.world.cluster.behave("web:2", crash_loop())
    made.release("web:2")
    await made.world.until(lambda: drop.struck == 1, within=300, what=f"write {write}")
    await made.world.restart()
    record = await made.world.phase(Phase.UNDONE, image="web:2", within=600)
    assert actions(record).count("undo") == 1
    assert (made.image(), made.world.pods_of("web:1"), made.free()) == ("web:1", PODS, True)


@pytest.mark.parametrize("after", [1, 70, 200])
async def test_a_restart_at_any_time_carries_on(made: Set, after: int) -> None:
    """Each step is advanced once and the candidate promoted once."""
    made.release("web:2")
    await asyncio.sleep(after)
    await made.world.restart()
    record = await made.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    assert made.free()


async def test_on_delete_is_refused(made: Set) -> None:
    """A release under it is held with the remedy, though its pod is proven bad; with RollingUpdate it goes on."""
    made.change(lambda obj: obj["spec"]["updateStrategy"].update(type="OnDelete", rollingUpdate=None))
    made.release("web:2")
    record = await made.world.phase(Phase.HELD, image="web:2")
    assert record.state.hold is not None
    assert record.state.hold.reason == "CannotRoll"
    assert "set spec.updateStrategy.type to RollingUpdate" in record.state.hold.message
    assert made.world.pods_of("web:1") == PODS
    made.change(lambda obj: obj["spec"]["updateStrategy"].update(type="RollingUpdate"))
    await made.world.phase(Phase.PROMOTED, image="web:2")


async def test_a_partition_of_anothers_holds_the_rollout(tmp_path: Path) -> None:
    """Whoever stages a rollout by hand is not hindered; once it is lifted the rollout is judged."""
    async with guarded(STATEFUL, tmp_path) as made:
        made.change(lambda obj: obj["spec"]["updateStrategy"]["rollingUpdate"].update(partition=4))
        made.release("web:2")
        record = await made.world.phase(Phase.HELD, image="web:2")
        assert record.state.hold is not None
        assert "a partition that it did not make" in record.state.hold.message
        await asyncio.sleep(120)
        assert made.world.pods_of("web:2") == 2
        made.change(lambda obj: obj["spec"]["updateStrategy"]["rollingUpdate"].update(partition=0))
        await made.world.phase(Phase.PROMOTED, image="web:2")


@pytest.mark.parametrize("replicas", [2, 12])
async def test_a_stateful_set_that_is_scaled_is_judged_at_what_is_reached(
    tmp_path: Path, replicas: int
) -> None:
    """New ordinals are of the candidate, the last ones go first: the step's weight is what is reached then."""
    async with guarded(STATEFUL, tmp_path) as made:
        made.release("web:2")
        await made.world.phase(Phase.BAKING, image="web:2")
        made.world.cluster.scale("web", replicas, namespace=NAMESPACE, resource=STATEFUL.resource)
        record = await made.world.phase(Phase.PROMOTED, image="web:2")
        assert actions(record) == ["advance", "advance", "promote"]
        assert (made.world.pods_of("web:2"), made.free()) == (replicas, True)


async def test_a_node_that_joins_runs_the_candidate(tmp_path: Path) -> None:
    """A new node's pod is of the newest template, so the step's weight is more than it asked for."""
    async with guarded(DAEMON, tmp_path) as made:
        made.release("web:2")
        await made.world.phase(Phase.BAKING, image="web:2")
        made.world.cluster.nodes.join((NodeSpec("node-7"),))
        await made.world.phase(Phase.PROMOTED, image="web:2")
        assert made.free()


async def test_parallel_pods_are_undone_without_deleting_any(tmp_path: Path) -> None:
    """The controller replaces the broken pods by itself."""
    async with guarded(STATEFUL, tmp_path, podManagementPolicy="Parallel") as made:
        made.world.cluster.behave("web:2", crash_loop())
        made.release("web:2")
        await made.world.phase(Phase.UNDONE, image="web:2", within=600)
        assert made.world.pods_of("web:1") == PODS


async def test_without_steps_its_own_rolling_update_is_watched(tmp_path: Path) -> None:
    """No partition is set, and a bad release is stopped and undone."""
    plain = STEPS.replace(
        """    canary:
      steps:
        - {weight: 20%, bake: 1m}
        - {weight: 50%, bake: 1m}
""",
        "",
    )
    assert plain != STEPS
    async with guarded(STATEFUL, tmp_path, plain) as made:
        made.release("web:2")
        record = await made.world.phase(Phase.PROMOTED, image="web:2")
        assert actions(record) == ["promote"]
        made.world.cluster.behave("web:3", crash_loop())
        made.release("web:3")
        await made.world.phase(Phase.UNDONE, image="web:3", within=600)
        assert (made.world.pods_of("web:2"), made.free()) == (PODS, True)

"""Stories of restarts that are allowed, and of restarts that are over."""

from pathlib import Path

import pytest

from clustersim.node.behaviour import Behaviour, crash_loop
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.world import CANARY_POLICY, NAMESPACE, World, actions, decision, world

TEN = CANARY_POLICY.replace("crashLoop: {}", "crashLoop: {restarts: 10}")
THREE = CANARY_POLICY.replace("crashLoop: {}", "crashLoop: {restarts: 3}")


async def test_ten_restarts_are_allowed(tmp_path: Path) -> None:
    """Two failed starts of every pod, for a dependency that comes up late, undo nothing under `restarts: 10`."""
    async with world(tmp_path, TEN) as here:
        await at_rest(here)
        here.cluster.behave("web:2", Behaviour(crash_after=3, crashes=2, ready_after=5))
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.PROMOTED, image="web:2")
        assert actions(record) == ["advance", "advance", "promote"]


@pytest.mark.parametrize(("policy", "restarts"), [(CANARY_POLICY, 1), (THREE, 3)], ids=["default", "three"])
async def test_a_crash_loop_is_undone_when_its_rule_says(tmp_path: Path, policy: str, restarts: int) -> None:
    """At the first CrashLoopBackOff unless restarts are allowed, and at the last of those otherwise."""
    async with world(tmp_path, policy) as here:
        await at_rest(here)
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.UNDONE, image="web:2", within=300)
        undo = decision(record, Action.UNDO)
        assert (undo.rule, undo.numbers["restarts"]) == ("crash-loop", restarts)


async def test_restarts_that_are_long_over_do_not_block(plain: World) -> None:
    """Three pods on one node restart three times in their first minute, run well, and are promoted."""
    plain.cluster.behave("web:2", Behaviour(crash_after=20, crashes=3, ready_after=1).on("node-2"))
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await plain.phase(Phase.PROMOTED, image="web:2", within=2400)
    assert actions(record) == ["promote"]

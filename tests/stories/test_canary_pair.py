"""Stories of canary pairs: two Deployments, one traffic split."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clustersim.metrics.traffic import Quality
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.pairs import PODS, CanaryPair, paired
from tests.support.world import actions, decision


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[CanaryPair]:
    """A pair with an HTTPRoute."""
    async with paired(tmp_path) as ready:
        yield ready


async def test_a_good_release_goes_step_by_step_into_the_stable(pair: CanaryPair) -> None:
    """The canary gets pods, then requests; the stable takes its template; then the canary gives both back."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    assert (pair.weights(), pair.replicas()) == ((90, 10), 1)
    assert pair.image("web") == "web:1"
    record = await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    await pair.rest()
    assert (pair.image("web"), pair.image("web-canary")) == ("web:2", "web:2")
    assert pair.world.pods_of("web:2") == PODS
    assert pair.lost() == 0


async def test_a_canary_that_fails_requests_is_undone(pair: CanaryPair) -> None:
    """It loses its requests, then its pods, and its template; the stable was never touched."""
    before = pair.world.cluster.deployment("web", namespace="shop")["metadata"]["generation"]
    pair.world.cluster.serve("web:2", Quality(errors=0.2))
    pair.release("web:2")
    record = await pair.world.phase(Phase.UNDONE, image="web:2")
    assert actions(record) == ["undo", "restored"]
    assert decision(record, Action.UNDO).rule == "error-rate"
    assert record.state.weight <= 0.1
    await pair.rest()
    assert pair.image("web-canary") == "web:1"
    assert pair.world.cluster.deployment("web", namespace="shop")["metadata"]["generation"] == before
    assert pair.lost() == 0

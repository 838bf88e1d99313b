"""Stories that are judged by Datadog's counts: whole minutes that settle late."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clustersim.metrics.requests import Quality
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.datadog import API_KEY, APP_KEY, ERRORS, HITS, FakeDatadog, fake_datadog
from tests.support.world import NAMESPACE, World, actions, decision, world

POLICY = f"""
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {{name: shop}}
spec:
  match: {{kinds: [Deployment], namespaces: [shop]}}
  strategy:
    canary: {{steps: [{{weight: 10%, bake: 5m}}, {{weight: 50%, bake: 5m}}]}}
    bake: 5m
    guard: 30m
    deadline: 2h
  rules:
    - name: error-rate
      errorRate:
        datadog:
          total: {HITS}{{kube_namespace:$namespace}}
          errors: {ERRORS}{{kube_namespace:$namespace}}
        max: 5%
        interval: 60s
"""

USUAL = Quality(errors=0.008)
"""Errors that would be over the limit if unsettled hits were believed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A service that is released in canary steps, and the Datadog that measures it."""

    shop: World
    datadog: FakeDatadog


@pytest.fixture
async def measured(tmp_path: Path) -> AsyncIterator[Measured]:
    """At rest, measured by Datadog alone."""
    async with (
        world(
            tmp_path,
            POLICY,
            SENTINEL_PROMETHEUS__URL="",
            SENTINEL_DATADOG__API_KEY=API_KEY,
            SENTINEL_DATADOG__APP_KEY=APP_KEY,
        ) as here,
        fake_datadog(here.cluster) as datadog,
    ):
        here.environ["SENTINEL_DATADOG__HOST"] = datadog.url
        for image in ("web:1", "web:2"):
            here.cluster.serve(image, USUAL)
        await at_rest(here)
        yield Measured(here, datadog)


async def test_a_good_release_is_promoted_on_settled_minutes(measured: Measured) -> None:
    """Each step passes on its own minutes; minutes whose hits are not all there yet are not believed."""
    shop = measured.shop
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.PROMOTED, image="web:2", within=3600)
    assert actions(record) == ["advance", "advance", "promote"]
    assert int(record.decisions[1].numbers["error-rate.candidate_total"]) > 100
    assert shop.pods_of("web:2") == 10


async def test_a_release_with_errors_is_undone(measured: Measured) -> None:
    """12 % errors in the canary's minutes alone lead back, at the first step."""
    shop = measured.shop
    shop.cluster.serve("web:2", Quality(errors=0.12))
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.UNDONE, image="web:2", within=1800)
    undo = decision(record, Action.UNDO)
    assert (undo.rule, undo.step) == ("error-rate", 0)
    assert shop.image() == "web:1"


async def test_an_outage_in_both_arms_is_held(measured: Measured) -> None:
    """Errors in the minutes of old and new pods alike are the environment's, as long as they last."""
    shop = measured.shop
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.outage()
    record = await shop.phase(Phase.HELD, image="web:2", within=900)
    assert decision(record, Action.HOLD).reason == "EnvironmentOutage"
    await asyncio.sleep(600)
    record = await shop.phase(Phase.HELD, image="web:2")
    assert actions(record) == ["hold"]
    assert shop.image() == "web:2"


@pytest.mark.parametrize("status", [503, 429])
async def test_a_datadog_that_does_not_answer_holds(measured: Measured, status: int) -> None:
    """Without its counts nothing is promoted and nothing undone; what it then tells carries the rollout on."""
    shop = measured.shop
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    measured.datadog.status = status
    record = await shop.phase(Phase.HELD, image="web:2", within=900)
    assert decision(record, Action.HOLD).reason == "EvidenceMissing"
    assert shop.pods_of("web:2") == 1
    measured.datadog.status = None
    record = await shop.phase(Phase.PROMOTED, image="web:2", within=3600)
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]

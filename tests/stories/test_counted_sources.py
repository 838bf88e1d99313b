"""Stories that are judged by what New Relic and CloudWatch count: whole minutes that settle late, in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clustersim.metrics.requests import Quality
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.counted import NEW_RELIC_KEY, FakeCloudWatch, FakeNewRelic
from tests.support.minutes import CountedMinutes, counting
from tests.support.world import NAMESPACE, World, actions, decision, world

COUNTS = {
    "newrelic": """
        newrelic:
          total: SELECT count(*) FROM Transaction WHERE namespaceName = '$namespace'
          errors: SELECT count(*) FROM Transaction WHERE namespaceName = '$namespace' AND error IS TRUE
          podLabel: k8s.podName
""",
    "cloudwatch": """
        cloudwatch:
          total: SELECT SUM(Requests) FROM SCHEMA("Shop", Namespace, PodName) WHERE Namespace = '$namespace'
          errors: SELECT SUM(Failures) FROM SCHEMA("Shop", Namespace, PodName) WHERE Namespace = '$namespace'
          podLabel: PodName
""",
}
POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {kinds: [Deployment], namespaces: [shop]}
  strategy:
    canary: {steps: [{weight: 10%, bake: 5m}, {weight: 50%, bake: 5m}]}
    bake: 5m
    guard: 30m
    deadline: 2h
  rules:
    - name: error-rate
      errorRate:
        max: 5%
"""
USUAL = Quality(errors=0.008)
"""Errors that would be over the limit if unsettled requests were believed."""


@dataclass(frozen=True, slots=True)
class Counting:
    """A service that is released in canary steps, and what counts its requests."""

    shop: World
    standin: FakeNewRelic | FakeCloudWatch


@pytest.fixture(params=COUNTS)
async def counted(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Counting]:
    """At rest, counted by one of them alone."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    async with world(tmp_path, POLICY + COUNTS[request.param], SENTINEL_PROMETHEUS__URL="") as here:
        minutes = CountedMinutes(here.cluster)
        kinds = {"newrelic": FakeNewRelic, "cloudwatch": FakeCloudWatch}
        standin = kinds[request.param](minutes)
        async with counting(standin):
            here.environ |= {
                "newrelic": {
                    "SENTINEL_NEWRELIC__HOST": standin.url,
                    "SENTINEL_NEWRELIC__ACCOUNT": "7",
                    "SENTINEL_NEWRELIC__API_KEY": NEW_RELIC_KEY,
                },
                "cloudwatch": {
                    "SENTINEL_CLOUDWATCH__REGION": "eu-central-1",
                    "SENTINEL_CLOUDWATCH__ENDPOINT": standin.url,
                },
            }[request.param]
            for image in ("web:1", "web:2"):
                here.cluster.serve(image, USUAL)
            await at_rest(here)
            yield Counting(here, standin)


async def test_a_good_release_is_promoted_on_settled_minutes(counted: Counting) -> None:
    """Each step passes on its own minutes, held while the source throttles; every request of the pods is counted."""
    shop = counted.shop
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    counted.standin.refuses = True
    record = await shop.phase(Phase.HELD, image="web:2", within=1200)
    assert decision(record, Action.HOLD).reason == "EvidenceMissing"
    assert "RateLimited" in decision(record, Action.HOLD).message
    counted.standin.refuses = False
    record = await shop.phase(Phase.PROMOTED, image="web:2", within=3600)
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]
    numbers = [one.numbers for one in record.decisions if one.action is Action.ADVANCE]
    assert int(numbers[-1]["error-rate.candidate_total"]) > 1000


async def test_a_release_with_errors_is_undone(counted: Counting) -> None:
    """12 % errors in the canary's minutes alone lead back, at the first step."""
    shop = counted.shop
    shop.cluster.serve("web:2", Quality(errors=0.12))
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.UNDONE, image="web:2", within=1800)
    undo = decision(record, Action.UNDO)
    assert (undo.rule, undo.step) == ("error-rate", 0)
    assert shop.image() == "web:1"

"""Stories of canary pairs: two Deployments, one traffic split."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clustersim.faults import FaultKind, InjectedFault
from clustersim.metrics.load import ToRoute
from clustersim.metrics.traffic import Quality
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.pairs import PAIR, PODS, RATIO, CanaryPair, backends, paired, template
from tests.support.world import NAMESPACE, PLAIN_POLICY, actions, decision

WRITES = frozenset({"create", "update", "patch", "delete"})


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[CanaryPair]:
    """A pair with an HTTPRoute."""
    async with paired(tmp_path) as ready:
        yield ready


async def test_a_good_release_goes_step_by_step_into_the_stable(pair: CanaryPair) -> None:
    """The canary gets pods, then requests; the stable takes its template; then the canary gives both back.

    The route's weights are what they were, however small.
    """
    pair.weigh(3, 0)
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    assert (pair.weights(), pair.replicas()) == ((902, 100), 1)
    assert pair.image("web") == "web:1"
    record = await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    await pair.rest()
    assert (pair.image("web"), pair.image("web-canary"), pair.weights()) == ("web:2", "web:2", (3, 0))
    assert pair.world.pods_of("web:2") == PODS
    assert pair.lost() == 0


async def test_a_canary_that_fails_requests_is_undone(pair: CanaryPair) -> None:
    """It loses its requests, then its pods, and its template; neither the stable nor the weights are changed."""
    pair.weigh(1, 0)
    before = pair.world.cluster.deployment("web", namespace="shop")["metadata"]["generation"]
    pair.world.cluster.serve("web:2", Quality(errors=0.2))
    pair.release("web:2")
    record = await pair.world.phase(Phase.UNDONE, image="web:2")
    assert actions(record) == ["undo", "restored"]
    assert decision(record, Action.UNDO).rule == "error-rate"
    assert record.state.weight <= 0.1
    await pair.rest()
    assert (pair.image("web-canary"), pair.weights()) == ("web:1", (1, 0))
    assert pair.world.cluster.deployment("web", namespace="shop")["metadata"]["generation"] == before
    assert pair.lost() == 0


async def test_a_promoted_release_is_undone_in_the_stable(pair: CanaryPair) -> None:
    """In the guard window an alert has both templates put back."""
    pair.release("web:2")
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    await pair.rest()
    await pair.world.post_alerts(pair.world.alert(deployment="web"))
    record = await pair.world.phase(Phase.UNDONE, image="web:2")
    assert actions(record)[-2:] == ["undo", "restored"]
    assert (pair.image("web"), pair.image("web-canary")) == ("web:1", "web:1")
    await pair.rest()


async def test_a_newer_release_supersedes_the_canary(pair: CanaryPair) -> None:
    """It starts over at the first step's weight, against the same stable revision."""
    pair.release("web:2")
    await pair.world.until(lambda: pair.weights() == (50, 50), what="the second step")
    pair.release("web:3")
    record = await pair.world.phase(Phase.BAKING, image="web:3")
    assert record.stable is not None
    assert record.stable.images == ("web:1",)
    assert pair.weights() == (90, 10)
    await pair.world.phase(Phase.PROMOTED, image="web:3")
    assert pair.image("web") == "web:3"


async def test_a_template_put_back_by_hand_ends_the_rollout(pair: CanaryPair) -> None:
    """And the canary loses its requests, then its pods."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.release("web:1")
    record = await pair.world.phase(Phase.SUPERSEDED, image="web:2")
    assert record.state.reason == "RolledBackByHand"
    await pair.rest()
    assert pair.lost() == 0


async def test_a_weight_changed_by_hand_holds_the_rollout(pair: CanaryPair) -> None:
    """It is never changed back; once it is as before the rollout goes on."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.weigh(70, 30)
    record = await pair.world.phase(Phase.HELD, image="web:2")
    assert record.state.hold is not None
    assert "the weight of web-canary in HTTPRoute web was changed to 30% by hand" in record.state.hold.message
    assert "set it back to 10% to go on" in record.state.hold.message
    await asyncio.sleep(120)
    assert pair.weights() == (70, 30)
    pair.weigh(90, 10)
    await pair.world.phase(Phase.PROMOTED, image="web:2")


async def test_a_canary_that_is_deleted_gets_no_more_requests(pair: CanaryPair) -> None:
    """Its rollout is over, and the stable serves alone."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.delete("web-canary")
    record = await pair.world.phase(Phase.SUPERSEDED, image="web:2")
    assert record.state.reason == "RolledBackByHand"
    await pair.world.until(lambda: pair.weights()[1] == 0, within=30, what="the weight is taken away")


@pytest.mark.parametrize("again", [False, True])
async def test_a_canary_deleted_after_the_last_step_gets_no_more_requests(
    pair: CanaryPair, again: bool
) -> None:
    """Its mark is gone with it, whether it is made again or not: the requests go to the stable, which is promoted."""
    pair.release("web:2")
    await pair.world.until(lambda: pair.image("web") == "web:2", what="the stable takes the template")
    pair.delete("web-canary")
    if again:
        pods = template("web-canary")
        pods["spec"]["containers"][0]["image"] = "web:2"
        pair.world.cluster.deploy("web-canary", "web:2", 0, namespace=NAMESPACE, template=pods)
    await pair.world.until(lambda: pair.weights()[1] == 0, within=30, what="the weight is taken away")
    await pair.world.phase(Phase.PROMOTED, image="web:2")


@pytest.mark.parametrize(
    ("then", "phase", "image"), [("resume", "Promoted", "web:2"), ("undo", "Undone", "web:1")]
)
async def test_a_hold_stops_the_stable_where_it_is(
    pair: CanaryPair, then: str, phase: str, image: str
) -> None:
    """Its own rolling update, after the last step; it goes on with the rollout, and not once it is undone."""
    pair.release("web:2")
    await pair.world.until(lambda: pair.image("web") == "web:2", what="the stable takes the template")
    assert (await pair.world.answered(pair.world.command("hold")))[0] == "Done"
    await asyncio.sleep(300)
    assert pair.paused()
    assert 0 < pair.world.pods_of("web:1") < PODS
    assert (await pair.world.answered(pair.world.command(then)))[0] == "Done"
    await pair.world.phase(Phase(phase), image="web:2")
    await pair.rest()
    assert (pair.image("web"), pair.image("web-canary"), pair.paused()) == (image, image, False)
    assert pair.world.pods_of(image) == PODS
    assert pair.lost() == 0


async def test_a_stable_changed_by_hand_is_not_overwritten_without_a_word(pair: CanaryPair) -> None:
    """The rollout is held and says so; undone, the canary takes the template of what serves now."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.world.cluster.set_image("web", "web:hotfix", namespace=NAMESPACE)
    record = await pair.world.phase(Phase.HELD, image="web:2")
    assert record.state.reason == "StableChanged"
    await asyncio.sleep(600)
    assert pair.image("web") == "web:hotfix"
    assert (await pair.world.answered(pair.world.command("undo")))[0] == "Done"
    await pair.world.phase(Phase.UNDONE, image="web:2")
    await pair.rest()
    assert (pair.image("web"), pair.image("web-canary")) == ("web:hotfix", "web:hotfix")


async def test_a_person_may_have_what_was_changed_by_hand_overwritten(pair: CanaryPair) -> None:
    """They were told, and resumed."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.world.cluster.set_image("web", "web:hotfix", namespace=NAMESPACE)
    await pair.world.phase(Phase.HELD, image="web:2")
    await asyncio.sleep(60)
    assert (await pair.world.answered(pair.world.command("resume")))[0] == "Done"
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    await pair.rest()
    assert (pair.image("web"), pair.image("web-canary")) == ("web:2", "web:2")


async def test_a_policy_that_is_removed_leaves_everything_as_it_is(pair: CanaryPair) -> None:
    """The record does not say that the workload was deleted."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.world.rules(PLAIN_POLICY.replace("namespaces: [shop]", "namespaces: [other]"))
    assert pair.world.application is not None
    await pair.world.application.rule_files.take_over()
    record = await pair.world.phase(Phase.FAILED, image="web:2")
    assert record.state.reason == "PolicyRemoved"
    assert (pair.weights(), pair.replicas()) == ((90, 10), 1)


async def test_the_share_judged_is_the_one_in_force(pair: CanaryPair) -> None:
    """A gateway that takes nothing in keeps the step from being reached, however long it takes."""
    pair.world.cluster.routes.held = True
    pair.release("web:2")
    await asyncio.sleep(300)
    record = pair.world.record(image="web:2")
    assert record is not None
    assert (record.state.phase, record.state.weight, pair.weights()) == (Phase.PROGRESSING, 0.0, (90, 10))
    awaited = "HTTPRoute web sends 10% to the canary, and no gateway has reported yet that it does so"
    assert record.state.message == f"waiting for the cluster: {awaited}"
    pair.world.cluster.routes.held = False
    record = await pair.world.phase(Phase.BAKING, image="web:2")
    assert record.state.weight == pytest.approx(0.1)


async def test_an_undo_does_not_wait_for_a_gateway_that_is_down(pair: CanaryPair) -> None:
    """After a while the template is restored all the same; the canary keeps its pods, now good ones, until it is up."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.world.cluster.routes.held = True
    pair.world.cluster.serve("web:2", Quality(errors=0.5))
    await pair.world.phase(Phase.UNDONE, image="web:2", within=300)
    assert (pair.image("web-canary"), pair.weights(), pair.replicas()) == ("web:1", (100, 0), 1)
    pair.world.cluster.routes.held = False
    await pair.rest()
    assert pair.lost() == 0


async def test_a_stable_that_is_scaled_takes_the_canary_along(pair: CanaryPair) -> None:
    """The canary has as many pods as its share of the requests needs."""
    pair.release("web:2")
    await pair.world.until(lambda: pair.weights() == (50, 50), what="the second step")
    assert pair.replicas() == 3
    pair.world.cluster.scale("web", 12, namespace=NAMESPACE)
    await pair.world.until(lambda: pair.replicas() == 6, within=60, what="the canary is scaled")
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert pair.lost() == 0


async def test_pods_that_an_autoscaler_adds_to_the_canary_are_left_alone(pair: CanaryPair) -> None:
    """The share is the route's; in the end they go, too."""
    pair.release("web:2")
    await pair.world.phase(Phase.BAKING, image="web:2")
    pair.world.cluster.scale("web-canary", 5, namespace=NAMESPACE)
    await pair.world.until(lambda: pair.weights() == (50, 50), what="the second step")
    assert pair.replicas() == 5
    await pair.world.phase(Phase.PROMOTED, image="web:2")
    await pair.rest()


async def test_without_a_route_a_canary_that_others_scale_holds_the_rollout(tmp_path: Path) -> None:
    """Their number of pods is another share of the requests."""
    async with paired(tmp_path, RATIO) as pair:
        pair.release("web:2")
        await pair.world.phase(Phase.BAKING, image="web:2")
        pair.world.cluster.scale("web-canary", 5, namespace=NAMESPACE)
        record = await pair.world.phase(Phase.HELD, image="web:2")
        assert "web-canary was scaled to 5 by hand" in record.state.message
        assert pair.replicas() == 5


@pytest.mark.parametrize("write", range(2, 9))
async def test_an_undo_interrupted_at_any_write_is_completed(pair: CanaryPair, write: int) -> None:
    """The answer to one write is lost and the daemon dies there: another one completes it, once."""
    drop = InjectedFault(FaultKind.DROP, WRITES, count=1, skip=write)
    pair.world.cluster.faults.add(drop)
    pair.world.cluster.serve("web:2", Quality(errors=0.5))
    pair.release("web:2")
    await pair.world.until(lambda: drop.struck == 1, within=300, what=f"write {write}")
    await pair.world.restart()
    record = await pair.world.phase(Phase.UNDONE, image="web:2", within=600)
    assert actions(record).count("undo") == 1
    await pair.rest()
    assert (pair.image("web"), pair.image("web-canary")) == ("web:1", "web:1")


@pytest.mark.parametrize("write", [4, 9, 14, 19])
async def test_a_promotion_interrupted_at_any_write_is_completed(pair: CanaryPair, write: int) -> None:
    """Each step is advanced once, no request is lost, and both Deployments end with the same template."""
    drop = InjectedFault(FaultKind.DROP, WRITES, count=1, skip=write)
    pair.world.cluster.faults.add(drop)
    pair.release("web:2")
    await pair.world.until(lambda: drop.struck == 1, within=900, what=f"write {write}")
    await pair.world.restart()
    record = await pair.world.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    await pair.rest()
    assert (pair.image("web"), pair.image("web-canary"), pair.lost()) == ("web:2", "web:2", 0)


async def test_without_a_route_the_numbers_of_pods_are_the_share(tmp_path: Path) -> None:
    """Two pods of the canary beside six are a quarter; undone, it has none."""
    async with paired(tmp_path, RATIO.replace("10%", "25%")) as pair:
        pair.release("web:2")
        record = await pair.world.phase(Phase.BAKING, image="web:2")
        assert (pair.replicas(), record.state.weight) == (2, pytest.approx(0.25))
        pair.world.cluster.serve("web:2", Quality(errors=0.5))
        await pair.world.phase(Phase.UNDONE, image="web:2")
        await pair.world.until(lambda: pair.replicas() == 0, what="the canary is gone")
        assert pair.image("web-canary") == "web:1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("route: {kind: HTTPRoute, name: other}", "there is no HTTPRoute shop/other"),
        ("route: {kind: HTTPRoute, name: web, rule: beta}", "has no rule beta"),
        ("route: {kind: HTTPRoute, name: web, canary: {name: web-next}}", "Service web-next"),
        ("route: {kind: GRPCRoute, name: web}", "GRPCRoute shop/web cannot be read"),
    ],
)
async def test_a_route_that_cannot_be_used_holds_the_rollout(tmp_path: Path, change: str, said: str) -> None:
    """With a sentence on what is missing, and nothing touched."""
    async with paired(tmp_path, PAIR.replace("route: {kind: HTTPRoute, name: web}", change)) as pair:
        pair.release("web:2")
        record = await pair.world.phase(Phase.HELD, image="web:2")
        assert record.state.hold is not None
        assert said in record.state.hold.message
        assert (pair.weights(), pair.replicas()) == ((100, 0), 0)


async def test_only_requests_that_match_go_to_the_canary(tmp_path: Path) -> None:
    """The policy names the rule of the matching requests; weights move within it, and no other request is concerned."""
    policy = PAIR.replace("name: web}", "name: web, rule: beta}").replace("10%", "40%")
    async with paired(tmp_path, policy, started=False) as pair:
        beta = {"headers": [{"name": "x-beta", "value": "yes"}]}
        pair.rules(
            {"name": "beta", "matches": [beta], "backendRefs": backends(("web", 100), ("web-canary", 0))},
            {"name": "all", "backendRefs": backends(("web", 100))},
        )
        await pair.world.start()
        await pair.world.phase(Phase.UNJUDGED)
        to = ToRoute("httproutes", "web", headers=(("x-beta", "yes"),))
        pair.world.cluster.offer("beta", 50, namespace=NAMESPACE, to=to)
        pair.release("web:2")
        record = await pair.world.phase(Phase.BAKING, image="web:2")
        assert (record.state.weight, pair.weights()) == (pytest.approx(0.4), (60, 40))
        await pair.world.phase(Phase.PROMOTED, image="web:2")
        assert pair.lost() == 0

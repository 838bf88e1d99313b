"""Config that changes instead of a rollout, where two Deployments are one workload."""

from __future__ import annotations

from pathlib import Path

from clustersim.cluster import JsonObject
from clustersim.storage.resources import CONFIGMAPS
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import CONFIG_ANNOTATION
from tests.stories.blue_green import BLUE, GREEN, PODS, BlueGreen, blue_green
from tests.stories.blue_green import POLICY as BLUE_GREEN_POLICY
from tests.stories.pairs import PAIR, CanaryPair, paired
from tests.support.world import NAMESPACE, World, decision


def triggered(policy: str) -> str:
    """The policy, by which a change in place is a rollout."""
    return policy.replace("  rules:\n", "  onConfigChange: trigger\n  rules:\n")


def hold(here: World, mode: str) -> None:
    """Create the ConfigMap of the pair, or change its data in place."""
    store = here.cluster.store
    if store.find(CONFIGMAPS, NAMESPACE, "settings") is None:
        made = {"metadata": {"name": "settings", "namespace": NAMESPACE}, "data": {"mode": mode}}
        store.create(CONFIGMAPS, made, manager="helm")
        return

    def change(obj: JsonObject) -> None:
        obj["data"] = {"mode": mode}

    store.mutate(CONFIGMAPS, NAMESPACE, "settings", change, manager="kubectl-edit")


def name_it(here: World, *members: str) -> None:
    """Have the templates of both members name the ConfigMap."""

    def change(obj: JsonObject) -> None:
        obj["spec"]["template"]["spec"]["volumes"] = [{"name": "s", "configMap": {"name": "settings"}}]

    for member in members:
        here.cluster.change(member, change, namespace=NAMESPACE)


def started_with(here: World, member: str) -> str:
    """With which config the pods of a member are started, as its template says; empty as long as it says nothing."""
    metadata = here.cluster.deployment(member, namespace=NAMESPACE)["spec"]["template"]["metadata"]
    return str((metadata.get("annotations") or {}).get(CONFIG_ANNOTATION, ""))


async def ready_canary_pair(pair: CanaryPair) -> None:
    """The pair at rest, its templates with a ConfigMap."""
    hold(pair.world, "old")
    name_it(pair.world, "web", "web-canary")
    await pair.world.settle()
    await pair.world.start()
    await pair.world.phase(Phase.UNJUDGED)


async def test_a_changed_configmap_goes_through_the_canary_into_the_stable(tmp_path: Path) -> None:
    """The canary alone is started with it at first, and judged with its share of the requests."""
    async with paired(tmp_path, triggered(PAIR), started=False) as pair:
        await ready_canary_pair(pair)
        hold(pair.world, "new")
        await pair.world.until(lambda: pair.weights() == (90, 10), what="the first step")
        assert started_with(pair.world, "web-canary")
        assert not started_with(pair.world, "web")
        record = await pair.world.phase(Phase.PROMOTED)
        assert "ConfigMap settings was changed in place" in decision(record, Action.START).message
        await pair.rest()
        assert started_with(pair.world, "web") == started_with(pair.world, "web-canary")
        assert pair.lost() == 0


async def test_a_bad_configmap_loses_its_requests_though_its_data_stays(tmp_path: Path) -> None:
    """The stable's pods were not started again: they serve on with what they had, and nothing starts them again."""
    async with paired(tmp_path, triggered(PAIR), started=False) as pair:
        await ready_canary_pair(pair)
        hold(pair.world, "bad")
        await pair.world.until(lambda: pair.weights() == (90, 10), what="the first step")
        await pair.world.post_alerts(pair.world.alert(deployment="web"))
        record = await pair.world.phase(Phase.UNDONE)
        await pair.rest()
        assert "which putting the template back does not undo" in decision(record, Action.UNDO).message
        assert not started_with(pair.world, "web")
        assert len(pair.world.records()) == 2


async def colours_at_rest(pair: BlueGreen) -> None:
    """Blue serves with a ConfigMap, green has no pods."""
    hold(pair.world, "old")
    name_it(pair.world, BLUE, GREEN)
    await pair.world.settle(BLUE)
    await pair.world.start()
    await pair.world.phase(Phase.UNJUDGED)


async def test_a_changed_configmap_is_a_switch_to_the_other_colour(tmp_path: Path) -> None:
    """Green gets what blue has, started with the new data; a second change is a switch to blue again."""
    async with blue_green(tmp_path, triggered(BLUE_GREEN_POLICY), started=False) as pair:
        await colours_at_rest(pair)
        for colour, mode in ((GREEN, "new"), (BLUE, "newer")):
            hold(pair.world, mode)
            await pair.until(lambda: pair.serving() == colour, what=f"requests go to {colour}")  # noqa: B023
            assert pair.replicas(colour) == PODS
            assert started_with(pair.world, colour)
            await pair.world.phase(Phase.PROMOTED)
        assert pair.lost() == 0


async def test_a_bad_configmap_is_switched_back_from(tmp_path: Path) -> None:
    """The pods of the other colour still run with the former data."""
    async with blue_green(tmp_path, triggered(BLUE_GREEN_POLICY), started=False) as pair:
        await colours_at_rest(pair)
        hold(pair.world, "bad")
        await pair.until(lambda: pair.serving() == GREEN, what="requests go to green")
        await pair.world.post_alerts(pair.world.alert(deployment=GREEN))
        await pair.world.phase(Phase.UNDONE)
        assert pair.serving() == BLUE
        assert not started_with(pair.world, BLUE)
        assert pair.lost() == 0


def release_without_it(here: World, member: str) -> None:
    """A new image in a template that does not name the ConfigMap any more, which is deleted."""

    def change(obj: JsonObject) -> None:
        spec = obj["spec"]["template"]["spec"]
        spec["containers"][0]["image"] = "web:2"
        del spec["volumes"]

    here.cluster.change(member, change, namespace=NAMESPACE)
    here.cluster.store.delete(CONFIGMAPS, NAMESPACE, "settings")


async def test_a_canary_loses_its_requests_though_a_configmap_of_the_stable_is_gone(tmp_path: Path) -> None:
    """No pod has to start for that, so nothing refuses it."""
    async with paired(tmp_path, started=False) as pair:
        await ready_canary_pair(pair)
        release_without_it(pair.world, "web-canary")
        await pair.world.phase(Phase.BAKING, image="web:2")
        await pair.world.post_alerts(pair.world.alert(deployment="web"))
        await pair.world.phase(Phase.UNDONE, image="web:2")
        assert pair.weights() == (100, 0)


async def test_an_undo_whose_second_half_cannot_be_made_calls_people(tmp_path: Path) -> None:
    """The canary has lost its requests, and the stable cannot go back: that is not tried on and on unseen."""
    async with paired(tmp_path, started=False) as pair:
        await ready_canary_pair(pair)
        release_without_it(pair.world, "web-canary")
        await pair.world.until(lambda: pair.image("web") == "web:2", what="the stable takes the template")
        await pair.world.post_alerts(pair.world.alert(deployment="web"))
        record = await pair.world.phase(Phase.HELD, image="web:2")
        assert record.state.reason == "ReferenceGone"
        assert decision(record, Action.HOLD).escalated
        assert pair.weights() == (100, 0)


async def test_requests_are_switched_back_though_a_configmap_of_that_colour_is_gone(tmp_path: Path) -> None:
    """Its pods run already."""
    async with blue_green(tmp_path, started=False) as pair:
        await colours_at_rest(pair)
        release_without_it(pair.world, GREEN)
        await pair.until(lambda: pair.serving() == GREEN, what="requests go to green")
        await pair.world.post_alerts(pair.world.alert(deployment=GREEN))
        await pair.world.phase(Phase.UNDONE, image="web:2")
        assert pair.serving() == BLUE

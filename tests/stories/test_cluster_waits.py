"""Stories of a cluster that keeps a release back: people are told within a minute by what, and nothing is undone."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from clustersim.cluster import JsonObject
from clustersim.node.behaviour import slow_pull, volume_stuck
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.cli import sentinel
from tests.support.slack import CHANNEL, TOKEN, fake_slack
from tests.support.world import NAMESPACE, World, actions, world

MINUTE = 60
NO_ROOM = "0/3 nodes are available: 3 Insufficient cpu."


def too_big(obj: JsonObject) -> None:
    """`web:2`, which asks for more than any node has."""
    container = obj["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "web:2"
    container["resources"] = {"requests": {"cpu": "64"}}


def full(here: World) -> None:
    """Release pods that find no node."""
    here.cluster.change("web", too_big, namespace=NAMESPACE)


def without_volumes(here: World) -> None:
    """Release pods whose volumes do not attach."""
    here.cluster.behave("web:2", volume_stuck())
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)


def slow_registry(here: World) -> None:
    """Release an image that takes long to be pulled."""
    here.cluster.behave("web:2", slow_pull(1800))
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)


def out_of_quota(here: World) -> None:
    """Release into a namespace that may have no pod more."""
    here.cluster.limit_pods(NAMESPACE, 10)
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)


def waits(record: Record | None) -> list[DecisionEntry]:
    """What was told of waiting for the cluster."""
    return [entry for entry in record.decisions if entry.action is Action.WAIT] if record else []


def released(here: World) -> Record:
    """The record of the release."""
    record = here.record(image="web:2")
    assert record is not None, here.describe()
    return record


@pytest.mark.parametrize(
    ("release", "reason", "words"),
    [
        (full, "Unschedulable", f"cannot be scheduled: {NO_ROOM}"),
        (without_volumes, "ContainerCreating", "waits for its volumes or network on node"),
        (slow_registry, "ContainerCreating", "waits for its image web:2 on node"),
        (out_of_quota, "FailedCreate", "exceeded quota: pods"),
    ],
)
async def test_a_cluster_that_keeps_a_release_back_is_told_within_a_minute(
    shop: World, release: Callable[[World], None], reason: str, words: str
) -> None:
    """In the record, as a notice that calls nobody, and as an Event; the release stays and is still not judged."""
    release(shop)
    await asyncio.sleep(MINUTE)
    record = released(shop)
    (entry,) = waits(record)
    assert (entry.reason, entry.escalated) == (reason, False)
    assert words in entry.message
    assert record.state.phase is Phase.PROGRESSING
    assert (record.state.verdict, record.state.reason) == ("inconclusive", reason)
    assert record.state.message.startswith("waiting for the cluster: ")
    assert words in record.state.message
    assert [e["reason"] for e in shop.events() if reason in e["message"]] == ["SentinelWait"]
    assert shop.image() == "web:2"


async def test_a_node_that_falls_silent_is_told_within_a_minute(shop: World) -> None:
    """Its pods say so as soon as the control plane takes them for lost."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    (pod,) = [
        p
        for p in shop.cluster.pods("web", namespace=NAMESPACE)
        if p["spec"]["containers"][0]["image"] == "web:2"
    ]
    shop.cluster.nodes.fail(pod["spec"]["nodeName"])
    await asyncio.sleep(MINUTE)
    (entry,) = waits(released(shop))
    assert entry.reason == "NodeNotReady"
    assert f"is on node {pod['spec']['nodeName']}, which is not ready" in entry.message


async def test_a_wait_that_ends_lets_the_release_go_on(shop: World) -> None:
    """Once the quota is lifted it is judged and promoted as any other, and was told once."""
    out_of_quota(shop)
    await asyncio.sleep(300)
    shop.cluster.limit_pods(NAMESPACE, None)
    record = await shop.phase(Phase.PROMOTED, image="web:2", within=3600)
    assert actions(record) == ["wait", "advance", "advance", "promote"]


async def test_the_deadline_names_what_the_cluster_kept_back(brief: World) -> None:
    """Not that the source has no series of pods that never were."""
    full(brief)
    record = await brief.phase(Phase.HELD, image="web:2", within=3600)
    assert actions(record) == ["wait", "hold"]
    assert NO_ROOM in record.state.message
    assert "series" not in record.state.message


async def test_a_prompt_cluster_says_nothing(shop: World) -> None:
    """A pull of twenty seconds for each pod is no news."""
    shop.cluster.behave("web:2", slow_pull(20))
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await shop.phase(Phase.PROMOTED, image="web:2", within=3600)
    assert waits(record) == []


async def test_a_wait_is_in_sentinel_status(shop: World) -> None:
    """With the scheduler's words, for whoever looks."""
    full(shop)
    await asyncio.sleep(MINUTE)
    result = await sentinel(shop, "status")
    shown = " ".join(result.output.split())
    assert "waiting for the cluster" in shown
    assert "Insufficient cpu" in shown


async def test_a_wait_is_told_in_slack_without_calling_anyone(tmp_path: Path) -> None:
    """One reply in the thread, no alarm, and the rollout's message says what is waited for."""
    async with fake_slack() as slack:
        environ = {"TOKEN": TOKEN, "CHANNEL": CHANNEL, "BASE_URL": slack.url}
        async with world(tmp_path, **{f"SENTINEL_SLACK__{name}": v for name, v in environ.items()}) as here:
            await at_rest(here)
            full(here)
            await asyncio.sleep(MINUTE)
            (root,) = slack.roots("web:2")
            (reply,) = [text for text in slack.thread(root) if "Waiting for the cluster" in text]
            assert NO_ROOM in reply
            assert "rotating_light" not in reply

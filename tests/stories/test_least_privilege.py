"""Every right that is granted is used: whatever no story needs is taken from the role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clustersim.api.access import Rbac, User
from clustersim.api.requests import RequestInfo
from clustersim.cluster import JsonObject
from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import (
    CONFIGMAPS,
    PERSISTENT_VOLUME_CLAIMS,
    SERVICE_ACCOUNTS,
    ResourceType,
)
from sentinel.adapters.kubernetes.inspect.preflight import (
    ELECTING,
    READING_CONFIG,
    SHARDING,
    WATCHING_CLUSTER_POLICIES,
    WATCHING_POLICIES,
    needed,
)
from sentinel.domain.record.state import Phase
from sentinel.runtime.reconciling.commands import KEPT
from tests.stories.conftest import at_rest
from tests.stories.test_service_account import NODES, asked
from tests.support.slack import CHANNEL, TOKEN, FakeSlack, fake_slack
from tests.support.world import NAMESPACE, World, world

Right = tuple[str, str, str]
"""API group, resource (with its subresource), verb."""


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack."""
    async with fake_slack() as running:
        yield running


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> set[Right]:
    """What service accounts asked of the API server and were allowed by a role."""
    seen: set[Right] = set()
    check = Rbac.check

    def checked(self: Rbac, user: User, info: RequestInfo, resource: ResourceType | None) -> None:
        check(self, user, info, resource)
        if "serviceaccount" in user.name and info.resource and info.group != "authorization.k8s.io":
            named = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
            seen.add((info.group, named, info.verb))

    monkeypatch.setattr(Rbac, "check", checked)
    return seen


def image_of(pod: JsonObject) -> str:
    image: str = pod["spec"]["containers"][0]["image"]
    return image


def release_naming_config(here: World, image: str) -> None:
    """Change the image to one that needs a ConfigMap, a ServiceAccount and a claim."""
    for resource in (CONFIGMAPS, SERVICE_ACCOUNTS, PERSISTENT_VOLUME_CLAIMS):
        here.cluster.store.create(resource, {"metadata": {"name": "web", "namespace": NAMESPACE}})

    def change(obj: JsonObject) -> None:
        spec = obj["spec"]["template"]["spec"]
        spec["containers"][0]["image"] = image
        spec["serviceAccountName"] = "web"
        sources = ({"configMap": {"name": "web"}}, {"persistentVolumeClaim": {"claimName": "web"}})
        spec["volumes"] = [{"name": f"v{number}", **source} for number, source in enumerate(sources)]

    here.cluster.change("web", change, namespace=NAMESPACE)


def make_policies(here: World) -> None:
    """Policies as objects, of a namespace and of the cluster, which no rollout is judged by."""
    spec = {"match": {"names": ["other"]}, "rules": [{"name": "crash-loop", "crashLoop": {}}]}
    for plural, namespace in (("rolloutpolicies", NAMESPACE), ("clusterrolloutpolicies", "")):
        resource = here.cluster.api.registry.find("rollback-sentinel.dev", "v1", plural)
        assert resource is not None
        here.cluster.store.create(
            resource, {"metadata": {"name": "other", "namespace": namespace}, "spec": spec}
        )


async def play(here: World) -> None:
    """Releases that are promoted and undone, people's commands, alerts, notices, and a write that meets another."""
    await at_rest(here)
    make_policies(here)
    release_naming_config(here, "web:2")
    await here.phase(Phase.BAKING, image="web:2")
    for _ in range(KEPT // 2 + 1):
        here.command("hold", reason="wait")
        await here.phase(Phase.HELD, image="web:2")
        here.command("resume", reason="go on")
        await here.phase(Phase.BAKING, image="web:2")
    conflict = InjectedFault(
        FaultKind.ERROR, frozenset({"update"}), "rolloutrecords/.+/status", status=409, count=1
    )
    here.cluster.faults.add(conflict)
    old = next(pod for pod in here.cluster.pods("web", namespace=NAMESPACE) if image_of(pod) == "web:1")
    await here.post_alerts(here.alert(pod=old["metadata"]["name"]))
    await here.phase(Phase.PROMOTED, image="web:2")
    here.cluster.behave("web:3", crash_loop())
    here.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await here.phase(Phase.UNDONE, image="web:3")
    await asyncio.sleep(60)
    here.cluster.set_image("web", "web:4", namespace=NAMESPACE)
    await here.phase(Phase.PROMOTED, image="web:4")
    await asyncio.sleep(60)


async def test_every_right_that_is_granted_is_used(
    tmp_path: Path, slack: FakeSlack, used: set[Right]
) -> None:
    """The stories use each verb of the role that ships, and the API server denied them everything else."""
    settings = {
        "SENTINEL_RECORDS__KEEP": "2",
        "SENTINEL_SLACK__TOKEN": TOKEN,
        "SENTINEL_SLACK__CHANNEL": CHANNEL,
        "SENTINEL_SLACK__BASE_URL": slack.url,
    }
    async with world(tmp_path, **settings) as here:
        here.cluster.api.streams_state = False  # so that lists are needed, too
        await play(here)
    optional = (*READING_CONFIG, *WATCHING_POLICIES, *WATCHING_CLUSTER_POLICIES)
    assert used == asked(needed()) | asked(optional) | asked(ELECTING) | asked(SHARDING) | NODES

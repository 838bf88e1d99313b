"""Following what workloads name: what is watched, what is read, and what is kept."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from clustersim.cluster import JsonObject, SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import CONFIGMAPS, SECRETS, ResourceType
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.config.content import unpacked
from sentinel.adapters.kubernetes.gateway import KubernetesGateway, WatchScope
from sentinel.domain.workload.config import ABSENT, ConfigKind
from sentinel.domain.workload.facts import Workload
from tests.adapters.kubernetes.worlds import TestClock, access_to, rolled_out, seen, until

NAMED = {
    "volumes": [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "keys", "secret": {"secretName": "keys"}},
    ]
}


def put(cluster: SimulatedCluster, resource: ResourceType, name: str, value: str) -> None:
    """Create an object with this data, or change it."""
    if cluster.store.find(resource, "default", name) is None:
        made = {"metadata": {"name": name, "namespace": "default"}, "data": {"k": value}}
        cluster.store.create(resource, made, manager="helm")
        return

    def change(obj: JsonObject) -> None:
        obj["data"] = {"k": value}

    cluster.store.mutate(resource, "default", name, change, manager="edit")


@pytest.fixture
async def gateway(cluster: SimulatedCluster, client: ApiClient) -> AsyncIterator[KubernetesGateway]:
    """A gateway that watches Secrets, too; a workload names a ConfigMap and a Secret, and others exist."""
    put(cluster, CONFIGMAPS, "settings", "b2xk")
    put(cluster, CONFIGMAPS, "other", "b2xk")
    put(cluster, SECRETS, "keys", "b2xk")
    cluster.deploy("web", "app:v1", 1)
    cluster.change("web", lambda obj: obj["spec"]["template"]["spec"].update(NAMED))
    opened = KubernetesGateway(
        access_to(cluster.url),
        clock=TestClock(),
        rng=random.Random(1),
        scope=WatchScope(config=(ConfigKind.CONFIG_MAP, ConfigKind.SECRET)),
    )
    await opened.start()
    await opened.wait_synced(30)
    yield opened
    await opened.close()


def contents(workload: Workload) -> dict[str, str]:
    """What is known, by name."""
    return {fact.ref.name: fact.digest for fact in workload.config}


async def followed(gateway: KubernetesGateway) -> dict[str, str]:
    """Follow the workload until all that it names is known."""
    gateway.cluster.follow_config(await rolled_out(gateway))
    await until(lambda: len(contents(seen(gateway))) == 2)
    return contents(seen(gateway))


async def test_nothing_is_known_of_a_workload_that_is_not_followed(gateway: KubernetesGateway) -> None:
    """What nobody guards costs nothing."""
    assert (await rolled_out(gateway)).config == ()


async def test_a_change_of_what_is_named_is_seen_and_another_is_not(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A hint names the workload, and its snapshot has the new digest."""
    before = await followed(gateway)
    hints: list[object] = []
    gateway.cluster.subscribe(hints.append)
    put(cluster, CONFIGMAPS, "other", "bmV3")
    await asyncio.sleep(5)
    assert not hints
    put(cluster, CONFIGMAPS, "settings", "bmV3")
    await until(lambda: contents(seen(gateway))["settings"] != before["settings"])
    assert contents(seen(gateway))["keys"] == before["keys"]
    await asyncio.sleep(1)
    put(cluster, SECRETS, "keys", "bmV3")
    await until(lambda: contents(seen(gateway))["keys"] != before["keys"])
    assert hints


async def test_what_is_deleted_is_absent_and_what_is_not_followed_any_more_is_forgotten(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """An absent object is known to be so."""
    await followed(gateway)
    cluster.store.delete(CONFIGMAPS, "default", "settings")
    await until(lambda: contents(seen(gateway))["settings"] == ABSENT)
    gateway.cluster.follow_config(seen(gateway), wanted=False)
    cluster.scale("web", 2)
    await until(lambda: contents(seen(gateway)) == {})


async def test_no_answer_ever_has_a_secrets_values(
    cluster: SimulatedCluster, gateway: KubernetesGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets are asked for by their metadata alone, and ConfigMaps are listed and watched so."""
    answers: list[bytes] = []
    exchange = ApiClient.exchange

    async def noted(self: ApiClient, *args: object, **kwargs: object) -> bytes:
        answer = await exchange(self, *args, **kwargs)  # type: ignore[arg-type]
        answers.append(answer)
        return answer

    monkeypatch.setattr(ApiClient, "exchange", noted)
    put(cluster, SECRETS, "keys", "c2VjcmV0")
    workload = await rolled_out(gateway)
    await gateway.cluster.read_config(workload, keep=True)
    assert answers
    assert not any(b"c2VjcmV0" in answer for answer in answers)


async def test_data_is_kept_of_configmaps_alone(gateway: KubernetesGateway) -> None:
    """And only where it was asked for."""
    workload = await rolled_out(gateway)
    reading = await gateway.cluster.read_config(workload, keep=True)
    assert unpacked(reading.kept) == {"settings": {"data": {"k": "b2xk"}}}
    assert (await gateway.cluster.read_config(workload, keep=False)).kept == ""


async def test_what_cannot_be_read_is_not_known_and_read_later(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """An API server that refuses for a while holds nothing up."""
    refusing = cluster.faults.add(
        InjectedFault(FaultKind.ERROR, frozenset({"get"}), "/configmaps/", status=503)
    )
    workload = await rolled_out(gateway)
    reading = await gateway.cluster.read_config(workload, keep=False)
    assert [fact.digest for fact in reading.facts if fact.ref.name == "settings"] == [""]
    gateway.cluster.follow_config(workload)
    await asyncio.sleep(20)
    assert "settings" not in contents(seen(gateway))
    cluster.faults.remove(refusing)
    await until(lambda: "settings" in contents(seen(gateway)))

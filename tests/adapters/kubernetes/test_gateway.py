"""The adapter as a whole: start, what is missing, end."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from clustersim.api.access import User
from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import Behaviour, crash_loop, never_ready
from clustersim.storage.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CRDS, PODS
from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import NODES
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.domain.errors import ClusterError, ClusterUnavailableError
from sentinel.domain.workload.facts import WorkloadKey
from tests.adapters.kubernetes.worlds import (
    WEB,
    TestClock,
    access_to,
    changed_from,
    record,
    rolled_out,
    seen,
    until,
)


def gateway_as(cluster: SimulatedCluster, token: str | None = None) -> KubernetesGateway:
    return KubernetesGateway(access_to(cluster.url, token), clock=TestClock(), rng=random.Random(1))


async def test_a_kubeconfig_is_enough(cluster: SimulatedCluster, client: ApiClient, tmp_path: Path) -> None:
    """From a kubeconfig to synced watches in one go."""
    cluster.deploy("web", "app:v1", 2)
    path = tmp_path / "config"
    path.write_text(json.dumps(cluster.kubeconfig(token="admin")))
    gateway = await KubernetesGateway.connect(clock=TestClock(), rng=random.Random(1), kubeconfig=str(path))
    await gateway.start()
    await gateway.wait_synced(30)
    assert gateway.synced
    assert list(gateway.cluster.keys()) == [WEB]
    await gateway.close()


async def test_a_rollout_is_seen_as_it_goes(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """An update that crash-loops is seen with both arms, by hints that name the workload."""
    hints: list[WorkloadKey] = []
    gateway.cluster.subscribe(hints.append)
    cluster.deploy("web", "app:v1", 3)
    stable = (await rolled_out(gateway)).candidate
    cluster.behave("app:v2", crash_loop())
    cluster.set_image("web", "app:v2")
    await changed_from(gateway, stable.digest)

    def crashing() -> bool:
        workload = seen(gateway)
        bad = workload.pods_of(workload.candidate)
        return any(c.waiting == "CrashLoopBackOff" for pod in bad for c in pod.containers)

    await until(crashing)
    workload = seen(gateway)
    assert workload.revision(stable.digest) is not None
    assert len(workload.pods_of(workload.others[0])) == 3
    assert workload.changed_by == "story"
    assert gateway.cluster.owner_of_pod("default", workload.pods[0].name) == WEB
    assert set(hints) == {WEB}


async def test_a_rollout_in_flight_is_seen_before_a_burst_of_others(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Its pod comes last in the stream, and is told first; the others follow."""
    cluster.deploy("web", "app:v1", 1)
    for number in range(20):
        cluster.deploy(f"other-{number}", "app:v1", 2)
    keys = gateway.cluster.keys
    await until(lambda: sum(pod.ready for key in keys() for pod in seen(gateway, key).pods) == 41)
    await gateway.records.create(record())
    told: list[WorkloadKey] = []
    gateway.cluster.subscribe(told.append)
    pods = sorted(
        cluster.store.list(PODS, "default"), key=lambda pod: bool(pod["metadata"]["name"].startswith("web"))
    )
    for pod in pods:
        cluster.store.mutate(PODS, "default", pod["metadata"]["name"], _unready, subresource="status")
    await until(lambda: len(set(told)) == 21)
    assert told[0] == WEB
    assert not any(pod.ready for key in keys() for pod in seen(gateway, key).pods)


def _unready(pod: dict[str, Any]) -> None:
    for condition in pod["status"]["conditions"]:
        condition["status"] = "False"


async def test_a_node_that_fails_is_seen_on_its_pods(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A node that falls silent marks the pods on it."""
    cluster.deploy("web", "app:v1", 3)
    workload = await rolled_out(gateway)
    node = workload.pods[0].node
    assert node is not None
    cluster.nodes.fail(node)
    await until(lambda: any(not pod.node_ready for pod in seen(gateway).pods))
    assert {pod.node for pod in seen(gateway).pods if not pod.node_ready} == {node}


async def test_nothing_is_missing_for_an_administrator(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """With the definition installed and every right there is nothing to say."""
    assert await gateway.preflight() == ()


async def test_a_missing_definition_says_how_to_install_it(cluster: SimulatedCluster) -> None:
    """Without the definition of the records the sentence has the command that installs it."""
    gateway = gateway_as(cluster)
    (sentence,) = await gateway.preflight()
    assert "`sentinel crd | kubectl apply -f -`" in sentence
    await gateway.close()


async def test_a_definition_of_an_older_version_is_named_with_what_it_would_drop(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Fields of the status, of its lists and of their elements; the sentence has the command that upgrades."""
    older(cluster, "rolloutrecords", "savedAt", "alerts.items.storm", "undo.targetSeen")
    (sentence,) = await gateway.preflight()
    assert "it would drop status.undo.targetSeen, status.savedAt, status.alerts.storm: run" in sentence
    assert "`sentinel crd | kubectl apply --server-side --force-conflicts -f -`" in sentence


async def test_a_definition_of_a_newer_version_is_none_of_our_business(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """After a downgrade the fields that we do not know do no harm."""

    def widen(definition: dict[str, Any]) -> None:
        status_of(definition)["properties"]["ofTheFuture"] = {"type": "string"}

    cluster.store.mutate(CRDS, "", "rolloutrecords.rollback-sentinel.dev", widen)
    assert await gateway.preflight() == ()


async def test_a_server_that_does_not_say_what_it_knows_is_believed(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Without its OpenAPI document nothing can be compared, and the daemon starts."""
    older(cluster, "rolloutrecords", "savedAt")
    cluster.faults.add(InjectedFault(FaultKind.ERROR, path="/openapi/v3", status=503))
    assert await gateway.preflight() == ()


def older(cluster: SimulatedCluster, plural: str, *fields: str) -> None:
    """Take fields of the status out of a definition."""

    def narrow(definition: dict[str, Any]) -> None:
        for path in fields:
            schema = status_of(definition)
            *way, name = path.split(".")
            for part in way:
                schema = schema["items"] if part == "items" else schema["properties"][part]
            del schema["properties"][name]

    cluster.store.mutate(CRDS, "", f"{plural}.rollback-sentinel.dev", narrow)


def status_of(definition: dict[str, Any]) -> dict[str, Any]:
    """The schema of the status in a definition."""
    (version,) = definition["spec"]["versions"]
    status: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return status


async def test_each_lacking_verb_is_named(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A role that forgot two verbs leads to sentences that name just these."""
    rules = [
        {
            "apiGroups": ["", "apps", "rollback-sentinel.dev"],
            "resources": [
                "deployments",
                "replicasets",
                "pods",
                "rolloutrecords",
                "rolloutcommands",
                "rollouthistories",
                "events",
            ],
            "verbs": ["get", "list", "watch", "create", "delete"],
        },
        {
            "apiGroups": ["rollback-sentinel.dev", ""],
            "resources": ["rolloutrecords", "rolloutrecords/status", "events"],
            "verbs": ["patch"],
        },
    ]
    cluster.store.create(CLUSTER_ROLES, {"metadata": {"name": "sentinel"}, "rules": rules})
    cluster.store.create(
        CLUSTER_ROLE_BINDINGS,
        {
            "metadata": {"name": "sentinel"},
            "roleRef": {"kind": "ClusterRole", "name": "sentinel"},
            "subjects": [{"kind": "User", "name": "sentinel"}],
        },
    )
    cluster.api.tokens.add("sentinel", User("sentinel", ("system:authenticated",)))
    gateway = gateway_as(cluster, "sentinel")
    assert await gateway.preflight() == (
        'our account may not patch deployments in API group "apps": grant it by RBAC',
        'our account may not update rolloutrecords/status in API group "rollback-sentinel.dev": '
        "grant it by RBAC",
        'our account may not update rollouthistories in API group "rollback-sentinel.dev": grant it by RBAC',
        'our account may not update rolloutcommands/status in API group "rollback-sentinel.dev": '
        "grant it by RBAC",
    )
    await gateway.close()


async def test_a_server_that_is_not_there_is_said_by_preflight(unused_tcp_port: int) -> None:
    """Preflight against nothing fails with the address."""
    gateway = KubernetesGateway(
        access_to(f"http://127.0.0.1:{unused_tcp_port}"), clock=TestClock(), rng=random.Random(1)
    )
    with pytest.raises(ClusterUnavailableError, match="cannot be reached"):
        await gateway.preflight()
    await gateway.close()


async def test_a_hiccup_is_not_taken_for_a_missing_definition(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A server that is overloaded for a moment makes preflight fail as such, instead of passing unasked."""
    overloaded = InjectedFault(
        FaultKind.ERROR, verbs=frozenset({"list"}), path="rolloutrecords", status=503, count=1
    )
    cluster.faults.add(overloaded)
    with pytest.raises(ClusterUnavailableError):
        await gateway.preflight()


async def test_what_does_not_sync_is_named(cluster: SimulatedCluster) -> None:
    """Waiting for a cluster without our definition ends with its name and the reason; the rest works."""
    cluster.deploy("web", "app:v1", 1)
    gateway = gateway_as(cluster)
    await gateway.start()
    with pytest.raises(ClusterError, match="rolloutrecords") as caught:
        await gateway.wait_synced(20)
    assert not caught.value.retryable
    assert "deployments.apps" not in str(caught.value)
    assert not gateway.synced
    assert "rolloutcommands.rollback-sentinel.dev" in str(caught.value)
    assert gateway.cluster.workload(WEB) is not None
    await gateway.close()


async def test_ages_are_known_per_watch(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Every watch has an age, and a healthy one is young."""
    await asyncio.sleep(300)
    ages = gateway.watch_ages()
    assert set(ages) == {
        "nodes",
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "controllerrevisions.apps",
        "configmaps",
        "pods",
        "rolloutrecords.rollback-sentinel.dev",
        "rolloutcommands.rollback-sentinel.dev",
    }
    assert all(age is not None and age <= 61 for age in ages.values())


async def test_after_the_end_nothing_is_left(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Closing ends every watch at the server and lets no further request through."""
    gateway = gateway_as(cluster)
    await gateway.start()
    await gateway.wait_synced(30)
    await until(lambda: cluster.api.watches.open == 7)
    await gateway.close()
    await asyncio.sleep(1)
    assert cluster.api.watches.open == 0
    with pytest.raises(ClusterUnavailableError, match="closed"):
        await gateway.client.get(RequestTarget(NODES, name="node-1"))


async def test_what_rests_on_silence_is_looked_up(cluster: SimulatedCluster, client: ApiClient) -> None:
    """A pod that seems unready only because its watch went deaf is told by its name, and the watch begins anew."""
    cluster.behave("app:v1", never_ready())
    cluster.deploy("web", "app:v1", 1)
    await asyncio.sleep(10)
    deaf = cluster.faults.add(InjectedFault(FaultKind.HANG, verbs=frozenset({"watch"})))
    gateway = gateway_as(cluster)
    await gateway.start()
    await gateway.wait_synced(30)
    await gateway.cluster.confirm(seen(gateway))  # it is unready
    cluster.behave("app:v1", Behaviour())
    await asyncio.sleep(10)
    assert seen(gateway).candidate.ready == 0
    cluster.faults.remove(deaf)
    with pytest.raises(ClusterUnavailableError) as caught:
        await gateway.cluster.confirm(seen(gateway))
    assert caught.value.reason == "WatchDeaf"
    await until(lambda: seen(gateway).candidate.ready == 1, 5)
    await gateway.close()

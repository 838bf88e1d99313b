"""Whether what an undo's target names exists, looked up just before the undo."""

import asyncio

import pytest

from clustersim.cluster import JsonObject, SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import CONFIGMAPS, SERVICE_ACCOUNTS
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.domain.decision import Restore
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.state import RevisionRef
from tests.adapters.kubernetes.worlds import changed_from, rolled_out

NAMES = {"serviceAccountName": "shop", "volumes": [{"name": "files", "configMap": {"name": "files"}}]}
OPTIONAL = {"volumes": [{"name": "files", "configMap": {"name": "files", "optional": True}}]}


def make(cluster: SimulatedCluster) -> None:
    """The objects that the template names."""
    cluster.store.create(SERVICE_ACCOUNTS, {"metadata": {"name": "shop", "namespace": "default"}})
    cluster.store.create(
        CONFIGMAPS, {"metadata": {"name": "files", "namespace": "default"}, "data": {"a": "1"}}
    )


async def undo(cluster: SimulatedCluster, gateway: KubernetesGateway, named: JsonObject) -> str:
    """Roll out a revision that names these, then one that does not, and undo that."""

    def name(deployment: JsonObject) -> None:
        deployment["spec"]["template"]["spec"].update(named)

    def forget(deployment: JsonObject) -> None:
        for field in named:
            del deployment["spec"]["template"]["spec"][field]

    cluster.deploy("web", "app:v1", 2)
    first = (await rolled_out(gateway)).candidate
    cluster.change("web", name)
    stable = RevisionRef.of((await changed_from(gateway, first.digest)).candidate)
    cluster.change("web", forget)
    workload = await changed_from(gateway, stable.digest)
    return await gateway.cluster.apply(workload, Restore(stable))


async def test_what_exists_lets_the_undo_go_on(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Everything that is named is there: nothing more is said."""
    make(cluster)
    assert (await undo(cluster, gateway, NAMES)).endswith("was restored")


async def test_what_is_gone_is_named_and_nothing_is_written(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A pod that cannot start is worse than a bad one."""
    with pytest.raises(
        PreconditionError, match="ConfigMap files and ServiceAccount shop do not exist"
    ) as refused:
        await undo(cluster, gateway, NAMES)
    assert refused.value.reason == "ReferenceGone"
    spec = cluster.deployment("web")["spec"]["template"]["spec"]
    assert "volumes" not in spec, spec


async def test_optional_objects_never_refuse(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """Pods start without them."""
    assert (await undo(cluster, gateway, OPTIONAL)).endswith("was restored")


@pytest.mark.parametrize("status", [403, 503])
async def test_what_cannot_be_read_is_not_checked_and_said(
    cluster: SimulatedCluster, gateway: KubernetesGateway, status: int
) -> None:
    """An undo is not refused because the account may not look, or because the API server does not answer."""
    cluster.faults.add(InjectedFault(FaultKind.ERROR, frozenset({"get"}), "/configmaps/", status=status))
    make(cluster)
    assert "whether ConfigMap files exists was not checked" in await undo(cluster, gateway, NAMES)


async def test_a_server_that_hangs_holds_the_undo_up_for_a_second(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A check is not worth more than that."""
    cluster.faults.add(InjectedFault(FaultKind.HANG, frozenset({"get"}), "/configmaps/"))
    make(cluster)
    async with asyncio.timeout(60):
        assert "was not checked (Timeout)" in await undo(cluster, gateway, NAMES)

"""Whether what an undo's target names exists, looked up just before the undo."""

import asyncio

import pytest

from clustersim.cluster import JsonObject, SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import CONFIGMAPS, SECRETS, SERVICE_ACCOUNTS
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.domain.decision import Restore
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.config import ConfigReturn
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


async def undo(
    cluster: SimulatedCluster, gateway: KubernetesGateway, named: JsonObject, *back: ConfigReturn
) -> str:
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
    return await gateway.cluster.apply(workload, Restore(stable, back))


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


def items(kind: str, name: str, named: str = "name") -> JsonObject:
    """A volume with two keys of an object."""
    listed = [{"key": key, "path": key} for key in ("a", "b")]
    return {"volumes": [{"name": "files", kind: {named: name, "items": listed}}]}


async def test_a_key_that_is_gone_is_named(cluster: SimulatedCluster, gateway: KubernetesGateway) -> None:
    """A pod waits for a key as it waits for the ConfigMap."""
    make(cluster)
    with pytest.raises(PreconditionError, match="because ConfigMap files has no key b in namespace default"):
        await undo(cluster, gateway, items("configMap", "files"))


async def test_a_key_that_comes_back_with_the_former_data_does_not_refuse(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """The ConfigMap is put back before the template."""
    make(cluster)
    back = ConfigReturn("files", seen="0" * 16, former="1" * 16, record="web-1")
    assert "was restored" in await undo(cluster, gateway, items("configMap", "files"), back)


def hold_secret(cluster: SimulatedCluster, *keys: str) -> InjectedFault:
    """A Secret with these keys, which can be read once; a second time, for its values, the account may not."""
    data = dict.fromkeys(keys, "MQ==")
    made = {"metadata": {"name": "keys", "namespace": "default"}, "data": data}
    cluster.store.create(SECRETS, made, manager="helm")
    return InjectedFault(FaultKind.ERROR, frozenset({"get"}), "/secrets/", status=403, skip=1)


SECRET_ITEMS = items("secret", "keys", "secretName")


async def test_a_secret_whose_metadata_tells_its_keys_is_not_read(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Its values never leave the API server then."""
    second = cluster.faults.add(hold_secret(cluster, "a", "b"))
    assert (await undo(cluster, gateway, SECRET_ITEMS)).endswith("was restored")
    assert second.struck == 0


async def test_a_secret_that_seems_to_lack_a_key_is_read(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Somebody may have given up the claim on a key that is there."""
    hold_secret(cluster, "a")
    with pytest.raises(PreconditionError, match="because Secret keys has no key b"):
        await undo(cluster, gateway, SECRET_ITEMS)


async def test_a_secret_that_may_not_be_read_never_refuses(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """Nothing is known then, and nothing is said."""
    second = cluster.faults.add(hold_secret(cluster, "a"))
    assert (await undo(cluster, gateway, SECRET_ITEMS)).endswith("was restored")
    assert second.struck == 1


BACK = ConfigReturn("files", seen="0" * 16, former="1" * 16, record="web-1")


async def test_config_is_not_put_back_for_a_template_that_is_no_longer_judged(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """A template that is written while the target's objects are looked up is seen before any config is touched."""
    make(cluster)
    looked_up = InjectedFault(
        FaultKind.LATENCY, frozenset({"get"}), "/configmaps/", then=lambda: cluster.set_image("web", "app:v9")
    )
    cluster.faults.add(looked_up)
    with pytest.raises(PreconditionError, match=r"was changed by story since it was judged$"):
        await undo(cluster, gateway, NAMES, BACK)
    assert looked_up.struck == 1


async def test_an_undo_that_fails_after_the_config_says_what_was_done(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """The template was written in the last moment: the sentence does not hide what was done before it."""
    make(cluster)
    late = InjectedFault(
        FaultKind.LATENCY, frozenset({"patch"}), "/web$", then=lambda: cluster.set_image("web", "app:v9")
    )
    cluster.faults.add(late)
    with pytest.raises(
        PreconditionError, match=r"was changed by story .*; ConfigMap files was changed again"
    ):
        await undo(cluster, gateway, NAMES, BACK)

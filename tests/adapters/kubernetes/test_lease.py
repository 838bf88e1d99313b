"""The Lease object of the leader election."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from clustersim.storage.resources import LEASES
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.coordination.lease import (
    KubernetesLeaseDirectory,
    KubernetesLeaseStore,
    lease_name,
    own_namespace,
)
from sentinel.domain.coordination import Lease
from sentinel.domain.errors import ClusterUnavailableError, ConflictError
from tests.adapters.kubernetes.worlds import NOW

MINE = Lease("replica-1", 14.0, 3, acquired_at=NOW, renewed_at=NOW + timedelta(seconds=5))


@pytest.fixture
def leases(client: ApiClient) -> KubernetesLeaseStore:
    """The store of one lease."""
    return KubernetesLeaseStore(client, "default", "sentinel")


async def test_a_lease_is_made_read_and_replaced(leases: KubernetesLeaseStore) -> None:
    """What was written is read again, its version included."""
    assert await leases.read(timeout=5) is None
    made = await leases.write(MINE, timeout=5)
    assert made.version
    assert await leases.read(timeout=5) == made
    renewed = await leases.write(made, timeout=5)
    assert await leases.read(timeout=5) == renewed


async def test_times_have_six_decimals(cluster: SimulatedCluster, leases: KubernetesLeaseStore) -> None:
    """A micro-time in any other form is refused by the API server."""
    await leases.write(MINE, timeout=5)
    spec = cluster.store.get(LEASES, "default", "sentinel")["spec"]
    assert re.fullmatch(r"[-\dT:]+\.\d{6}Z", spec["renewTime"])
    assert spec["acquireTime"] == "2026-03-01T12:00:00.250000Z"
    assert spec["leaseDurationSeconds"] == 14


async def test_a_lease_given_up_has_no_holder(
    cluster: SimulatedCluster, leases: KubernetesLeaseStore
) -> None:
    """An empty name is not written, and reads as nobody's."""
    made = await leases.write(MINE, timeout=5)
    given_up = await leases.write(Lease("", 14.0, 3, version=made.version), timeout=5)
    assert given_up.holder == ""
    assert "holderIdentity" not in cluster.store.get(LEASES, "default", "sentinel")["spec"]


async def test_an_older_version_is_refused(leases: KubernetesLeaseStore) -> None:
    """Whoever wrote since is not overwritten, and what exists is not made anew."""
    made = await leases.write(MINE, timeout=5)
    await leases.write(Lease("replica-2", 14.0, version=made.version), timeout=5)
    with pytest.raises(ConflictError):
        await leases.write(made, timeout=5)
    with pytest.raises(ConflictError):
        await leases.write(MINE, timeout=5)


async def test_a_lease_that_was_deleted_is_made_anew_by_its_next_renewal(
    cluster: SimulatedCluster, leases: KubernetesLeaseStore
) -> None:
    """As Kubernetes does it: of Leases a PUT also creates."""
    made = await leases.write(MINE, timeout=5)
    cluster.store.delete(LEASES, "default", "sentinel")
    again = await leases.write(made, timeout=5)
    assert again.holder == MINE.holder
    assert again.version != made.version


async def test_a_server_that_hangs_is_not_waited_for(
    cluster: SimulatedCluster, leases: KubernetesLeaseStore
) -> None:
    """Each request has the time that the election gives it."""
    cluster.api.faults.add(InjectedFault(FaultKind.HANG, path="/leases"))
    with pytest.raises(ClusterUnavailableError, match="within 2 s"):
        await leases.read(timeout=2)


def test_the_namespace_is_the_pods_own(tmp_path: Path) -> None:
    """As the kubelet mounts it; outside of a pod, `default`."""
    assert own_namespace(tmp_path) == "default"
    (tmp_path / "namespace").write_text("sentinel-system\n")
    assert own_namespace(tmp_path) == "sentinel-system"


async def test_leases_of_another_number_of_shards_are_known_by_their_label(client: ApiClient) -> None:
    """Those of the same number, of other installations and of freezes are not among them."""

    async def write(name: str, shards: int) -> None:
        await KubernetesLeaseStore(client, "default", name, shards).write(MINE, timeout=5)

    await write("sentinel", 1)
    await write("sentinel-1-of-3", 3)
    await write("sentinel-2-of-3", 3)
    await write("other", 1)
    await write("sentinel-freeze", 1)
    of_three, of_one = (KubernetesLeaseDirectory(client, "default", "sentinel", n) for n in (3, 1))
    assert set(await of_three.others(timeout=5)) == {"sentinel"}
    assert set(await of_one.others(timeout=5)) == {"sentinel-1-of-3", "sentinel-2-of-3"}


def test_the_first_shards_lease_is_always_called_the_same() -> None:
    """`sentinel freeze` and people look for it by the name in the settings."""
    assert [lease_name("sentinel", shard, 2) for shard in (0, 1)] == ["sentinel", "sentinel-1-of-2"]
    assert lease_name("sentinel", 0, 1) == "sentinel"

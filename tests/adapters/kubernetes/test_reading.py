"""One-shot reads against the simulated API server."""

import pytest

from clustersim.cluster import SimulatedCluster
from clustersim.storage.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES
from sentinel.adapters.kubernetes.api import listing
from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.api.resources import RECORDS
from sentinel.adapters.kubernetes.inspect.accounts import account_lacks
from sentinel.adapters.kubernetes.inspect.reading import ClusterReader
from sentinel.domain.errors import ForbiddenError, NotFoundError
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.worlds import access_to, until


async def settled(cluster: SimulatedCluster) -> None:
    """Wait until both pods are of the template in force."""

    def done() -> bool:
        status = cluster.deployment("web").get("status") or {}
        observed = status.get("observedGeneration") == cluster.deployment("web")["metadata"]["generation"]
        return (
            observed
            and [status.get(k) for k in ("replicas", "updatedReplicas", "availableReplicas")] == [2] * 3
        )

    await until(done)


async def test_a_workload_is_read_with_its_revisions(cluster: SimulatedCluster, client: ApiClient) -> None:
    """As the watches would show it; pods come only where they are asked for."""
    cluster.deploy("web", "app:v1", 2)
    cluster.deploy("other", "app:v1", 1)
    await settled(cluster)
    cluster.set_image("web", "app:v2")
    await settled(cluster)
    reader = ClusterReader(client)
    web = await reader.workload(WorkloadKey(WorkloadKind.DEPLOYMENT, "default", "web"), pods=True)
    assert (web.candidate.images, [other.images for other in web.others]) == (("app:v2",), [("app:v1",)])
    assert sum(pod.ready for pod in web.pods_of(web.candidate)) == 2
    assert (await reader.workload(WorkloadKey(WorkloadKind.DEPLOYMENT, "default", "web"))).pods == ()


async def test_lists_are_read_to_their_end(
    cluster: SimulatedCluster, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, in order of their names."""
    monkeypatch.setattr(listing, "PAGE", 2)
    for number in range(5):
        cluster.deploy(f"w{number}", "app:v1", 1)
    found = await ClusterReader(client).workloads()
    assert [workload.key.name for workload in found] == [f"w{number}" for number in range(5)]


async def test_a_workload_that_is_not_there_is_said_in_words(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """With its kind, name and namespace."""
    with pytest.raises(NotFoundError, match="there is no Deployment web in namespace default"):
        await ClusterReader(client).workload(WorkloadKey(WorkloadKind.DEPLOYMENT, "default", "web"))


async def test_who_keeps_a_deployment_is_read_from_its_marks(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """Argo CD, Flux and Helm each leave their own."""
    helm = {"meta.helm.sh/release-name": "shop"}
    marks = {
        "argo": {
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/argo", **helm}
        },
        "flux": {"labels": {"helm.toolkit.fluxcd.io/name": "shop"}, "annotations": helm},
        "helm": {"annotations": helm},
        "none": {},
    }
    reader = ClusterReader(client)
    owners = []
    for name, metadata in marks.items():
        cluster.deploy(name, "app:v1", 1, **metadata)
        owners.append(
            str((await reader.workload(WorkloadKey(WorkloadKind.DEPLOYMENT, "default", name))).keeper)
        )
    assert owners == ["Argo CD Application shop", "Flux HelmRelease shop", "Helm release shop", "None"]


async def test_an_accounts_missing_verbs_are_named(cluster: SimulatedCluster, client: ApiClient) -> None:
    """All but those that it was granted."""
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}]
    cluster.store.create(CLUSTER_ROLES, {"metadata": {"name": "r"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "sentinel", "namespace": "ops"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}
    binding = {"metadata": {"name": "b"}, "roleRef": role, "subjects": [subject]}
    cluster.store.create(CLUSTER_ROLE_BINDINGS, binding)
    lacking = await account_lacks(client, "ops", "sentinel", "")
    assert "get deployments.apps" not in lacking
    assert "watch deployments.apps" in lacking
    assert f"update {RECORDS}/status" in lacking


async def test_one_who_may_not_ask_for_others_is_told_so(cluster: SimulatedCluster) -> None:
    """Refused, not answered with a no."""
    token = cluster.api.tokens.issue("ops", "nobody")
    async with ApiClient(access_to(cluster.url, token)) as nobody:
        with pytest.raises(ForbiddenError):
            await account_lacks(nobody, "ops", "sentinel", "")


async def test_kinds_that_may_not_be_listed_are_left_out(cluster: SimulatedCluster) -> None:
    """But not Deployments: without these the answer would be about nothing."""
    cluster.deploy("web", "app:v1", 1)
    cluster.deploy_stateful("db", "db:v1", 1)
    rules = [
        {"apiGroups": ["apps"], "resources": [plural], "verbs": ["list"]}
        for plural in ("deployments", "replicasets")
    ]
    cluster.store.create(CLUSTER_ROLES, {"metadata": {"name": "r"}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "ops"}
    binding = {"metadata": {"name": "b"}, "roleRef": role, "subjects": [subject]}
    cluster.store.create(CLUSTER_ROLE_BINDINGS, binding)
    async with ApiClient(access_to(cluster.url, cluster.api.tokens.issue("ops", "reader"))) as reader:
        found = await ClusterReader(reader).workloads()
        assert [workload.key.name for workload in found] == ["web"]
    async with ApiClient(access_to(cluster.url, cluster.api.tokens.issue("ops", "nobody"))) as nobody:
        with pytest.raises(ForbiddenError):
            await ClusterReader(nobody).workloads()

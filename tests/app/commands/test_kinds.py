"""The commands on StatefulSets and DaemonSets, with no daemon running."""

from pathlib import Path

import pytest

from clustersim.node.behaviour import crash_loop
from clustersim.storage.resources import STATEFULSETS
from tests.support.cli import refusal, sentinel, served
from tests.support.world import NAMESPACE, World

pytestmark = pytest.mark.real_time


def rolled_out(here: World) -> bool:
    """Whether all pods of the StatefulSet are of its template and ready."""
    status = here.cluster.store.get(STATEFULSETS, NAMESPACE, "db").get("status") or {}
    return [status.get(k) for k in ("replicas", "readyReplicas", "updatedReplicas")] == [2] * 3


async def test_an_undo_removes_the_pod_in_the_way(tmp_path: Path) -> None:
    """The template is put back, the broken pod is deleted, and the command waits until all is back."""
    async with served(tmp_path, daemon=False) as here:
        here.cluster.deploy_stateful("db", "db:1", 2, namespace=NAMESPACE)
        await here.until(lambda: rolled_out(here), within=30)
        here.cluster.behave("db:2", crash_loop())
        here.cluster.set_image("db", "db:2", namespace=NAMESPACE, resource=STATEFULSETS)
        await here.until(lambda: here.pods_of("db:2", "db") == 1, within=20)
        result = await sentinel(here, "undo", "sts/db", "--yes")
        assert result.exit_code == 0, result.output
        assert "statefulset/shop/db: from revision 2 (db:2) back to revision 1 (db:1)" in result.output
        assert "fully available again" in result.output
        assert here.pods_of("db:1", "db") == 2


async def test_a_kind_is_named_as_for_kubectl(tmp_path: Path) -> None:
    """In any case, short or plural; a bare name is a Deployment, and an unknown kind is refused."""
    async with served(tmp_path, daemon=False) as here:
        here.cluster.deploy_stateful("db", "db:1", 2, namespace=NAMESPACE)
        await here.until(lambda: rolled_out(here), within=30)
        assert "there is no Deployment db" in refusal(await sentinel(here, "preflight", "db"))
        assert "statefulsat is not a kind of workload" in refusal(
            await sentinel(here, "preflight", "statefulsat/db")
        )
        for name in ("statefulset/db", "StatefulSets/db", "statefulset.apps/db"):
            result = await sentinel(here, "preflight", name)
            assert "keeps 10 old revisions" in result.output

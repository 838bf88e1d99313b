"""A daemon that is limited to some namespaces."""

from pathlib import Path

from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, PLAIN_POLICY, world


async def test_only_the_named_namespaces_are_watched(tmp_path: Path) -> None:
    """A policy for all namespaces guards those that the settings name, and no others."""
    policy = PLAIN_POLICY.replace("namespaces: [shop]", "namespaces: ['*']")
    async with world(tmp_path, policy, SENTINEL_KUBERNETES__NAMESPACES=NAMESPACE) as here:
        here.cluster.behave("bad:2", crash_loop())
        for namespace in (NAMESPACE, "other"):
            here.cluster.deploy("web", "web:1", 3, namespace=namespace)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        for namespace in (NAMESPACE, "other"):
            here.cluster.set_image("web", "bad:2", namespace=namespace)
        await here.phase(Phase.UNDONE, image="bad:2")
        assert {record.key.namespace for record in here.records()} == {NAMESPACE}

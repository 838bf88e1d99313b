"""The benchmark of shards measures real replicas, and loses one."""

from pathlib import Path

import pytest

from benchmarks import shards
from benchmarks.shards import Options


@pytest.mark.real_time
async def test_replicas_share_a_cluster_and_one_is_lost(tmp_path: Path) -> None:
    """Two replicas lead a shard each, all rollouts fly, and the one that is left leads both in the end."""
    options = Options(deployments=4, pods=1, namespaces=4, rollouts=2, replicas=2, watched=1.0, lease=5.0)

    found = await shards.measure(options, tmp_path)

    assert [one.left for one in found.carried].count(False) == 1
    assert found.successors == 1
    assert found.taken_over > 0
    assert all(one.start_cpu > 0 and one.flight_mib > 10 for one in found.carried)
    assert "| replica 2" in shards.report(found, "2026-01-31")

"""Events that nobody writes any longer go, as from a real API server."""

from __future__ import annotations

import asyncio

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.storage.expiry import KEPT
from clustersim.storage.resources import EVENTS
from clustersim.virtual_time import run


def test_events_go_an_hour_after_they_were_last_written() -> None:
    """Also those of other programs: a daemon's Events would fill a store for good."""

    async def left() -> list[list[str]]:
        async with SimulatedCluster(options=ClusterOptions(serve=False, events=False)) as cluster:
            for name in ("once", "again"):
                event = {"metadata": {"name": name, "namespace": "default"}, "reason": "Undone"}
                cluster.store.create(EVENTS, event, manager="sentinel")
            found = []
            for wait in (KEPT / 2, KEPT * 0.6, KEPT * 0.6):
                await asyncio.sleep(wait)
                found.append(sorted(each["metadata"]["name"] for each in cluster.store.list(EVENTS)))
                if len(found) == 1:
                    cluster.store.mutate(
                        EVENTS, "default", "again", lambda changed: changed.update(reason="Again")
                    )
            return found

    assert run(left()) == [["again", "once"], ["again"], []]

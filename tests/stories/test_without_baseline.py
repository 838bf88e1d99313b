"""Stories of rollouts that have no stable pod beside them any more when the fault shows."""

from __future__ import annotations

import asyncio

from clustersim.metrics.requests import Quality
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, World, decision


async def test_errors_that_begin_when_no_old_pod_is_left_are_undone(plain: World) -> None:
    """With no stable pod to compare with, the stable's good hour before stands in: the candidate is undone."""
    await asyncio.sleep(600)
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.until(
        lambda: plain.pods_of("web:1") == 0 and plain.pods_of("web:2") == 10, what="no old pod is left"
    )

    plain.cluster.serve("web:2", Quality(errors=0.3))

    record = await plain.phase(Phase.UNDONE, image="web:2", within=900)
    undo = decision(record, Action.UNDO)
    assert (undo.rule, undo.reason) == ("error-rate", "OverLimit")
    assert plain.image() == "web:1"

"""Stories in which the daemon goes and comes back: the records are all it needs."""

import asyncio

import pytest

from clustersim.faults import FaultKind, InjectedFault
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.entries import OutcomeKind
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, World, actions


@pytest.mark.parametrize("after", [1, 20, 70, 95, 150, 170, 290])
async def test_a_restart_at_any_time_of_a_good_rollout_carries_on(shop: World, after: int) -> None:
    """Each step is advanced once and the candidate promoted once, wherever the daemon was restarted."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await asyncio.sleep(after)
    await shop.restart()
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    assert shop.pods_of("web:2") == 10


async def test_a_rollout_that_finished_unwatched_is_unjudged(shop: World) -> None:
    """What was rolled out while no sentinel watched is never called promoted."""
    await shop.stop()
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.settle()
    await shop.start()
    record = await shop.phase(Phase.UNJUDGED, image="web:2")
    assert record.state.ending.promoted_at is None


async def test_evidence_gathered_before_a_restart_is_not_lost(shop: World) -> None:
    """A canary that is bad all along is found though the daemon restarts every half minute."""
    shop.cluster.serve("web:2", Quality(errors=0.12))
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    for _ in range(4):
        await asyncio.sleep(20)
        await shop.restart()
    record = await shop.phase(Phase.UNDONE, image="web:2", within=120)
    assert actions(record) == ["undo", "restored"]


async def test_a_metrics_outage_holds_and_is_caught_up(shop: World) -> None:
    """Without Prometheus nothing is promoted and nothing undone; when it is back the rollout goes on."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.prometheus.status = 503
    record = await shop.phase(Phase.HELD, image="web:2", within=300)
    assert record.state.hold is not None
    assert record.state.hold.reason == "EvidenceMissing"
    await asyncio.sleep(300)
    assert shop.pods_of("web:2") == 1
    shop.cluster.prometheus.status = None
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]


async def test_a_daemon_that_was_away_asks_before_it_holds(shop: World) -> None:
    """Evidence that is old only because nobody measured is caught up with, not taken for missing."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    await shop.stop()
    await asyncio.sleep(180)
    await shop.start()
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]


async def test_an_undo_whose_answer_was_lost_is_not_made_again_when_people_put_the_candidate_back(
    plain: World,
) -> None:
    """It was seen in force; its decision ends as done, and the candidate's return is held, not undone once more."""
    faults = plain.cluster.faults
    write = frozenset({"patch"})

    def cut_off() -> None:
        faults.add(InjectedFault(FaultKind.ERROR, frozenset({"get"}), "/deployments/", status=504))

    faults.add(InjectedFault(FaultKind.DROP, write, "/deployments/", count=1, then=cut_off))
    plain.cluster.behave("web:2", crash_loop())
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.until(lambda: plain.image() == "web:1", what="the undo is made")
    await asyncio.sleep(3)
    faults.clear()
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    record = await plain.phase(Phase.HELD, image="web:2", within=60)
    await asyncio.sleep(60)
    assert plain.image() == "web:2"
    assert record.attempt == 2
    first = plain.records()[1]
    assert [entry.outcome.kind for entry in first.decisions if entry.outcome] == [OutcomeKind.DONE] * 3
    assert first.state.phase is Phase.UNDONE


async def test_what_is_known_of_a_rollout_is_forgotten_though_the_answer_to_its_end_was_lost(
    plain: World,
) -> None:
    """The watch shows that it is over, and nothing is kept of it in memory."""
    plain.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await plain.phase(Phase.PROMOTED, image="web:2")
    plain.cluster.faults.add(InjectedFault(FaultKind.DROP, frozenset({"update"}), "rolloutrecords"))

    def over() -> bool:
        record = plain.record(image="web:2")
        return record is not None and record.state.ending.ended_at is not None

    await plain.until(over, within=3600)
    await asyncio.sleep(1)
    assert plain.application is not None
    daemon = plain.application.daemon
    assert not daemon._reconciler._work._memory.working._states
    assert not daemon._services.collector._ledgers

"""Stories of how a candidate is judged: what the hour before teaches, thresholds, early promotion, crashes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sentinel.domain.record import Phase, Record
from sentinel.engine.calibration import Calibration
from sentinel.engine.learning import calibration_in
from tests.support.world import NAMESPACE, ROLLING, World, actions, world

BROKEN = tuple(range(25, 300, 9))
"""Clients that always fail: by chance the canary gets four times as many as other pods."""


def offer_sticky(here: World, broken: tuple[int, ...] = BROKEN) -> None:
    """Heavy-tailed clients, each of whom stays with one pod."""
    here.cluster.offer(
        "web", 200, namespace=NAMESPACE, affinity="sticky", clients=300, skew=1.1, broken=broken
    )


@pytest.fixture
async def sticky(tmp_path: Path) -> AsyncIterator[World]:
    """An hour of traffic whose clients stick to their pods, and nothing wrong with the code."""
    async with world(tmp_path) as here:
        here.cluster.deploy("web", "web:1", 10, namespace=NAMESPACE, **ROLLING)
        offer_sticky(here)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        await asyncio.sleep(3600)
        yield here


def learnt(record: Record | None, rule: str = "error-rate") -> Calibration | None:
    """What a rollout keeps of the hour before."""
    return calibration_in(record.state.analysis.get(rule)) if record else None


async def test_a_canary_that_broken_clients_stick_to_is_not_undone(sticky: World) -> None:
    """14 % of the canary's requests fail for two minutes, as some of the old pods' always have: it is promoted.

    Judged as if errors were independent it would be undone within half a minute.
    """
    sticky.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await asyncio.sleep(120)
    before = sticky.record(image="web:2")
    assert before is not None
    assert "candidate 1" in before.state.message
    offer_sticky(sticky, broken=())
    record = await sticky.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]


async def test_a_restart_keeps_what_the_hour_before_taught(sticky: World) -> None:
    """The record has it, and another process goes on with it without asking again."""
    sticky.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await asyncio.sleep(90)
    await sticky.stop()
    sticky.cluster.prometheus.forget()
    await sticky.start()
    kept = learnt(sticky.record(image="web:2"))
    assert kept is not None
    assert kept.windows > 200
    assert kept.dispersion > 5
    offer_sticky(sticky, broken=())
    record = await sticky.phase(Phase.PROMOTED, image="web:2")
    assert record.decisions[-1].numbers["error-rate.phi"] == kept.dispersion


async def test_a_rollout_whose_past_is_not_known_goes_by_the_last_one(sticky: World) -> None:
    """Where the source has forgotten the hour before, the φ of the workload's last rollout is used."""
    offer_sticky(sticky, broken=())
    sticky.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    first = learnt(await sticky.phase(Phase.PROMOTED, image="web:2"))
    assert first is not None
    sticky.cluster.prometheus.forget()
    sticky.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await sticky.phase(Phase.BAKING, image="web:3")
    await asyncio.sleep(45)
    assert learnt(sticky.record(image="web:3")) == first

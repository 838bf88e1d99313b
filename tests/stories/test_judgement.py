"""Stories of how a candidate is judged: what the hour before teaches, thresholds, early promotion, crashes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clustersim.metrics.load import Load, ToPods
from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crashes_after
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.evidence.history import calibration_in
from sentinel.engine.statistics.calibration import Calibration
from tests.stories.conftest import at_rest
from tests.support.world import CANARY_POLICY, NAMESPACE, ROLLING, World, actions, decision, world

THRESHOLD_POLICY = CANARY_POLICY.replace(
    "        max: 5%\n", "        max: 5%\n        method: threshold\n        for: 45s\n"
)
EARLY_POLICY = (
    CANARY_POLICY.replace("    bake: 2m\n", "    bake: 10m\n    promote: early\n")
    .replace("bake: 1m}", "bake: 10m}")
    .replace("mean: 1s", "p99: 1s")
    .replace("deadline: 30m", "deadline: 2h")
)

PODS_POLICY = CANARY_POLICY[: CANARY_POLICY.index("    - name: error-rate")] + (
    "    - {name: crash-loop, crashLoop: {}}\n    - {name: health, health: {readyWithin: 2m}}\n"
)
BOT = "bot"
"""A client all of whose requests fail, and that keeps its connection to one pod."""


def send_bot(here: World, **labels: str) -> None:
    """Let the broken client stick to one pod of the service that has these labels."""
    chosen = tuple({"app": "web", **labels}.items())
    here.cluster.traffic.offer(
        Load(BOT, NAMESPACE, ToPods(chosen), 1.5, affinity="sticky", clients=1, broken=(1,))
    )


@pytest.fixture
async def sticky(tmp_path: Path) -> AsyncIterator[World]:
    """An hour of a service of which one pod has a broken client."""
    async with world(tmp_path) as here:
        await at_rest(here)
        send_bot(here)
        await asyncio.sleep(3600)
        yield here


async def move_to_canary(here: World) -> str:
    """Roll out `web:2`; the broken client sticks to its first pod, whose name is returned."""
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await here.until(lambda: here.pods_of("web:2") == 1, within=30)
    metadata = next(
        pod["metadata"]
        for pod in here.cluster.pods("web", namespace=NAMESPACE)
        if pod["spec"]["containers"][0]["image"] == "web:2"
    )
    send_bot(here, **{"pod-template-hash": metadata["labels"]["pod-template-hash"]})
    return str(metadata["name"])


def learnt(record: Record | None, rule: str = "error-rate") -> Calibration | None:
    """What a rollout keeps of the hour before."""
    return calibration_in(record.state.analysis.get(rule)) if record else None


async def test_a_canary_that_a_broken_client_sticks_to_is_not_undone(sticky: World) -> None:
    """A tenth of the canary's requests fail for a minute, as those of an old pod always have: it is promoted.

    Judged as if errors were independent, it is undone within half a minute.
    """
    canary = await move_to_canary(sticky)
    await asyncio.sleep(60)
    seen = sticky.cluster.traffic.of_pod(NAMESPACE, canary)
    assert seen is not None
    assert seen.requests["500"] > 0.1 * seen.count
    assert sticky.image() == "web:2"
    sticky.cluster.traffic.withdraw(BOT)
    record = await sticky.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]


async def test_a_restart_keeps_what_the_hour_before_taught(sticky: World) -> None:
    """The record has it, and another process goes on with it though the source has forgotten that hour."""
    await move_to_canary(sticky)
    await asyncio.sleep(45)
    await sticky.stop()
    sticky.cluster.prometheus.forget()
    await sticky.start()
    kept = learnt(sticky.record(image="web:2"))
    assert kept is not None
    assert kept.windows > 200
    assert kept.dispersion > 5
    sticky.cluster.traffic.withdraw(BOT)
    record = await sticky.phase(Phase.PROMOTED, image="web:2")
    assert record.decisions[-1].numbers["error-rate.phi"] == kept.dispersion


async def test_a_rollout_whose_past_is_not_known_goes_by_the_last_one(sticky: World) -> None:
    """Where the source has forgotten the hour before, what the workload's last rollout learnt is used."""
    sticky.cluster.traffic.withdraw(BOT)
    sticky.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    first = learnt(await sticky.phase(Phase.PROMOTED, image="web:2"))
    assert first is not None
    sticky.cluster.prometheus.forget()
    sticky.cluster.set_image("web", "web:3", namespace=NAMESPACE)
    await sticky.phase(Phase.BAKING, image="web:3")
    await asyncio.sleep(45)
    assert learnt(sticky.record(image="web:3")) == first


async def test_a_threshold_must_be_over_its_limit_for_its_time(tmp_path: Path) -> None:
    """7 % errors, too little for the test to prove at once, undo after 45 s over 5 %; a short peak does not."""
    async with world(tmp_path, THRESHOLD_POLICY) as here:
        await at_rest(here)
        here.cluster.serve("web:2", Quality(errors=0.3))
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(lambda: here.pods_of("web:2") == 1, within=30)
        await asyncio.sleep(12)
        here.cluster.serve("web:2", Quality())
        await asyncio.sleep(60)
        peak = here.record(image="web:2")
        assert peak is not None
        assert peak.state.phase in (Phase.BAKING, Phase.PROGRESSING)
        here.cluster.serve("web:2", Quality(errors=0.3))
        record = await here.phase(Phase.UNDONE, image="web:2", within=120)
        undo = decision(record, Action.UNDO)
        assert (undo.rule, undo.reason) == ("error-rate", "OverThreshold")
        assert "threshold 5%; over it for 45 s" in undo.message


async def test_a_proven_candidate_does_not_wait_for_its_bake(tmp_path: Path) -> None:
    """Three bakes of ten minutes end as soon as enough good requests were seen."""
    async with world(tmp_path, EARLY_POLICY) as here:
        await at_rest(here)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.PROMOTED, image="web:2")
        assert actions(record) == ["advance", "advance", "promote"]
        assert (record.decisions[-1].at - record.started_at).total_seconds() < 900


async def test_little_traffic_is_never_promoted_early(tmp_path: Path) -> None:
    """Of two requests a second a tenth is too few for a proof before the bake is over, and people are told so."""
    async with world(tmp_path, EARLY_POLICY) as here:
        await at_rest(here)
        here.cluster.offer("web", 2, namespace=NAMESPACE)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2")
        await asyncio.sleep(300)
        record = here.record(image="web:2")
        assert record is not None
        assert actions(record) == []
        assert "more canary requests needed, about" in record.state.message


async def test_pods_that_crash_once_each_are_undone_without_any_metric(tmp_path: Path) -> None:
    """No pod is in a crash loop, but six of six crashed where none of 54 others did: proof by counting."""
    async with world(tmp_path, PODS_POLICY) as here:
        here.cluster.deploy("web", "web:1", 60, namespace=NAMESPACE, **ROLLING)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        here.cluster.behave("web:2", crashes_after(30, times=1))
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        record = await here.phase(Phase.UNDONE, image="web:2", within=200)
        undo = decision(record, Action.UNDO)
        assert (undo.rule, undo.reason, undo.step) == ("crash-loop", "CrashesMore", 0)
        assert undo.message.startswith("6 candidate pods crashed")

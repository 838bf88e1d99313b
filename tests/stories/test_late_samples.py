"""Stories of a backend that shows the samples of some seconds together, as VictoriaMetrics and remote writes do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from clustersim.cluster import ClusterOptions
from clustersim.metrics.requests import Quality
from clustersim.virtual_time import DEFAULT_EPOCH, wall_clock
from sentinel.domain.record.entries import Action
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout.decision import CALM_FOR
from tests.e2e.shops import QUICK, REQUESTS_PER_SECOND, WELL, policy
from tests.support.world import NAMESPACE, ROLLING, World, actions, world

BATCH = 4.0
MOMENT = 1.0
"""Seconds for all that is not waiting: looks for a batch, answers, pods that start at another time."""


@asynccontextmanager
async def shop(
    folder: Path, batch: float, scrapes: float = 1.0, bake: float = 4.0, first: float = 0.0
) -> AsyncIterator[World]:
    """A service of four pods at rest, scraped each second, or every so many; the `first` time so many after a tick."""
    await asyncio.to_thread(folder.mkdir)
    options = ClusterOptions(scrape_interval=scrapes, batch=batch)
    now = wall_clock(epoch=DEFAULT_EPOCH + timedelta(seconds=first))
    async with world(folder, policy(bake), now=now, options=options) as here:
        here.environ["SENTINEL_PROMETHEUS__SCRAPE_INTERVAL"] = f"{scrapes:g}"
        here.cluster.behaviours.default = QUICK
        here.cluster.serve("web:1", WELL)
        here.cluster.deploy("web", "web:1", 4, namespace=NAMESPACE, **ROLLING)
        here.cluster.offer("web", REQUESTS_PER_SECOND, namespace=NAMESPACE)
        await here.settle()
        await here.start()
        await here.phase(Phase.UNJUDGED)
        await asyncio.sleep(20 * scrapes)
        yield here


async def released(
    folder: Path,
    batch: float,
    quality: Quality,
    end: Phase,
    scrapes: float = 1.0,
    bake: float = 4.0,
    first: float = 0.0,
) -> Record:
    """A release's record at its end."""
    async with shop(folder, batch, scrapes, bake, first) as here:
        here.cluster.serve("web:2", quality)
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        return await here.phase(end, image="web:2")


def seconds(record: Record, action: Action) -> list[float]:
    """When such decisions were made, in seconds since the release began."""
    return [(e.at - record.started_at).total_seconds() for e in record.decisions if e.action is action]


async def test_slow_answers_are_undone_a_batch_later_at_most(tmp_path: Path) -> None:
    """By the first batch that shows what proves them, whole or in part."""
    slow = Quality(latency=2.0, spread=0.3)
    prompt, late = [
        await released(tmp_path / f"{batch:g}", batch, slow, Phase.UNDONE) for batch in (0.0, BATCH)
    ]
    assert seconds(late, Action.UNDO)[0] <= seconds(prompt, Action.UNDO)[0] + BATCH + MOMENT


async def test_each_step_of_a_good_release_waits_for_one_batch_at_most(tmp_path: Path) -> None:
    """The one that shows its end; none where no sample is due before it."""
    prompt, late = [
        await released(tmp_path / f"{batch:g}", batch, WELL, Phase.PROMOTED) for batch in (0.0, BATCH)
    ]
    assert actions(late) == actions(prompt) == ["advance", "advance", "promote"]
    steps = len(actions(late))
    assert seconds(late, Action.PROMOTE)[0] <= seconds(prompt, Action.PROMOTE)[0] + steps * (BATCH + MOMENT)


@pytest.mark.parametrize(
    ("batch", "bake", "first"),
    [(0.0, 35.0, 0.0), (BATCH, 30.0, 0.0), (0.0, 30.0, 1.0), (1.0, 30.0, 1.0), (1.0, 30.0, 7.0)],
)
async def test_rare_scrapes_hold_up_no_step(tmp_path: Path, batch: float, bake: float, first: float) -> None:
    """A step whose rules have a shorter interval ends with its bake, or with the batch that was on its way then."""
    record = await released(tmp_path / "shop", batch, WELL, Phase.PROMOTED, 15.0, bake, first)
    steps = actions(record)
    assert steps == ["advance", "advance", "promote"]
    assert seconds(record, Action.PROMOTE)[0] <= len(steps) * (bake + batch + MOMENT)


async def test_the_first_batch_after_samples_stayed_away_is_evidence(tmp_path: Path) -> None:
    """It counts from where they stopped, so no second one is needed for the hold to be over after its calm time."""
    async with shop(tmp_path / "shop", BATCH) as here:
        server, scrape = here.cluster.prometheus, here.cluster.prometheus.scrape
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2")
        server.scrape = lambda: None  # type: ignore[method-assign]
        await here.phase(Phase.HELD, image="web:2")
        await asyncio.sleep(30)
        server.scrape, back = scrape, here.cluster.now()  # type: ignore[method-assign]
        record = await here.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["hold", "resume", "advance", "advance", "promote"]
    resumed = next(entry.at for entry in record.decisions if entry.action is Action.RESUME)
    assert (resumed - back - CALM_FOR).total_seconds() <= BATCH + 2 * MOMENT

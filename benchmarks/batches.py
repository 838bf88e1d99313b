"""How much longer releases take where samples become visible by the batch than where each does at once.

    python -m benchmarks.batches [--releases N] [--workers N] [--write]

Releases of the simulated cluster, on virtual time: what is measured is how long decisions wait for evidence, not how
fast this machine is. Each release is drawn once, and told on every backend; so is when scrapes and ticks fall.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from clustersim.cluster import ClusterOptions
from clustersim.metrics.requests import Quality
from clustersim.virtual_time import DEFAULT_EPOCH, run, wall_clock
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout import decision as deciding
from tests.e2e.shops import QUICK, REQUESTS_PER_SECOND, WELL, policy
from tests.support.world import NAMESPACE, ROLLING, World, world

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "batches.md"
BATCHES = {
    0.0: "Prometheus",
    1.0: "a batch every 1 s, as VictoriaMetrics 1.79",
    4.0: "a batch every 4 s, as VictoriaMetrics 1.151",
    5.0: "a batch every 5 s, as by a remote write",
}
SETTINGS = ((1.0, 4.0), (1.0, 12.0), (15.0, 30.0))
"""Seconds between two scrapes, and those that each step bakes."""
STORIES: Mapping[str, Quality] = {
    "good": WELL,
    "errors": Quality(errors=0.12),
    "slow": Quality(latency=2.0, spread=0.3),
    "outage": WELL,
}
WITHIN = 600.0


@dataclass(frozen=True, slots=True)
class Telling:
    """A story told on a backend: a batch, scrapes and bakes in seconds (a batch of 0 shows each sample at once)."""

    story: str
    batch: float
    scrapes: float
    bake: float


Found = Mapping[Telling, Sequence[float]]
"""The seconds of every release."""


async def took(telling: Telling, seed: int, folder: Path) -> float:
    """How many seconds a release took to be promoted or undone."""
    draw, story = random.Random(seed), telling.story
    now = wall_clock(epoch=DEFAULT_EPOCH + timedelta(seconds=draw.random() * telling.scrapes))
    options = ClusterOptions(seed=seed, scrape_interval=telling.scrapes, batch=telling.batch)
    async with world(folder, policy(telling.bake), now=now, options=options) as here:
        here.environ["SENTINEL_PROMETHEUS__SCRAPE_INTERVAL"] = f"{telling.scrapes:g}"
        await _at_rest(here)
        await asyncio.sleep(15 * telling.scrapes + draw.random() * 20)
        here.cluster.serve("web:2", STORIES[story])
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        if story == "outage":
            await _outage(here)
        good = STORIES[story] is WELL
        record = await here.phase(Phase.PROMOTED if good else Phase.UNDONE, image="web:2", within=WITHIN)
        ended = Action.PROMOTE if good else Action.UNDO
        at = next(entry.at for entry in record.decisions if entry.action is ended)
        return (at - record.started_at).total_seconds()


async def _at_rest(here: World) -> None:
    here.cluster.behaviours.default = QUICK
    here.cluster.serve("web:1", WELL)
    here.cluster.deploy("web", "web:1", 4, namespace=NAMESPACE, **ROLLING)
    here.cluster.offer("web", REQUESTS_PER_SECOND, namespace=NAMESPACE)
    await here.settle()
    await here.start()
    await here.phase(Phase.UNJUDGED, within=WITHIN)


async def _outage(here: World) -> None:
    """The backend goes away as the first step bakes, until the release is held. Nothing is scraped meanwhile."""
    server = here.cluster.prometheus
    scrape = server.scrape
    await here.phase(Phase.BAKING, image="web:2", within=WITHIN)
    server.status, server.scrape = 503, lambda: None  # type: ignore[method-assign]
    await here.phase(Phase.HELD, image="web:2", within=WITHIN)
    server.status, server.scrape = None, scrape  # type: ignore[method-assign]


def told(telling: Telling, seed: int) -> float:
    """The same on virtual time."""
    logging.disable(logging.CRITICAL)
    deciding.CALM_FOR, deciding.MISSING_FOR = timedelta(seconds=3), timedelta(seconds=5)
    with tempfile.TemporaryDirectory() as folder:
        return run(took(telling, seed, Path(folder)))


def measured(releases: int, workers: int) -> Found:
    """Every story on every backend, in every setting."""
    tellings = [
        Telling(story, batch, scrapes, bake)
        for scrapes, bake in SETTINGS
        for batch in BATCHES
        for story in STORIES
    ]
    with ProcessPoolExecutor(workers) as pool:
        begun = {each: [pool.submit(told, each, seed) for seed in range(releases)] for each in tellings}
        return {each: [future.result() for future in futures] for each, futures in begun.items()}


def page(found: Found, releases: int, date: str) -> str:
    """The medians, and of the batches how many times Prometheus' they are."""
    tables = "\n\n".join(_table(found, scrapes, bake) for scrapes, bake in SETTINGS)
    return f"""# Samples that come by the batch

How long the stories of [the backends](../backends.md#what-is-known-of-each) take where the samples of some
seconds become visible together: the medians of {releases} releases of the simulated cluster, on virtual time, and
how many times Prometheus' they are ({date}, `python -m benchmarks.batches --releases {releases} --write`).
A batch delays each decision by half its length on average, however long what is decided took.

{tables}
"""


def _table(found: Found, scrapes: float, bake: float) -> str:
    lines = [[f"scrapes of {scrapes:g} s, bakes of {bake:g} s", *STORIES], ["---"] * (len(STORIES) + 1)]
    for batch, name in BATCHES.items():
        cells = []
        for story in STORIES:
            seconds, usual = (median(found[Telling(story, at, scrapes, bake)]) for at in (batch, 0.0))
            cells.append(f"{seconds:.1f} s" + (f" ({seconds / usual:.2f})" if batch else ""))
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Measure, print, and write the page if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--releases", type=int, default=20)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/batches.md")
    chosen = parser.parse_args()
    text = page(measured(chosen.releases, chosen.workers), chosen.releases, f"{datetime.now(UTC):%Y-%m-%d}")
    print(text)
    if chosen.write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()

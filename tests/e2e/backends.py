"""Six stories of releases on any backend: shops that differ in nothing but what scrapes them and answers PromQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout import decision as deciding
from tests.e2e.arrivals import Arrivals, Took, watched
from tests.e2e.shops import Scraping, Shop, shop

USUAL = ("victoria-metrics",)
PROGRAMS = (
    "prometheus",
    "prometheus-3",
    *USUAL,
    "victoria-metrics-newest",
    "vmauth",
    "thanos",
    "mimir",
)
"""What answers PromQL in the stories, by its command: all in `make test-backends`, the usual ones in the suite.

Prometheus has the stories of test_stories.
"""
IDLE = 20.0
"""For so many seconds nobody asks a release for anything: longer than its first step takes."""
PROVEN = {"good": "catalog", "errors": "checkout", "slow": "search"}
"""The stories that samples decide, and whose."""


Times = dict[tuple[str, float], Mapping[str, Took]]
"""How long each story took, by the backend and the seconds between two scrapes."""
SERVICES = {"catalog": 4, "checkout": 4, "search": 4, "cart": 4, "idle": 4}
"""One release each; that of `press` is in a shop of its own, whose backend goes away."""


async def good(here: Shop) -> Record:
    """A release as good as the one before is promoted."""
    here.release("catalog")
    return await here.phase(Phase.PROMOTED, "catalog")


async def errors(here: Shop) -> Record:
    """A release that fails 12 % of its requests is undone."""
    here.release("checkout", Quality(errors=0.12))
    return await here.phase(Phase.UNDONE, "checkout")


async def slow(here: Shop) -> Record:
    """A release that takes 2 s to answer is undone."""
    here.release("search", Quality(latency=2.0, spread=0.3))
    return await here.phase(Phase.UNDONE, "search")


async def crashing(here: Shop) -> Record:
    """A release whose pods crash as they start is undone."""
    here.world.cluster.behave("cart:2", crash_loop())
    here.release("cart")
    return await here.phase(Phase.UNDONE, "cart")


async def idle(here: Shop) -> Record:
    """A release without any traffic is not promoted."""
    here.world.cluster.offer("idle", 0.0, namespace="shop")
    here.release("idle")
    await here.phase(Phase.BAKING, "idle")
    await asyncio.sleep(IDLE)
    record = here.world.record("idle", image="idle:2")
    assert record is not None
    return record


async def outage(here: Shop) -> Record:
    """While the backend is away nothing is decided; after it is back the release is promoted."""
    here.release("press")
    await here.phase(Phase.BAKING, "press")
    await here.prometheus.down()
    await here.phase(Phase.HELD, "press")
    await here.prometheus.up()
    return await here.phase(Phase.PROMOTED, "press")


STORIES = {"good": good, "errors": errors, "slow": slow, "crashing": crashing, "idle": idle}


async def told(
    folder: Path, scraping: Scraping
) -> tuple[Mapping[str, Record | BaseException], Mapping[str, Took]]:
    """The record of each story on one backend, or how it failed, all told at once; how long each took."""
    took: dict[str, Took] = {}

    async def timed(name: str, here: Shop, arrivals: Arrivals) -> Record:
        began = time.time()
        record = await (outage if name == "outage" else STORIES[name])(here)
        seconds, service = time.time() - began, PROVEN.get(name)
        took[name] = arrivals.took(service, record, began, seconds) if service else Took(seconds)
        return record

    for name in ("shop", "away"):
        (folder / name).mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "CALM_FOR", timedelta(seconds=3))
        patch.setattr(deciding, "MISSING_FOR", timedelta(seconds=5))
        async with (
            shop(folder / "shop", SERVICES, scraping) as here,
            shop(folder / "away", {"press": 4}, scraping) as away,
            watched(here.prometheus) as arrivals,
        ):
            names = [*STORIES, "outage"]
            ended = await asyncio.gather(
                *(timed(name, away if name == "outage" else here, arrivals) for name in names),
                return_exceptions=True,
            )
    return dict(zip(names, ended, strict=True)), took


def table(rows: Times) -> str:
    """How many seconds each story took on each backend, as a table of Markdown; a dash where it did not end.

    In brackets: how many times as long as on Prometheus at the same scrapes, where that was asked; and the least that
    this can be: when the samples could be queried that decided it there.
    """
    names = [*STORIES, "outage"]
    lines = [["backend", "scrapes", *names], ["---"] * (len(names) + 2)]
    for (backend, every), took in rows.items():
        usual = rows.get(("prometheus", every), {})
        cells = (_cell(took.get(name), usual.get(name)) for name in names)
        lines.append([backend, f"{every:g} s", *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(took: Took | None, usual: Took | None) -> str:
    if took is None:
        return "-"
    if usual is None:
        return f"{took.seconds:.1f} s"
    ratio, least = f"{took.seconds / usual.seconds:.2f}", took.least(usual)
    floor = "" if least is None else f", samples {least / usual.seconds:.2f}"
    return f"{took.seconds:.1f} s ({ratio}{floor})"

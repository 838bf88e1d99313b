"""Six stories of releases on any backend: shops that differ in nothing but what scrapes them and answers PromQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
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
Times = dict[tuple[str, float], Mapping[str, Took]]
"""How long each story took, by the backend and the seconds between two scrapes."""
Ended = Mapping[str, Sequence[Record | BaseException]]
"""How each telling of each story ended: the record of its release, or how it failed."""


async def good(here: Shop, service: str) -> Record:
    """A release as good as the one before is promoted."""
    here.release(service)
    return await here.phase(Phase.PROMOTED, service)


async def errors(here: Shop, service: str) -> Record:
    """A release that fails 12 % of its requests is undone."""
    here.release(service, Quality(errors=0.12))
    return await here.phase(Phase.UNDONE, service)


async def slow(here: Shop, service: str) -> Record:
    """A release that takes 2 s to answer is undone."""
    here.release(service, Quality(latency=2.0, spread=0.3))
    return await here.phase(Phase.UNDONE, service)


async def crashing(here: Shop, service: str) -> Record:
    """A release whose pods crash as they start is undone."""
    here.world.cluster.behave(f"{service}:2", crash_loop())
    here.release(service)
    return await here.phase(Phase.UNDONE, service)


async def idle(here: Shop, service: str) -> Record:
    """A release without any traffic is not promoted."""
    here.world.cluster.offer(service, 0.0, namespace="shop")
    here.release(service)
    await here.phase(Phase.BAKING, service)
    await asyncio.sleep(here.first_step)
    record = here.world.record(service, image=f"{service}:2")
    assert record is not None
    return record


async def outage(here: Shop, service: str) -> Record:
    """While the backend is away nothing is decided; after it is back the release is promoted."""
    here.release(service)
    await here.phase(Phase.BAKING, service)
    await here.prometheus.down()
    await here.phase(Phase.HELD, service)
    await here.prometheus.up()
    return await here.phase(Phase.PROMOTED, service)


STORIES = {
    "good": good,
    "errors": errors,
    "slow": slow,
    "crashing": crashing,
    "idle": idle,
    "outage": outage,
}
PROVEN = ("good", "errors", "slow")
"""The stories that samples decide. They are told several times: how long each takes, depends on the next scrape."""
BATCH = 4.0
"""No backend's samples come in batches of more seconds, but for a remote write's (5 s)."""


async def told(folder: Path, scraping: Scraping, times: int = 1) -> tuple[Ended, Mapping[str, Took]]:
    """How the stories ended on one backend, all told at once, and how long each took.

    Those that samples decide are told so many times, evenly spread over the time between two scrapes or batches; the
    median is how long they took. Each release is of a service by itself, that of the outage of a shop by itself.
    """
    took: dict[str, list[Took]] = {}
    tellings = [(name, nth) for name in STORIES for nth in range(times if name in PROVEN else 1)]

    async def one(name: str, nth: int, here: Shop, arrivals: Arrivals) -> Record:
        await asyncio.sleep(nth * max(scraping.interval, BATCH) / times)
        service, began = _service(name, nth), time.time()
        record = await STORIES[name](here, service)
        seconds = time.time() - began
        told = arrivals.took(service, record, began, seconds) if name in PROVEN else Took(seconds)
        took.setdefault(name, []).append(told)
        return record

    services: dict[str, dict[str, int]] = {"shop": {}, "away": {}}
    for place in services:
        (folder / place).mkdir(parents=True)
    for name, nth in tellings:
        services["away" if name == "outage" else "shop"][_service(name, nth)] = 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deciding, "CALM_FOR", timedelta(seconds=3))
        patch.setattr(deciding, "MISSING_FOR", timedelta(seconds=5))
        async with (
            shop(folder / "shop", services["shop"], scraping) as here,
            shop(folder / "away", services["away"], scraping) as away,
            watched(here.prometheus) as arrivals,
        ):
            ends = await asyncio.gather(
                *(one(name, nth, away if name == "outage" else here, arrivals) for name, nth in tellings),
                return_exceptions=True,
            )
    ended: dict[str, list[Record | BaseException]] = {name: [] for name in STORIES}
    for (name, _), end in zip(tellings, ends, strict=True):
        ended[name].append(end)
    return ended, {name: _middle(each) for name, each in took.items()}


def _service(story: str, nth: int) -> str:
    return f"{story}-{nth + 1}"


def _middle(took: Sequence[Took]) -> Took:
    return sorted(took, key=lambda each: each.seconds)[len(took) // 2]


def table(rows: Times) -> str:
    """How many seconds each story took on each backend, as a table of Markdown; a dash where it did not end.

    In brackets: how many times as long as on Prometheus at the same scrapes, where that was asked; and the least that
    this can be: when the samples could be queried that decided it there.
    """
    names = list(STORIES)
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

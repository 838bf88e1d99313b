"""The benchmarks measure: every figure that they promise comes out, whatever it is."""

from __future__ import annotations

import asyncio
import math
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from benchmarks import reaction, scale
from benchmarks.harness.build import HERE
from benchmarks.harness.field import KINDS, Level, Plan
from benchmarks.harness.figures import Figures, table
from benchmarks.harness.link import Child
from benchmarks.harness.result import against

TINY = Plan(
    deployments=3,
    replicas=2,
    history=1,
    interval=5.0,
    levels=(Level(2, 4),),
    spacing=0.05,
    burst=1,
    bursts=1,
    warm_up=0.0,
)


def test_quantiles_are_values_that_were_measured() -> None:
    """By nearest rank, from a sample in any order."""
    assert Figures.of([float(n) for n in range(200, 0, -1)]) == Figures(200, 100.0, 180.0, 198.0, 200.0)


def test_nothing_measured_is_an_error() -> None:
    """Figures of no sample are not made up."""
    with pytest.raises(ValueError, match="nothing was measured"):
        Figures.of([])


def test_a_table_is_markdown() -> None:
    """The first column is text, the others are numbers."""
    assert table(["", "ms"], [["a", "1"]]) == "|  | ms |\n| --- | ---: |\n| a | 1 |"


@pytest.mark.real_time
async def test_the_reaction_of_the_real_daemon_is_measured(tmp_path: Path) -> None:
    """Three processes, two rollouts in flight: each strike is undone, timed, and stands on the page."""
    field = await reaction.measure(HERE, TINY, tmp_path)
    level = TINY.levels[0]
    assert [len(field.sample(level, kind)) for kind in KINDS] == [2, 2]
    assert len(field.burst_sample()) == 1
    assert field.missed == 0
    assert all(ms > 0 for kind in KINDS for ms in field.sample(level, kind))
    assert "| 2 in flight, crash loop | 2 |" in reaction.report(TINY, field, "2026-01-31")
    assert {"2 in flight, alert, p99", "2 in flight, CPU"} < set(reaction.figures(TINY, field))


def test_the_cost_of_a_cluster_is_measured() -> None:
    """All three ways take every pod in."""
    costs = scale.measure(HERE, pods=20, deployments=2)
    assert min(way.seconds for way in (costs.watches, costs.bare, costs.typed)) > 0
    assert costs.daemon.cpu > 0
    assert costs.daemon.peak > 10
    assert costs.pod_bytes > 1000
    assert "the daemon's watches" in scale.report(costs, "2026-01-31")


def _end(_connection: Connection) -> None:
    """A process that ends before it has told anything."""


@pytest.mark.real_time
async def test_a_process_that_ends_early_is_told() -> None:
    """Nobody waits for what it will never say."""
    child = Child(_end)
    child.link.listen(lambda _message: None)
    with pytest.raises(RuntimeError, match="ended before"):
        await child.link.until(asyncio.Event())
    child.stop()


def test_a_figure_that_a_build_did_not_come_to_is_told() -> None:
    """A level may not have settled in the base: its row says so, and what only one build has is left out."""
    page = against("base", {"waits": math.nan, "memory": 4.0}, {"waits": 1.0, "memory": 2.0, "more": 3.0})
    assert "| waits | no figure |" in page
    assert "| memory | 0.50 |" in page
    assert "more" not in page.split("less than before")[1]

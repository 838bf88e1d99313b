"""Outages of a metrics source: whatever their pattern, nothing is counted twice and nothing is lost."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from clustersim.virtual_time import run
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import CountTick, MissingReason, Reading, Span, Subject, ValueSample
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery, ValueQuery
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.evidence.schedule import grid
from sentinel.runtime.evidence.breaker import Breaker
from sentinel.runtime.evidence.collector import EvidenceCollector
from tests.engine.builders import PLAIN, in_state
from tests.engine.snapshots import OLD, at, pod, workload
from tests.runtime.doubles import Counts

TICK = timedelta(seconds=15)
RULE = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05, interval=TICK)
POLICY = replace(PLAIN, rules=(RULE,), strategy=replace(PLAIN.strategy, warmup=timedelta(0)))
WORLD = workload(pod("new-1"), pod("old-1", of=OLD))


@dataclass
class Clock:
    """The loop's time, from the tests' epoch."""

    def now(self) -> datetime:
        """The time of day."""
        return at(self.monotonic())

    def monotonic(self) -> float:
        """Seconds of the loop."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


@dataclass
class Source:
    """Counters that grow unevenly; down while `down`."""

    down: bool = False
    takes: float = 0.0
    asking: int = 0
    name: str = "prometheus"
    settle: float = 0.0
    extents: None = None
    min_interval: float = 0.0

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """The counters of both pods."""
        if self.down:
            raise SourceError("down", reason=MissingReason.SOURCE_UNREACHABLE)
        self.asking += 1
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.asking -= 1
        pods = ("new-1", "old-1")
        return tuple(Span(Subject("shop", name), reading(name, since), reading(name, until)) for name in pods)

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Not asked for."""
        raise AssertionError

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """Not asked for."""
        raise AssertionError


def counted(name: str, when: datetime) -> int:
    """What a pod has counted by then: any growing function will do."""
    seconds = int((when - at(-3600)).total_seconds())
    return seconds * 7 + (seconds // 11) * (3 if name == "new-1" else 5)


def reading(name: str, when: datetime) -> Reading:
    """A pod's counters."""
    total = counted(name, when)
    return Reading(when, {"total": float(total), "errors": float(total // 10)})


class Process:
    """A collector that keeps, as the daemon does, up to when it has taken evidence in."""

    def __init__(self, source: Source, record: Record) -> None:
        clock, telemetry = Clock(), Counts()
        guarded = Breaker(source, clock, telemetry, random.Random(1))
        self.collector = EvidenceCollector(
            {"prometheus": guarded}, lambda _: WORLD, lambda _: None, clock, telemetry
        )
        self.record = record

    async def step(self) -> list[CountTick]:
        """Ask what is due and take in what came."""
        self.collector.request(self.record, POLICY, WORLD)
        await asyncio.sleep(0.5)
        taken = self.collector.take(self.record)
        for one in taken:
            state = replace(self.record.state, measured_until={RULE.name: one.until})
            self.record = self.record.with_state(state)
        return [one.tick for one in taken if isinstance(one.tick, CountTick)]


@given(
    up=st.lists(st.booleans(), min_size=1, max_size=40),
    pauses=st.lists(st.floats(1, 40), min_size=40, max_size=40),
    restarts=st.sets(st.integers(0, 39), max_size=4),
)
def test_what_is_counted_is_the_counters_true_difference(
    up: list[bool], pauses: list[float], restarts: set[int]
) -> None:
    """From the rollout's beginning to the newest tick, over outages and restarts of any pattern, for both arms."""

    async def play() -> tuple[Record, list[CountTick]]:
        source = Source()
        process = Process(source, in_state(Phase.BAKING))
        ticks: list[CountTick] = []
        for index, (is_up, pause) in enumerate(zip(up, pauses, strict=False)):
            source.down = not is_up
            if index in restarts:
                await process.collector.close()
                process = Process(source, process.record)
            await asyncio.sleep(pause)
            ticks += await process.step()
        source.down = False
        for _ in range(4):  # the circuit closes, and what was missed is made good
            await asyncio.sleep(61)
            ticks += await process.step()
        await process.collector.close()
        return process.record, ticks

    record, ticks = run(play())
    began, until = grid(record.started_at, TICK), record.state.measured_until[RULE.name]
    assert until > at(sum(pauses[: len(up)]))
    assert sum(t.candidate.total for t in ticks) == counted("new-1", until) - counted("new-1", began)
    baseline = sum(t.baseline.total for t in ticks if t.baseline is not None)
    assert baseline == counted("old-1", until) - counted("old-1", began)


async def test_a_rollout_that_ended_unseen_is_not_measured_any_more() -> None:
    """What it was still waiting for is cancelled, and nothing of it is kept."""
    source = Source(takes=3600.0)
    process = Process(source, in_state(Phase.BAKING))
    await asyncio.sleep(TICK.total_seconds())
    await process.step()
    process.collector.keep_only({process.record.name})
    assert source.asking == 1
    process.collector.keep_only(set())
    await asyncio.sleep(0.1)
    assert source.asking == 0
    assert process.collector.take(process.record) == ()

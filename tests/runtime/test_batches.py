"""A source that gets samples late and many at once: ticks follow its batches, and nothing is lost or counted twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.virtual_time import run
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import (
    CountTick,
    Extent,
    MissingReason,
    Past,
    PastCounters,
    Reading,
    Span,
    Subject,
)
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery
from sentinel.domain.record.state import Phase
from sentinel.engine.evidence.measured import Measured
from sentinel.runtime.evidence.breaker import Breaker
from sentinel.runtime.evidence.collector import EvidenceCollector
from tests.engine.builders import PLAIN, in_state
from tests.engine.snapshots import OLD, at, pod, workload
from tests.runtime.doubles import Counts
from tests.runtime.in_memory import LoopClock

SECOND = timedelta(seconds=1)
RULE = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05, interval=SECOND)
POLICY = replace(PLAIN, rules=(RULE,), strategy=replace(PLAIN.strategy, warmup=timedelta(0)))
WORLD = workload(pod("new-1"), pod("old-1", of=OLD))
BATCH = 4.0
REQUESTS = 10
"""Of each pod, a second."""


class Clock(LoopClock):
    """The loop's time, from the tests' epoch."""

    def now(self) -> datetime:
        """The time of day."""
        return at(self.monotonic())


@dataclass
class Batching:
    """Counters that are scraped each second and shown by the batch; `away` from when until when it does not answer."""

    away: tuple[float, float] = (0.0, 0.0)
    batch: float = BATCH
    ahead: float = 0.0
    """For how many seconds after a batch nothing more is to come."""
    looks: list[float] = field(default_factory=list)
    asked: list[tuple[float, datetime]] = field(default_factory=list)
    name: str = "prometheus"
    settle: float = 3.0
    min_interval: float = 1.0

    @property
    def extents(self) -> Batching:
        """It tells itself."""
        return self

    async def extent(self, query: CountQuery | HistogramQuery, now: datetime) -> Extent:
        """Up to the last batch, and when the next one is there."""
        seconds = self._answers()
        self.looks.append(seconds)
        shown = seconds // self.batch * self.batch
        return Extent(at(shown + self.ahead), at(shown + self.batch))

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """As many requests as seconds have passed."""
        self.asked.append((self._answers(), until))
        return tuple(
            Span(Subject("shop", name), reading(since), reading(until)) for name in ("new-1", "old-1")
        )

    async def histories(self, query: CountQuery, pasts: Sequence[Past]) -> list[PastCounters]:
        """Nothing is known of the hour before."""
        return [{} for _ in pasts]

    def _answers(self) -> float:
        now = asyncio.get_running_loop().time()
        if self.away[0] <= now < self.away[1]:
            raise SourceError("down", reason=MissingReason.SOURCE_UNREACHABLE)
        return now


def reading(moment: datetime) -> Reading:
    """What was counted up to a time."""
    return Reading(moment, {"total": float((moment - at(0)) // SECOND * REQUESTS), "errors": 0.0})


def measured(source: Batching, seconds: float) -> list[tuple[float, Sequence[Measured]]]:
    """What a rollout was told until so many seconds, and when; it is judged as soon as it is woken."""

    async def play() -> list[tuple[float, Sequence[Measured]]]:
        loop, woken, found = asyncio.get_running_loop(), asyncio.Event(), []
        breaker = Breaker(source, Clock(), Counts(), random.Random(1))  # type: ignore[arg-type]
        collector = EvidenceCollector(
            {"prometheus": breaker}, lambda _: WORLD, lambda _: woken.set(), Clock(), Counts()
        )
        record = in_state(Phase.BAKING)
        while loop.time() < seconds:
            collector.request(record, POLICY, WORLD)
            try:
                async with asyncio.timeout(seconds - loop.time()):
                    await woken.wait()
            except TimeoutError:
                break
            woken.clear()
            took = collector.take(record)
            found.append((loop.time(), took))
            until = max((one.until for one in took), default=None)
            if until is not None:
                record = record.with_state(replace(record.state, measured_until={RULE.name: until}))
        await collector.close()
        return found

    return run(play())


def counted(found: list[tuple[float, Sequence[Measured]]]) -> int:
    """The candidate's requests in all ticks."""
    ticks = [one.tick for _, took in found for one in took]
    return sum(tick.candidate.total for tick in ticks if isinstance(tick, CountTick))


def test_a_batch_is_judged_when_it_is_there_by_the_ticks_that_it_brings() -> None:
    """Four seconds of samples are four ticks of the rule's interval, at once."""
    found = [(when, [one.until for one in took]) for when, took in measured(Batching(), 12.5) if took]
    assert [untils for _, untils in found] == [
        [at(second) for second in range(first, first + 4)] for first in (1, 5, 9)
    ]
    assert all(when % BATCH < 0.1 for when, _ in found)


def test_nobody_looks_before_the_next_batch_can_be_there() -> None:
    """One look for each batch, and none of the questions that a tick needs in between."""
    source = Batching()
    measured(source, 20.5)
    assert len(source.looks) <= 20 // BATCH + 1
    assert all(until <= at(when // BATCH * BATCH) for when, until in source.asked)


def test_a_tick_that_lacks_nothing_more_is_judged_at_its_time() -> None:
    """The last scrape of a batch is followed by none before the tick ends, so the tick waits for no other batch."""
    source = Batching(ahead=1.5)
    found = {one.until: when for when, took in measured(source, 20.5) for one in took}
    assert [when for until, when in found.items() if until in (at(9), at(13))] == [
        pytest.approx(9.0, abs=0.1),
        pytest.approx(13.0, abs=0.1),
    ]
    assert len(source.looks) <= 20 // BATCH + 1


def collecting(source: Batching) -> EvidenceCollector:
    """A collector that wakes nobody."""
    return EvidenceCollector({"prometheus": source}, lambda _: WORLD, lambda _: None, Clock(), Counts())  # type: ignore[dict-item]


def test_a_source_is_as_far_behind_the_clock_as_it_told() -> None:
    """That is how far a step's evidence reaches: at its end nothing more is waited for, when nothing more is due."""

    async def play() -> list[float]:
        source = Batching(ahead=1.5)
        collector = collecting(source)
        record = in_state(Phase.BAKING)
        found = [collector.settles(record, POLICY)[RULE.name].total_seconds()]
        await asyncio.sleep(4.2)
        collector.request(record, POLICY, WORLD)
        for seconds in (0.1, 1.0, 1.7):
            await asyncio.sleep(seconds)
            found.append(collector.settles(record, POLICY)[RULE.name].total_seconds())
        await collector.close()
        return found

    assert run(play()) == [3.0, 0.0, 0.0, pytest.approx(1.5)]


def test_an_outage_in_the_middle_loses_nothing_and_counts_nothing_twice() -> None:
    """What came meanwhile is one tick after it."""
    found = measured(Batching(away=(9.5, 30.2)), 80.5)
    assert counted(found) == 80 * REQUESTS


@given(st.floats(0.6, 9.0), st.floats(5.0, 40.0), st.floats(0.0, 40.0))
def test_whatever_the_batches_and_outages_every_request_counts_once(
    batch: float, since: float, length: float
) -> None:
    """The ticks follow each other without a gap, up to the last batch."""
    found = measured(Batching(away=(since, since + length), batch=batch), 150.5)
    ends = [one.until for _, took in found for one in took]
    assert ends == sorted(set(ends))
    assert counted(found) == (ends[-1] - at(0)) // SECOND * REQUESTS
    assert ends[-1] >= at(150 - batch - 1)


def test_while_it_does_not_answer_the_evidence_is_missing() -> None:
    """As with every source: a rule is not held to have passed by what nobody could look at."""

    async def play() -> dict[str, MissingReason]:
        source = Batching(away=(0.0, 100.0))
        collector = collecting(source)
        record = in_state(Phase.BAKING)
        collector.request(record, POLICY, WORLD)
        await asyncio.sleep(2)
        missing = collector.unmeasured(record, POLICY, WORLD)
        await collector.close()
        return {rule: lack.reason for rule, lack in missing.items()}

    assert run(play()) == {RULE.name: MissingReason.SOURCE_UNREACHABLE}

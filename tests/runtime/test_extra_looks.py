"""Extra looks of the collector: when a suspected rule is asked about again, and how many looks there are at most."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from clustersim.virtual_time import run
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, PastCounters, Reading, Span, Subject
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.runtime.evidence.collector import EvidenceCollector
from sentinel.runtime.evidence.timetable import LOOKS_AT_ONCE, LOOKS_PER_SECOND
from tests.engine.builders import PLAIN, in_state
from tests.engine.snapshots import OLD, at, pod, workload
from tests.runtime.doubles import Counts
from tests.runtime.in_memory import LoopClock

SCRAPE = timedelta(seconds=15)
RULE = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05, interval=SCRAPE)
POLICY = replace(PLAIN, rules=(RULE,))
WORLD = workload(pod("new-1"), pod("old-1", of=OLD))
PHASE = timedelta(seconds=8)
"""The candidate is scraped so long after each whole tick."""


@dataclass
class Scraped:
    """A Prometheus whose scrapes are 15 s apart. `asked` is up to when it was asked; `down` from then on."""

    down: bool = False
    asked: list[datetime] = field(default_factory=list)
    name: str = "prometheus"
    settle: float = 0.0
    extents: None = None
    min_interval: float = 15.0

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """One pod of either arm."""
        self.asked.append(until)
        if self.down:
            raise SourceError("down", reason=MissingReason.SOURCE_UNREACHABLE)
        stamp = at(0) + (until - at(0) - PHASE) // SCRAPE * SCRAPE + PHASE
        reading = Reading(stamp, {"total": 100.0, "errors": 0.0})
        return tuple(Span(Subject("shop", name), reading, reading) for name in ("new-1", "old-1"))

    async def histories(self, query: CountQuery, pasts: Sequence[Past]) -> list[PastCounters]:
        """Nothing is known of the hour before."""
        return [{} for _ in pasts]


class Clock(LoopClock):
    """The loop's time, from the tests' epoch."""

    def now(self) -> datetime:
        """The time of day."""
        return at(self.monotonic())


def collected(source: Scraped) -> EvidenceCollector:
    """A collector of this source."""
    return EvidenceCollector({"prometheus": source}, lambda _: WORLD, lambda _: None, Clock(), Counts())  # type: ignore[dict-item]


async def tick(collector: EvidenceCollector, record: Record) -> Record:
    """Have the whole tick that ends now measured; the record that has it."""
    collector.request(record, POLICY, WORLD)
    await asyncio.sleep(0.01)
    until = max((one.until for one in collector.take(record)), default=record.started_at)
    return record.with_state(replace(record.state, measured_until={RULE.name: until}))


async def looked(collector: EvidenceCollector, record: Record, seconds: float) -> None:
    """Leave a suspected rollout to the collector for so long."""
    collector.request(record, POLICY, WORLD, {RULE.name})
    await asyncio.sleep(seconds)


def test_a_suspected_rule_is_asked_about_at_the_candidates_next_scrape() -> None:
    """The tick ends at 15 s, the scrape comes at 23 s, and at 30 s the next whole tick would be."""

    async def play() -> list[datetime]:
        source = Scraped()
        collector = collected(source)
        await asyncio.sleep(15.1)
        record = await tick(collector, in_state(Phase.BAKING))
        await looked(collector, record, 14)
        await collector.close()
        return source.asked

    assert run(play()) == [at(15), at(23.5)]


def test_a_source_that_fails_at_a_look_is_left_alone_until_the_next_tick() -> None:
    """A look that fails is no missing evidence, and is not tried again."""

    async def play() -> tuple[list[datetime], object]:
        source = Scraped()
        collector = collected(source)
        await asyncio.sleep(15.1)
        record = await tick(collector, in_state(Phase.BAKING))
        source.down = True
        await looked(collector, record, 14)
        missing = collector.unmeasured(record, POLICY, WORLD)
        await collector.close()
        return source.asked, missing

    assert run(play()) == ([at(15), at(23.5)], {})


def test_looks_of_all_rollouts_together_are_bounded() -> None:
    """However many rollouts are suspected, a source gets so many looks at once and so many a second."""

    async def play() -> int:
        source = Scraped()
        collector = collected(source)
        await asyncio.sleep(15.1)
        records = [replace(in_state(Phase.BAKING), name=f"web-{n}") for n in range(200)]
        records = [await tick(collector, record) for record in records]
        before = len(source.asked)
        await asyncio.sleep(max(0.0, 23.6 - asyncio.get_running_loop().time()))
        await asyncio.gather(*(looked(collector, record, 5) for record in records))
        await collector.close()
        return len(source.asked) - before

    assert LOOKS_AT_ONCE <= run(play()) <= LOOKS_AT_ONCE + 6 * LOOKS_PER_SECOND

"""A metrics source that is watched while it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, ValueSample
from sentinel.domain.policy.rules import ValueQuery
from sentinel.runtime.evidence.observedsource import ObservedSource
from tests.runtime.doubles import Counts, LoopClock

QUERY = ValueQuery("prometheus", "up")


@dataclass
class Source:
    """A source that answers after a second, or fails."""

    name: str = "prometheus"
    settle: float = 0.0
    extents: None = None
    min_interval: float = 1.0
    down: bool = False

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """One."""
        await asyncio.sleep(1)
        if self.down:
            raise SourceError("it is down", reason=MissingReason.SOURCE_UNREACHABLE)
        return ValueSample(at, (1.0,))


@dataclass
class Gauges(Counts):
    """Keeps the gauges too."""

    ages: dict[str, float] = field(default_factory=dict)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Keep the newest."""
        self.ages[f"{name} {labels['source']}"] = value


@dataclass
class Spans:
    """Keeps the spans that ended, and how."""

    ended: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[None]:
        """Keep it."""
        try:
            yield
        except SourceError:
            self.ended.append((name, "failed"))
            raise
        self.ended.append((name, "done"))


async def test_the_age_grows_while_a_source_is_down_and_shrinks_when_it_is_back() -> None:
    """The age is told at each question, whether it was answered or not; each is a span."""
    clock, told, spans, source = LoopClock(), Gauges(), Spans(), Source()
    observed = ObservedSource(source, clock, told, spans)  # type: ignore[arg-type]
    ages = []
    for down in (False, True, True, False):
        source.down = down
        await asyncio.sleep(60)
        try:
            await observed.value(QUERY, clock.now())
        except SourceError:
            pass
        ages.append(told.ages["evidence_age_seconds prometheus"])
    assert ages == pytest.approx([1, 62, 123, 1])
    assert [how for name, how in spans.ended if name == "collect"] == ["done", "failed", "failed", "done"]


async def test_before_the_first_answer_the_age_counts_from_the_first_question() -> None:
    """A source that never answered has no evidence from before it was asked."""
    clock, told = LoopClock(), Gauges()
    observed = ObservedSource(Source(down=True), clock, told, Spans())  # type: ignore[arg-type]
    await asyncio.sleep(1000)
    with pytest.raises(SourceError):
        await observed.value(QUERY, clock.now() - timedelta(seconds=500))
    assert told.ages["evidence_age_seconds prometheus"] == pytest.approx(1)

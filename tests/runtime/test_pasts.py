"""The hour before a rollout: asked for beside everything else, learnt once, never insisted on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, PastCounters
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery
from sentinel.domain.record.state import Phase
from sentinel.engine.evidence.history import CALIBRATION
from sentinel.engine.statistics.calibration import Calibration
from sentinel.runtime.evidence.past.reader import MOST_ATTEMPTS, PastReader
from tests.engine.builders import PLAIN, in_state, rollout
from tests.engine.snapshots import OLD, at, pod
from tests.runtime.doubles import Counts

ERRORS = ErrorRateRule("errors", CountQuery("prometheus", 't{namespace="$namespace"}', "e"), 0.05)
POLICY = replace(PLAIN, rules=(ERRORS,), strategy=replace(PLAIN.strategy, warmup=timedelta(0)))
WORKLOAD = rollout(1, 4, pods=tuple(pod(f"old-{n}", OLD) for n in range(3)))


@dataclass
class Source:
    """Knows the hour before, or does not answer while it is down; keeps what it was asked."""

    down: bool = False
    left_alone: bool = False
    takes: float = 0.0
    name: str = "prometheus"
    settle: float = 0.0
    extents: None = None
    min_interval: float = 0.0

    def __post_init__(self) -> None:
        self.asked: list[CountQuery | HistogramQuery] = []

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> list[PastCounters]:
        """Ten requests a tick of each pod, of which one pod fails one."""
        if self.left_alone:
            raise SourceError("left alone", reason=MissingReason.SOURCE_TIMEOUT, asked=False)
        self.asked.append(query)
        await asyncio.sleep(self.takes)
        if self.down:
            raise SourceError("down", reason=MissingReason.SOURCE_TIMEOUT)
        return [
            {
                name: [(10.0 * n, float(n) if name == "old-0" else 0.0) for n in range(past.length)]
                for name in past.pods
            }
            for past in pasts
        ]


class Reading:
    """A reader of one source, the workloads that it woke, and what it counted."""

    def __init__(self, source: Any) -> None:
        self.woken: list[str] = []
        self.reader = PastReader(
            {"prometheus": source},
            lambda key: self.woken.append(str(key)),
            Counts(),
        )

    async def look(
        self, seconds: float, record: Any = None, wait: float = 1.0, policy: Policy = POLICY
    ) -> None:
        """One pass so many seconds after the beginning, and a moment for what it set going."""
        self.reader.request(record or in_state(), policy, WORKLOAD, at(seconds))
        await asyncio.sleep(wait)


async def test_what_is_learnt_wakes_the_rollout() -> None:
    """Asked once with the workload's variables filled in, learnt from 240 windows."""
    source = Source()
    reading = Reading(source)
    for seconds in (1, 2, 60):
        await reading.look(seconds)
    assert [query.total for query in source.asked if isinstance(query, CountQuery)] == ['t{namespace="shop"}']
    assert reading.reader.learnt(in_state())["errors"].windows == 240
    assert reading.woken == ["deployment/shop/api"]


async def test_where_pods_have_a_warmup_their_last_starts_are_asked_for_too() -> None:
    """How three pods started is learnt beside how their errors cluster, in one question more."""
    source = Source()
    reading = Reading(source)
    warm = replace(POLICY, strategy=replace(POLICY.strategy, warmup=timedelta(seconds=30)))
    await reading.look(60, policy=warm)
    assert len(source.asked) == 2
    assert reading.reader.started(in_state())["errors"].pods == 3
    reading.reader.forget(in_state())
    assert reading.reader.started(in_state()) == {}


async def test_a_source_that_is_down_is_asked_again_a_tick_later_and_not_for_ever() -> None:
    """Nothing is learnt meanwhile, and nothing raised."""
    source = Source(down=True)
    reading = Reading(source)
    for seconds in range(0, 600, 5):
        await reading.look(seconds)
    assert len(source.asked) == MOST_ATTEMPTS
    assert reading.reader.learnt(in_state()) == {}


async def test_a_source_that_comes_back_is_learnt_from() -> None:
    """The attempt after it answers."""
    source = Source(down=True)
    reading = Reading(source)
    await reading.look(1)
    source.down = False
    await reading.look(20)
    assert "errors" in reading.reader.learnt(in_state())


async def test_while_a_source_is_left_alone_no_attempt_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    """However long that lasts: nothing is said meanwhile, and the first question afterwards teaches."""
    caplog.set_level(logging.INFO)
    source = Source(left_alone=True)
    reading = Reading(source)
    for seconds in range(0, 600, 5):
        await reading.look(seconds)
    assert not caplog.records
    source.left_alone = False
    await reading.look(600)
    assert "errors" in reading.reader.learnt(in_state())


async def test_what_the_record_has_is_not_asked_for_again() -> None:
    """After a restart the record knows; after promotion nobody needs it."""
    source = Source()
    reading = Reading(source)
    known = in_state(analysis={"errors": {CALIBRATION: Calibration(3, 0, 240).as_json()}})
    await reading.look(1, known)
    await reading.look(2, in_state(Phase.PROMOTED))
    assert source.asked == []


async def test_a_rollout_that_is_over_waits_for_nothing() -> None:
    """What was under way is given up."""
    reading = Reading(Source(takes=30))
    await reading.look(1)
    reading.reader.forget(in_state())
    await asyncio.sleep(60)
    assert reading.woken == []
    assert reading.reader.learnt(in_state()) == {}
    await reading.reader.close()

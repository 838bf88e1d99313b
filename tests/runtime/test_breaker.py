"""The circuit breaker in front of a metrics source."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, PastCounters, Span, ValueSample
from sentinel.domain.policy.rules import CountQuery, HistogramQuery, ValueQuery
from sentinel.runtime.evidence.breaker import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_WISH, OPENS_AFTER, Breaker
from tests.runtime.doubles import Counts, LoopClock

AT = datetime(2026, 3, 1, tzinfo=UTC)
QUERY = ValueQuery("prometheus", "up")


@dataclass
class Source:
    """A metrics source that is down while `reason` is set, and answers after `takes` seconds."""

    reason: MissingReason | None = None
    takes: float = 0.0
    retry_after: float | None = None
    asked: list[float] = field(default_factory=list)
    name: str = "prometheus"
    settle: float = 3.0
    extents: None = None
    min_interval: float = 15.0

    async def value(self, query: ValueQuery, at: datetime) -> ValueSample:
        """One number."""
        self.asked.append(asyncio.get_running_loop().time())
        if self.takes:
            await asyncio.sleep(self.takes)
        if self.reason is not None:
            left = self.reason is not MissingReason.NOT_ASKED
            raise SourceError("it is down", reason=self.reason, retry_after=self.retry_after, asked=left)
        return ValueSample(at, (1.0,))

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Nothing was counted."""
        return ()

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Nothing was measured."""
        return ()

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> list[PastCounters]:
        """Too much is asked for."""
        self.asked.append(asyncio.get_running_loop().time())
        raise SourceError(
            "too many samples", reason=MissingReason.SOURCE_TIMEOUT, retry_after=self.retry_after
        )


@dataclass
class Gauges(Counts):
    """Telemetry that keeps its gauges."""

    gauges: dict[str, float] = field(default_factory=dict)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Keep it."""
        self.gauges[name] = value


def breaker(source: Source, telemetry: Gauges | None = None) -> Breaker:
    """A breaker in front of the source."""
    return Breaker(source, LoopClock(), telemetry or Gauges(), random.Random(1))


async def fails(asked: Breaker) -> SourceError:
    """The question's error."""
    with pytest.raises(SourceError) as caught:
        await asked.value(QUERY, AT)
    return caught.value


async def opened(source: Source, telemetry: Gauges | None = None) -> Breaker:
    """A breaker whose source has failed often enough."""
    source.reason = source.reason or MissingReason.SOURCE_UNREACHABLE
    asked = breaker(source, telemetry)
    for _ in range(OPENS_AFTER):
        await asyncio.sleep(1)
        await fails(asked)
    return asked


async def test_a_source_that_fails_in_a_row_is_left_alone_and_says_so() -> None:
    """The error keeps the reason of the last failure and says when it is asked again; the gauge shows it."""
    source, telemetry = Source(), Gauges()
    asked = await opened(source, telemetry)
    error = await fails(asked)
    assert len(source.asked) == OPENS_AFTER
    assert error.reason == MissingReason.SOURCE_UNREACHABLE
    assert "failed 3 times in a row (next query in" in str(error)
    assert "it is down" in str(error)
    assert telemetry.gauges == {"source_circuit_open": 1}


async def test_questions_that_never_left_do_not_count() -> None:
    """Too many of ours wait: neither does the circuit open, nor does it close."""
    source = Source(MissingReason.NOT_ASKED)
    asked = breaker(source)
    for _ in range(2 * OPENS_AFTER):
        await asyncio.sleep(1)
        assert (await fails(asked)).reason == MissingReason.NOT_ASKED
    source = Source()
    asked = await opened(source)
    source.reason = MissingReason.NOT_ASKED
    await asyncio.sleep(FIRST_PAUSE)
    assert (await fails(asked)).reason == MissingReason.NOT_ASKED
    source.reason = MissingReason.SOURCE_UNREACHABLE
    await fails(asked)
    assert "failed 4 times in a row" in str(await fails(asked))


async def test_an_answer_in_between_keeps_the_circuit_closed() -> None:
    """Only failures in a row count."""
    source = Source()
    asked = breaker(source)
    for _ in range(10):
        source.reason = MissingReason.SOURCE_TIMEOUT
        await fails(asked)
        source.reason = None
        await asked.value(QUERY, AT)
    assert len(source.asked) == 20


async def test_failures_at_the_same_time_are_one() -> None:
    """Five hundred rollouts that share one outage of a second do not open the circuit."""
    source = Source(MissingReason.SOURCE_TIMEOUT, takes=1.0)
    asked = breaker(source)
    await asyncio.gather(*(fails(asked) for _ in range(500)))
    source.reason = None
    await asked.value(QUERY, AT)


async def test_a_question_that_is_wrong_is_not_the_sources_failure() -> None:
    """One rule with a bad query does not cost the others their evidence."""
    source = Source(MissingReason.BAD_QUERY)
    asked = breaker(source)
    for _ in range(10):
        await fails(asked)
    assert len(source.asked) == 10


async def test_one_probe_goes_through_when_the_pause_is_over() -> None:
    """The others that ask meanwhile fail at once, and an answer lets everybody through again."""
    source, telemetry = Source(), Gauges()
    asked = await opened(source, telemetry)
    await asyncio.sleep(FIRST_PAUSE)
    source.reason, source.takes = None, 1.0
    probe = asyncio.ensure_future(asked.value(QUERY, AT))
    await asyncio.sleep(0.5)
    assert "a query tests it now" in str(await fails(asked))
    await probe
    await asked.value(QUERY, AT)
    assert len(source.asked) == OPENS_AFTER + 2
    assert telemetry.gauges == {"source_circuit_open": 0}


async def test_the_pauses_grow_to_a_bound() -> None:
    """A source that stays away is tried ever less often, and at least every minute."""
    source = Source()
    asked = await opened(source)
    for _ in range(600):
        await asyncio.sleep(1)
        await fails(asked)
    probes = source.asked[OPENS_AFTER - 1 :]
    pauses = [after - before for before, after in itertools.pairwise(probes)]
    assert pauses == sorted(pauses[:2]) + pauses[2:]
    assert pauses[0] <= FIRST_PAUSE + 1
    assert LONGEST_PAUSE * 0.5 <= max(pauses) <= LONGEST_PAUSE + 1
    assert len(probes) < 20


async def test_a_probe_that_is_cancelled_is_none() -> None:
    """A rollout that ends while it probes leaves the probe to the next question."""
    source = Source()
    asked = await opened(source)
    await asyncio.sleep(FIRST_PAUSE)
    source.takes, source.reason = 10.0, None
    probe = asyncio.ensure_future(asked.value(QUERY, AT))
    await asyncio.sleep(0.5)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    source.takes = 0.0
    assert (await asked.value(QUERY, AT)).values == (1.0,)


PAST = Past("shop", ("a", "b"), AT - timedelta(hours=1), AT, timedelta(seconds=15))
COUNTED = CountQuery("prometheus", "requests", "failures")


async def test_a_large_question_that_fails_holds_up_no_others() -> None:
    """However often the hour before cannot be had, measurements go on."""
    asked = breaker(Source())
    for _ in range(2 * OPENS_AFTER):
        await asyncio.sleep(1)
        with pytest.raises(SourceError, match="too many samples"):
            await asked.histories(COUNTED, (PAST,))
    assert (await asked.value(QUERY, AT)).values == (1.0,)


async def test_a_source_that_is_left_alone_is_not_asked_for_an_hour_either() -> None:
    """It is refused at once, and is no probe when the pause is over."""
    source = Source(MissingReason.SOURCE_UNREACHABLE)
    asked = await opened(source)
    before = len(source.asked)
    for pause in (0.0, LONGEST_PAUSE):
        await asyncio.sleep(pause)
        with pytest.raises(SourceError, match="in a row") as refused:
            await asked.histories(COUNTED, (PAST,))
        assert not refused.value.asked
    assert len(source.asked) == before


async def test_a_source_that_asks_to_be_left_alone_is_left_alone_so_long() -> None:
    """The first refusal with a time in it keeps every question back until then, and not a second longer."""
    source = Source(reason=MissingReason.RATE_LIMITED, retry_after=30.0)
    asked = breaker(source)
    await fails(asked)
    source.reason = None
    await asyncio.sleep(29)
    error = await fails(asked)
    assert error.reason == MissingReason.RATE_LIMITED
    assert "asked the sentinel to wait (next query in 1 s)" in str(error)
    await asyncio.sleep(1)
    await asked.value(QUERY, AT)
    assert len(source.asked) == 2


async def test_a_wish_is_obeyed_by_every_kind_of_question() -> None:
    """What the question for an hour was told holds for the questions of a tick, and the other way round."""
    source = Source(retry_after=30.0)
    asked = breaker(source)
    past = Past("shop", ("a",), AT, AT + timedelta(hours=1), timedelta(minutes=1))
    for _ in range(2):
        with pytest.raises(SourceError):
            await asked.histories(CountQuery("prometheus", "a", "b"), (past,))
        await fails(asked)
    assert len(source.asked) == 1


async def test_no_wish_is_obeyed_for_a_day() -> None:
    """A proxy that names tomorrow does not leave rollouts without evidence until then."""
    source = Source(reason=MissingReason.RATE_LIMITED, retry_after=86_400.0)
    asked = breaker(source)
    await fails(asked)
    source.reason = None
    await asyncio.sleep(LONGEST_WISH)
    await asked.value(QUERY, AT)


async def test_a_probe_waits_for_the_wish() -> None:
    """An open circuit whose source asked for longer is not probed before."""
    source = Source(reason=MissingReason.RATE_LIMITED)
    asked = await opened(source)
    source.retry_after = 200.0
    await asyncio.sleep(FIRST_PAUSE)
    await fails(asked)
    known = len(source.asked)
    await asyncio.sleep(199)
    await fails(asked)
    assert len(source.asked) == known

"""Recorded series are read in pieces and at a bounded rate."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample, Track
from sentinel.app.rehearsal.history import MAX_POINTS, MetricHistory, PacedClient
from sentinel.domain.errors import SourceError

T0 = datetime(2026, 11, 1, tzinfo=UTC)
STEP = timedelta(seconds=30)


class Recorded:
    """A Prometheus that has one series with the time as its value, and a NaN now and then."""

    def __init__(self, data: object = None) -> None:
        self.asked_at: list[float] = []
        self.longest = 0
        self._data = data

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        self.asked_at.append(asyncio.get_running_loop().time())
        return InstantAnswer((Sample({}, at.timestamp()),))

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        return ()

    async def get(self, path: str, params: Mapping[str, str]) -> object:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self._data is not None:
            return self._data
        begin, end, step = (float(params[key]) for key in ("start", "end", "step"))
        count = int((end - begin) / step) + 1
        self.longest = max(self.longest, count)
        values = [[begin + step * n, "NaN" if n == 3 else str(begin + step * n)] for n in range(count)]
        return {"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": values}]}


async def test_a_long_range_is_read_in_pieces_and_put_together() -> None:
    """No sample is lost or doubled where two pieces meet."""
    recorded = Recorded()
    until = T0 + STEP * (2 * MAX_POINTS + 10)
    (series,) = await MetricHistory(recorded).range("x", T0, until, STEP)
    times = [at for at, _ in series.points]
    assert recorded.longest <= MAX_POINTS
    assert (times[0], times[-1]) == (T0, until)
    assert len(times) == len(set(times)) == 2 * MAX_POINTS + 11 - len(recorded.asked_at)


async def test_what_is_no_number_is_left_out() -> None:
    """A NaN is no sample."""
    (series,) = await MetricHistory(Recorded()).range("x", T0, T0 + STEP * 5, STEP)
    assert len(series.points) == 5


async def test_a_strange_answer_is_refused() -> None:
    """Only a matrix holds ranges."""
    with pytest.raises(SourceError, match="not a range"):
        await MetricHistory(Recorded({"resultType": "vector", "result": []})).range("x", T0, T0, STEP)


async def test_questions_are_asked_at_a_bounded_rate() -> None:
    """Ten questions at five a second take nearly two seconds, however many ask at once."""
    recorded = Recorded()
    paced = PacedClient(recorded, 5.0)
    await asyncio.gather(*(paced.instant("x", T0 + STEP * n) for n in range(10)))
    apart = [b - a for a, b in zip(recorded.asked_at, recorded.asked_at[1:], strict=False)]
    assert min(apart) >= 0.2 - 1e-6


async def test_what_was_answered_is_not_asked_again() -> None:
    """The end of one tick is the beginning of the next."""
    recorded = Recorded()
    paced = PacedClient(recorded, 5.0)
    first, second = await paced.instant("x", T0), await paced.instant("x", T0)
    assert first == second
    assert paced.asked == len(recorded.asked_at) == 1

"""Reads recorded series over a time range, at a bounded rate."""

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sentinel.adapters.prometheus.answers import InstantAnswer, Track
from sentinel.adapters.prometheus.backend import MetricsBackend
from sentinel.adapters.prometheus.source import PrometheusQueries
from sentinel.blocking import SharedAnswers
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.values import dataclass

MAX_POINTS = 5_000
"""Points of a series per query; Prometheus refuses more than 11,000."""


REMEMBERED_SAMPLES = 100_000
"""How many samples of answers are kept: a tick begins where the one before it ended."""


@dataclass(frozen=True, slots=True)
class RangeSeries:
    """One series: its labels and its samples in order, each with its time."""

    labels: Mapping[str, str]
    points: tuple[tuple[datetime, float], ...]


class PacedClient:
    """A client with an even rate limit; it does not repeat a recent query."""

    def __init__(self, client: PrometheusQueries, per_second: float) -> None:
        self._client = client
        self._apart = 1.0 / per_second
        self._next = 0.0
        self._shared: SharedAnswers[tuple[str, datetime], InstantAnswer] = SharedAnswers(
            capacity=REMEMBERED_SAMPLES, weigh=lambda answer: answer.weight
        )
        self.asked = 0

    async def backend(self) -> MetricsBackend:
        """What it is. Raises SourceError."""
        return await self._client.backend()

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        """The answer at one time. Raises SourceError."""
        return await self._shared.get((query, at), lambda: self._ask(query, at))

    async def _ask(self, query: str, at: datetime) -> InstantAnswer:
        await self._turn()
        return await self._client.instant(query, at)

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        """The answer at equally spaced times. Raises SourceError."""
        await self._turn()
        return await self._client.range(query, since, until, step)

    async def get(self, path: str, params: Mapping[str, str]) -> object:
        """The `data` of an endpoint. Raises SourceError."""
        await self._turn()
        return await self._client.get(path, params)

    async def _turn(self) -> None:
        self.asked += 1
        loop = asyncio.get_running_loop()
        mine = max(self._next, loop.time())
        self._next = mine + self._apart
        if mine > loop.time():
            await asyncio.sleep(mine - loop.time())


class MetricHistory:
    """Range queries, cut into pieces that Prometheus answers."""

    def __init__(self, client: PrometheusQueries) -> None:
        self._client = client

    async def range(
        self, query: str, since: datetime, until: datetime, step: timedelta
    ) -> tuple[RangeSeries, ...]:
        """All series of a query between two times, both included. Raises SourceError."""
        found: dict[frozenset[tuple[str, str]], list[tuple[datetime, float]]] = {}
        begin = since
        while begin <= until:
            end = min(until, begin + step * (MAX_POINTS - 1))
            for series in await self._piece(query, begin, end, step):
                found.setdefault(frozenset(series.labels.items()), []).extend(series.points)
            begin = end + step
        return tuple(RangeSeries(dict(labels), tuple(points)) for labels, points in found.items())

    async def _piece(
        self, query: str, since: datetime, until: datetime, step: timedelta
    ) -> list[RangeSeries]:
        params = {
            "query": query,
            "start": f"{since.timestamp():.3f}",
            "end": f"{until.timestamp():.3f}",
            "step": f"{step.total_seconds():g}",
        }
        data = await self._client.get("/api/v1/query_range", params)
        if not isinstance(data, Mapping) or data.get("resultType") != "matrix":
            raise SourceError(
                f"The answer to {query!r} is not a range of series.", reason=MissingReason.SOURCE_REFUSED
            )
        return [_series(one) for one in data["result"]]


def _series(one: Mapping[str, Mapping[str, str] | list[tuple[float, str]]]) -> RangeSeries:
    labels, values = one["metric"], one["values"]
    assert isinstance(labels, Mapping)
    assert isinstance(values, list)
    points = ((datetime.fromtimestamp(float(at), UTC), float(value)) for at, value in values)
    return RangeSeries(dict(labels), tuple((at, value) for at, value in points if not math.isnan(value)))

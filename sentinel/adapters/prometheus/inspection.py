"""What a server shows of itself: who it is, how often it scrapes, and how far its data are behind."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from datetime import datetime

from sentinel.adapters.prometheus.backend import THANOS, MetricsBackend
from sentinel.adapters.prometheus.scrapes import JOB, interval_query, intervals_of
from sentinel.adapters.prometheus.series.strays import Asking
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class ServerReport:
    """The backend; seconds between the scrapes of a target, and since the newest one; None where `up` does not tell.

    `away` are the stores that it no longer reaches: Thanos leaves their series out without a word. `rare` are the jobs
    that are scraped more rarely than most targets, with the seconds. `ahead`: the seconds that its clock is ahead of
    the one asked by, negative behind it; None where it does not tell.
    """

    backend: MetricsBackend
    interval: float | None
    lag: float | None
    away: tuple[str, ...] = ()
    rare: Mapping[str, float] = field(default_factory=dict)
    ahead: float | None = None


Getting = Callable[[str, Mapping[str, str]], Awaitable[object]]
"""The `data` of an endpoint of the API. Raises SourceError."""


async def inspected(backend: MetricsBackend, ask: Asking, get: Getting, at: datetime) -> ServerReport:
    """The report as of now, by five questions at most. Raises SourceError."""
    began = time.monotonic()
    clock = _clock(await get("/api/v1/query", {"query": "time()", **backend.instant_parameters}))
    now = at.timestamp() + (time.monotonic() - began) / 2
    newest = await _number(f"max({backend.stamps('up')})", ask, at)
    interval = await _number(interval_query("up"), ask, at)
    jobs = intervals_of(await ask(interval_query("up", JOB), at))
    rare = {
        job: seconds for job, seconds in jobs.items() if interval is not None and seconds > 1.5 * interval
    }
    lag = None if newest is None else max(0.0, at.timestamp() - newest)
    away = stores_away(await get("/api/v1/stores", {})) if backend.product == THANOS else ()
    return ServerReport(backend, interval, lag, away, rare, None if clock is None else clock - now)


def stores_away(stores: object) -> tuple[str, ...]:
    """The names of those among Thanos' stores, listed by kind, whose last health check failed."""
    kinds = stores.values() if isinstance(stores, Mapping) else ()
    listed = [store for kind in kinds if isinstance(kind, list) for store in kind]
    return tuple(str(one.get("name")) for one in listed if isinstance(one, Mapping) and one.get("lastError"))


def _clock(data: object) -> float | None:
    """The seconds since 1970 that a server answers to `time()`, as a number or, of MetricsQL, as a vector of one."""
    try:
        result = data["result"]  # type: ignore[index]
        return float((result if not isinstance(result[0], Mapping) else result[0]["value"])[1])
    except (TypeError, KeyError, IndexError, ValueError):
        return None


async def _number(query: str, ask: Asking, at: datetime) -> float | None:
    answer = await ask(query, at)
    return next((sample.value for sample in answer.samples if sample.usable), None)

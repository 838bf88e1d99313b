"""What a server shows of itself: who it is, how often it scrapes, and how far its data are behind."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from sentinel.adapters.prometheus.backend import THANOS, MetricsBackend
from sentinel.adapters.prometheus.scrapes import interval_query
from sentinel.adapters.prometheus.series.strays import Asking
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class ServerReport:
    """The backend; seconds between the scrapes of a target, and since the newest one; None where `up` does not tell.

    `away` are the stores that it no longer reaches: Thanos leaves their series out without a word.
    """

    backend: MetricsBackend
    interval: float | None
    lag: float | None
    away: tuple[str, ...] = ()


Getting = Callable[[str, Mapping[str, str]], Awaitable[object]]
"""The `data` of an endpoint of the API. Raises SourceError."""


async def inspected(backend: MetricsBackend, ask: Asking, get: Getting, at: datetime) -> ServerReport:
    """The report as of now, by three questions at most. Raises SourceError."""
    newest = await _number(f"max({backend.stamps('up')})", ask, at)
    interval = await _number(interval_query("up"), ask, at)
    lag = None if newest is None else max(0.0, at.timestamp() - newest)
    away = stores_away(await get("/api/v1/stores", {})) if backend.product == THANOS else ()
    return ServerReport(backend, interval, lag, away)


def stores_away(stores: object) -> tuple[str, ...]:
    """The names of those among Thanos' stores, listed by kind, whose last health check failed."""
    kinds = stores.values() if isinstance(stores, Mapping) else ()
    listed = [store for kind in kinds if isinstance(kind, list) for store in kind]
    return tuple(str(one.get("name")) for one in listed if isinstance(one, Mapping) and one.get("lastError"))


async def _number(query: str, ask: Asking, at: datetime) -> float | None:
    answer = await ask(query, at)
    return next((sample.value for sample in answer.samples if sample.usable), None)

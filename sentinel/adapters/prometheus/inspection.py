"""What a server shows of itself: who it is, how often it scrapes, and how far its data are behind."""

from dataclasses import dataclass
from datetime import datetime

from sentinel.adapters.prometheus.backend import MetricsBackend
from sentinel.adapters.prometheus.scrapes import interval_query
from sentinel.adapters.prometheus.series.strays import Asking


@dataclass(frozen=True, slots=True)
class ServerReport:
    """The backend; seconds between the scrapes of a target, and since the newest one; None where `up` does not tell."""

    backend: MetricsBackend
    interval: float | None
    lag: float | None


async def inspected(backend: MetricsBackend, ask: Asking, at: datetime) -> ServerReport:
    """The report as of now, by three queries at most. Raises SourceError."""
    newest = await _number(f"max({backend.stamps('up')})", ask, at)
    interval = await _number(interval_query("up"), ask, at)
    return ServerReport(backend, interval, None if newest is None else max(0.0, at.timestamp() - newest))


async def _number(query: str, ask: Asking, at: datetime) -> float | None:
    answer = await ask(query, at)
    return next((sample.value for sample in answer.samples if sample.usable), None)

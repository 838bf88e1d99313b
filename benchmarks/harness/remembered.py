"""What the memories of Prometheus' answers hold when they are full, by Python's own account of its allocations."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.harness.link import Child, Message
from benchmarks.harness.metrics import run_metrics
from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.blocking import SharedAnswers
from sentinel.domain.policy.rules import PROMETHEUS, CountQuery, HistogramQuery

_NAMESPACE = "shop"
_COUNTS = CountQuery(PROMETHEUS, "http_requests_total", 'http_requests_total{code=~"5.."}')
_LATENCIES = HistogramQuery(PROMETHEUS, "http_request_duration_seconds")
_TICK = timedelta(seconds=5)
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Remembered:
    """MiB of spans, of counters by pod and of answers, each beyond what the ones after it hold too."""

    spans: float
    counters: float
    answers: float


async def fill(pods: int, ticks: int) -> Remembered:
    """Ask about so many pods for so many ticks, and see what is freed as one memory after the other is emptied."""
    async with _metrics(pods) as url:
        client = PrometheusClient(PrometheusConnection(url, timeout=_PATIENCE))
        source = PrometheusSource(client, scrape_interval=_TICK.total_seconds())
        at = datetime.now(UTC) - timedelta(seconds=1)
        tracemalloc.start()
        try:
            for _ in range(ticks):
                await source.counts(_COUNTS, at - _TICK, at)
                await source.histogram(_LATENCIES, at - _TICK, at)
                at += _TICK / 100  # other moments, for which there are samples already
            return Remembered(
                _freed(source._shared),
                _freed(source._counts._taken, source._latencies._taken),
                _freed(client._shared),
            )
        finally:
            tracemalloc.stop()
            client.close()


@asynccontextmanager
async def _metrics(pods: int) -> AsyncIterator[str]:
    child = Child(run_metrics, _NAMESPACE, (), _TICK.total_seconds())
    ready: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    try:
        child.link.listen(ready.set_result)
        async with asyncio.timeout(60):
            _, url = await ready
        for number in range(pods):
            child.link.send("pod", f"web-{number:05d}-abcde", True)
        await asyncio.sleep(2.5 * _TICK.total_seconds())
        yield url
    finally:
        child.stop()


def _freed(*memories: SharedAnswers[object, object]) -> float:
    """MiB that are freed when these are emptied."""
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for memory in memories:
        memory._remembered.clear()
    gc.collect()
    return (before - tracemalloc.get_traced_memory()[0]) / 2**20

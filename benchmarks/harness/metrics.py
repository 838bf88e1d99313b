"""Prometheus' stand-in for the reaction benchmark, in a separate process: counters of every pod of the world."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection

from benchmarks.harness.link import Link, Message
from clustersim.metrics.exposition import Sample, pod_samples
from clustersim.metrics.prometheus_standin import PrometheusStandIn
from clustersim.metrics.requests import BUCKETS, PodCounters
from sentinel.promql.vectors import RangeOf, Value

REQUESTS_PER_SECOND = 20
_ONE_ERROR_IN = 500
_FAST_BUCKET = BUCKETS.index(0.1)


def run_metrics(connection: Connection, namespace: str, alerts: tuple[str, ...], interval: float) -> None:
    """The child process' main function: serve until told to stop.

    Takes ("pod", name, present), with a namespace where it is another, ("requests", whether there are any from now
    on), ("asked",) and ("stop",); sends ("ready", url)
    and ("asked", how many queries it has answered).
    `alerts` are the names of the alert rules that its `/api/v1/rules` knows, `interval` is that of its scrapes in
    seconds.
    """
    asyncio.run(_serve(Link(connection), namespace, alerts, interval))


async def _serve(link: Link, namespace: str, alerts: tuple[str, ...], interval: float) -> None:
    pods = _Pods(namespace)
    stopped = asyncio.Event()

    def heed(message: Message) -> None:
        match message:
            case ("stop",):
                stopped.set()
            case ("requests", bool(present)):
                pods.serve(present)
            case ("asked",):
                link.send("asked", prometheus.asked)
            case _:
                pods.heed(*message[1:])

    prometheus = _Counting(pods.samples, lambda: datetime.now(UTC), interval=interval, retention=60.0)
    prometheus.rules = [
        {"name": "shop", "rules": [{"type": "alerting", "name": name, "duration": 0} for name in alerts]}
    ]
    link.listen(heed)
    link.send("ready", await prometheus.start())
    await stopped.wait()
    await prometheus.stop()
    link.close()


class _Counting(PrometheusStandIn):
    """Counts the queries, those over a range as well."""

    asked = 0

    def instant(self, query: str, time: float) -> Value:
        """As the base class does."""
        self.asked += 1
        return super().instant(query, time)

    def over(self, query: str, start: float, end: float, step: float) -> list[RangeOf]:
        """As the base class does."""
        self.asked += 1
        return super().over(query, start, end, step)


class _Pods:
    """Every pod answers the same steady stream of requests from its first moment, nearly all of them well."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._since: dict[tuple[str, str], float] = {}
        self._silent = 0.0
        self._silent_since: float | None = None

    def serve(self, requests: bool) -> None:
        """Whether anybody asks the pods for anything from now on."""
        if not requests:
            self._silent_since = self._silent_since or time.monotonic()
        elif self._silent_since is not None:
            self._silent += time.monotonic() - self._silent_since
            self._silent_since = None

    def _served(self) -> float:
        """The seconds in which there were requests, since an arbitrary moment."""
        return (self._silent_since or time.monotonic()) - self._silent

    def heed(self, name: str, present: bool, namespace: str = "") -> None:
        """A pod has come or gone; it is of the namespace that is served where none is named."""
        pod = (namespace or self._namespace, name)
        if present:
            self._since[pod] = self._served()
        else:
            self._since.pop(pod, None)

    def samples(self) -> Iterator[Sample]:
        """Every series as it is now."""
        now = self._served()
        for (namespace, name), since in self._since.items():
            count = int((now - since) * REQUESTS_PER_SECOND)
            failed = count // _ONE_ERROR_IN
            counters = PodCounters(namespace, name, "", seconds=count * 0.06)
            counters.requests = {"200": count - failed, "500": failed}
            counters.buckets[_FAST_BUCKET] = count
            yield from pod_samples(counters, {"namespace": namespace, "pod": name})

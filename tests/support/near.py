"""The daemon of a story beside the simulated cluster: what it asks is answered by a call, not over HTTP.

Stories are about what is decided. HTTP, a thread for each query and the parsing of both took half of their time; the
clients have tests of their own, over HTTP, and so have the stories that are marked `sockets`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest import mock

from clustersim.cluster import SimulatedCluster
from clustersim.metrics.prometheus_standin import PrometheusStandIn
from clustersim.virtual_time import VirtualTimeLoop
from sentinel.adapters.prometheus import answers
from sentinel.adapters.prometheus.answers import InstantAnswer
from sentinel.adapters.prometheus.http.client import PrometheusClient, PrometheusConnection
from sentinel.app.wiring import sources
from sentinel.app.wiring.application import Application
from sentinel.promql.vectors import PromqlError, PromqlExecutionError
from tests.support.direct import DirectSession, Network


class NearPrometheus(PrometheusClient):
    """Over HTTP while the stand-in is slow, away or refuses, for what it then says is part of the story."""

    def __init__(self, connection: PrometheusConnection, standin: PrometheusStandIn) -> None:
        super().__init__(connection)
        self._standin = standin

    async def _ask(self, query: str, at_ms: int) -> InstantAnswer:
        await self.backend()
        try:
            answer = self._standin.at_once(query, at_ms / 1000)
        except (PromqlError, PromqlExecutionError):
            answer = None
        if answer is None:
            return await super()._ask(query, at_ms)
        await asyncio.sleep(0)  # others may run, as while one waits for an answer
        return answers.parse(answer["result"], query)


@contextmanager
def near(cluster: SimulatedCluster) -> Iterator[None]:
    """A daemon that is built meanwhile asks this cluster's Prometheus, if it is the one of its settings, by calls."""
    if not _by_calls():
        yield
        return

    def client(connection: PrometheusConnection) -> PrometheusClient:
        known = connection.url == cluster.prometheus_url
        return (partial(NearPrometheus, standin=cluster.prometheus) if known else PrometheusClient)(
            connection
        )

    with mock.patch.object(sources, "PrometheusClient", client):
        yield


def bring_near(application: Application, cluster: SimulatedCluster) -> None:
    """A daemon that is not started yet asks this cluster's API server, if it is the one of its settings, by calls."""
    client = application.store._client  # type: ignore[attr-defined]
    if _by_calls() and client.server == cluster.url:
        client._session = DirectSession(cluster.api, Network(random.Random(0), slowest=0.0))


def _by_calls() -> bool:
    loop = asyncio.get_running_loop()
    return isinstance(loop, VirtualTimeLoop) and not loop.over_sockets

"""The simulated cluster without sockets: what the daemon's clients ask goes straight to the server's handlers.

HTTP costs most of a short story's time. Here a request is a call, with a network's delays drawn at random; the server's
own code still parses, authorizes, spoils and answers it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from clustersim.api import requests, responses
from clustersim.api.calls import ResourceRequest
from clustersim.api.requests import RequestInfo
from clustersim.api.server import ApiServer
from clustersim.api.types.discovery import PageNotFoundError
from clustersim.api.watching import WatchStream
from clustersim.cluster import SimulatedCluster
from clustersim.faults import ConnectionDropped, FaultKind, InjectedFault, WatchFaults
from clustersim.storage.api_errors import ApiError
from sentinel.adapters.prometheus.answers import InstantAnswer, Sample, Track
from sentinel.adapters.prometheus.backend import PROMETHEUS, MetricsBackend
from sentinel.adapters.prometheus.http.client import REMEMBERED_SAMPLES, REMEMBERED_SECONDS
from sentinel.blocking import SharedAnswers
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.promql.vectors import VectorSample

USER_AGENT = "rollback-sentinel"


@dataclass(slots=True)
class Network:
    """What lies between the daemon and everybody else: delays, a partition, connections that are silently dead."""

    rng: random.Random
    partitioned: bool = False
    slowest: float = 0.02
    writes: int = 0
    """Requests that may change something, sent so far."""
    streams: list[Stream] = field(default_factory=list)
    """The open watches in the order in which they were opened: a schedule is one story, whatever they are broken by."""
    felt: Callable[[str], None] = lambda _what: None
    """Told of each fault, by its name for people, at the moment when it strikes the daemon."""
    serving: Callable[[str, str, bytes], None] = lambda _method, _path, _body: None
    """Told of each request of the daemon but a watch, by its method, path and body, just before it is served."""

    async def cross(self) -> None:
        """Be under way for a moment, or for as long as the partition lasts."""
        await asyncio.sleep(self.rng.random() * self.slowest)
        if self.partitioned:
            self.felt("partition from the API server")
        while self.partitioned:  # noqa: ASYNC110 - as a client that keeps sending
            await asyncio.sleep(1.0)

    def break_streams(self) -> None:
        """Every open watch ends with a broken connection."""
        for stream in tuple(self.streams):
            stream.end(aiohttp.ClientPayloadError("the connection was reset"))

    def silence_streams(self) -> None:
        """Every open watch stays open, and nothing comes any more."""
        for stream in self.streams:
            stream.silent = True


class Stream:
    """The body of a watch on its way to the client."""

    def __init__(self, network: Network, silence: float | None) -> None:
        self._network = network
        self._silence = silence
        self._chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._ended = False
        self.silent = False

    async def write(self, data: bytes) -> None:
        """What the server sends."""
        if self.silent:
            self._network.felt("half-open watch")
        else:
            self._chunks.put_nowait(data)

    def end(self, error: Exception | None) -> None:
        """No more comes."""
        if not self.silent:
            self._chunks.put_nowait(error)

    def read_nowait(self) -> bytes:
        """What has come: nothing crosses the network without a moment's delay."""
        return b""

    async def readany(self) -> bytes:
        """What the client reads, empty at the end."""
        if self._ended:
            return b""
        try:
            async with asyncio.timeout(self._silence):
                chunk = await self._chunks.get()
                await self._network.cross()
        except TimeoutError:
            raise aiohttp.SocketTimeoutError("nothing came") from None
        if isinstance(chunk, Exception):
            raise chunk
        self._ended = chunk is None
        return chunk or b""


@dataclass(slots=True)
class Reply:
    """A response as the client sees it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    content: Stream | None = None

    async def read(self) -> bytes:
        """The whole body."""
        return self.body


@dataclass(slots=True)
class Question:
    """A request as the server's handlers see it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    host: str = "127.0.0.1"

    @property
    def can_read_body(self) -> bool:
        """Whether there is one."""
        return bool(self.body)

    async def read(self) -> bytes:
        """The body."""
        return self.body


class DirectSession:
    """In the place of the API client's HTTP session."""

    def __init__(self, api: ApiServer, network: Network) -> None:
        self._api = api
        self._network = network
        self.dead = False

    async def close(self) -> None:
        """Nothing is held open."""

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str],
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        **_: Any,
    ) -> AsyncIterator[Reply]:
        """One exchange."""
        self._check_alive()
        query = {str(name): str(value) for name, value in params.items()}
        question = Question(
            method, urlsplit(url).path, query, {"User-Agent": USER_AGENT, **headers}, data or b""
        )
        self._network.writes += method != "GET"
        await self._network.cross()
        self._check_alive()
        info = requests.parse(method, question.path, query)
        struck = self._api.faults.striking(info.verb, question.path, USER_AGENT)
        for fault in struck:
            self._network.felt(_named(fault, info.verb))
        if info.verb == "watch" and info.resource:
            async with self._watch(question, info, struck, timeout.sock_read) as reply:
                yield reply
            return
        self._network.serving(method, question.path, question.body)
        reply = await self._answer(question, info, struck)
        await self._network.cross()
        self._check_alive()
        yield reply

    def _check_alive(self) -> None:
        if self.dead:
            raise aiohttp.ClientConnectionError("the process is dead")

    async def _answer(self, question: Question, info: RequestInfo, struck: list[InjectedFault]) -> Reply:
        drops = [fault for fault in struck if fault.kind is FaultKind.DROP]
        try:
            spoiled = await self._api._spoil(question, info, struck)  # type: ignore[arg-type]
            if spoiled is None:
                self._check_alive()
                user = self._api.tokens.authenticate(question.headers.get("Authorization", ""))
                others = [fault for fault in struck if fault.kind is not FaultKind.DROP]
                spoiled = await self._api._serve(question, info, user, others)  # type: ignore[arg-type]
                for fault in drops:
                    if fault.then is not None:
                        fault.then()
        except PageNotFoundError:
            return self._no_page()
        except ApiError as error:
            spoiled = responses.json_response(error.status(), error.code)
        except ConnectionDropped:
            raise aiohttp.ClientPayloadError("the connection was reset") from None
        if drops:
            raise aiohttp.ClientPayloadError("the connection was reset")
        assert isinstance(spoiled, web.Response)
        body = spoiled.body
        assert isinstance(body, bytes)
        return Reply(spoiled.status, {**spoiled.headers, "Date": self._api.date}, body)

    def _no_page(self) -> Reply:
        return Reply(404, {"Date": self._api.date}, b"404 page not found\n")

    @asynccontextmanager
    async def _watch(
        self, question: Question, info: RequestInfo, struck: list[InjectedFault], silence: float | None
    ) -> AsyncIterator[Reply]:
        api = self._api
        try:
            spoiled = await api._spoil(question, info, struck)  # type: ignore[arg-type]
            if spoiled is not None:
                assert isinstance(spoiled, web.Response)
                assert isinstance(spoiled.body, bytes)
                yield Reply(spoiled.status, spoiled.headers, spoiled.body)
                return
            user = api.tokens.authenticate(question.headers.get("Authorization", ""))
            resource = api._allowed(info, user)
            call = ResourceRequest(api._services, info, resource, question.query, question.headers, b"", user)
            asked = api._watch_request(call)
            asked.check()
        except PageNotFoundError:
            yield self._no_page()
            return
        except ApiError as error:
            if error.code == 410:
                self._network.felt("watch cache begun anew")
            answer = responses.json_response(error.status(), error.code)
            assert isinstance(answer.body, bytes)
            yield Reply(answer.status, answer.headers, answer.body)
            return
        except ConnectionDropped:
            raise aiohttp.ClientPayloadError("the connection was reset") from None
        stream = Stream(self._network, silence)
        kinds = [f for f in struck if f.kind not in (FaultKind.STALE, FaultKind.LATENCY, FaultKind.ERROR)]
        watch = WatchStream(api.store, api.watches, asked, call.presenter, WatchFaults(kinds))
        sending = asyncio.create_task(self._send(watch, stream), name=f"server's watch {question.path}")
        self._network.streams.append(stream)
        try:
            yield Reply(200, {"Date": api.date}, content=stream)
        finally:
            self._network.streams.remove(stream)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, watch: WatchStream, stream: Stream) -> None:
        try:
            await watch.run(stream)  # type: ignore[arg-type]
            stream.end(None)
        except ConnectionDropped:
            stream.end(aiohttp.ClientPayloadError("the connection was reset"))


def _named(fault: InjectedFault, verb: str) -> str:
    """A fault of the API server for people."""
    if fault.kind is FaultKind.ERROR:
        return f"{fault.status} with Retry-After" if fault.seconds else str(fault.status)
    return f"watch {fault.kind}" if verb == "watch" else f"request {fault.kind}"


class DirectPrometheus:
    """In the place of the Prometheus client: asks the stand-in, which can be down, hang or be slow."""

    def __init__(self, cluster: SimulatedCluster, network: Network) -> None:
        self._prometheus = cluster.prometheus
        self._network = network
        self._shared: SharedAnswers[tuple[str, int], InstantAnswer] = SharedAnswers(
            capacity=REMEMBERED_SAMPLES,
            weigh=lambda answer: len(answer.samples) + 1,
            keep=REMEMBERED_SECONDS,
        )
        self.answered: Callable[[], None] = lambda: None

    async def backend(self) -> MetricsBackend:
        """It answers as Prometheus does."""
        return PROMETHEUS

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        """The answer at one time."""
        at_ms = int(at.timestamp() * 1000)
        return await self._shared.get((query, at_ms), lambda: self._ask(query, at_ms))

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        """The answer at equally spaced times."""
        await self._reach()
        found = self._prometheus.over(query, since.timestamp(), until.timestamp(), step.total_seconds())
        return tuple(Track(one.labels, {at / 1000: value for at, value in one.samples}) for one in found)

    async def get(self, path: str, params: Mapping[str, str]) -> object:
        """The alert rules; there are none."""
        await self._reach()
        return {"groups": []}

    def close(self) -> None:
        """Nothing is held open."""

    async def _ask(self, query: str, at_ms: int) -> InstantAnswer:
        await self._reach()
        value = self._prometheus.instant(query, at_ms / 1000)
        assert isinstance(value, list)
        self.answered()
        return InstantAnswer(
            tuple(
                Sample({k: v for k, v in point.labels.items() if k != "__name__"}, point.value)
                for point in value
                if isinstance(point, VectorSample)
            )
        )

    async def _reach(self) -> None:
        await asyncio.sleep(self._network.rng.random() * self._network.slowest)
        if self._prometheus.delay:
            self._network.felt("Prometheus slow or hanging")
            await asyncio.sleep(min(self._prometheus.delay, 5.0))
            if self._prometheus.delay > 5.0:
                raise SourceError("no answer within 5 s", reason=MissingReason.SOURCE_TIMEOUT)
        if self._prometheus.status is not None:
            self._network.felt("Prometheus down")
            raise SourceError("not available", reason=MissingReason.SOURCE_UNREACHABLE)

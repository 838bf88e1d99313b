"""Instant and range queries over prometheus-api-client: bounded, with deadlines, each question asked once."""

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar
from urllib.parse import urljoin

import requests
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from urllib3 import Retry

from sentinel.adapters.prometheus import answers
from sentinel.adapters.prometheus.answers import InstantAnswer, Track
from sentinel.adapters.prometheus.backend import PROMETHEUS, MetricsBackend, Recognition
from sentinel.adapters.prometheus.elements import as_documents
from sentinel.adapters.prometheus.http import wholeness
from sentinel.adapters.prometheus.http.credentials import SourceCredentials
from sentinel.adapters.prometheus.http.failures import Failures
from sentinel.adapters.prometheus.http.methods import Methods, TooLongError
from sentinel.adapters.prometheus.http.refusals import refusal
from sentinel.adapters.prometheus.http.session import BoundedSession
from sentinel.blocking import BlockingPool, SharedAnswers, ask_source
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.requesting import proxies_of
from sentinel.values import dataclass

T = TypeVar("T")

_log = logging.getLogger(__name__)

UNUSABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What is raised of no answer (requests' are OSErrors, as are certificates that are gone), and of one that is not
Prometheus' (or is nested so that it cannot be read)."""
_NOT_THERE = frozenset(
    {
        MissingReason.SOURCE_UNREACHABLE,
        MissingReason.SOURCE_TIMEOUT,
        MissingReason.NOT_ASKED,
        MissingReason.RATE_LIMITED,
    }
)
REMEMBERED_ANNOTATIONS = 1_000
"""After so many different annotations no more are shown."""
REMEMBERED_SAMPLES = 100_000
"""How many samples of past answers are kept for the next tick's `since`: some 28 MiB."""
REMEMBERED_SECONDS = 180.0
"""How long they are kept: rules whose ticks are further apart ask again."""
LOOK_AGAIN_AFTER = 600.0
"""After so many seconds, and after each failure, what answers is looked at again: it may have been upgraded."""


@dataclass(frozen=True, slots=True)
class PrometheusConnection:
    """Where Prometheus (or what speaks its API: Thanos, Mimir, VictoriaMetrics) is and how it is asked.

    `url` may have a path prefix. `credentials` are added to each request. `timeout` in seconds is the deadline
    of each question. `certificate` are the client's certificate and key. Proxies of the environment are used only
    where `proxy` says `environment`, netrc never: it would replace the token. `backend` is what is there, where that
    is known; else it is recognised.
    """

    url: str
    credentials: SourceCredentials = field(default_factory=SourceCredentials)
    verify_tls: bool = True
    ca_file: str | None = None
    certificate: tuple[str, str] | None = None
    proxy: str | None = None
    timeout: float = 10.0
    threads: int = 4
    waiting: int = 512
    backend: MetricsBackend | None = None


class PrometheusClient:
    """Asks one Prometheus. Every method raises SourceError, with the reason and Prometheus' own words."""

    def __init__(self, connection: PrometheusConnection) -> None:
        self._connection = connection
        self._url = connection.url.rstrip("/")
        self._pool = BlockingPool("prometheus", threads=connection.threads, waiting=connection.waiting)
        self._aside = BlockingPool("prometheus-aside", threads=connection.threads, waiting=connection.waiting)
        self._shared: SharedAnswers[tuple[str, int], InstantAnswer] = SharedAnswers(
            capacity=REMEMBERED_SAMPLES,
            weigh=lambda answer: answer.weight,
            keep=REMEMBERED_SECONDS,
        )
        self._failures = Failures(self._url, connection.timeout)
        self._session = self._make_session()
        self._by_method = {method: self._library(method) for method in ("POST", "GET")}
        self._methods = Methods()
        self._shown: set[str] = set()
        self._showing = threading.Lock()
        self._backend = connection.backend
        self._looked_at = math.inf if connection.backend else -math.inf
        self._look: asyncio.Task[MetricsBackend] | None = None

    @property
    def url(self) -> str:
        """Where it is, without a trailing slash."""
        return self._url

    async def backend(self) -> MetricsBackend:
        """What answers here. Looked at once by all who ask, and again after failures and some time.

        Raises SourceError where that was never found out.
        """
        now = asyncio.get_running_loop().time()
        if self._backend is not None and now < self._looked_at + LOOK_AGAIN_AFTER:
            return self._backend
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._recognised(now))
        return await asyncio.shield(self._look)

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        """The answer at one evaluation time (to the millisecond); equal questions are asked once."""
        at_ms = math.floor(at.timestamp() * 1000)
        return await self._shared.get((query, at_ms), lambda: self._ask(query, at_ms))

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        """The answer at equally spaced times, in whole seconds; not remembered."""
        backend = await self.backend()
        if backend.range_settles:
            until = min(until, datetime.now(UTC) - timedelta(seconds=backend.range_settles))
        if until < since:
            return ()
        return await self._call(lambda: self._query_range(query, since, until, step, backend.parameters))

    async def get(self, path: str, params: Mapping[str, str]) -> object:
        """The `data` of any other endpoint of its API, not remembered; it does not queue behind the queries."""
        return await self._call(lambda: self._get(path, params), self._aside)

    def close(self) -> None:
        """Take no more questions."""
        self._pool.close()
        self._aside.close()
        self._session.close()

    async def _recognised(self, now: float) -> MetricsBackend:
        """What answers now; what was known before where that stays open, or where the question is refused."""
        try:
            self._backend = await self._call(Recognition(self._get, self._page).backend, self._aside)
        except SourceError as error:
            if error.reason in _NOT_THERE:
                if self._backend is None:
                    raise
                return self._backend
            self._backend = self._backend or PROMETHEUS
        self._looked_at = now
        return self._backend

    async def _ask(self, query: str, at_ms: int) -> InstantAnswer:
        more = (await self.backend()).instant_parameters
        # The server's own limit, so that it stops working on queries whose answer is no longer needed.
        params = {"time": f"{at_ms / 1000:.3f}", "timeout": f"{self._connection.timeout:g}s", **more}
        try:
            return await self._call(lambda: self._query(query, params))
        except SourceError as error:
            if error.reason != MissingReason.BAD_QUERY and self._connection.backend is None:
                self._looked_at = -math.inf
            raise

    async def _call(self, call: Callable[[], T], pool: BlockingPool | None = None) -> T:
        source = f"Prometheus at {self._url}"
        return await ask_source(pool or self._pool, call, deadline=self._connection.timeout, source=source)

    def _query(self, query: str, params: Mapping[str, str]) -> InstantAnswer:
        """In a thread: one instant query, its result read."""
        result = self._by_library(query, lambda library: library.custom_query(query, params=dict(params)))
        return answers.parse(result, query)

    def _query_range(
        self, query: str, since: datetime, until: datetime, step: timedelta, more: Mapping[str, str]
    ) -> tuple[Track, ...]:
        """In a thread: one range query, its result read."""
        params = {"timeout": f"{self._connection.timeout:g}s", **more}
        text = f"{step.total_seconds():g}"
        result = self._by_library(
            query, lambda library: library.custom_query_range(query, since, until, text, params)
        )
        return answers.parse_range(result, query)

    def _by_library(self, query: str, ask: Callable[[PrometheusConnect], object]) -> object:
        """One query by the library."""

        def by(method: str) -> requests.Response:
            self._session.take_response()
            try:
                ask(self._by_method[method])
            except (PrometheusApiClientException, *UNUSABLE):
                # Status, and what stands beside the result, say it better; without a response the error is all.
                if (response := self._session.take_response()) is None:
                    raise
                return response
            return _required(self._session.take_response())

        data = self._answered(query, by)
        if not isinstance(data, Mapping) or "result" not in data:
            raise self._failures.of(ValueError("no result"))
        return data["result"]

    def _get(self, path: str, params: Mapping[str, str]) -> object:
        """In a thread: one request for what the library has no method for."""

        def by(method: str) -> requests.Response:
            return self._session.request(
                method,
                f"{self._url}{path}",
                params=dict(params),
                timeout=self._connection.timeout,
            )

        if "query" not in params:
            return self._answered(path, by, methods=Methods(("GET",)))
        return as_documents(self._answered(params["query"], by))

    def _page(self, path: str) -> str:
        """In a thread: the text at a path of the host, whatever path its API is under."""
        try:
            response = self._session.get(
                urljoin(self._url, path),
                timeout=self._connection.timeout,
            )
        except UNUSABLE as error:
            raise self._failures.of(error) from error
        if response.status_code != requests.codes.ok:
            raise refusal(self._url, response)
        return response.text

    def _answered(
        self, query: str, by: Callable[[str], requests.Response], methods: Methods | None = None
    ) -> object:
        """The `data` of a whole answer. Raises SourceError for every other one, and for none."""
        try:
            response = (methods or self._methods).ask(by)
            if response.status_code != requests.codes.ok:
                raise refusal(self._url, response, query)
            envelope = response.json()
            if envelope.get("status") == "error":
                raise refusal(self._url, response, query)
            self._require_whole(envelope, response.headers, query)
            return envelope["data"]
        except TooLongError as error:
            raise self._failures.too_long(query, error) from error
        except UNUSABLE as error:
            raise self._failures.of(error) from error

    def _library(self, method: str) -> PrometheusConnect:
        return PrometheusConnect(
            url=self._url,
            retry=Retry(0),
            session=self._session,
            timeout=math.ceil(self._connection.timeout),
            method=method,
        )

    def _make_session(self) -> BoundedSession:
        session, connection = BoundedSession(), self._connection
        session.trust_env = False
        session.verify = connection.ca_file or connection.verify_tls
        session.cert = connection.certificate
        session.auth = connection.credentials
        session.proxies = dict(proxies_of(connection.proxy, self._url))
        session.cookies.set_policy(
            DefaultCookiePolicy(allowed_domains=[])
        )  # the one part threads would share
        return session

    def _require_whole(self, envelope: object, headers: Mapping[str, str], query: str) -> None:
        """Raises SourceError where a part is missing; what is remarked on the query is logged once."""
        parts = wholeness.missing_parts(envelope, headers)
        if parts:
            told = f"reports that its answer to {query!r} may be incomplete: {_told(parts)}"
            message = f"Prometheus at {self._url} {told}"
            raise SourceError(message, reason=MissingReason.PARTIAL_ANSWER)
        for annotation in wholeness.annotations(envelope):
            if self._first_time(wholeness.without_position(annotation)):
                _log.warning("Prometheus warns about the query %r: %s", query[:1000], annotation)

    def _first_time(self, annotation: str) -> bool:
        with self._showing:
            known = annotation in self._shown or len(self._shown) >= REMEMBERED_ANNOTATIONS
            self._shown.add(annotation)
        return not known


def _required(response: requests.Response | None) -> requests.Response:
    if response is None:
        raise ValueError("no response")
    return response


def _told(parts: Sequence[str]) -> str:
    return "; ".join(parts)[:500]

"""Instant and range queries over prometheus-api-client: bounded, with deadlines, each question asked once."""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import requests
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from urllib3 import Retry

from sentinel.adapters.prometheus import answers
from sentinel.adapters.prometheus.answers import Answer, Track
from sentinel.adapters.prometheus.session import MAX_ANSWER, AnswerTooLargeError, BoundedSession
from sentinel.blocking import BlockingPool, SharedAnswers, ask_source
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason

T = TypeVar("T")

UNUSABLE = (requests.RequestException, ValueError, KeyError, TypeError, RecursionError)
"""What is raised of no answer, and of one that is not Prometheus' (or is nested so that it cannot be read)."""
REMEMBERED_SAMPLES = 100_000
"""How many samples of past answers are kept for the next tick's `since`: some 40 MiB."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where Prometheus (or what speaks its API: Thanos, Mimir, VictoriaMetrics) is and how it is asked.

    `url` may have a path prefix. `headers` carry a token where one is needed. `timeout` in seconds is the deadline
    of each question. Proxies and netrc of the environment are not used: netrc would replace the token.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    verify_tls: bool = True
    ca_file: str | None = None
    timeout: float = 10.0
    threads: int = 4
    waiting: int = 64


class PrometheusClient:
    """Asks one Prometheus. Every method raises SourceError, with the reason and Prometheus' own words."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._url = connection.url.rstrip("/")
        self._pool = BlockingPool("prometheus", threads=connection.threads, waiting=connection.waiting)
        self._aside = BlockingPool("prometheus-aside", threads=connection.threads, waiting=connection.waiting)
        self._shared: SharedAnswers[tuple[str, int], Answer] = SharedAnswers(
            capacity=REMEMBERED_SAMPLES, weigh=lambda answer: len(answer.samples) + 1
        )
        self._last = threading.local()
        self._session = self._make_session()
        self._connect = PrometheusConnect(
            url=self._url,
            headers=dict(connection.headers),
            retry=Retry(0),
            session=self._session,
            timeout=math.ceil(connection.timeout),
        )

    @property
    def url(self) -> str:
        """Where it is, without a trailing slash."""
        return self._url

    async def instant(self, query: str, at: datetime) -> Answer:
        """The answer at one evaluation time (to the millisecond); equal questions are asked once."""
        at_ms = math.floor(at.timestamp() * 1000)
        return await self._shared.get((query, at_ms), lambda: self._ask(query, at_ms))

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        """The answer at equally spaced times, in whole seconds; not remembered."""
        return await self._call(lambda: self._query_range(query, since, until, step))

    async def get(self, path: str, params: Mapping[str, str]) -> object:
        """The `data` of any other endpoint of its API, not remembered; it does not queue behind the queries."""
        return await self._call(lambda: self._get(path, params), self._aside)

    def close(self) -> None:
        """Take no more questions."""
        self._pool.close()
        self._aside.close()
        self._connect.close()

    async def _ask(self, query: str, at_ms: int) -> Answer:
        # The server's own limit, so that it stops working on what nobody waits for any more.
        params = {"time": f"{at_ms / 1000:.3f}", "timeout": f"{self._connection.timeout:g}s"}
        return await self._call(lambda: self._query(query, params))

    async def _call(self, call: Callable[[], T], pool: BlockingPool | None = None) -> T:
        source = f"Prometheus at {self._url}"
        return await ask_source(pool or self._pool, call, deadline=self._connection.timeout, source=source)

    def _query(self, query: str, params: Mapping[str, str]) -> Answer:
        """In a thread: one instant query, its result read."""
        result = self._by_library(query, lambda: self._connect.custom_query(query, params=dict(params)))
        return answers.parse(result, query)

    def _query_range(
        self, query: str, since: datetime, until: datetime, step: timedelta
    ) -> tuple[Track, ...]:
        """In a thread: one range query, its result read."""
        params = {"timeout": f"{self._connection.timeout:g}s"}
        text = f"{step.total_seconds():g}"
        result = self._by_library(
            query, lambda: self._connect.custom_query_range(query, since, until, text, params)
        )
        return answers.parse_range(result, query)

    def _by_library(self, query: str, ask: Callable[[], object]) -> object:
        """One query by the library, its errors translated."""
        self._last.response = None
        try:
            result = ask()
        except PrometheusApiClientException as error:
            raise self._refused(self._last.response) from error
        except UNUSABLE as error:
            raise self._failed(error) from error
        self._check_warnings(self._last.response, query)
        return result

    def _get(self, path: str, params: Mapping[str, str]) -> object:
        """In a thread: one request for what the library has no method for."""
        try:
            response = self._session.get(
                f"{self._url}{path}",
                params=dict(params),
                headers=dict(self._connection.headers),
                timeout=self._connection.timeout,
            )
            if response.status_code != requests.codes.ok:
                raise self._refused(response)
            return response.json()["data"]
        except UNUSABLE as error:
            raise self._failed(error) from error

    def _make_session(self) -> requests.Session:
        session = BoundedSession()
        session.trust_env = False
        session.verify = self._connection.ca_file or self._connection.verify_tls
        session.cookies.set_policy(
            DefaultCookiePolicy(allowed_domains=[])
        )  # the one part threads would share
        session.hooks["response"].append(self._remember)
        return session

    def _remember(self, response: requests.Response, *_: object, **__: object) -> None:
        """Keep the response of this thread's call: the library drops its warnings, status and headers."""
        self._last.response = response

    def _check_warnings(self, response: requests.Response | None, query: str) -> None:
        """A warning says that the answer may be incomplete (a store did not answer): then it is no evidence."""
        if response is None or b'"warnings"' not in response.content:
            return
        warnings = response.json().get("warnings")
        if warnings:
            message = f"Prometheus warns of its answer to {query!r}: {'; '.join(map(str, warnings))[:500]}"
            raise SourceError(message, reason=MissingReason.SOURCE_REFUSED)

    def _timed_out(self) -> SourceError:
        message = f"Prometheus at {self._url} did not answer within {self._connection.timeout:g} s."
        return SourceError(message, reason=MissingReason.SOURCE_TIMEOUT)

    def _failed(self, error: Exception) -> SourceError:
        """The error of a request that got no answer, or not an answer of Prometheus."""
        if isinstance(error, requests.ConnectTimeout | requests.ReadTimeout):
            return self._timed_out()
        if isinstance(error, AnswerTooLargeError):
            message = f"Prometheus at {self._url} answered with more than {MAX_ANSWER >> 20} MiB."
            return SourceError(message, reason=MissingReason.SOURCE_REFUSED)
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            message = f"Prometheus at {self._url} broke its answer off."
            return SourceError(message, reason=MissingReason.SOURCE_UNREACHABLE)
        if isinstance(error, requests.ConnectionError):
            message = f"Prometheus at {self._url} cannot be reached: {_root(error)}."
            return SourceError(message, reason=MissingReason.SOURCE_UNREACHABLE)
        message = f"What answers at {self._url} does not speak Prometheus' API (wrong URL, or a login page?)."
        return SourceError(message, reason=MissingReason.SOURCE_REFUSED)

    def _refused(self, response: requests.Response | None) -> SourceError:
        """The error that an HTTP status stands for."""
        if response is None:
            return self._failed(ValueError("no response"))
        status = response.status_code
        kind, words = _words(response)
        reason, what = _meaning(status, kind)
        wait = response.headers.get("Retry-After", "")
        hint = f" Asked to wait {wait} s." if wait else ""
        return SourceError(f"Prometheus at {self._url} {what} (HTTP {status}): {words}.{hint}", reason=reason)


def _meaning(status: int, kind: str) -> tuple[MissingReason, str]:
    if kind == "timeout" or status == 504:
        return MissingReason.SOURCE_TIMEOUT, "gave up on the query"
    if status == 429:
        return MissingReason.RATE_LIMITED, "limits our rate"
    if status in {400, 422}:
        return MissingReason.BAD_QUERY, "refuses the query"
    if status in {401, 403}:
        return MissingReason.SOURCE_REFUSED, "refuses us; check the token"
    if 300 <= status < 400:
        return MissingReason.SOURCE_REFUSED, "sends us elsewhere, where we do not follow; write that address"
    if status in {502, 503}:
        return MissingReason.SOURCE_UNREACHABLE, "is not available"
    return MissingReason.SOURCE_REFUSED, "failed"


def _words(response: requests.Response) -> tuple[str, str]:
    """The error's type and text as Prometheus put them, or the start of whatever else was answered."""
    try:
        body = response.json()
        return str(body["errorType"]), str(body["error"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return "", " ".join(response.text[:200].split()) or "no text"


def _root(error: BaseException) -> str:
    """The innermost cause of a connection error: the outer ones name objects of the library."""
    seen = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return str(seen)

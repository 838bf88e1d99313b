"""Timeseries queries over datadog-api-client: synchronous in a bounded pool, never retried, rate limits obeyed."""

import asyncio
import math
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

import urllib3
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ApiException, OpenApiException
from datadog_api_client.v1.api.metrics_api import MetricsApi

from sentinel.blocking import BlockingPool, SharedAnswers, ask_source
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.requesting import proxies_of
from sentinel.secret import Secret
from sentinel.values import dataclass

REMEMBERED_SERIES = 20_000
REMEMBERED_SECONDS = 180.0
"""So many series of past answers are kept, for so long: rules whose ticks are further apart ask again."""
_ABOUT_THE_SOURCE = re.compile(
    r"time(?:d )?[ -]?out|\blimit|too (?:many|large)|exceed|unavailable|internal|overload", re.IGNORECASE
)
"""Words of a Datadog that cannot answer a question which it understands."""
NOT_ITS_API = (OpenApiException, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What is raised of an answer of another shape (one without series is not one without data), or of no text."""


@dataclass(frozen=True, slots=True)
class DatadogConnection:
    """Which Datadog, and as whom. `timeout` in seconds is the deadline of each question.

    `proxy` is an address, or `environment` for that of HTTPS_PROXY.
    """

    api_key: Secret = field(repr=False)
    app_key: Secret = field(repr=False)
    url: str = "https://api.datadoghq.com"
    timeout: float = 15.0
    threads: int = 2
    waiting: int = 32
    proxy: str | None = None
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class TaggedSeries:
    """One series of an answer: of which of the queries (from 0), its tags, its points (seconds, value).

    `interval` is how many seconds a point stands for, 0 where Datadog does not say.
    """

    query: int
    tags: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    interval: int = 0


Answer = tuple[TaggedSeries, ...]


class DatadogClient:
    """Asks Datadog. Raises SourceError with the reason and Datadog's own words.

    The library's asynchronous client is not used: after a timeout it hands out another query's answer.
    """

    def __init__(self, connection: DatadogConnection) -> None:
        self._connection = connection
        self._pool = BlockingPool("datadog", threads=connection.threads, waiting=connection.waiting)
        self._shared: SharedAnswers[tuple[str, int, int], Answer] = SharedAnswers(
            capacity=REMEMBERED_SERIES, weigh=lambda answer: len(answer) + 1, keep=REMEMBERED_SECONDS
        )
        self._blocked_until = 0.0
        self._api_client = ApiClient(self._configuration())
        self._metrics = MetricsApi(self._api_client)  # type: ignore[no-untyped-call]

    async def query(self, query: str, since: int, until: int) -> Answer:
        """The series of a query (several, joined by commas, in one request) between two Unix times in seconds."""
        return await self._shared.get((query, since, until), lambda: self._ask(query, since, until))

    def close(self) -> None:
        """Take no more questions."""
        self._pool.close()
        self._api_client.close()

    def _configuration(self) -> Configuration:
        configuration = Configuration(  # type: ignore[no-untyped-call]
            host=self._connection.url.rstrip("/"),
            api_key=self._keys(),
            request_timeout=self._connection.timeout,
            return_http_data_only=False,
        )
        # `enable_retry` is off by default, and then urllib3's own three retries are on.
        configuration.retry_policy = urllib3.Retry(0)
        configuration.proxy = proxies_of(self._connection.proxy, self._connection.url).get("https")
        configuration.ssl_ca_cert = self._connection.ca_file
        return configuration

    def _keys(self) -> dict[str, str]:
        """Both keys as they are now: their files may have changed."""
        return {"apiKeyAuth": self._connection.api_key(), "appKeyAuth": self._connection.app_key()}

    async def _ask(self, query: str, since: int, until: int) -> Answer:
        now = asyncio.get_running_loop().time()
        if now < self._blocked_until:
            raise _rate_limited(self._blocked_until - now)
        try:
            answer, headers = await ask_source(
                self._pool,
                lambda: self._request(query, since, until),
                deadline=self._connection.timeout,
                source=f"Datadog at {self._connection.url}",
            )
        except SourceError as error:
            self._block(error.retry_after or 0.0)
            raise
        if headers.get("x-ratelimit-remaining") == "0":
            self._block(_reset(headers))
        return answer

    def _block(self, seconds: float) -> None:
        self._blocked_until = max(self._blocked_until, asyncio.get_running_loop().time() + seconds)

    def _request(self, query: str, since: int, until: int) -> tuple[Answer, Mapping[str, str]]:
        """In a thread: one request by the library, its errors translated."""
        try:
            self._api_client.configuration.api_key = self._keys()
            answered: Any = self._metrics.query_metrics(_from=since, to=until, query=query)
            response, _, headers = (
                answered  # a triple, because of return_http_data_only; the library types the body
            )
        except ApiException as error:
            raise self._refused(error) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._unanswered(error) from error
        except NOT_ITS_API as error:
            raise _strange(query, error) from error
        body = response.to_dict()
        if body.get("status") == "error" or body.get("error"):
            raise _failed_query(query, str(body.get("error") or "no reason given"))
        if parts := _missing_parts(body):
            message = f"Datadog reports that its answer to {query!r} may be incomplete: {parts[:300]}."
            raise SourceError(message, reason=MissingReason.PARTIAL_ANSWER)
        try:
            return tuple(map(_series, body["series"])), _lower(headers)
        except NOT_ITS_API as error:
            raise _strange(query, error) from error

    def _refused(self, error: ApiException) -> SourceError:
        status = int(error.status or 0)
        words = _words(error)
        if status == 429:
            return _rate_limited(_reset(_lower(error.headers or {})))
        if status in {408, 504}:
            message = f"Datadog gave up on the query ({status}: {words})."
            return SourceError(message, reason=MissingReason.SOURCE_TIMEOUT)
        if status == 206:
            message = f"Datadog answers only in part: {words}."
            return SourceError(message, reason=MissingReason.PARTIAL_ANSWER)
        if status in {413, 422}:
            message = f"Datadog cannot answer the query within its limits ({status}: {words})."
            return SourceError(message, reason=MissingReason.OVER_LIMIT)
        if status == 400:
            return SourceError(f"Datadog refuses the query: {words}.", reason=MissingReason.BAD_QUERY)
        if status in {401, 403}:
            message = f"Datadog rejects our credentials; check the API key and the application key ({status}: {words})."
            return SourceError(message, reason=MissingReason.SOURCE_REFUSED)
        if status == 0 or status in {502, 503}:
            message = f"Datadog at {self._connection.url} is not available ({status or 'TLS'}: {words})."
            return SourceError(message, reason=MissingReason.SOURCE_UNREACHABLE)
        return SourceError(f"Datadog failed ({status}: {words}).", reason=MissingReason.SOURCE_REFUSED)

    def _unanswered(self, error: urllib3.exceptions.HTTPError) -> SourceError:
        cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
        refused = isinstance(cause, urllib3.exceptions.NewConnectionError)  # to urllib3 a kind of timeout
        if isinstance(cause, urllib3.exceptions.TimeoutError) and not refused:
            message = f"Datadog did not answer within {self._connection.timeout:g} s."
            return SourceError(message, reason=MissingReason.SOURCE_TIMEOUT)
        message = f"Datadog at {self._connection.url} cannot be reached: {str(cause).rpartition(': ')[2]}."
        return SourceError(message, reason=MissingReason.SOURCE_UNREACHABLE)


def _strange(query: str, error: Exception) -> SourceError:
    message = f"Datadog's answer to {query!r} is not what its API describes: {error}"
    return SourceError(message[:500], reason=MissingReason.SOURCE_REFUSED)


def _rate_limited(wait: float) -> SourceError:
    message = f"Datadog limits our request rate; the next request is in {math.ceil(wait)} s."
    return SourceError(message, reason=MissingReason.RATE_LIMITED, retry_after=wait)


def _failed_query(query: str, words: str) -> SourceError:
    """The error in an answer with status 200."""
    if _ABOUT_THE_SOURCE.search(words.replace(query, "")):
        message = f"Datadog cannot answer the query {query!r}: {words}."
        return SourceError(message, reason=MissingReason.OVER_LIMIT)
    return SourceError(f"Datadog refuses the query {query!r}: {words}.", reason=MissingReason.BAD_QUERY)


def _missing_parts(body: Mapping[str, object]) -> str:
    """Its report on missing parts: a whole answer has the status `ok`, and no message or `success`."""
    status, message = str(body.get("status", "ok")), str(body.get("message") or "")
    if status.lower() not in {"ok", "success"}:
        return f"status {status}; {message}".rstrip("; ")
    return "" if message.lower() in {"", "ok", "success"} else message


def _reset(headers: Mapping[str, str]) -> float:
    """How many seconds until the rate limit's period ends; 60 where Datadog does not say."""
    try:
        return max(1.0, float(headers["x-ratelimit-reset"]))
    except (KeyError, ValueError):
        return 60.0


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _words(error: ApiException) -> str:
    body = error.body
    errors = body.get("errors") if isinstance(body, dict) else None
    text = "; ".join(map(str, errors)) if isinstance(errors, list) else str(body or error.reason)
    return " ".join(text.split())[:300].rstrip(".")


def _series(element: Mapping[str, object]) -> TaggedSeries:
    """One series out of the library's plain values; points without a value are left out."""
    tags = dict(str(tag).partition(":")[::2] for tag in _list(element.get("tag_set")))
    points = [_list(point) for point in _list(element.get("pointlist"))]
    numbers = tuple((_float(at) / 1000, _float(value)) for at, value in points if value is not None)
    return TaggedSeries(_int(element.get("query_index")), tags, numbers, _int(element.get("interval")))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0

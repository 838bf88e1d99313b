"""Whose fault a refusal is: the query's, or that of a server which cannot answer it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from sentinel.adapters.prometheus.http.refusals import refusal
from sentinel.domain.evidence import MissingReason
from sentinel.requesting import retry_after

LIMIT, TIME, PART = MissingReason.OVER_LIMIT, MissingReason.SOURCE_TIMEOUT, MissingReason.PARTIAL_ANSWER
OF_THE_SOURCE = {
    "query processing would load too many samples into memory in query execution": LIMIT,
    "expanding series: remote_read: remote server http://store/read returned http status 500": PART,
    "the query hit the max number of series limit (limit: 100000 series) (err-mimir-max-series-per-query)": LIMIT,
    "the query exceeded the maximum allowed estimated amount of memory consumed by a single query": LIMIT,
    "exceeded series limit: rpc error: code = ResourceExhausted desc = limit 5 violated (got 6)": LIMIT,
    "proxy Series(): rpc error: code = Aborted desc = receive series from Addr: 10.0.0.7:10901: EOF": PART,
    "No StoreAPIs available": PART,
    "cannot select more than -search.maxSamplesPerQuery=1000 samples; possible solutions: increase it": LIMIT,
    "the number of matching timeseries exceeds 30; either narrow down the search or increase the limit": LIMIT,
    "not enough memory for processing 12 data points across 3 time series": LIMIT,
    "cannot fetch query results from vmstorage nodes": PART,
    "timeout exceeded during query execution": TIME,
    "context canceled": TIME,
}
OF_MIMIR = {
    (
        422,
        "execution",
        "the query exceeded the maximum number of series (limit: 3 series) (err-mimir-max-series-per-query). "
        "Consider reducing the time range and/or number of series selected by the query. One way to reduce the number "
        "of selected series is to add more label matchers to the query.",
    ): LIMIT,
    (
        400,
        "bad_data",
        "the raw query size in bytes exceeds the limit (query size: 313, limit: 200) "
        "(err-mimir-max-query-expression-size-bytes). To adjust the related per-tenant limit, configure "
        "-query-frontend.max-query-expression-size-bytes, or contact your service administrator.",
    ): MissingReason.BAD_QUERY,
    (429, "too_many_requests", "too many outstanding requests"): MissingReason.RATE_LIMITED,
    (
        400,
        "bad_data",
        'invalid parameter "query": 1:4: parse error: unexpected end of input inside braces',
    ): MissingReason.BAD_QUERY,
    (
        400,
        "bad_data",
        'invalid parameter "query": 1:6: parse error: expected type range vector in call to function "rate", '
        "got instant vector",
    ): MissingReason.BAD_QUERY,
}
"""As Mimir 3.0.5 answered, by status and type of the error."""
OF_THE_QUERY = [
    "too long query; got 2575 bytes; mustn't exceed `-search.maxQueryLen=2048` bytes",
    "many-to-many matching not allowed: matching labels must be unique on one side",
    'found duplicate series for the match group {pod="rate-limiter-5d4f"} on the left hand-side of the operation',
    'invalid parameter "query": 1:5: parse error: unknown function with name "limit_total"',
    'error when executing query="max(memory_limit_bytes))": cannot parse "max(memory_limit_bytes))"',
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    "exceeded maximum resolution of 11,000 points per timeseries",
    "vector cannot contain metrics with the same labelset",
    "something that nobody has seen yet",
]


def response(status: int, words: str, *, kind: str = "execution", **headers: str) -> requests.Response:
    """An answer of Prometheus' API that is an error."""
    made = requests.Response()
    made.status_code = status
    made.headers.update(headers)
    made.json = lambda **_: {"status": "error", "errorType": kind, "error": words}  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize(("words", "reason"), OF_THE_SOURCE.items())
def test_a_limit_of_the_server_is_no_bad_query(words: str, reason: MissingReason) -> None:
    """Limits and trouble of its own come as 422: the query is in order, and what is to be done differs."""
    assert refusal("http://p", response(422, words)).reason == reason


@pytest.mark.parametrize(("answer", "reason"), OF_MIMIR.items())
def test_refusals_of_a_real_mimir_have_their_reasons(
    answer: tuple[int, str, str], reason: MissingReason
) -> None:
    """Its limits pause the source; what it cannot parse is the query's fault."""
    status, kind, words = answer
    assert refusal("http://p", response(status, words, kind=kind)).reason == reason


@pytest.mark.parametrize("words", OF_THE_QUERY)
def test_what_no_server_could_answer_is_a_bad_query(words: str) -> None:
    """Names in the query do not make its mistakes the server's, and one bad query does not shut the source off."""
    assert refusal("http://p", response(422, words)).reason == MissingReason.BAD_QUERY


def test_the_query_itself_says_nothing_of_the_server() -> None:
    """A server that repeats the query does not tell of limits by it."""
    query = "max(queue_limit) by(storage)"
    assert refusal("http://p", response(422, f"strange: {query}"), query).reason == MissingReason.BAD_QUERY


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"Retry-After": "9"}, 9.0), ({"Retry-After": "soon"}, None), ({"Retry-After": ""}, None), ({}, None)],
)
def test_the_time_to_wait_is_read(header: dict[str, str], seconds: float | None) -> None:
    """Seconds are taken, anything else is no wish."""
    assert retry_after(response(429, "slow", **header).headers) == seconds
    assert refusal("http://p", response(503, "slow", **header)).retry_after == seconds


def test_the_time_to_wait_may_be_a_date() -> None:
    """Both forms of HTTP are understood; a time that is over is no wait."""
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < (retry_after(response(429, "slow", **{"Retry-After": later}).headers) or 0.0) <= 3600
    assert (
        retry_after(response(429, "slow", **{"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}).headers) == 0.0
    )


@pytest.mark.parametrize(
    "query",
    ['sum by ("k8s.pod.name") (up)', 'up{"a.b"="c"}', '{"till.hits"}', "a * on (x, 'y.z') group_left () b"],
)
def test_a_server_without_utf8_names_says_so(query: str) -> None:
    """A parse error of a query with names in quotes is explained."""
    error = refusal("http://p", response(400, "parse error: unexpected string"), query)
    assert "does not know names in quotes" in str(error)


@pytest.mark.parametrize(
    "query",
    ['up{a="b"', 'label_replace(a, "x", "$1", "y", "(.*)"', 'count_values("a", b', 'up{a=~"b",c="d"'],
)
def test_other_parse_errors_are_not_laid_to_quotes(query: str) -> None:
    """Values and arguments in quotes are as old as PromQL."""
    error = refusal("http://p", response(400, "parse error: unexpected end"), query)
    assert "names in quotes" not in str(error)

"""What New Relic and CloudWatch count of each pod, and what of their answers is no evidence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sentinel.adapters.queries.asking import CountMinutes, JsonRequests, QuerySource
from sentinel.adapters.queries.cloudwatch import MOST_SERIES, CloudWatch
from sentinel.adapters.queries.newrelic import NewRelic
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, Span
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery
from sentinel.secret import fixed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUERY = CountQuery("it", "TOTAL", "ERRORS", Arms(pod_label="pod"), namespace="shop")


class Nerdgraph(JsonRequests):
    """Answers by the beginning of the query, and keeps what was asked."""

    def __init__(self, *, errors: object = None, **answers: object) -> None:
        super().__init__(5.0)
        object.__setattr__(self, "answers", answers)
        object.__setattr__(self, "errors", errors)
        object.__setattr__(self, "asked", [])

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: object = None) -> object:
        assert isinstance(body, dict)
        queries = {name: text for name, text in body["variables"].items() if name != "account"}
        self.asked.extend(queries.values())  # type: ignore[attr-defined]
        account = {name: self.answers[text.split()[0]] for name, text in queries.items()}  # type: ignore[attr-defined]
        answer: dict[str, Any] = {"data": {"actor": {"account": account}}}
        return answer | ({"errors": self.errors} if self.errors else {})  # type: ignore[attr-defined]


def rows(total: int | None = None, other: int = 0, **pods: int) -> dict[str, Any]:
    """An answer of one facet."""
    found = [{"facet": pod, "pod": pod, "count": count} for pod, count in pods.items()]
    whole = sum(pods.values()) if total is None else total
    return {"results": found, "totalResult": {"count": whole}, "otherResult": {"count": other}}


async def spans(count: CountMinutes, query: CountQuery = QUERY) -> tuple[Span, ...]:
    source = QuerySource("it", lambda *_: (), count=count, timeout=5.0, threads=1)
    try:
        return await source.counts(query, NOON + timedelta(seconds=20), NOON + timedelta(seconds=170))
    finally:
        source.close()


def numbers(found: tuple[Span, ...]) -> dict[str, dict[str, float]]:
    return {str(span.subject): dict(span.after.values) for span in found if span.after is not None}


async def test_new_relic_counts_the_whole_minutes_of_each_pod() -> None:
    """Both ends are cut to the minute. A pod without failures has none counted."""
    requests = Nerdgraph(TOTAL=rows(a=100, b=50), ERRORS=rows(a=3))
    found = await spans(NewRelic("http://it", 7, fixed("key"), requests).count)
    assert numbers(found) == {"a": {"total": 100, "errors": 3}, "b": {"total": 50}}
    assert {span.subject.namespace for span in found} == {"shop"}
    begin = int(NOON.timestamp()) * 1000
    assert requests.asked == [  # type: ignore[attr-defined]
        f"{text} FACET `pod` SINCE {begin} UNTIL {begin + 120_000} LIMIT MAX" for text in ("TOTAL", "ERRORS")
    ]


async def test_failures_that_name_no_pod_may_be_anyones() -> None:
    """New Relic counts them in all, and in no facet: they are no sign that there are none."""
    requests = Nerdgraph(TOTAL=rows(a=100), ERRORS=rows(total=4))
    found = await spans(NewRelic("http://it", 7, fixed("key"), requests).count)
    assert [span.missing.reason for span in found if span.missing] == [MissingReason.LABELS_DIFFER]


@pytest.mark.parametrize(
    ("requests", "reason"),
    [
        (Nerdgraph(TOTAL=rows(other=9, a=1), ERRORS=rows()), MissingReason.PARTIAL_ANSWER),
        (Nerdgraph(TOTAL=rows(a=1), ERRORS=None), MissingReason.BAD_QUERY),
        (
            Nerdgraph(
                TOTAL=rows(a=1),
                ERRORS=rows(),
                errors=[{"message": "x", "extensions": {"errorClass": "TIMEOUT"}}],
            ),
            MissingReason.SOURCE_TIMEOUT,
        ),
    ],
    ids=["facets", "half", "timeout"],
)
async def test_a_part_of_new_relics_counts_is_no_evidence(requests: Nerdgraph, reason: MissingReason) -> None:
    """Facets over its limit, one of both answers, and an answer beside an error."""
    with pytest.raises(SourceError) as caught:
        await spans(NewRelic("http://it", 7, fixed("key"), requests).count)
    assert caught.value.reason == reason


class Region:
    """Stands for boto3's client: one list of pages for each metric."""

    def __init__(self, **pages: list[dict[str, Any]]) -> None:
        self.pages = pages
        self.asked: list[str] = []

    def get_metric_data(self, **asked: Any) -> dict[str, Any]:
        (query,) = asked["MetricDataQueries"]
        self.asked.append(query["Expression"])
        return self.pages[query["Expression"].split()[0]][int(asked.get("NextToken") or 0)]


def page(*series: tuple[str, dict[int, float]], status: str = "Complete", more: str = "") -> dict[str, Any]:
    """A page of an answer, its points by the minute after noon."""
    results = [
        {
            "Label": label,
            "Timestamps": [NOON + minute * MINUTE for minute in points],
            "Values": list(points.values()),
            "StatusCode": status,
        }
        for label, points in series
    ]
    return {"MetricDataResults": results, **({"NextToken": more} if more else {})}


async def test_cloudwatch_counts_each_dimension_over_all_pages() -> None:
    """A series goes on in the next page, and is whole with its last one. Points outside of the minutes do not count."""
    total = [
        page(("v1", {0: 60, 1: 40}), ("v2", {0: 5}), status="PartialData", more="1"),
        page(("v1", {-1: 9, 2: 7}), ("v2", {1: 6})),
    ]
    region = Region(TOTAL=total, ERRORS=[page(("v2", {1: 1}))])
    query = CountQuery("it", "TOTAL", "ERRORS", Arms(version_label="Version"), namespace="shop")
    found = await spans(CloudWatch(lambda: region).count, query)
    assert numbers(found) == {"v1": {"total": 100}, "v2": {"total": 11, "errors": 1}}
    assert region.asked[-1] == 'ERRORS GROUP BY "Version"'


@pytest.mark.parametrize(
    "total",
    [
        [page(("a", {0: 1}), status="PartialData")],
        [page(("a", {0: 1}), more="0")],
        [page(*((f"p{number}", {0: 1}) for number in range(MOST_SERIES)))],
        [
            {
                **page(("a", {0: 1})),
                "Messages": [{"Code": "x", "Value": "Maximum number of allowed metrics exceeded"}],
            }
        ],
    ],
    ids=["status", "endless", "series", "message"],
)
async def test_a_part_of_cloudwatchs_counts_is_no_evidence(total: list[dict[str, Any]]) -> None:
    """Each way in which it says so, and its limit of series, at which it says nothing."""
    with pytest.raises(SourceError) as caught:
        await spans(CloudWatch(lambda: Region(TOTAL=total, ERRORS=[page()])).count)
    assert caught.value.reason == MissingReason.PARTIAL_ANSWER


async def test_the_hour_before_is_read_in_steps() -> None:
    """Each pod's counts add up; a step without points counts nothing."""
    region = Region(TOTAL=[page(("a", {0: 10, 2: 5}))], ERRORS=[page(("a", {2: 1}))])
    source = QuerySource("it", lambda *_: (), count=CloudWatch(lambda: region).count, timeout=5.0, threads=1)
    (past,) = await source.histories(QUERY, (Past("shop", ("a",), NOON, NOON + 3 * MINUTE, MINUTE),))
    source.close()
    assert past == {"a": ((0, 0), (10, 0), (10, 0), (15, 1))}


async def test_there_are_no_histograms() -> None:
    """A rule of latencies is refused when it is loaded; the source says no as well."""
    source = QuerySource("it", lambda *_: (), count=CloudWatch(Region).count, timeout=5.0, threads=1)
    with pytest.raises(SourceError, match="query and errorRate rules only"):
        await source.histogram(HistogramQuery("it", "x"), NOON, NOON + MINUTE)
    source.close()

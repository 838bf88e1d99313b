"""What backends say beside an answer: a missing part makes it no evidence, a remark on the query does not."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from sentinel.adapters.prometheus.http.client import PrometheusClient
from sentinel.adapters.prometheus.http.wholeness import annotations, missing_parts
from sentinel.adapters.prometheus.rules import PrometheusAlertRules
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.app.rehearsal.history import MetricHistory
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past
from sentinel.domain.policy.rules import CountQuery
from tests.adapters.prometheus.fake import NOW, prometheus

PARTIAL: list[dict[str, Any]] = [
    {"isPartial": True},
    {"isPartial": "true"},
    {"is_partial": 1},
    {"partial": True},
    {"data": {"resultType": "vector", "result": [], "isPartial": True}},
    {"data": {"resultType": "vector", "result": [], "truncated": True}},
    {"warnings": ["No StoreAPIs matched for this query"]},
    {"warnings": ["receive series from Addr: 10.0.0.7:10901: rpc error: code = Unavailable desc = EOF"]},
    {"warnings": ["results truncated due to limit"]},
    {"warnings": ["Query result may contain partial data."]},
    {"warnings": "a store is away"},
    {"warnings": ["PromQL info: metric might not be a counter", "remote read: 503"]},
    {"warnings": [{"message": "a store is away"}]},
]
WHOLE: list[dict[str, Any]] = [
    {"isPartial": False},
    {"isPartial": None, "warnings": None, "infos": None},
    {"warnings": [], "stats": {"seriesFetched": "3"}},
    {"infos": ['PromQL info: metric might not be a counter, name does not end in _total: "up" (1:6)']},
    {"infos": ["12 more info annotations omitted"]},
    {"warnings": ['PromQL warning: bucket label "le" is missing or has a malformed value of "" (1:25)']},
    {
        "warnings": [
            "PromQL warning: quantile value should be between 0 and 1, got 2",
            "3 more warning annotations omitted",
        ]
    },
    {"warnings": ["PromQL info: ignored histograms", "3 more annotations omitted"]},
]


@pytest.mark.parametrize("said", PARTIAL, ids=str)
def test_what_may_not_be_whole_says_so(said: dict[str, Any]) -> None:
    """Each backend's own way to say that a part is missing."""
    assert missing_parts({"status": "success", "data": {}, **said}, {})


@pytest.mark.parametrize("said", WHOLE, ids=str)
def test_a_whole_answer_lacks_nothing(said: dict[str, Any]) -> None:
    """Flags that say no, and what Prometheus remarks on a query."""
    assert not missing_parts({"status": "success", "data": {}, **said}, {})


def test_a_header_may_say_it() -> None:
    """M3 cuts an answer at its limit and says so in a header alone; a limit of the rate is no cut."""
    assert missing_parts({}, {"M3-Results-Limited": "max_fetch_series_limit_applied"})
    assert missing_parts({}, {"X-Partial-Response": "true"})
    assert not missing_parts(
        {}, {"X-Partial-Response": "false", "X-RateLimit-Limit": "100", "Accept-Ranges": "1"}
    )


def test_annotations_are_both_kinds() -> None:
    """Older servers put infos among the warnings."""
    said = {"warnings": ["a store is away", "PromQL warning: w"], "infos": ["PromQL info: i"]}
    assert annotations(said) == ("PromQL warning: w", "PromQL info: i")


Asking = Callable[[PrometheusClient], Awaitable[object]]

PAST = Past("shop", ("a",), NOW - timedelta(hours=1), NOW, timedelta(minutes=1))
QUESTIONS: dict[str, Asking] = {
    "an instant query": lambda client: client.instant("up", NOW),
    "a range query": lambda client: client.range("up", NOW, NOW, timedelta(seconds=15)),
    "the hour before": lambda client: PrometheusSource(client).histories(
        CountQuery("prometheus", "a", "b"), (PAST,)
    ),
    "a rehearsal": lambda client: MetricHistory(client).range("up", NOW, NOW, timedelta(seconds=15)),
    "the alert rules": lambda client: client.get("/api/v1/rules", {}),
}


@pytest.mark.parametrize("asked", QUESTIONS)
@pytest.mark.parametrize(
    "said", [{"isPartial": True}, {"warnings": ["a store is away"]}], ids=["flag", "warning"]
)
async def test_no_question_takes_a_part_for_the_whole(asked: str, said: dict[str, Any]) -> None:
    """Whatever is asked, and whichever way it is said, a part of an answer is no evidence."""
    async with prometheus() as (fake, client):
        fake.extra = said
        with pytest.raises(SourceError, match="may be incomplete") as caught:
            await QUESTIONS[asked](client)
        assert caught.value.reason == MissingReason.PARTIAL_ANSWER


async def test_alert_rules_in_part_do_not_replace_the_known_ones() -> None:
    """A rule that a partial list lacks still has its `for:`."""
    async with prometheus() as (fake, client):
        fake.rules = [{"name": "Slow", "duration": 90}]
        rules = PrometheusAlertRules(client, keep=0.0)
        assert await rules.pending_for("Slow") == 90.0
        fake.rules, fake.extra = [], {"isPartial": True}
        await rules.pending_for("Slow")
        assert await rules.pending_for("Slow") == 90.0


async def test_a_remark_on_the_query_is_shown_once(caplog: pytest.LogCaptureFixture) -> None:
    """The numbers are taken, and the log has one line: not one a tick, nor one for each name in the query."""
    caplog.set_level(logging.INFO)
    async with prometheus() as (fake, client):
        for number in range(3):
            query = f'sum(rate(hits{{pod="{"x" * number}"}}[1m]))'
            fake.answers[query] = [({}, 1)]
            fake.extra = {"infos": [f'PromQL info: metric might not be a counter: "hits" (1:{10 + number})']}
            assert (await client.instant(query, NOW)).samples[0].value == 1.0
    assert [record.getMessage() for record in caplog.records if "might not be" in record.getMessage()] == [
        "Prometheus warns about the query 'sum(rate(hits{pod=\"\"}[1m]))': "
        'PromQL info: metric might not be a counter: "hits" (1:10)'
    ]


async def test_a_label_named_like_the_flag_is_no_flag() -> None:
    """What series are labelled with says nothing of the answer."""
    async with prometheus() as (fake, client):
        fake.answers["up"] = [({"isPartial": "true", "warnings": "all"}, 1)]
        assert len((await client.instant("up", NOW)).samples) == 1

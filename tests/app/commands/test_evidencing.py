"""Whether a rule sees its workload, before there is a rollout: what is said of series under other labels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from sentinel.app.commands.setup.checks import Check, Level
from sentinel.app.commands.setup.evidencing import metric_checks
from sentinel.app.wiring.sources import Sources
from sentinel.domain.evidence import Missing, MissingReason, Reading, Span, Subject, ValueSample
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, QueryRule, Rule, ValueQuery
from sentinel.ports import MetricSource
from tests.engine.snapshots import pod, workload

WEB = workload(pod("web-1"), pod("web-2"))
COUNTED = ErrorRateRule("errors", CountQuery("prometheus", "r_total", "failed_total"), 0.05)
FREE = QueryRule("depth", ValueQuery("prometheus", "depth"), failure="value > 9.0")
NOW = datetime.now(UTC)


class Said:
    """A metrics system that gives one answer."""

    settle = min_interval = 0.0
    extents = None

    def __init__(self, *answer: Any) -> None:
        self.answer = answer

    async def counts(self, *_: object) -> tuple[Span, ...]:
        return self.answer

    async def value(self, *_: object) -> ValueSample:
        return cast(ValueSample, self.answer[0])


def own(name: str, missing: Missing | None = None, **values: float) -> Span:
    """What is said of one pod."""
    return Span(Subject("shop", name), None, Reading(NOW, values), missing)


async def checked(rule: Rule, *answer: Any) -> Check:
    """What is said of this rule where the metrics system answers so."""
    sources = Sources({"prometheus": cast(MetricSource, Said(*answer))}, None)
    (check,) = await metric_checks(Policy("p", "d", rules=(rule,)), WEB, sources)
    return check


async def test_every_pod_with_data_is_well() -> None:
    """Requests of each ready pod, and no errors yet."""
    check = await checked(COUNTED, own("web-1", total=5), own("web-2", total=5))
    assert (check.level, check.found) == (Level.OK, "data for all of 2 ready pods")


@pytest.mark.parametrize("name", ["", "ingress-1"])
async def test_errors_of_no_pod_of_ours_fail_with_their_labels(name: str) -> None:
    """Found before a rollout would be held for it."""
    stray = Missing(
        MissingReason.LABELS_DIFFER, name, "failed_total counts under no pod (the labels service)"
    )
    check = await checked(COUNTED, own("web-1", total=5), own("web-2", total=5), own(name, stray, errors=3.0))
    assert (check.level, check.found) == (Level.FAIL, f"LabelsDiffer: {stray.detail}")


async def test_requests_that_are_counted_twice_fail() -> None:
    """By the label that tells the series apart."""
    twice = Missing(MissingReason.DUPLICATE_SERIES, "web-1", "the label replica alone tells series apart")
    check = await checked(COUNTED, own("web-1", twice, total=5), own("web-2", twice, total=5))
    assert (check.level, check.found) == (Level.FAIL, f"DuplicateSeries: {twice.detail}")


async def test_a_query_whose_answer_is_none_fails() -> None:
    """A free query for pods among series without pods is no evidence, and is said so."""
    missing = Missing(MissingReason.LABELS_DIFFER, detail="the series name none of these pods")
    check = await checked(FREE, ValueSample(NOW, missing=missing))
    assert (check.level, check.found) == (Level.FAIL, str(missing))

"""A fail against the limit alone, held against its surroundings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sentinel.domain.evidence import Counts, CountTick, Histogram, HistogramTick
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery, LatencyRule
from sentinel.domain.verdict import VerdictKind
from sentinel.engine.rules.environment import Surroundings, confirm, over_limit
from tests.engine.builders import FAIL, PENDING
from tests.engine.snapshots import at

ALONE = replace(FAIL, alone=True)
ERRORS = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)
MEAN = LatencyRule("latency", HistogramQuery("prometheus", "h"), 1.0)
INF = float("inf")


def test_a_fail_stands_where_the_stable_was_good_and_the_neighbours_are() -> None:
    """Then the candidate is what changed."""
    assert confirm(ALONE, Surroundings(True, 1)) == ALONE


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        (Surroundings(True, 2), "EnvironmentOutage"),
        (Surroundings(None, 0), "NoBaseline"),
        (Surroundings(False, 0), "StableWasBad"),
    ],
)
def test_a_fail_falls_in_bad_surroundings(around: Surroundings, reason: str) -> None:
    """Two neighbours over their limits, an unknown past, a bad past: nobody is proven guilty."""
    found = confirm(ALONE, around)
    assert (found.kind, found.reason, found.everywhere) == (VerdictKind.INCONCLUSIVE, reason, True)
    assert found.message.startswith(ALONE.message)


def test_a_first_revision_has_nothing_to_be_compared_with() -> None:
    """That is said, and is no outage."""
    found = confirm(ALONE, Surroundings(None, 0, first=True))
    assert (found.kind, found.reason) == (VerdictKind.INCONCLUSIVE, "NoBaseline")
    assert "it is the first revision" in found.message


def test_only_a_fail_without_a_baseline_is_held_against_them() -> None:
    """What was compared with a baseline needs no neighbours, and what is open none either."""
    bad = Surroundings(False, 5)
    assert confirm(FAIL, bad) == FAIL
    assert confirm(replace(PENDING, alone=True), bad).kind is VerdictKind.PENDING


def counts(baseline: Counts | None) -> CountTick:
    """A tick of which only the baseline matters."""
    return CountTick(at(0), at(60), Counts(), baseline, {})


def histogram(baseline: Histogram | None) -> HistogramTick:
    """The same of latencies."""
    return HistogramTick(at(0), at(60), Histogram(), baseline)


@pytest.mark.parametrize(
    ("baseline", "over"),
    [(Counts(100, 6), True), (Counts(100, 5), False), (Counts(), None), (None, None)],
)
def test_a_share_of_errors_is_over_its_limit(baseline: Counts | None, over: bool | None) -> None:
    """By the plain share; nothing is known without requests."""
    assert over_limit(ERRORS, counts(baseline)) is over


@pytest.mark.parametrize(
    ("baseline", "over"),
    [
        (Histogram((1.0, INF), (5, 5), 20.0), True),
        (Histogram((1.0, INF), (10, 0), 5.0), False),
        (Histogram((1.0, INF), (10, 0), None), None),
        (Histogram((1.0, INF), (0, 0), 0.0), None),
        (None, None),
    ],
)
def test_a_mean_latency_is_over_its_limit(baseline: Histogram | None, over: bool | None) -> None:
    """By the plain mean, where the sum is known."""
    assert over_limit(MEAN, histogram(baseline)) is over


@pytest.mark.parametrize(("slow", "over"), [(11, True), (10, False)])
def test_a_quantile_is_over_its_limit(slow: int, over: bool) -> None:
    """By the share of observations above it."""
    rule = replace(MEAN, quantile=0.9)
    baseline = Histogram((1.0, INF), (100 - slow, slow), None)
    assert over_limit(rule, histogram(baseline)) is over

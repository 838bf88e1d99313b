"""Counters of the hours before several rollouts in one question: of each what it would have been alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.prometheus.answers import Track
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.adapters.prometheus.spans.narrowing import LONGEST
from sentinel.app.ruletest.memory import MemoryPrometheus
from sentinel.domain.evidence import Past
from sentinel.domain.policy.rules import Arms, CountQuery, HistogramQuery
from sentinel.promql.evaluation import Evaluator, parse
from sentinel.promql.series import SeriesStore
from sentinel.promql.vectors import VectorSample
from tests.adapters.prometheus.fake import NOW

STEP = timedelta(seconds=15)
COUNTS = CountQuery("prometheus", "requests", 'requests{code="500"}')
LATENCIES = HistogramQuery("prometheus", "seconds")
LAYOUTS = (("0.25", "0.5", "1", "+Inf"), ("0.1", "0.50", "+Inf"), ("0.3", "0.75", "+Inf"), ("0.1", "+Inf"))


class Recorded(MemoryPrometheus):
    """Series in memory, also at equally spaced times, and what was asked of them."""

    def __init__(self) -> None:
        self.store = SeriesStore(retention=1e9)
        self.asked: list[str] = []
        super().__init__(self.store)

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        """The answer at each time."""
        self.asked.append(query)
        found: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        at = since
        while at <= until:
            value = Evaluator(self.store).evaluate(parse(query), round(at.timestamp() * 1000))
            for point in value if isinstance(value, list) else ():
                if isinstance(point, VectorSample):
                    values = found.setdefault(tuple(sorted(point.labels.items())), {})
                    values[at.timestamp()] = point.value
            at += step
        return tuple(Track(dict(labels), values) for labels, values in found.items())

    def put(self, name: str, past: Past, pod: str, rng: Random, **labels: str) -> None:
        """A counter of a pod, which is not scraped now and then, begins anew once, and ends early at times."""
        value = 0.0
        times: list[int] = []
        values: list[float | None] = []
        ends = NOW + 4 * STEP if rng.random() < 0.8 else past.until - rng.randrange(4) * STEP
        at = past.since - 4 * STEP
        while at < ends:
            at += STEP
            if rng.random() < 0.9:
                value = 0.0 if rng.random() < 0.02 else value + rng.randrange(50)
                times.append(round(at.timestamp() * 1000))
                values.append(value)
        self.store.put(name, {"namespace": past.namespace, "pod": pod, **labels}, times, values)


@dataclass
class Shop:
    """Workloads in two namespaces, whose pods may have the same names, and whose histograms other bounds."""

    seed: int
    workloads: int
    prometheus: Recorded = field(default_factory=Recorded)

    def __post_init__(self) -> None:
        rng = Random(self.seed)
        self.pasts = []
        for number in range(self.workloads):
            until = NOW - rng.randrange(3) * STEP
            pods = tuple(f"web-{number // 2}-{pod}" for pod in range(rng.randint(1, 3)))
            past = Past(rng.choice(("shop", "mart")), pods, until - 12 * STEP, until, STEP, over=0.5)
            self.pasts.append(past)
            bounds = rng.choice(LAYOUTS)
            for pod in pods:
                self.prometheus.put("requests", past, pod, rng, code="200")
                if rng.random() < 0.7:
                    self.prometheus.put("requests", past, pod, rng, code="500")
                for bound in bounds:
                    self.prometheus.put("seconds_bucket", past, pod, rng, le=bound)


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from((COUNTS, LATENCIES)))
def test_each_rollout_has_what_it_would_have_alone(
    seed: int, workloads: int, query: CountQuery | HistogramQuery
) -> None:
    """To the last bit, whatever other rollouts are asked about along with it."""

    async def compare() -> None:
        shop = Shop(seed, workloads)
        source = PrometheusSource(shop.prometheus, at_once=True)
        together = await source.histories(query, shop.pasts)
        for past, found in zip(shop.pasts, together, strict=True):
            (alone,) = await source.histories(query, (past,))
            assert found == alone
            assert list(found) == list(alone)

    asyncio.run(compare())


def served(*pasts: Past, bounds: tuple[tuple[str, ...], ...] = ()) -> Recorded:
    prometheus, rng = Recorded(), Random(1)
    for number, past in enumerate(pasts):
        for pod in past.pods:
            prometheus.put("requests", past, pod, rng, code="200")
            for bound in bounds[number] if bounds else ():
                prometheus.put("seconds_bucket", past, pod, rng, le=bound)
    return prometheus


def past(*pods: str, namespace: str = "shop", later: int = 0) -> Past:
    until = NOW + later * STEP
    return Past(namespace, pods, until - 4 * STEP, until, STEP, over=0.5)


async def test_the_hours_before_several_rollouts_are_one_question() -> None:
    """One for all requests and one for the errors, about the pods of all, over the times of all."""
    pasts = (past("a-1", "a-2"), past("b-1", later=1))
    prometheus = served(*pasts)
    found = await PrometheusSource(prometheus).histories(COUNTS, pasts)
    narrow = 'pod=~"a-1|a-2|b-1",namespace="shop"'
    assert prometheus.asked == [
        f"sum by (pod) (requests{{{narrow}}})",
        f'sum by (pod) (requests{{code="500",{narrow}}})',
    ]
    assert [list(each) for each in found] == [["a-1", "a-2"], ["b-1"]]
    assert [len(values) for each in found for values in each.values()] == [5, 5, 5]


async def test_pods_of_one_name_in_two_namespaces_are_told_apart() -> None:
    """As those of two StatefulSets are."""
    pasts = (past("web-0"), past("web-0", namespace="mart"))
    prometheus = served(*pasts)
    first, second = await PrometheusSource(prometheus).histories(COUNTS, pasts)
    assert len(prometheus.asked) == 2
    assert prometheus.asked[0] == ('sum by (namespace, pod) (requests{pod=~"web-0",namespace=~"shop|mart"})')
    assert first != second


async def test_other_bounds_are_another_question() -> None:
    """Those of workloads with the same buckets are one; a workload without a bound for the limit is not asked about."""
    pasts = (past("a"), past("b"), past("c"), past("d"))
    prometheus = served(*pasts, bounds=(LAYOUTS[0], LAYOUTS[2], LAYOUTS[0], LAYOUTS[3]))
    found = await PrometheusSource(prometheus).histories(LATENCIES, pasts)
    assert len(prometheus.asked) == 4
    assert [sorted(each) for each in found] == [["a"], ["b"], ["c"], []]


async def test_no_question_names_more_pods_than_fit() -> None:
    """Each still has its answer."""
    pasts = tuple(past(f"{'long' * 40}-{number}") for number in range(2 * LONGEST // 160))
    prometheus = served(*pasts)
    found = await PrometheusSource(prometheus).histories(COUNTS, pasts)
    assert all(len(query) < LONGEST + 200 for query in prometheus.asked)
    assert len(prometheus.asked) == 6
    assert all(found)


@pytest.mark.parametrize("label", ["kubernetes_namespace", "k8s.namespace.name"])
async def test_another_namespace_label_tells_them_apart(label: str) -> None:
    """It is the rule's own."""
    prometheus = served()
    query = CountQuery("prometheus", "requests", "failures", Arms(namespace_label=label))
    await PrometheusSource(prometheus).histories(query, (past("a"), past("a", namespace="mart")))
    named = label if "." not in label else f'"{label}"'
    assert prometheus.asked[0] == (f'sum by ({named}, pod) (requests{{pod=~"a",{named}=~"shop|mart"}})')

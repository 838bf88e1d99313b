"""Samples that come late and many at once: up to when they are there, and pods whose series come after the others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.prometheus.answers import InstantAnswer, Sample
from sentinel.adapters.prometheus.backend import PROMETHEUS, MetricsBackend
from sentinel.adapters.prometheus.late.batches import LOOK_EACH, Batches
from sentinel.adapters.prometheus.late.extents import LateSamples, series_of
from sentinel.adapters.prometheus.late.lag import Lag
from sentinel.adapters.prometheus.scrapes import Scrapes
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.adapters.prometheus.spans.narrowing import Narrowing
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.policy.rules import CountQuery, HistogramQuery
from tests.adapters.prometheus.fake import NOW, prometheus

QUERY = CountQuery("prometheus", "requests", 'requests{code="500"}')
THEN = NOW - timedelta(seconds=1)
VICTORIA = MetricsBackend("VictoriaMetrics", metricsql=True, settle=4.0)


def after(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@dataclass
class Batched:
    """Scrapes of two pods, one a second but for the phase; what was scraped is seen at each flush."""

    gap: float
    phases: tuple[float, float] = (0.0, 0.0)
    interval: float = 1.0
    pause: tuple[float, float] = (0.0, 0.0)
    """From when until when nothing comes."""
    died: float = float("inf")
    """When the second pod stopped, without a word."""
    lag: Lag = field(default_factory=Lag)
    known: bool = True
    """Whether the time between two scrapes is."""

    def newest(self, now: float) -> list[float]:
        """The time of each pod's newest sample that is seen."""
        begins, ends = self.pause
        flushed = (begins if begins <= now < ends else now) // self.gap * self.gap
        last = (flushed, min(flushed, self.died))
        return [
            (end - phase) // self.interval * self.interval + phase
            for phase, end in zip(self.phases, last, strict=True)
        ]

    def looks(self, seconds: float) -> list[tuple[float, float, float]]:
        """When the extent was asked for, as often as it said; up to when it reached, and when to ask again."""
        batches, now, found = Batches(self.lag), 1000.0, []
        while now < 1000.0 + seconds:
            newest = self.newest(now)
            alive = [at for at in newest if at >= max(newest) - batches.waits_for(self.interval)]
            extent = batches.extent("q", min(alive), after(now), self.interval, known=self.known)
            found.append((now, extent.until.timestamp(), extent.again.timestamp()))
            now = max(now + 0.01, extent.again.timestamp())
        return found


def test_evidence_reaches_to_the_newest_batch_as_soon_as_it_is_there() -> None:
    """Flushes of every 4 s: each is found within a look, and up to its last scrape all is there."""
    found = Batched(4.0, phases=(0.5, 0.5)).looks(60)
    for flush in range(1012, 1060, 4):
        known = next(now for now, until, _ in found if until >= flush - 0.5)
        assert flush <= known <= flush + LOOK_EACH + 0.02


def test_a_batch_is_not_looked_for_before_it_can_be_there() -> None:
    """Once the time between two is known, there are a few looks for each."""
    late = [now for now, _, _ in Batched(4.0).looks(84) if now > 1020]
    assert len(late) <= 4 * 17


def test_a_new_query_knows_when_batches_come() -> None:
    """From the others of the same interval: with many namespaces, few questions are in vain."""
    batched = Batched(4.0, phases=(0.5, 0.5))
    batches = Batches(batched.lag)
    for tenth in range(120):
        now = 1000.0 + tenth / 10
        batches.extent("first", min(batched.newest(now)), after(now), 1.0)
    for now in (1011.9, 1012.1, 1012.35):
        extent = batches.extent("second", min(batched.newest(now)), after(now), 1.0)
    assert extent.again.timestamp() == pytest.approx(1015.7, abs=0.2)


def test_a_batch_that_is_seen_as_it_comes_is_looked_at_again_at_once() -> None:
    """A part of its samples may be there before the others: these are not left until the next batch."""
    batches, reached = Batches(Lag()), {1000.0: 999.5, 1004.0: 1003.5, 1008.0: 1004.5, 1008.25: 1007.5}
    for now in (1000.0, 1003.75, 1004.0, 1004.25, 1007.75, 1008.0, 1008.25, 1008.5):
        newest = max(at for seen, at in reached.items() if seen <= now)
        extent = batches.extent("q", newest, after(now), 1.0)
        if now == 1008.0:
            assert extent.again == after(1008.0 + LOOK_EACH)
    assert extent.until == after(1008.4)
    assert extent.again.timestamp() == pytest.approx(1008.0 + 0.9 * 4.0)


def test_a_time_between_two_batches_that_was_an_outage_is_forgotten() -> None:
    """The first that is seen may be one: then batches come while the next is waited for."""
    batched = Batched(4.0, phases=(0.5, 0.5))
    batched.pause = (1004.0, 1020.0)
    found = batched.looks(120)
    for flush in range(1072, 1116, 4):
        known = next(now for now, until, _ in found if until >= flush - 0.5)
        assert known <= flush + LOOK_EACH + 0.02


def test_how_late_samples_are_counts_from_when_they_were_due() -> None:
    """The scrape after a flush is seen 3 s after it with the next: its age before the scrape is no lag."""
    batched = Batched(4.0)
    batched.looks(60)
    assert batched.lag.settle == pytest.approx(3.0, abs=LOOK_EACH + 0.02)


def test_a_pod_that_is_gone_holds_evidence_back_only_for_a_while() -> None:
    """It is waited for as long as its samples may come late, and not a second longer."""
    found = Batched(4.0, died=1020.5).looks(60)
    held = [now for now, until, _ in found if now > 1030 and now - until > 5]
    assert max(held, default=0.0) < 1034


def test_when_nothing_comes_evidence_stays_where_it_is() -> None:
    """What a stream brings after it stood still is differenced from there; until then more is looked for less often."""
    batches, now = Batches(Lag()), 1000.0
    extents = [batches.extent("q", 900.0, after(now + n), 15.0) for n in range(3)]
    assert [(extent.again.timestamp() - now - n) for n, extent in enumerate(extents)] == [3.75] * 3
    assert {extent.until for extent in extents} == {after(900.0 + 14.5)}


def test_rare_scrapes_are_there_until_the_next_one_is_due() -> None:
    """At scrapes of 15 s nothing is waited for in between: nothing can come."""
    found = Batched(4.0, phases=(3.0, 3.0), interval=15.0).looks(120)
    behind = sorted(now - until for now, until, _ in found if now > 1040)
    assert behind[0] < -13
    assert behind[-1] <= 4.5 + LOOK_EACH * 4


def test_while_the_interval_is_unknown_a_scrape_that_is_not_due_is_waited_for() -> None:
    """The settle tells that: else no evidence would be new enough for a release to pass."""
    batched = Batched(4.0, phases=(3.0, 3.0), interval=15.0, known=False)
    found = batched.looks(200)
    behind = max(now - until for now, until, _ in found if now > 1100)
    assert 15 < behind <= batched.lag.settle + LOOK_EACH * 3


@given(
    st.floats(0.5, 6.0),
    st.tuples(st.floats(0.0, 0.99), st.floats(0.0, 0.99)),
    st.sampled_from([1.0, 2.0, 5.0, 15.0]),
)
def test_nothing_comes_later_that_is_older_than_an_extent(
    gap: float, phases: tuple[float, float], interval: float
) -> None:
    """Whatever the flushes and the pods' phases: what was asked for once, stays as it is."""
    own = (phases[0] * interval, phases[1] * interval)
    batched = Batched(gap, own, interval)
    for now, until, _ in batched.looks(90):
        there = batched.newest(now)
        scraped = [(until - phase) // interval * interval + phase for phase in own]
        assert all(seen + 1e-6 >= due for seen, due in zip(there, scraped, strict=True))


def test_extents_never_end_before_an_earlier_one() -> None:
    """Ticks go on from where the last one ended."""
    assert all(a[1] <= b[1] + 1e-6 for a, b in pairwise(Batched(3.0, (0.2, 0.7)).looks(60)))


@dataclass
class Asked:
    """A server that answers every question with a number, if it has one; for pods `elsewhere` with another one.

    Questions that name pods may be `refused`. `intervals` are the seconds between two scrapes of each job.
    """

    what: MetricsBackend
    value: float | None
    elsewhere: float | None = None
    refused: bool = False
    intervals: Mapping[str, float] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)

    async def backend(self) -> MetricsBackend:
        return self.what

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        if query.startswith("quantile"):
            return InstantAnswer(tuple(Sample({"job": job}, n) for job, n in self.intervals.items()))
        self.questions.append(query)
        named = 'pod=~"a|b"' in query
        if named and self.refused:
            raise SourceError("too long", reason=MissingReason.BAD_QUERY)
        found = self.value if named or self.elsewhere is None else self.elsewhere
        return InstantAnswer((Sample({}, found),) if found is not None else ())


def late(asked: Asked, scrapes: Scrapes | None = None) -> LateSamples:
    return LateSamples(asked, scrapes or Scrapes(asked.instant, 1.0), Lag(), Narrowing(asked))


OF_PODS = replace(QUERY, pods=("a", "b"))


async def test_a_pod_that_is_not_in_flight_holds_nothing_up() -> None:
    """One that dies elsewhere without a word has no newer samples; how far the rollout's pods have come, counts."""
    asked = Asked(VICTORIA, NOW.timestamp() - 3, elsewhere=NOW.timestamp() - 6)
    extents = late(asked)
    assert (await extents.extent(OF_PODS, NOW)).until == NOW - timedelta(seconds=2.1)
    assert len(asked.questions) == 1
    assert (await extents.extent(QUERY, NOW)).until == NOW - timedelta(seconds=5.1)


@pytest.mark.parametrize("refused", [False, True], ids=["no samples", "refused"])
async def test_where_the_pods_cannot_tell_all_do(refused: bool) -> None:
    """They have no samples yet, or the server takes no question with so many names."""
    asked = Asked(VICTORIA, None, elsewhere=NOW.timestamp() - 6, refused=refused)
    extents = late(asked)
    assert (await extents.extent(OF_PODS, NOW)).until == NOW - timedelta(seconds=5.1)
    await extents.extent(OF_PODS, NOW + timedelta(seconds=1))
    assert len(asked.questions) == (3 if refused else 4)


async def test_where_intervals_differ_all_pods_tell() -> None:
    """Those in flight may be scraped so rarely that they say nothing of what has come."""
    newest, elsewhere = NOW.timestamp() - 3, NOW.timestamp() - 6
    asked = Asked(VICTORIA, newest, elsewhere, intervals={"web": 1.0, "batch": 60.0})
    extents = late(asked, Scrapes(asked.instant))
    assert (await extents.extent(OF_PODS, NOW)).until == NOW - timedelta(seconds=5.1)


async def test_rollouts_that_share_a_query_share_its_extent() -> None:
    """However many ask at once, the server is asked once; VictoriaMetrics past its memory of which series there are."""
    asked = Asked(VICTORIA, NOW.timestamp() - 3)
    extents = late(asked)
    found = {(await extents.extent(QUERY, NOW)).until for _ in range(5)}
    assert found == {NOW - timedelta(seconds=2.1)}
    series = f'requests{{rollback_sentinel_at!="{NOW.timestamp():.3f}"}}'
    stamps = f"timestamp({series}) and {series}"
    assert asked.questions == [f"min(({stamps}) >= scalar(max({stamps})) - 7)"]


@pytest.mark.parametrize(
    ("query", "native", "series"),
    [
        (QUERY, True, 1),
        (CountQuery("prometheus", "requests", "failures"), True, 2),
        (HistogramQuery("prometheus", "seconds"), False, 2),
        (HistogramQuery("prometheus", "seconds"), True, 3),
    ],
    ids=["errors among the requests", "errors of their own", "buckets", "buckets or native ones"],
)
def test_all_series_that_a_query_is_about_are_waited_for(
    query: CountQuery | HistogramQuery, native: bool, series: int
) -> None:
    """Errors that are some of the requests have come with them."""
    assert len(series_of(query, native=native)) == series


@pytest.mark.parametrize(("backend", "told"), [(VICTORIA, True), (PROMETHEUS, False)], ids=str)
async def test_whoever_answers_is_asked_for_the_extent_first(backend: MetricsBackend, told: bool) -> None:
    """So the first tick of a new process is not asked for at the clock where samples come late."""
    async with prometheus(backend=backend) as (_, client):
        source = PrometheusSource(client, scrape_interval=1.0)
        assert source.extents is not None
        assert (await source.extents.extent(QUERY, NOW)).until == NOW
        assert (source.extents is not None) is told


@pytest.mark.parametrize(("backend", "told"), [(VICTORIA, True), (PROMETHEUS, False)], ids=str)
async def test_only_late_sources_tell_extents(backend: MetricsBackend, told: bool) -> None:
    """From the first answer on. Prometheus shows a scrape at once."""
    async with prometheus(backend=backend) as (_, client):
        source = PrometheusSource(client, scrape_interval=1.0)
        await source.counts(QUERY, THEN, NOW)
        assert (source.extents is not None) is told


async def test_a_pod_whose_series_come_after_the_others_has_its_beginning() -> None:
    """It was not there when the last tick ended, and is now, as of then; the others stay as that tick had them."""
    async with prometheus(backend=VICTORIA) as (fake, client):
        source = PrometheusSource(client, scrape_interval=1.0)
        pods = {"old": 10.0}

        def scraped() -> None:
            for at in (THEN, THEN + timedelta(milliseconds=1), NOW):
                fresh = f'requests{{rollback_sentinel_at!="{at.timestamp():.3f}"}}'
                counted = [({"namespace": "shop", "pod": pod}, value) for pod, value in pods.items()]
                stamps = [(labels, at.timestamp() - 0.5) for labels, _ in counted]
                fake.answers[f"sum by (namespace, pod, job) ({fresh})"] = list(counted)
                fake.answers[f"min by (namespace, pod) (timestamp({fresh}) and {fresh})"] = list(stamps)

        scraped()
        await source.counts(QUERY, THEN - timedelta(seconds=1), THEN)
        pods |= {"new": 7.0, "old": 12.0}
        scraped()
        new, old = await source.counts(QUERY, THEN, NOW)
    assert new.before is not None
    assert new.before.values == {"total": 7.0}
    assert old.before is not None
    assert old.before.values == {"total": 10.0}

"""The collector between two reconciles: it measures when it is time by itself, and wakes a rollout once a tick."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from clustersim.virtual_time import run
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import (
    CountTick,
    Missing,
    MissingReason,
    Past,
    PastCounters,
    Reading,
    Span,
    Subject,
)
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery, LatencyRule
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload
from sentinel.engine.evidence.measured import Measured, whole_until
from sentinel.runtime.evidence.collector import EvidenceCollector
from sentinel.runtime.evidence.measuring import PATIENCE, TOGETHER
from tests.engine.builders import PLAIN, in_state
from tests.engine.snapshots import OLD, at, pod, workload
from tests.runtime.doubles import Counts
from tests.runtime.in_memory import LoopClock

TICK = timedelta(seconds=15)
ERRORS = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05, interval=TICK)
LATENCY = LatencyRule("latency", HistogramQuery("prometheus", "h"), 1.0, interval=TICK)
PODS = ("new-1", "old-1")
POLICY = replace(PLAIN, rules=(ERRORS, LATENCY))
WORLD = workload(pod("new-1"), pod("old-1", of=OLD))


@dataclass
class Slow:
    """A source whose histograms take so many seconds; `asked` is when it was asked.

    With `errors`, the pods are counted: so many of the 100 requests of the candidate's fail in a tick. They are counted
    too where it is `silent` for some time. While it is `down` it does not answer.
    """

    takes: float = 0.0
    errors: int | None = None
    silent: tuple[float, float] | None = None
    down: tuple[float, float] = (0.0, 0.0)
    asked: list[float] = field(default_factory=list)
    name: str = "prometheus"
    settle: float = 0.0
    extents: None = None
    min_interval: float = 0.0
    every: float = 0.0
    """The seconds between two samples of the pods, where they are known."""

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """No pod has any, or each has a hundred requests a tick."""
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        if _within(now, self.down):
            raise SourceError("no route", reason=MissingReason.SOURCE_UNREACHABLE)
        if (self.errors is None and self.silent is None) or (self.silent and _within(now, self.silent)):
            return ()
        spans = [_span(pod, since, until, self.errors or 0 if pod == "new-1" else 0) for pod in PODS]
        return tuple([replace(span, every=self.every) for span in spans])

    async def histogram(self, query: HistogramQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """No pod has any."""
        await asyncio.sleep(self.takes)
        return ()

    async def histories(self, query: CountQuery, pasts: Sequence[Past]) -> list[PastCounters]:
        """Nothing is known of the hour before."""
        return [{} for _ in pasts]


def _within(now: float, times: tuple[float, float]) -> bool:
    return times[0] <= now < times[1]


def _span(name: str, since: datetime, until: datetime, errors: int) -> Span:
    before, after = ({"total": total, "errors": bad} for total, bad in ((0.0, 0.0), (100.0, float(errors))))
    return Span(Subject("shop", pod=name), Reading(since, before), Reading(until, after), None)


class Clock(LoopClock):
    """The loop's time, from the tests' epoch."""

    def now(self) -> datetime:
        """The time of day."""
        return at(self.monotonic())


async def watched(
    source: Slow,
    *,
    taken: bool,
    seconds: float,
    lacks: list[Missing] | None = None,
    policy: Policy = POLICY,
    calm: Collection[str] = (),
    bake_ends: datetime | None = None,
    seen: Workload = WORLD,
) -> list[float]:
    """Have a rollout measured for so long; when it was woken. Unless `taken`, nobody reconciles it after that.

    `lacks` gets the evidence that is missing in the end. Its rules are `calm`, up to the end of its bake, and it is
    `seen` so, judged as it was at first.
    """
    woken: list[float] = []
    record = in_state(Phase.BAKING)
    newest = [record]

    def wake(_key: object) -> None:
        woken.append(asyncio.get_running_loop().time())
        if taken:
            state = newest[-1].state
            for one in collector.take(record):
                state = replace(state, measured_until={**state.measured_until, one.rule: one.until})
                newest.append(newest[-1].with_state(state))
            collector.request(newest[-1], policy, WORLD, (), bake_ends, calm)

    clock, telemetry = Clock(), Counts()
    collector = EvidenceCollector({"prometheus": source}, lambda _: seen, wake, clock, telemetry)  # type: ignore[dict-item]
    await asyncio.sleep(1)
    collector.request(record, policy, WORLD, (), bake_ends, calm)
    await asyncio.sleep(1)
    woken.clear()  # what was learnt of the past has woken it
    await asyncio.sleep(seconds - 1)
    if lacks is not None:
        lacks += collector.unmeasured(newest[-1], POLICY, WORLD).values()
        assert collector.ticks(record, POLICY)[ERRORS.name] == timedelta(seconds=source.every)
    await collector.close()
    return woken


def test_a_tick_of_several_rules_wakes_a_rollout_once() -> None:
    """Both answers are judged together, tick after tick, and no reconcile is needed to ask for them."""
    source = Slow(errors=0)

    assert [round(second) for second in run(watched(source, taken=True, seconds=45))] == [15, 30, 45]
    assert [round(second) for second in source.asked] == [15, 30, 45]


QUICK = replace(POLICY, rules=(replace(ERRORS, interval=timedelta(seconds=5)),))


@pytest.mark.parametrize(
    ("policy", "errors", "bake_ends", "woken"),
    [
        pytest.param(QUICK, 1, None, [20, 40, 60], id="within the limit"),
        pytest.param(QUICK, 1, at(30), [20, *range(30, 61, 5)], id="from the end of the bake on at once"),
        pytest.param(QUICK, 9, None, list(range(5, 61, 5)), id="over the limit at once"),
        pytest.param(replace(POLICY, rules=(ERRORS,)), 1, None, [30, 60], id="rarer ticks, fewer together"),
    ],
)
def test_harmless_ticks_of_a_calm_rule_wake_nobody_for_20_seconds(
    policy: Policy, errors: int, bake_ends: datetime | None, woken: list[int]
) -> None:
    """A healthy rollout is reconciled once for some of them, and nobody waits for one that may matter."""
    source = Slow(errors=errors)
    found = watched(source, taken=True, seconds=60, policy=policy, calm={"errors"}, bake_ends=bake_ends)
    assert [round(second) for second in run(found)] == woken


def test_no_tick_waits_while_the_workload_is_not_as_it_was_judged() -> None:
    """The event that told of its change may have been lost."""
    source = Slow(errors=1)
    changed = replace(WORLD, generation=WORLD.generation + 1)
    found = watched(source, taken=True, seconds=20, policy=QUICK, calm={"errors"}, seen=changed)
    assert [round(second) for second in run(found)] == [5, 10, 15, 20]


def test_a_tick_of_pods_that_are_scraped_rarely_is_as_long_as_their_scrapes() -> None:
    """However often others are: in a shorter one the candidate's pod has a sample, and the baseline's none."""
    source = Slow(errors=0, every=60.0)

    assert [round(second) for second in run(watched(source, taken=True, seconds=200))] == [15, 60, 120, 180]
    assert [round(second) for second in source.asked] == [15, 60, 120, 180]


def test_evidence_of_pods_that_are_scraped_rarely_is_not_old_between_their_scrapes() -> None:
    """It is missing when it is older than its own ticks allow, which are as long as their scrapes."""
    source, lacks = Slow(errors=0, every=60.0), list[Missing]()

    run(watched(source, taken=True, seconds=118, lacks=lacks))
    assert MissingReason.STALE not in {missing.reason for missing in lacks}


def test_a_rollout_without_requests_is_judged_by_four_ticks_at_once() -> None:
    """The first tick says that there are none. The source is asked at each tick all the same."""
    source = Slow()

    assert [round(second) for second in run(watched(source, taken=True, seconds=140))] == [15, 75, 135]
    assert [round(second) for second in source.asked] == [15 * number for number in range(1, 10)]


def test_the_first_request_is_judged_at_once() -> None:
    """However many ticks without requests came before it; and so is the first tick without."""
    woken = run(watched(Slow(silent=(31, 80)), taken=True, seconds=110))

    assert [round(second) for second in woken] == [15, 30, 45, 90, 105]


def test_a_source_that_does_not_answer_is_news_at_each_tick_and_so_is_its_next_answer() -> None:
    """What is known of the evidence is as old as the last reconcile otherwise."""
    woken = run(watched(Slow(down=(31, 61)), taken=True, seconds=110))

    assert [round(second) for second in woken] == [15, 45, 60, 75]


def test_an_answer_does_not_wait_for_one_that_is_slow() -> None:
    """It is judged a moment later, and the other when it comes."""
    woken = run(watched(Slow(takes=5), taken=True, seconds=20))

    assert [round(second - 15, 1) for second in woken] == [TOGETHER, 5.0]


def test_an_answer_that_proves_no_fault_is_patient() -> None:
    """Requests without an error are judged with what is slow, unless that takes long; with an error they are not."""
    clean, failing = Slow(takes=0.5, errors=0), Slow(takes=0.5, errors=1)

    assert [round(second - 15, 1) for second in run(watched(clean, taken=True, seconds=20))] == [0.5]
    assert [round(second - 15, 1) for second in run(watched(failing, taken=True, seconds=20))] == [
        TOGETHER,
        0.5,
    ]
    slower = run(watched(Slow(takes=5, errors=0), taken=True, seconds=21))
    assert [round(second - 15, 1) for second in slower] == [PATIENCE, 5.0]


def test_what_nobody_has_taken_in_is_not_measured_on() -> None:
    """Two ticks would overlap: the next one is asked for by the reconcile that takes the first one in."""
    source = Slow()

    run(watched(source, taken=False, seconds=60))

    assert [round(second) for second in source.asked] == [15]


@pytest.mark.parametrize(
    ("silent", "times"),
    [
        pytest.param((44, 46), [(15, 30), (30, 60), (60, 75)], id="a scrape that failed"),
        pytest.param((44, 91), [(15, 30), (30, 105)], id="some that failed"),
        pytest.param((44, 500), [(15, 30), (30, 105)], id="pods that are gone from the source"),
        pytest.param((0, 31), [(0, 15), (15, 30), (30, 45)], id="pods that it has not found yet"),
    ],
)
def test_the_tick_after_a_missed_sample_covers_its_time(
    silent: tuple[float, float], times: list[tuple[float, float]]
) -> None:
    """Counters go on meanwhile: what they counted in two ticks beside a missed sample would be lost."""

    async def taken() -> list[Measured]:
        found: list[Measured] = []
        newest = [in_state(Phase.BAKING)]

        def wake(_key: object) -> None:
            measured = [one for one in collector.take(newest[-1]) if one.rule == ERRORS.name]
            found.extend(measured)
            state = newest[-1].state
            until = whole_until(measured)
            newest.append(
                newest[-1].with_state(replace(state, measured_until={**state.measured_until, **until}))
            )
            collector.request(newest[-1], only_errors, WORLD)

        only_errors = replace(PLAIN, rules=(ERRORS,))
        source = Slow(errors=3, silent=silent)
        collector = EvidenceCollector({"prometheus": source}, lambda _: WORLD, wake, Clock(), Counts())  # type: ignore[dict-item]
        await asyncio.sleep(1)
        collector.request(newest[-1], only_errors, WORLD)
        await asyncio.sleep(121)
        await collector.close()
        return found

    ticks = [one.tick for one in run(taken())]
    spans = [(tick.since, tick.until) for tick in ticks if isinstance(tick, CountTick)]
    first = spans.index((at(times[0][0]), at(times[0][1])))
    assert spans[first : first + len(times)] == [(at(since), at(until)) for since, until in times]


def collector_of(source: object) -> EvidenceCollector:
    """One that wakes nobody."""
    return EvidenceCollector({"prometheus": source}, lambda _: WORLD, lambda _: None, Clock(), Counts())  # type: ignore[dict-item]


def test_what_a_process_finds_unmeasured_at_its_start_is_measured_in_whole_ticks() -> None:
    """One long tick would be without the pods that were warming up when it began."""

    async def taken() -> tuple[Measured, ...]:
        begun = in_state(Phase.BAKING)
        record = begun.with_state(replace(begun.state, measured_until={ERRORS.name: at(15)}))
        source = Slow(errors=3)
        collector = collector_of(source)
        await asyncio.sleep(62)
        collector.request(record, replace(PLAIN, rules=(ERRORS,)), WORLD)
        await asyncio.sleep(3)
        found = collector.take(record)
        await collector.close()
        return found

    spans = [(one.tick.since, one.tick.until) for one in run(taken()) if isinstance(one.tick, CountTick)]
    assert spans == [(at(15), at(30)), (at(30), at(45)), (at(45), at(60))]


def test_a_thousand_rollouts_ask_as_much_as_one() -> None:
    """Their ticks fall together, so that each question of a rule is the same for all of them, tick after tick."""

    async def questions(rollouts: int) -> set[tuple[CountQuery, datetime, datetime]]:
        source, records = (
            Shared(),
            [replace(in_state(Phase.BAKING), name=f"web-{n}") for n in range(rollouts)],
        )
        worlds = {record.name: WORLD for record in records}
        policy = replace(PLAIN, rules=(ERRORS,))
        collector = collector_of(source)
        for _ in range(3):
            for record in records:
                measured = {one.rule: one.until for one in collector.take(record)}
                taken = record.with_state(replace(record.state, measured_until=measured))
                collector.request(taken, policy, worlds[record.name])
            await asyncio.sleep(15)
        await collector.close()
        return source.questions

    one, thousand = run(questions(1)), run(questions(1000))

    assert len(one) >= 2
    assert thousand == one


@dataclass
class Shared(Slow):
    """Remembers what it was asked, each question once: equal ones are one query (`SharedAnswers`)."""

    questions: set[tuple[CountQuery, datetime, datetime]] = field(default_factory=set)

    async def counts(self, query: CountQuery, since: datetime, until: datetime) -> tuple[Span, ...]:
        """As the base class."""
        self.questions.add((query, since, until))
        return await super().counts(query, since, until)

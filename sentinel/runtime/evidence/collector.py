"""Collects the metric rules' evidence beside the reconciles: asks for what is due, wakes a rollout that is answered."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import CountTick, HistogramTick, Missing, MissingReason, Span, Tick, ValueSample
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, MetricRule, QueryRule
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.revision import Revision
from sentinel.engine.arms.variables import render_query, variables_of
from sentinel.engine.evidence.assessment import Measured, rules_in
from sentinel.engine.evidence.schedule import (
    HOUR_BEFORE,
    NEIGHBOURS_WITHIN,
    SourceTiming,
    grid,
    has_stable_pods,
    lacking,
    stable_of,
    tick_of,
    unmeasured,
    was_over,
    window,
)
from sentinel.engine.rules.environment import OTHERS_OVER, Surroundings
from sentinel.engine.statistics.calibration import Calibration
from sentinel.engine.statistics.starts import StartProfile
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, MetricSource, Telemetry
from sentinel.runtime.evidence.pasts import PastReader
from sentinel.runtime.evidence.spanindex import SpanIndex
from sentinel.runtime.evidence.timing import timing_of, timings_of


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A guarded workload at rest, and its own rule of the same kind."""

    workload: Workload
    rule: ErrorRateRule | LatencyRule


@dataclass(slots=True)
class _Ledger:
    """One rollout's measurements under way and those that came in; `since` is when this process took it up.

    `beside` is the workload as it was seen first with stable pods.
    """

    since: datetime
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    arrived: list[Measured] = field(default_factory=list)
    attempted: dict[str, datetime] = field(default_factory=dict)
    failing: dict[str, Missing] = field(default_factory=dict)
    beside: Workload | None = None


def _idle(rule: MetricRule, workload: Workload) -> bool:
    """Whether a query is not asked now: at zero replicas its value is not of the candidate, and its count waits.

    Counters are read on, so that what comes after a scale-up is differenced from just before.
    """
    return isinstance(rule, QueryRule) and workload.exposure.wanted == 0


class EvidenceCollector:
    """Measures for every rollout in flight; never more than one measurement of a rule at a time.

    A measurement that failed is not lost: the next one covers its time as well, since counters are differenced
    from the last time that was taken in.
    """

    def __init__(
        self,
        sources: Mapping[str, MetricSource],
        snapshot: Callable[[WorkloadKey], Workload | None],
        wake: Callable[[WorkloadKey], None],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._sources = sources
        self._snapshot = snapshot
        self._wake = wake
        self._clock = clock
        self._telemetry = telemetry
        self._ledgers: dict[str, _Ledger] = {}
        self._index = SpanIndex()
        self._turn = asyncio.Lock()
        self._pasts = PastReader(sources, wake, telemetry)

    def take(self, record: Record) -> tuple[Measured, ...]:
        """What came in since the last call, in the order of its times."""
        ledger = self._ledgers.get(record.name)
        if ledger is None:
            return ()
        arrived, ledger.arrived = ledger.arrived, []
        return tuple(sorted(arrived, key=lambda one: one.until))

    def learnt(self, record: Record) -> Mapping[str, Calibration]:
        """What the hour before the rollout has taught so far, by rule."""
        return self._pasts.learnt(record)

    def started(self, record: Record) -> Mapping[str, StartProfile]:
        """How the stable's pods started last, as far as that is known, by rule."""
        return self._pasts.started(record)

    def forget(self, record: Record) -> None:
        """The rollout is over: drop what it was still waiting for."""
        self._pasts.forget(record)
        ledger = self._ledgers.pop(record.name, None)
        for task in ledger.running.values() if ledger else ():
            task.cancel()

    def keep_only(self, live: Collection[str]) -> None:
        """Drop the state of rollouts, by their records' names, that are no longer live."""
        for name in self._ledgers.keys() - live:
            for task in self._ledgers.pop(name).running.values():
                task.cancel()
        self._pasts.keep_only(live)

    async def close(self) -> None:
        """Cancel every measurement."""
        await self._pasts.close()
        tasks = [task for ledger in self._ledgers.values() for task in ledger.running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ledgers.clear()

    def request(self, record: Record, policy: Policy, workload: Workload) -> datetime | None:
        """Start the measurements that are due; returns when the next one will be."""
        now = self._clock.now()
        self._pasts.request(record, policy, workload, now)
        ledger = self._ledgers.setdefault(record.name, _Ledger(now))
        if ledger.beside is None and has_stable_pods(workload, record):
            ledger.beside = workload
        due = [
            self._request_rule(rule, record, policy, workload, now)
            for rule in rules_in(policy, record.state.phase)
            if isinstance(rule, ErrorRateRule | LatencyRule | QueryRule) and not _idle(rule, workload)
        ]
        return min(due, default=None)

    def _request_rule(
        self, rule: MetricRule, record: Record, policy: Policy, workload: Workload, now: datetime
    ) -> datetime:
        ledger = self._ledgers.setdefault(record.name, _Ledger(now))
        timing = self._timing(rule)
        due = window(rule, record, timing, now)
        last_try = max(ledger.attempted.get(rule.name, due.since), due.since)
        if due.until <= last_try or rule.name in ledger.running:
            return max(due.next_due, now + timedelta(milliseconds=10))
        ledger.attempted[rule.name] = due.until
        task = asyncio.get_running_loop().create_task(
            self._measure(rule, record, policy, workload, due.since, due.until),
            name=f"measure {record.name}/{rule.name}",
        )
        ledger.running[rule.name] = task
        task.add_done_callback(lambda _task: ledger.running.pop(rule.name, None))
        return max(due.next_due, now + timing.tick(rule) / 10)

    def _timing(self, rule: MetricRule) -> SourceTiming:
        return timing_of(self._sources.get(rule.query.source))

    async def _measure(
        self,
        rule: MetricRule,
        record: Record,
        policy: Policy,
        workload: Workload,
        since: datetime,
        until: datetime,
    ) -> None:
        began = self._clock.monotonic()
        ledger = self._ledgers[record.name]
        try:
            tick = await self._ask(rule, record, policy, workload, since, until)
            ledger.arrived.append(Measured(rule.name, until, tick))
            self._note_lack(rule, record, workload, tick)
        except SourceError as error:
            missing = Missing(MissingReason(error.reason), rule.query.source, str(error))
            self._telemetry.count(
                MetricName.EVIDENCE_MISSING_TOTAL, source=rule.query.source, reason=error.reason
            )
            if isinstance(rule, QueryRule):  # it counts its errors itself
                ledger.arrived.append(Measured(rule.name, until, ValueSample(until, missing=missing)))
            else:
                ledger.failing[rule.name] = missing
        self._telemetry.observe(
            MetricName.SOURCE_SECONDS, self._clock.monotonic() - began, source=rule.query.source
        )
        self._wake(record.key)

    def _note_lack(self, rule: MetricRule, record: Record, workload: Workload, tick: Tick) -> None:
        """An answer without any number of the candidate counts as none, until one comes."""
        failing = self._ledgers[record.name].failing
        failing.pop(rule.name, None)
        if isinstance(tick, CountTick | HistogramTick) and not isinstance(rule, QueryRule):
            lack = lacking(tick, self._snapshot(record.key) or workload, rule.query.arms)
            if lack is not None:
                failing[rule.name] = lack

    def unmeasured(self, record: Record, policy: Policy) -> dict[str, Missing]:
        """Of which metric rules there is no recent evidence, and why: the last measurement failed, or is long ago.

        What is old because nobody measured is not missing yet: a process that takes a rollout up asks first.
        """
        ledger = self._ledgers.get(record.name)
        if ledger is None:
            return {}
        timings = timings_of(self._sources)
        return unmeasured(policy, record, ledger.failing, ledger.since, timings, self._clock.now())

    def _source(self, name: str) -> MetricSource:
        source = self._sources.get(name)
        if source is None:
            raise SourceError(
                f"no {name} is configured: set its address in the settings",
                reason=MissingReason.SOURCE_UNREACHABLE,
            )
        return source

    async def _ask(
        self,
        rule: MetricRule,
        record: Record,
        policy: Policy,
        workload: Workload,
        since: datetime,
        until: datetime,
    ) -> Tick:
        stable = stable_of(workload, record)
        if isinstance(rule, QueryRule):
            query = render_query(rule.query, variables_of(workload, stable))
            return await self._source(query.source).value(query, until)
        spans = await self._spans(rule, workload, stable, since, until)
        # The pods as they are now, not as they were when the question was sent: they name the arms.
        seen = self._snapshot(record.key) or workload
        # One tick for each turn of the loop: an answer that all rollouts waited for must not hold up an undo.
        async with self._turn:
            own = self._index.own(spans, seen)
            tick = tick_of(rule, own, seen, stable_of(seen, record), since, until, policy.strategy.warmup)
            await asyncio.sleep(0)
        return tick

    async def _spans(
        self,
        rule: ErrorRateRule | LatencyRule,
        workload: Workload,
        stable: Revision | None,
        since: datetime,
        until: datetime,
    ) -> tuple[Span, ...]:
        variables = variables_of(workload, stable)
        source = self._source(rule.query.source)
        if isinstance(rule, ErrorRateRule):
            return await source.counts(render_query(rule.query, variables), since, until)
        return await source.histogram(render_query(rule.query, variables), since, until)

    async def surroundings(
        self,
        rule: ErrorRateRule | LatencyRule,
        record: Record,
        workload: Workload,
        neighbours: Sequence[Neighbour],
    ) -> Surroundings:
        """What must hold around a candidate that is proven bad without a baseline beside it.

        A source that does not answer leaves it unknown, which keeps the candidate from being undone.
        """
        ledger = self._ledgers.get(record.name)
        # Whose hour before it was, only a snapshot tells in which those pods still are.
        before = (ledger.beside if ledger else None) or workload
        stable = stable_of(before, record)
        began = grid(record.started_at, rule.interval)
        stable_was_over = (
            await self._was_over(rule, before, stable, began - HOUR_BEFORE, began) if stable else None
        )
        until = grid(self._clock.now() - self._timing(rule).settle, rule.interval)
        others = 0
        for neighbour in neighbours:
            at_rest = neighbour.workload
            over = await self._was_over(
                neighbour.rule, at_rest, at_rest.candidate, until - NEIGHBOURS_WITHIN, until
            )
            others += bool(over)
            if others >= OTHERS_OVER:
                break
        was_good = None if stable_was_over is None else not stable_was_over
        return Surroundings(was_good, others, first=record.stable is None)

    async def _was_over(
        self,
        rule: ErrorRateRule | LatencyRule,
        workload: Workload,
        revision: Revision,
        since: datetime,
        until: datetime,
    ) -> bool | None:
        """Whether a revision's pods, taken as the baseline, were over the limit between two times."""
        try:
            spans = await self._spans(rule, workload, revision, since, until)
        except SourceError:
            return None
        return was_over(rule, self._index.own(spans, workload), workload, revision, since, until)

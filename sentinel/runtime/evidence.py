"""Collects the metric rules' evidence beside the passes: what is due is asked for, what came in wakes the rollout."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import CountTick, HistogramTick, Missing, MissingReason, Span, Tick, ValueSample
from sentinel.domain.policy import ErrorRateRule, LatencyRule, MetricRule, Policy, QueryRule
from sentinel.domain.record import Record
from sentinel.domain.workload import Revision, Workload, WorkloadKey
from sentinel.engine.assessment import Measured, rules_in
from sentinel.engine.increments import count_tick, histogram_tick
from sentinel.engine.query_rule import next_due
from sentinel.engine.rendering import render_query, variables_of
from sentinel.engine.surroundings import OTHERS_OVER, Surroundings, over_limit
from sentinel.ports import Clock, MetricSource, Telemetry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECENT_INTERVALS = 4
"""Evidence older than so many ticks lets no rule pass."""
HOUR_BEFORE = timedelta(hours=1)
NEIGHBOURS_WITHIN = timedelta(minutes=5)


def grid(at: datetime, interval: timedelta) -> datetime:
    """The last multiple of the interval: ticks of all workloads fall together, so that they share their queries."""
    return at - (at - EPOCH) % interval


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A guarded workload at rest, and its own rule of the same kind."""

    workload: Workload
    rule: ErrorRateRule | LatencyRule


@dataclass(slots=True)
class _Ledger:
    """One rollout's measurements under way and those that came in; `since` is when this process took it up."""

    since: datetime
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    arrived: list[Measured] = field(default_factory=list)
    attempted: dict[str, datetime] = field(default_factory=dict)
    failing: dict[str, Missing] = field(default_factory=dict)


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

    def take(self, record: Record) -> tuple[Measured, ...]:
        """What came in since the last call, in the order of its times."""
        ledger = self._ledgers.get(record.name)
        if ledger is None:
            return ()
        arrived, ledger.arrived = ledger.arrived, []
        return tuple(sorted(arrived, key=lambda one: one.until))

    def forget(self, record: Record) -> None:
        """The rollout is over: drop what it was still waiting for."""
        ledger = self._ledgers.pop(record.name, None)
        for task in ledger.running.values() if ledger else ():
            task.cancel()

    async def close(self) -> None:
        """Cancel every measurement."""
        tasks = [task for ledger in self._ledgers.values() for task in ledger.running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ledgers.clear()

    def request(self, record: Record, policy: Policy, workload: Workload) -> datetime | None:
        """Start the measurements that are due; returns when the next one will be."""
        now = self._clock.now()
        due = [
            self._request_rule(rule, record, policy, workload, now)
            for rule in rules_in(policy, record.state.phase)
            if isinstance(rule, ErrorRateRule | LatencyRule | QueryRule)
        ]
        return min(due, default=None)

    def _request_rule(
        self, rule: MetricRule, record: Record, policy: Policy, workload: Workload, now: datetime
    ) -> datetime:
        ledger = self._ledgers.setdefault(record.name, _Ledger(now))
        interval = self._interval(rule)
        since, until, after = self._window(rule, record, now)
        last_try = max(ledger.attempted.get(rule.name, since), since)
        if until <= last_try or rule.name in ledger.running:
            return max(after, now + timedelta(milliseconds=10))
        ledger.attempted[rule.name] = until
        task = asyncio.get_running_loop().create_task(
            self._measure(rule, record, policy, workload, since, until),
            name=f"measure {record.name}/{rule.name}",
        )
        ledger.running[rule.name] = task
        task.add_done_callback(lambda _task: ledger.running.pop(rule.name, None))
        return max(after, now + interval / 10)

    def _interval(self, rule: MetricRule) -> timedelta:
        source = self._sources.get(rule.query.source)
        return max(rule.interval, timedelta(seconds=source.min_interval)) if source else rule.interval

    def _window(self, rule: MetricRule, record: Record, now: datetime) -> tuple[datetime, datetime, datetime]:
        """From when to when the next measurement reaches, and when the one after it is due."""
        if isinstance(rule, QueryRule):
            began = record.state.step_since or record.started_at
            due = next_due(rule, record.state.analysis.get(rule.name), began)
            return began, now if now >= due else began, max(due, now + rule.interval) if now >= due else due
        interval = self._interval(rule)
        settle = self._settle(rule)
        since = record.state.measured_until.get(rule.name) or grid(record.started_at, interval)
        until = grid(now - settle, interval)
        return since, until, until + interval + settle

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
            ledger.failing.pop(rule.name, None)
        except SourceError as error:
            missing = Missing(MissingReason(error.reason), rule.query.source, str(error))
            self._telemetry.count("evidence_missing_total", source=rule.query.source, reason=error.reason)
            ledger.failing[rule.name] = missing
            if isinstance(rule, QueryRule):  # it counts its errors itself
                ledger.arrived.append(Measured(rule.name, until, ValueSample(until, missing=missing)))
        self._telemetry.observe("source_seconds", self._clock.monotonic() - began, source=rule.query.source)
        self._wake(record.key)

    def unmeasured(self, record: Record, policy: Policy) -> dict[str, Missing]:
        """Of which metric rules there is no recent evidence, and why: the last measurement failed, or is long ago.

        What is old because nobody measured is not missing yet: a process that takes a rollout up asks first.
        """
        ledger = self._ledgers.get(record.name)
        if ledger is None:
            return {}
        missing = dict(ledger.failing)
        for rule in policy.rules:
            if isinstance(rule, ErrorRateRule | LatencyRule) and rule.name not in missing:
                until = record.state.measured_until.get(rule.name, record.started_at)
                age = self._clock.now() - max(until, ledger.since) - self._settle(rule)
                if age > RECENT_INTERVALS * self._interval(rule):
                    text = f"the newest evidence is {age.total_seconds():.0f} s old"
                    missing[rule.name] = Missing(MissingReason.STALE, rule.query.source, text)
        return missing

    def _settle(self, rule: MetricRule) -> timedelta:
        source = self._sources.get(rule.query.source)
        return timedelta(seconds=source.settle if source else 0)

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
        stable = _stable_of(workload, record)
        if isinstance(rule, QueryRule):
            query = render_query(rule.query, variables_of(workload, stable))
            return await self._source(query.source).value(query, until)
        spans = await self._spans(rule, workload, stable, since, until)
        # The pods as they are now, not as they were when the question was sent: they name the arms.
        seen = self._snapshot(record.key) or workload
        return _tick(rule, spans, seen, _stable_of(seen, record), since, until, policy.strategy.warmup)

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
        stable = _stable_of(workload, record)
        began = grid(record.started_at, rule.interval)
        was_over = (
            await self._was_over(rule, workload, stable, began - HOUR_BEFORE, began) if stable else None
        )
        until = grid(self._clock.now() - self._settle(rule), rule.interval)
        others = 0
        for neighbour in neighbours:
            at_rest = neighbour.workload
            over = await self._was_over(
                neighbour.rule, at_rest, at_rest.candidate, until - NEIGHBOURS_WITHIN, until
            )
            others += bool(over)
            if others >= OTHERS_OVER:
                break
        return Surroundings(None if was_over is None else not was_over, others)

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
        no_one = Revision("none")
        tick = _tick(rule, spans, replace(workload, candidate=no_one), revision, since, until, timedelta(0))
        return over_limit(rule, tick)


def _stable_of(workload: Workload, record: Record) -> Revision | None:
    return workload.revision(record.stable.digest) if record.stable else None


def _tick(
    rule: ErrorRateRule | LatencyRule,
    spans: tuple[Span, ...],
    workload: Workload,
    baseline: Revision | None,
    since: datetime,
    until: datetime,
    warmup: timedelta,
) -> CountTick | HistogramTick:
    make = count_tick if isinstance(rule, ErrorRateRule) else histogram_tick
    return make(
        spans, workload, workload.candidate, baseline, since, until, warmup=warmup, arms=rule.query.arms
    )

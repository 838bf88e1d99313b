"""Collects the metric rules' evidence beside the reconciles: asks for what is due, wakes a rollout that is answered."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import CountTick, HistogramTick, Missing, Span, Tick, ValueSample
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, MetricRule, QueryRule
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.evidence.assessment import Measured, rules_in
from sentinel.engine.evidence.looks import STEP, LastAsked, next_look, scraped_at
from sentinel.engine.evidence.schedule import (
    SourceTiming,
    Window,
    awaited,
    grid,
    has_stable_pods,
    lacking,
    may_prove,
    settles_of,
    stable_of,
    tick_of,
    unmeasured,
    whole_ticks,
    window,
)
from sentinel.engine.rules.environment import Surroundings
from sentinel.engine.statistics.calibration import Calibration
from sentinel.engine.statistics.starts import StartProfile
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, MetricSource, Telemetry
from sentinel.ratelimit import TokenBuckets
from sentinel.runtime.evidence.asking import RuleQuestions
from sentinel.runtime.evidence.extents import ExtentReader, missing_for
from sentinel.runtime.evidence.ledger import NEXT, PATIENT, WAKE, DueLine, Ledger, MeasuredRollout
from sentinel.runtime.evidence.neighbours import Neighbour, SurroundingsReader
from sentinel.runtime.evidence.pasts import PastReader
from sentinel.runtime.evidence.spanindex import SpanIndex
from sentinel.runtime.evidence.timing import timings_of

LOOKS_PER_SECOND = 2.0
LOOKS_AT_ONCE = 20
"""Extra looks of all rollouts together at one source: a flood of suspicions must not become a flood of queries."""
TOGETHER, PATIENCE = 0.1, 1.0
"""So many seconds the answer for one rule waits for those for the others, to be judged together with them; and one
that can prove no fault, of ticks that are not short.
"""
SOON = timedelta(milliseconds=10)
LONGEST = 600.0
"""Seconds after which what is due is looked at again, in case the clock was set."""


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
        self._ledgers: dict[str, Ledger] = {}
        self._index = SpanIndex()
        self._turn = asyncio.Lock()
        self._line = DueLine(self._ask_due)
        self._pasts = PastReader(sources, wake, telemetry)
        self._questions = RuleQuestions(sources)
        self._around = SurroundingsReader(self._questions, self._index, clock)
        self._extents = ExtentReader(self._questions, clock, telemetry, self._come_again)
        self._allowance = TokenBuckets(LOOKS_PER_SECOND, LOOKS_AT_ONCE)

    def take(self, record: Record) -> tuple[Measured, ...]:
        """What came in since the last call, in the order of its times."""
        ledger = self._ledgers.get(record.name)
        if ledger is None:
            return ()
        return tuple(sorted(ledger.take(), key=lambda one: one.until))

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
        if ledger is not None:
            ledger.close()

    def keep_only(self, live: Collection[str]) -> None:
        """Drop the state of rollouts, by their records' names, that are no longer live."""
        for name in self._ledgers.keys() - live:
            self._ledgers.pop(name).close()
        self._pasts.keep_only(live)

    async def close(self) -> None:
        """Cancel every measurement."""
        await self._pasts.close()
        tasks = [task for ledger in self._ledgers.values() for task in ledger.close()]
        self._line.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ledgers.clear()

    def request(
        self, record: Record, policy: Policy, workload: Workload, suspected: Collection[str] = ()
    ) -> None:
        """Start the measurements that are due, and those that will be at their time, until the rollout is judged again.

        The rules that are `suspected` get extra looks between two ticks.
        """
        now = self._clock.now()
        self._pasts.request(record, policy, workload, now)
        ledger = self._ledgers.setdefault(record.name, Ledger(now))
        if ledger.beside is None and has_stable_pods(workload, record):
            ledger.beside = workload
        ledger.current = MeasuredRollout(record, policy, workload, suspected)
        self._ask_due(ledger.current, ledger)

    def _ask_due(self, rollout: MeasuredRollout, ledger: Ledger) -> None:
        """Start what is due, and come again when the next one will be.

        What came in and was not taken yet is not asked about again: the reconcile that takes it says what is next.
        """
        ledger.quiet(NEXT)
        if ledger.arrived:
            return
        now, workload = self._clock.now(), self._seen(rollout)
        due = [
            self._request_rule(rule, rollout, ledger, workload)
            for rule in rules_in(rollout.policy, rollout.record.state.phase)
            if isinstance(rule, ErrorRateRule | LatencyRule | QueryRule)
            and not awaited(rule, rollout.record, workload)
        ]
        if due:
            wait = max(SOON, min(due) - now).total_seconds()
            ledger.call(NEXT, min(wait, LONGEST), lambda: self._line.join(rollout, ledger))

    def _request_rule(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, workload: Workload
    ) -> datetime:
        """Start what is due of one rule; returns when to come again.

        A source that tells up to when it can be asked is asked for that first, when there can be more.
        """
        now, timing = self._clock.now(), self._questions.timing(rule)
        if not timing.told or isinstance(rule, QueryRule):
            return self._request_settled(rule, rollout, ledger, workload, timing)
        extent = ledger.extents.get(rule.name)
        if extent is not None:
            behind = now - extent.until
            known = replace(timing, settle=behind)
            wanted = self._request_settled(rule, rollout, ledger, workload, known) - behind
            again = max(wanted, extent.again)
            if again > now:
                return again
        if rule.name not in ledger.running:
            self._extents.read(rule, rollout, ledger)
        return now + timing.tick(rule)

    def _request_settled(
        self,
        rule: MetricRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        workload: Workload,
        timing: SourceTiming,
    ) -> datetime:
        now = self._clock.now()
        due = window(rule, rollout.record, workload, timing, now)
        last_try = max(ledger.attempted.get(rule.name, due.since), due.since)
        if due.until > last_try and rule.name not in ledger.running:
            ledger.attempted[rule.name] = due.until
            self._begin(rule, rollout, ledger, (due.since, due.until), look=False)
            return max(due.next_due, now + timing.tick(rule) / 10)
        busy = rule.name in ledger.running or rule.name in ledger.failing
        if busy or rule.name not in rollout.suspected:
            return due.next_due
        return min(due.next_due, self._look(rule, rollout, ledger, due, timing) or due.next_due)

    def _look(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, due: Window, timing: SourceTiming
    ) -> datetime | None:
        """Take the next extra look if it is due and allowed; returns when to come back for it, None: it is asked."""
        now = self._clock.now()
        until = next_look(rule, due, ledger.asked.get(rule.name), timing)
        if until is None:
            return None
        if until + timing.settle > now:
            return until + timing.settle
        wait = self._allowance.take(rule.query.source, self._clock.monotonic())
        outcome = "postponed" if wait else "asked"
        self._telemetry.count(MetricName.EXTRA_LOOKS_TOTAL, source=rule.query.source, outcome=outcome)
        if wait:
            return now + timedelta(seconds=wait)
        newest = max(until, grid(now - timing.settle, STEP))
        self._begin(rule, rollout, ledger, (due.since, newest), look=True)
        return None

    def _begin(
        self,
        rule: MetricRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        span: tuple[datetime, datetime],
        *,
        look: bool,
    ) -> None:
        task = asyncio.get_running_loop().create_task(
            self._measure(rule, rollout, ledger, span, look=look),
            name=f"measure {rollout.record.name}/{rule.name}",
        )
        ledger.running[rule.name] = task
        task.add_done_callback(lambda _task: ledger.running.pop(rule.name, None))

    async def _measure(
        self,
        rule: MetricRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        span: tuple[datetime, datetime],
        *,
        look: bool,
    ) -> None:
        began, until, proves = self._clock.monotonic(), span[1], False
        timing = self._questions.timing(rule)
        parts: tuple[tuple[datetime, datetime], ...] = (span,)
        try:
            if timing.told and not look and not isinstance(rule, QueryRule):
                parts = whole_ticks(*span, timing.tick(rule))
                # All are asked for at once; the source remembers their answers.
                await asyncio.gather(*(self._spans(rule, rollout, part) for part in parts))
            for part in parts:
                tick = await self._ask(rule, rollout, ledger, part)
                ledger.arrived.append(Measured(rule.name, part[1], tick, look))
                if not look:
                    self._note_lack(rule, rollout, ledger, tick)
                proves = proves or may_prove(tick)
        except SourceError as error:
            missing, proves = missing_for(error, rule, self._telemetry), True
            if isinstance(rule, QueryRule):  # it counts its errors itself
                ledger.arrived.append(Measured(rule.name, until, ValueSample(until, missing=missing)))
            elif not look:
                ledger.failing[rule.name] = missing
            if look:
                ledger.asked.pop(rule.name, None)
        self._telemetry.observe(
            MetricName.SOURCE_SECONDS, self._clock.monotonic() - began, source=rule.query.source
        )
        self._judge_soon(rule, rollout.record.key, ledger, proves=proves)

    def _come_again(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, *, failed: bool
    ) -> None:
        """Up to when a rule can be asked is known now, or why not."""
        if failed:
            self._judge_soon(rule, rollout.record.key, ledger, proves=True)
        if ledger.current is not None:
            self._line.join(ledger.current, ledger)

    def _judge_soon(self, rule: MetricRule, key: WorkloadKey, ledger: Ledger, *, proves: bool) -> None:
        """Wake the rollout when all that was asked is answered, or a moment later; longer if no fault can be in it."""
        if not ledger.busy_besides(rule.name):
            ledger.quiet(WAKE)
            ledger.quiet(PATIENT)
            self._wake(key)
            return
        tick = self._questions.timing(rule).tick(rule).total_seconds()
        what, wait = (WAKE, TOGETHER) if proves else (PATIENT, min(PATIENCE, tick / 5))
        if not ledger.waits(what):
            ledger.call(what, wait, lambda: self._wake(key))

    def _note_lack(self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, tick: Tick) -> None:
        """An answer without any number of the candidate counts as none, until one comes."""
        failing = ledger.failing
        failing.pop(rule.name, None)
        if isinstance(tick, CountTick | HistogramTick) and not isinstance(rule, QueryRule):
            lack = lacking(tick, self._seen(rollout), rule.query.arms)
            if lack is not None:
                failing[rule.name] = lack

    def unmeasured(self, record: Record, policy: Policy, workload: Workload) -> dict[str, Missing]:
        """Of which metric rules there is no recent evidence, and why: the last measurement failed, or is long ago.

        What is old because nobody measured is not missing yet: a process that takes a rollout up asks first.
        """
        ledger = self._ledgers.get(record.name)
        if ledger is None:
            return {}
        timings = timings_of(self._sources)
        now = self._clock.now()
        return unmeasured(policy, record, workload, ledger.failing, ledger.since, timings, now)

    def settles(self, policy: Policy) -> dict[str, timedelta]:
        """How long the numbers of each metric rule take to settle."""
        return settles_of(policy, timings_of(self._sources))

    def _seen(self, rollout: MeasuredRollout) -> Workload:
        """The pods as they are now, not as they were when the question was sent: they name the arms."""
        return self._snapshot(rollout.record.key) or rollout.workload

    async def _ask(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, span: tuple[datetime, datetime]
    ) -> Tick:
        record, (since, until) = rollout.record, span
        if isinstance(rule, QueryRule):
            stable = stable_of(rollout.workload, record)
            return await self._questions.value(rule, rollout.workload, stable, until)
        spans = await self._spans(rule, rollout, span)
        # One tick for each turn of the loop: an answer that all rollouts waited for must not hold up an undo.
        async with self._turn:
            seen = self._seen(rollout)
            own = self._index.own(spans, seen)
            warmup = rollout.policy.strategy.warmup
            tick = tick_of(rule, own, seen, stable_of(seen, record), since, until, warmup)
            scrape = self._questions.timing(rule).min_interval
            scraped = scraped_at(own, seen, rule.query.arms, scrape)
            ledger.asked.pop(rule.name, None)
            ledger.asked.update({rule.name: LastAsked(until, scraped)} if scraped is not None else {})
            await asyncio.sleep(0)
        return tick

    async def _spans(
        self, rule: ErrorRateRule | LatencyRule, rollout: MeasuredRollout, span: tuple[datetime, datetime]
    ) -> tuple[Span, ...]:
        stable = stable_of(rollout.workload, rollout.record)
        return await self._questions.spans(rule, rollout.workload, stable, *span)

    async def surroundings(
        self,
        rule: ErrorRateRule | LatencyRule,
        record: Record,
        workload: Workload,
        neighbours: Sequence[Neighbour],
    ) -> Surroundings:
        """What must hold around a candidate that is proven bad without a baseline beside it."""
        ledger = self._ledgers.get(record.name)
        before = (ledger.beside if ledger else None) or workload
        return await self._around.read(rule, record, before, neighbours)

"""Measures one rule of one rollout: puts the question, makes a tick of the answer, and wakes the rollout."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import CountTick, HistogramTick, Span, Tick, ValueSample
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, MetricRule, QueryRule
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.engine.evidence.looks import LastAnswer
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.evidence.schedule import bridged, lacking, may_prove, stable_of, tick_of, whole_ticks
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Telemetry
from sentinel.runtime.evidence.asking import RuleQuestions
from sentinel.runtime.evidence.extents import missing_for
from sentinel.runtime.evidence.inflight import PodsInFlight
from sentinel.runtime.evidence.ledger import PATIENT, WAKE, Ledger, MeasuredRollout
from sentinel.runtime.evidence.rounds import Answer, Rounds, Share
from sentinel.runtime.evidence.spanindex import SpanIndex
from sentinel.runtime.precedence import GiveWay

TOGETHER, PATIENCE = 0.1, 1.0
"""So many seconds the answer for one rule waits for those for the others, to be judged together with them; and one
that can prove no fault, of ticks that are not short.
"""


class Measurer:
    """Implements `timetable.RuleMeasuring`. What came in is in the rollout's ledger when `wake` is called."""

    def __init__(
        self,
        questions: RuleQuestions,
        index: SpanIndex,
        in_flight: PodsInFlight,
        snapshot: Callable[[WorkloadKey], Workload | None],
        wake: Callable[[WorkloadKey], None],
        clock: Clock,
        telemetry: Telemetry,
        give_way: GiveWay,
    ) -> None:
        self._questions = questions
        self._index = index
        self._in_flight = in_flight
        self._snapshot = snapshot
        self._wake = wake
        self._clock = clock
        self._telemetry = telemetry
        self._turn = asyncio.Lock()
        self._give_way = give_way
        self._rounds = Rounds(questions, self._take_share, clock, telemetry, give_way)

    def seen(self, rollout: MeasuredRollout) -> Workload:
        """The pods as they are now, not as they were when the question was sent: they name the arms."""
        return self._snapshot(rollout.record.key) or rollout.workload

    def pods(self, rule: ErrorRateRule | LatencyRule, workload: Workload) -> tuple[str, ...]:
        """The pods in flight that share the rule's question, and are not gone."""
        return self._in_flight.alive(rule, workload)

    def begin(
        self,
        rule: MetricRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        span: tuple[datetime, datetime],
        *,
        look: bool,
    ) -> None:
        """Begin to measure a rule between two times; it is running, in the ledger, until it is answered."""
        if not isinstance(rule, QueryRule) and not look and len(self._parts(rule, ledger, span)) == 1:
            stable = stable_of(rollout.workload, rollout.record)
            query = self._questions.query(rule, rollout.workload, stable)
            self._rounds.join(
                Share(rule, rollout, ledger, *span), query, self._in_flight.of(rule, self.seen(rollout))
            )
            return
        task = asyncio.get_running_loop().create_task(
            self._measure(rule, rollout, ledger, span, look=look),
            name=f"measure {rollout.record.name}/{rule.name}",
        )
        ledger.running[rule.name] = task
        task.add_done_callback(lambda _task: ledger.running.pop(rule.name, None))

    def close(self) -> list[asyncio.Task[None]]:
        """Give up what rollouts share; returns the tasks that end now."""
        return self._rounds.close()

    def _parts(
        self, rule: MetricRule, ledger: Ledger, span: tuple[datetime, datetime]
    ) -> tuple[tuple[datetime, datetime], ...]:
        """The ticks of a time: there may be several of what a source that tells has at once, and after a restart.

        A pod that was warming up at the start of a tick is left out of it: of one long tick, for long.
        """
        timing = self._questions.timing(rule, ledger.pace(rule.name))
        several = timing.told or rule.name not in ledger.counted
        return whole_ticks(rule, *span, timing.tick(rule)) if several else (span,)

    def _take_share(self, share: Share, answer: Answer) -> None:
        """Make a tick of an answer that others wait for too."""
        rule, rollout, ledger = share.rule, share.rollout, share.ledger
        proves = True
        if isinstance(answer, SourceError):
            self._note_failure(rule, ledger, share.until, answer, look=False)
        else:
            tick = self._tick(rule, rollout, ledger, answer, (share.since, share.until))
            self._take_in(rule, rollout, ledger, Measured(rule.name, share.until, tick))
            proves = may_prove(tick)
        if ledger.news:
            self._judge_soon(rule, rollout.record.key, ledger, proves=proves)

    def _note_failure(
        self, rule: MetricRule, ledger: Ledger, until: datetime, error: SourceError, *, look: bool
    ) -> None:
        missing = missing_for(error, rule, self._telemetry)
        ledger.lost(rule.name)
        if isinstance(rule, QueryRule):  # it counts its errors itself
            ledger.arrived.append(Measured(rule.name, until, ValueSample(until, missing=missing)))
        elif not look:
            ledger.failing[rule.name] = missing
        if look:
            ledger.asked.pop(rule.name, None)

    async def _measure(
        self,
        rule: MetricRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        span: tuple[datetime, datetime],
        *,
        look: bool,
    ) -> None:
        began, proves = self._clock.monotonic(), False
        parts: tuple[tuple[datetime, datetime], ...] = (span,)
        try:
            if not look and not isinstance(rule, QueryRule):
                parts = self._parts(rule, ledger, span)
                # All are asked for at once; the source remembers their answers.
                await asyncio.gather(*(self._spans(rule, rollout, part) for part in parts))
            for part in parts:
                tick = await self._ask(rule, rollout, ledger, part)
                self._take_in(rule, rollout, ledger, Measured(rule.name, part[1], tick, look))
                proves = proves or may_prove(tick)
        except SourceError as error:
            proves = True
            self._note_failure(rule, ledger, span[1], error, look=look)
        self._telemetry.observe(
            MetricName.SOURCE_SECONDS, self._clock.monotonic() - began, source=rule.query.source
        )
        if ledger.news:
            self._judge_soon(rule, rollout.record.key, ledger, proves=proves)

    def unknown(self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger) -> None:
        """Judge that there is no evidence, for the reason in the ledger."""
        ledger.lost(rule.name)
        self._judge_soon(rule, rollout.record.key, ledger, proves=True)

    def _judge_soon(self, rule: MetricRule, key: WorkloadKey, ledger: Ledger, *, proves: bool) -> None:
        """Wake the rollout when all that was asked is answered, or a moment later; longer if no fault can be in it."""
        if not ledger.busy_besides(rule.name):
            ledger.quiet(WAKE)
            ledger.quiet(PATIENT)
            self._wake(key)
            return
        tick = self._questions.timing(rule, ledger.pace(rule.name)).tick(rule).total_seconds()
        what, wait = (WAKE, TOGETHER) if proves else (PATIENT, min(PATIENCE, tick / 5))
        if not ledger.waits(what):
            ledger.call(what, wait, lambda: self._wake_together(what, key, ledger, self._clock.monotonic()))

    def _wake_together(self, what: str, key: WorkloadKey, ledger: Ledger, since: float) -> None:
        """Wake the rollout, unless all that is waited for is answered too: then with that, or after a while without.

        With many rollouts in flight it takes longer to make ticks of an answer than to get it.
        """
        waited = self._clock.monotonic() - since
        if ledger.running and ledger.answered >= ledger.running.keys() and waited < PATIENCE:
            ledger.call(what, TOGETHER, lambda: self._wake_together(what, key, ledger, since))
        else:
            self._wake(key)

    def _take_in(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, measured: Measured
    ) -> None:
        if measured.look:
            ledger.arrived.append(measured)
            ledger.news = True
            return
        lacked = ledger.failing.get(rule.name)
        self._note_lack(rule, rollout, ledger, measured.tick)
        lacks = ledger.failing.get(rule.name)
        if (lacked is None) != (lacks is None):
            ledger.lost(rule.name)
        if lacks is None:
            ledger.counted[rule.name] = measured.until
        elif self._bridged(rule, ledger, measured.tick):
            return
        ledger.keep(rule, measured, self.seen(rollout))

    def _bridged(self, rule: MetricRule, ledger: Ledger, tick: Tick) -> bool:
        interval = self._questions.timing(rule, ledger.pace(rule.name)).tick(rule)
        return not isinstance(tick, ValueSample) and bridged(tick, ledger.counted.get(rule.name), interval)

    def _note_lack(self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, tick: Tick) -> None:
        """An answer without any number of the candidate counts as none, until one comes."""
        failing = ledger.failing
        failing.pop(rule.name, None)
        if isinstance(tick, CountTick | HistogramTick) and not isinstance(rule, QueryRule):
            lack = lacking(tick, self.seen(rollout), rule.query.arms)
            if lack is not None:
                failing[rule.name] = lack

    async def _ask(
        self, rule: MetricRule, rollout: MeasuredRollout, ledger: Ledger, span: tuple[datetime, datetime]
    ) -> Tick:
        if isinstance(rule, QueryRule):
            stable = stable_of(rollout.workload, rollout.record)
            return await self._questions.value(rule, rollout.workload, stable, span[1])
        spans = await self._spans(rule, rollout, span)
        ledger.answered.add(rule.name)
        try:
            # One tick for each turn of the loop: an answer that all waited for must not hold up an undo.
            async with self._turn:
                tick = self._tick(rule, rollout, ledger, spans, span)
                await self._give_way()
            return tick
        finally:
            ledger.answered.discard(rule.name)

    def _tick(
        self,
        rule: ErrorRateRule | LatencyRule,
        rollout: MeasuredRollout,
        ledger: Ledger,
        spans: tuple[Span, ...],
        span: tuple[datetime, datetime],
    ) -> Tick:
        record, (since, until) = rollout.record, span
        seen = self.seen(rollout)
        own = self._index.own(spans, seen)
        warmup = rollout.policy.strategy.warmup
        tick = tick_of(rule, own, seen, stable_of(seen, record), since, until, warmup)
        ledger.paces[rule.name] = _pace(own, seen)
        scrape = self._questions.timing(rule, ledger.pace(rule.name)).min_interval
        ledger.asked[rule.name] = LastAnswer(until, own, seen, rule.query.arms, scrape)
        return tick

    async def _spans(
        self, rule: ErrorRateRule | LatencyRule, rollout: MeasuredRollout, span: tuple[datetime, datetime]
    ) -> tuple[Span, ...]:
        stable = stable_of(rollout.workload, rollout.record)
        pods = self._in_flight.of(rule, self.seen(rollout))
        return await self._questions.spans(rule, rollout.workload, stable, *span, pods)


def _pace(spans: Sequence[Span], workload: Workload) -> float:
    """The most seconds between two samples of a workload's pods, or of a version; 0 where that is unknown."""
    names, own = {pod.name for pod in workload.pods}, workload.key.namespace
    return max(
        (
            span.every
            for span in spans
            if span.subject.namespace in (own, "") and (span.subject.version or span.subject.pod in names)
        ),
        default=0.0,
    )

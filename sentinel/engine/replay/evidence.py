"""The evidence of a replay: asked for when the runtime would ask for it, kept as the runtime keeps it."""

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, Past, PastCounters, Tick, ValueSample
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, MetricRule, QueryRule, ValueQuery
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload
from sentinel.engine.evidence.calm import Leeway
from sentinel.engine.evidence.history import candidate_pods, past_of
from sentinel.engine.evidence.judged import rules_in
from sentinel.engine.evidence.looks import LastAnswer, LastAsked, last_tick, next_look, reached
from sentinel.engine.evidence.measured import Measured, measured_by
from sentinel.engine.evidence.schedule import (
    AT_ONCE,
    HOUR_BEFORE,
    SourceTiming,
    Window,
    awaited,
    bridged,
    grid,
    has_stable_pods,
    lacking,
    settles_of,
    stable_of,
    tick_of,
    ticks_of,
    unmeasured,
    was_over,
    window,
)
from sentinel.engine.evidence.starting import last_starts_of
from sentinel.engine.reconciling.effects import Measure
from sentinel.engine.replay.questions import Answer, Ask, AskPast, Question, query_of
from sentinel.engine.rules.environment import Surroundings
from sentinel.engine.statistics.calibration import Calibration, calibrate, windows_of
from sentinel.engine.statistics.starts import StartProfile
from sentinel.values import replace


class Evidence:
    """What was measured of one rollout. `others_over` counts the neighbours over their limits, whenever it is asked.

    `learnt` is what the hour before taught, by rule, and `started` what the stable's last starts did. `news`: some of
    what arrived since the last time may change a verdict.
    """

    def __init__(self, policy: Policy, timings: Mapping[str, SourceTiming], others_over: int) -> None:
        self.learnt: dict[str, Calibration] = {}
        self.started: dict[str, StartProfile] = {}
        self.news = False
        self._policy = policy
        self._timings = timings
        self._others_over = others_over
        self._arrived: list[Measured] = []
        self._attempted: dict[str, datetime] = {}
        self._asked: dict[str, LastAnswer] = {}
        self._failing: dict[str, Missing] = {}
        self._counted: dict[str, datetime] = {}
        self._was_good: dict[str, bool | None] = {}
        self._beside: Workload | None = None
        self._leeway = Leeway()
        self._ticks: dict[str, Tick] = {}

    def take(self) -> list[Measured]:
        """What has arrived since the last time."""
        arrived, self._arrived, self.news = self._arrived, [], False
        return arrived

    def rest(self, record: Record) -> Record:
        """Let what arrived wait to be judged with later ticks; returns the record as it is once that is taken in."""
        self._arrived = [replace(one, waited=True) for one in self._arrived]
        return measured_by(record, self._arrived)

    @property
    def waiting(self) -> bool:
        """Whether anything has arrived that was not taken."""
        return bool(self._arrived)

    def unmeasured(self, record: Record, workload: Workload, now: datetime) -> Mapping[str, Missing]:
        """The rules that have not been measured for too long, and why."""
        begun = record.started_at
        return unmeasured(self._policy, record, workload, self._failing, begun, self._timing, now)

    @property
    def settles(self) -> Mapping[str, timedelta]:
        """How long the counts of each metric rule take to settle."""
        return settles_of(self._policy, self._timing)

    @property
    def ticks(self) -> Mapping[str, timedelta]:
        """How long one tick of each metric rule is."""
        return ticks_of(self._policy, self._timing)

    def ends_with(self, rule: MetricRule, bake_ends: datetime) -> bool:
        """Whether a tick of a rule may end with a bake, by when its pods were scraped last."""
        return last_tick(rule, bake_ends, self._last(rule), self._timing(rule)) is not None

    def measure(self, effect: Measure, now: datetime) -> Generator[Question, Answer, datetime | None]:
        """Ask for all that is due, the rules that are suspected also between ticks; returns when the next is."""
        record, workload, suspected = effect.record, effect.workload, effect.suspected
        self._leeway = Leeway(suspected, effect.bake_ends, effect.calm)
        due: list[datetime | None] = []
        if self._beside is None and has_stable_pods(workload, record):
            self._beside = workload
        yield from self._learn(record, workload, now)
        for rule in rules_in(self._policy, record.state.phase):
            if not isinstance(rule, ErrorRateRule | LatencyRule | QueryRule):
                continue
            if awaited(rule, record, workload):
                continue
            timing = self._timing(rule)
            baked = reached(effect.bake_ends, now - timing.settle)
            ends = last_tick(rule, baked, self._last(rule), timing) if baked is not None else None
            span = window(rule, record, workload, timing, now, ends)
            due.append(span.next_due)
            if span.until > max(self._attempted.get(rule.name, span.since), span.since):
                self._attempted[rule.name] = span.until
                yield from self._take_in(rule, record, workload, span.since, span.until)
            elif rule.name in suspected and rule.name not in self._failing:
                due.append((yield from self._look(rule, record, workload, span, now)))
        return min((at for at in due if at is not None), default=None)

    def _look(
        self, rule: MetricRule, record: Record, workload: Workload, due: Window, now: datetime
    ) -> Generator[Question, Answer, datetime | None]:
        """Take the extra look of this moment; returns when the next one is due."""
        settle = self._timing(rule).settle
        until = next_look(rule, due, self._last(rule), self._timing(rule))
        if until is not None and until + settle <= now:
            yield from self._take_in(rule, record, workload, due.since, until, look=True)
            return None
        return until + settle if until is not None else None

    def _learn(self, record: Record, workload: Workload, now: datetime) -> Generator[Question, Answer, None]:
        """Ask once for the hour before, and for the last starts, where it is known whom to ask about."""
        for rule in self._policy.rules:
            if not isinstance(rule, ErrorRateRule | LatencyRule):
                continue
            known, timing = rule.name in self.learnt, self._timing(rule)
            past = None if known else past_of(rule, record, workload, timing, now)
            if past is not None:
                windows = windows_of((yield from self._recall(rule, record, workload, past)))
                size = candidate_pods(self._policy, workload, len(past.pods))
                self.learnt[rule.name] = calibrate(windows, size=size)
            if rule.name in self.started:
                continue
            question = last_starts_of(rule, record, workload, self._policy, timing, now)
            if question is not None:
                counters = yield from self._recall(rule, record, workload, question.past)
                self.started[rule.name] = question.profile(counters)

    def _recall(
        self, rule: ErrorRateRule | LatencyRule, record: Record, workload: Workload, past: Past
    ) -> Generator[Question, Answer, PastCounters]:
        query = query_of(rule, workload, stable_of(workload, record))
        assert not isinstance(query, ValueQuery)
        answer = yield AskPast(rule, query, past)
        return answer if isinstance(answer, Mapping) else {}

    def _take_in(
        self,
        rule: MetricRule,
        record: Record,
        workload: Workload,
        since: datetime,
        until: datetime,
        *,
        look: bool = False,
    ) -> Generator[Question, Answer, None]:
        stable = stable_of(workload, record)
        answer = yield Ask(rule, query_of(rule, workload, stable), since, until)
        self._asked.pop(rule.name, None)
        if isinstance(answer, SourceError):
            self._lost(rule)
            missing = Missing(MissingReason(answer.reason), rule.query.source, str(answer))
            if isinstance(rule, QueryRule):
                self._arrived.append(Measured(rule.name, until, ValueSample(until, missing=missing)))
            elif not look:
                self._failing[rule.name] = missing
            return
        if isinstance(answer, ValueSample):
            self._keep(rule, Measured(rule.name, until, answer))
            return
        assert isinstance(answer, tuple), "counts are answered with spans"
        assert not isinstance(rule, QueryRule), "a free query is answered with a value"
        warmup = self._policy.strategy.warmup
        tick = tick_of(rule, answer, workload, stable, since, until, warmup)
        scrape = self._timing(rule).min_interval
        self._asked[rule.name] = LastAnswer(until, answer, workload, rule.query.arms, scrape)
        if not look:
            lacked, lack = self._failing.pop(rule.name, None), lacking(tick, workload, rule.query.arms)
            self._failing.update({rule.name: lack} if lack is not None else {})
            if (lacked is None) != (lack is None):
                self._lost(rule)
            if lack is None:
                self._counted[rule.name] = until
            elif bridged(tick, self._counted.get(rule.name), self._timing(rule).tick(rule)):
                return
        self._keep(rule, Measured(rule.name, until, tick, look))

    def _keep(self, rule: MetricRule, measured: Measured) -> None:
        """Keep what arrived for the next time, and see whether it is news."""
        waiting = [one for one in self._arrived if one.rule == rule.name]
        before = self._ticks.get(rule.name)
        waits = not measured.look and self._leeway.lets_wait(rule, measured, before, waiting)
        self.news = self.news or not waits
        if not measured.look:
            self._ticks[rule.name] = measured.tick
        self._arrived.append(measured)

    def _lost(self, rule: MetricRule) -> None:
        """A question was not answered, or is answered again: that is news, and so is whatever comes next."""
        self._ticks.pop(rule.name, None)
        self.news = True

    def surroundings(
        self, rule: ErrorRateRule | LatencyRule, record: Record, workload: Workload
    ) -> Generator[Question, Answer, Surroundings]:
        """What must hold around a candidate that is proven bad without a baseline beside it."""
        if rule.name not in self._was_good:
            self._was_good[rule.name] = yield from self._stable_was_good(rule, record, workload)
        return Surroundings(self._was_good[rule.name], self._others_over, first=record.stable is None)

    def _stable_was_good(
        self, rule: ErrorRateRule | LatencyRule, record: Record, workload: Workload
    ) -> Generator[Question, Answer, bool | None]:
        workload = self._beside or workload
        stable = stable_of(workload, record)
        if stable is None:
            return None
        began = grid(record.started_at, rule.interval)
        answer = yield Ask(rule, query_of(rule, workload, stable), began - HOUR_BEFORE, began)
        if not isinstance(answer, tuple):
            return None
        over = was_over(rule, answer, workload, stable, began - HOUR_BEFORE, began)
        return None if over is None else not over

    def _last(self, rule: MetricRule) -> LastAsked | None:
        answer = self._asked.get(rule.name)
        return answer.asked() if answer is not None else None

    def _timing(self, rule: MetricRule) -> SourceTiming:
        return self._timings.get(rule.query.source, AT_ONCE)

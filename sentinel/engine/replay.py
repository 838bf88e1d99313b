"""A rollout replayed on virtual time: the functions that decide in production, with nothing around them.

`replay` is a generator: it yields each `Question` to a metrics source and is sent its answer, so that whoever
drives it may answer from memory or wait for a server; it returns the `Story`. The order of things is that of a pass
of `runtime/reconciler.py`; what differs is that nothing takes time: a change is made, and an answer is there, at the
very instant.

    asking = replay(setting)
    story = drive(asking, answer)      # where `answer` is a plain function; else send answers yourself
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from sentinel.domain.decision import Change, Decision, Restore
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import Missing, MissingReason, Past, PastCounters, Span, ValueSample
from sentinel.domain.policy import (
    AlertRule,
    CountQuery,
    ErrorRateRule,
    HistogramQuery,
    LatencyRule,
    MetricRule,
    Mode,
    Policy,
    QueryRule,
    ValueQuery,
)
from sentinel.domain.record import Action, AlertEntry, DecisionEntry, Outcome, OutcomeKind, Phase, Record
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload import Revision, Workload, WorkloadKey
from sentinel.engine.assessment import Holds, Measured, rules_in
from sentinel.engine.attribution import merge_alerts, workloads_named
from sentinel.engine.beginning import (
    first_decision,
    new_record,
    rolled_back_by_hand,
    superseded,
    workload_gone,
)
from sentinel.engine.calibration import Calibration, calibrate, windows_of
from sentinel.engine.decision import decide
from sentinel.engine.entries import entry_for
from sentinel.engine.gates import ungated
from sentinel.engine.judging import ever_pulled, judged, judged_alerts, pods_ripen_at, with_alert_verdicts
from sentinel.engine.learning import candidate_pods, past_of
from sentinel.engine.lifecycle import Begin, Continue, RolledBack, recognise
from sentinel.engine.measuring import (
    AT_ONCE,
    HOUR_BEFORE,
    Timing,
    grid,
    has_stable_pods,
    lacking,
    stable_of,
    tick_of,
    unmeasured,
    was_over,
    window,
)
from sentinel.engine.rendering import render_query, variables_of
from sentinel.engine.situation import Situation
from sentinel.engine.surroundings import Surroundings, confirm

INSTANT = timedelta(milliseconds=1)
FAR = timedelta(minutes=10)
MAX_LOOKS_AT_ONCE = 200
"""So many passes at one instant are no progress any more, but a fault of the engine."""


class World(Protocol):
    """A workload on virtual time. `at` is called with times that never go back."""

    def at(self, now: datetime) -> Workload | None:
        """The workload as the watch would show it now, None when it is gone."""
        ...

    def apply(self, change: Change, now: datetime) -> None:
        """Make a change; a record of the past may ignore it."""
        ...

    def next_change(self, after: datetime) -> datetime | None:
        """When the workload next changes by itself."""
        ...


@dataclass(frozen=True, slots=True)
class Script:
    """What people and Alertmanager do meanwhile.

    `alerts` come in at their `received_at` (a repeat of one fingerprint with status resolved resolves it);
    `elsewhere` are alerts of other workloads. `approvals` are steps, from 1, with the time of the approval; `resumes`
    end holds. `others_over` counts the neighbours that are over their limits whenever that is asked.
    """

    alerts: tuple[AlertEntry, ...] = ()
    elsewhere: tuple[tuple[WorkloadKey, datetime], ...] = ()
    approvals: tuple[tuple[datetime, int], ...] = ()
    resumes: tuple[datetime, ...] = ()
    others_over: int = 0

    def next_event(self, after: datetime) -> datetime | None:
        """When something of it happens next."""
        times = (*(a.received_at for a in self.alerts), *(at for at, _ in self.approvals), *self.resumes)
        return min((at for at in times if at > after), default=None)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is replayed: a policy on a world, from the first sight of the rollout until `ends` at the latest.

    `stable` is the digest of the revision that was at rest before, None where that is not known. `holds` evaluates
    conditions of query rules; `timings` say how each metrics source wants to be asked.
    """

    policy: Policy
    world: World
    begins: datetime
    ends: datetime
    holds: Holds
    stable: str | None = None
    script: Script = Script()
    timings: Mapping[str, Timing] = field(default_factory=dict)


Query = CountQuery | HistogramQuery | ValueQuery


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the source of a rule; `query` has no variables left.

    Answer counts and histograms with what the source's `counts` or `histogram` gives between the two times, a free
    query with its value at `until`.
    """

    rule: MetricRule
    query: Query
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class AskPast:
    """A question for the hour before; answer it with what the source's `history` gives."""

    rule: ErrorRateRule | LatencyRule
    query: CountQuery | HistogramQuery
    past: Past


Question = Ask | AskPast
Answer = tuple[Span, ...] | ValueSample | PastCounters | SourceError


@dataclass(frozen=True, slots=True)
class Look:
    """One pass: the verdicts it came to, and the decision it entered, if any."""

    at: datetime
    phase: Phase
    step: int
    verdicts: tuple[RuleVerdict, ...] = ()
    entry: DecisionEntry | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """How it went: every pass in order, and the last record (None: no rollout was seen)."""

    looks: tuple[Look, ...]
    record: Record | None

    @property
    def decisions(self) -> tuple[DecisionEntry, ...]:
        """All decisions in order."""
        return tuple(look.entry for look in self.looks if look.entry is not None)

    def verdict(self, rule: str, at: datetime) -> RuleVerdict | None:
        """What a rule said last, at this time or before."""
        for look in reversed(self.looks):
            found = next((v for v in look.verdicts if v.rule == rule), None) if look.at <= at else None
            if found is not None:
                return found
        return None


def replay(setting: Setting) -> Generator[Question, Answer, Story]:
    """Replay a rollout. Ends when it is decided for good and its guard is over, or at `setting.ends`."""
    course = _Course(setting)
    now = setting.begins
    while now <= setting.ends:
        wake = yield from course.settle(now)
        if wake is None:
            break
        now = max(wake, now + INSTANT)
    return Story(tuple(course.looks), course.records[0] if course.records else None)


def drive(
    asking: Generator[Question, Answer, Story],
    answer: Callable[[Ask], Answer],
    recall: Callable[[AskPast], Answer] = lambda _: {},
) -> Story:
    """Run a replay with functions that answer at once; without `recall` nothing is known of the hour before."""
    try:
        ask = next(asking)
        while True:
            ask = asking.send(recall(ask) if isinstance(ask, AskPast) else answer(ask))
    except StopIteration as end:
        story: Story = end.value
        return story


class _Course:
    """One replay under way: what the runtime keeps of a rollout in its records and in memory."""

    def __init__(self, setting: Setting) -> None:
        self.looks: list[Look] = []
        self.records: tuple[Record, ...] = ()
        self._setting = setting
        self._policy = ungated(setting.policy)
        self._settled = setting.stable
        self._arrived: list[Measured] = []
        self._attempted: dict[str, datetime] = {}
        self._failing: dict[str, Missing] = {}
        self._pulled = False
        self._was_good: dict[str, bool | None] = {}
        self._beside: Workload | None = None
        self._learnt: dict[str, Calibration] = {}

    def settle(self, now: datetime) -> Generator[Question, Answer, datetime | None]:
        """Pass after pass at one instant until nothing moves; returns when to look again, None when all is over."""
        for _ in range(MAX_LOOKS_AT_ONCE):
            workload = self._setting.world.at(now)
            moved, wake = yield from self._pass(workload, now)
            if workload is not None and workload.rolled_out:
                self._settled = workload.candidate.digest
            if not moved:
                return wake
        raise RuntimeError(
            f"the engine decided {MAX_LOOKS_AT_ONCE} times at {now.isoformat()} and came to no rest"
        )

    def _pass(
        self, workload: Workload | None, now: datetime
    ) -> Generator[Question, Answer, tuple[bool, datetime | None]]:
        latest = self.records[0] if self.records else None
        if workload is None:
            if latest is not None and latest.live:
                self._enter(latest, workload_gone(latest, now), None, now)
            return False, None
        self._notice(now)
        sighting = recognise(workload, self.records, self._settled, self._policy.undo, now)
        match sighting:
            case Begin():
                self._begin(sighting, workload, now)
                return True, None
            case RolledBack(record):
                situation = self._situation(record, workload, now)
                self._enter(record, rolled_back_by_hand(situation), workload, now)
                return False, None
            case Continue(record):
                return (yield from self._continue(record, workload, now))
        return False, None if latest is not None else self._next(now, None)

    def _begin(self, begin: Begin, workload: Workload, now: datetime) -> None:
        if begin.closes is not None:
            self._enter(begin.closes, superseded(begin.closes, begin, now), None, now)
        record = new_record(begin, workload, self._policy, self._policy.mode, now)
        self.records = (record, *self.records)
        self._attempted, self._failing, self._arrived, self._pulled = {}, {}, [], False
        self._was_good, self._beside = {}, None
        self._learnt = {}
        situation = self._situation(record, workload, now)
        self._enter(record, first_decision(begin, situation), workload, now)

    def _continue(
        self, record: Record, workload: Workload, now: datetime
    ) -> Generator[Question, Answer, tuple[bool, datetime | None]]:
        situation = yield from self._judge(record, workload, now)
        decision = decide(situation)
        record = with_alert_verdicts(situation.record, situation.alerts)
        if decision.action is not None:
            self._enter(record, decision, workload, now, situation.verdicts)
            return self.records[0].live, None
        record = record.with_state(decision.state)
        self._keep(record)
        self.looks.append(Look(now, record.state.phase, record.state.step, situation.verdicts))
        if decision.change is not None:
            self._setting.world.apply(decision.change, now)
            return True, None
        due = yield from self._measure(record, workload, now)
        ripe = pods_ripen_at(self._policy, workload, record, now)
        return bool(self._arrived), self._next(now, decision.wake, due, ripe)

    def _judge(
        self, record: Record, workload: Workload, now: datetime
    ) -> Generator[Question, Answer, Situation]:
        measured, self._arrived = self._arrived, []
        self._pulled = self._pulled or ever_pulled(workload)
        old = unmeasured(self._policy, record, self._failing, record.started_at, self._setting.timings, now)
        situation = judged(
            self._situation(record, workload, now),
            measured,
            self._setting.holds,
            ever_pulled=self._pulled,
            unmeasured=old,
            learnt=self._learnt,
        )
        verdicts: tuple[RuleVerdict, ...] = ()
        for verdict in situation.verdicts:
            confirmed = yield from self._confirmed(verdict, record, workload)
            verdicts = (*verdicts, confirmed)
        situation = replace(situation, verdicts=verdicts)
        named = _naming(workload)
        return replace(situation, alerts=judged_alerts(situation, self._elsewhere(now), named))

    # Evidence.

    def _measure(
        self, record: Record, workload: Workload, now: datetime
    ) -> Generator[Question, Answer, datetime | None]:
        """Ask for all that is due; returns when the next measurement will be."""
        due = []
        if self._beside is None and has_stable_pods(workload, record):
            self._beside = workload
        yield from self._learn(record, workload, now)
        for rule in rules_in(self._policy, record.state.phase):
            if not isinstance(rule, ErrorRateRule | LatencyRule | QueryRule):
                continue
            span = window(rule, record, self._timing(rule), now)
            due.append(span.next_due)
            if span.until > max(self._attempted.get(rule.name, span.since), span.since):
                self._attempted[rule.name] = span.until
                yield from self._take_in(rule, record, workload, span.since, span.until)
        return min(due, default=None)

    def _learn(self, record: Record, workload: Workload, now: datetime) -> Generator[Question, Answer, None]:
        """Ask once for the hour before, where it is known whom to ask about."""
        for rule in self._policy.rules:
            if not isinstance(rule, ErrorRateRule | LatencyRule) or rule.name in self._learnt:
                continue
            past = past_of(rule, record, workload, self._timing(rule), now)
            if past is None:
                continue
            query = query_of(rule, workload, stable_of(workload, record))
            assert not isinstance(query, ValueQuery)
            answer = yield AskPast(rule, query, past)
            size = candidate_pods(self._policy, workload, len(past.pods))
            windows = windows_of(answer) if isinstance(answer, Mapping) else []
            self._learnt[rule.name] = calibrate(windows, size=size)

    def _take_in(
        self, rule: MetricRule, record: Record, workload: Workload, since: datetime, until: datetime
    ) -> Generator[Question, Answer, None]:
        stable = stable_of(workload, record)
        answer = yield Ask(rule, query_of(rule, workload, stable), since, until)
        if isinstance(answer, SourceError):
            missing = Missing(MissingReason(answer.reason), rule.query.source, str(answer))
            if isinstance(rule, QueryRule):
                self._arrived.append(Measured(rule.name, until, ValueSample(until, missing=missing)))
            else:
                self._failing[rule.name] = missing
            return
        if isinstance(answer, ValueSample):
            self._arrived.append(Measured(rule.name, until, answer))
            return
        assert isinstance(answer, tuple), "counts are answered with spans"
        assert not isinstance(rule, QueryRule), "a free query is answered with a value"
        warmup = self._policy.strategy.warmup
        tick = tick_of(rule, answer, workload, stable, since, until, warmup)
        lack = lacking(tick, workload, rule.query.arms)
        self._failing = {n: m for n, m in self._failing.items() if n != rule.name}
        if lack is not None:
            self._failing[rule.name] = lack
        self._arrived.append(Measured(rule.name, until, tick))

    def _confirmed(
        self, verdict: RuleVerdict, record: Record, workload: Workload
    ) -> Generator[Question, Answer, RuleVerdict]:
        """A fail without a concurrent baseline stands only if the surroundings bear it out."""
        rule = self._policy.rule(verdict.rule)
        proven = verdict.alone and verdict.kind is VerdictKind.FAIL
        if not proven or not isinstance(rule, ErrorRateRule | LatencyRule):
            return verdict
        if rule.name not in self._was_good:
            self._was_good[rule.name] = yield from self._stable_was_good(rule, record, workload)
        around = Surroundings(self._was_good[rule.name], self._setting.script.others_over)
        return confirm(verdict, around)

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

    def _timing(self, rule: MetricRule) -> Timing:
        return self._setting.timings.get(rule.query.source, AT_ONCE)

    # What people and Alertmanager did.

    def _notice(self, now: datetime) -> None:
        """Enter into the open record what has come in by now."""
        if not self.records or not self.records[0].live:
            return
        script, record = self._setting.script, self.records[0]
        alerts = sorted(script.alerts, key=lambda entry: entry.received_at)
        received = [entry for entry in alerts if record.started_at <= entry.received_at <= now]
        resumed = max((at for at in script.resumes if at <= now), default=record.resumed_at)
        approved = frozenset(step for at, step in script.approvals if at <= now)
        record = record.with_alerts(merge_alerts(record.alerts, received))
        self._keep(replace(record, approvals=record.approvals | approved, resumed_at=resumed))

    def _elsewhere(self, now: datetime) -> list[tuple[WorkloadKey, datetime]]:
        return [(key, at) for key, at in self._setting.script.elsewhere if at <= now]

    # What comes of it.

    def _enter(
        self,
        record: Record,
        decision: Decision,
        workload: Workload | None,
        now: datetime,
        verdicts: Sequence[RuleVerdict] = (),
    ) -> None:
        """Write the decision down and make its change, as the executor does."""
        observed = record.mode is Mode.OBSERVE and decision.action is Action.UNDO and decision.change is None
        outcome = Outcome(OutcomeKind.OBSERVED if observed else OutcomeKind.DONE, now)
        entry = replace(entry_for(record, decision, now), outcome=outcome)
        state = replace(decision.state, saved_at=now)
        if decision.change is not None and workload is not None:
            self._setting.world.apply(decision.change, now)
            if isinstance(decision.change, Restore) and state.undo is not None:
                state = replace(state, undo=replace(state.undo, patched_at=now))
        self._keep(record.with_state(state).with_decision(entry))
        self.looks.append(Look(now, state.phase, state.step, tuple(verdicts), entry))

    def _keep(self, record: Record) -> None:
        self.records = tuple(record if known.name == record.name else known for known in self.records)

    def _situation(self, record: Record, workload: Workload, now: datetime) -> Situation:
        return Situation(
            policy=self._policy,
            workload=workload,
            record=record,
            now=now,
            mode=self._policy.mode,
            records=self.records,
            cluster_records=self.records,
        )

    def _next(self, now: datetime, *times: datetime | None) -> datetime:
        setting = self._setting
        due = (now + FAR, setting.world.next_change(now), setting.script.next_event(now), *times)
        return min(at for at in due if at is not None)


def query_of(rule: MetricRule, workload: Workload, stable: Revision | None) -> Query:
    """A rule's query with the workload's variables filled in; `stable` is the baseline's revision."""
    variables = variables_of(workload, stable)
    match rule:
        case ErrorRateRule():
            return render_query(rule.query, variables)
        case LatencyRule():
            return render_query(rule.query, variables)
        case QueryRule():
            return render_query(rule.query, variables)


def _naming(workload: Workload) -> Callable[[Mapping[str, str], AlertRule], tuple[WorkloadKey, ...]]:
    """Which workloads an alert names, where this one is all that is known of the cluster."""
    key, pods = workload.key, {pod.name for pod in workload.pods}

    def owner(namespace: str, pod: str) -> WorkloadKey | None:
        return key if namespace == key.namespace and pod in pods else None

    def behind(namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        return (key,) if (namespace, service) == (key.namespace, key.name) else ()

    def named(labels: Mapping[str, str], rule: AlertRule) -> tuple[WorkloadKey, ...]:
        return workloads_named(labels, rule, owner, behind)

    return named

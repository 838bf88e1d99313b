"""A rollout replayed pass by pass.

`replay` is a generator: it yields each `Question` to a metrics source and is sent its answer, so that whoever
drives it may answer from memory or wait for a server; it returns the `Story`. The order of things is that of a pass
of `runtime/workloadpass.py`; what differs is that nothing takes time: a change is made, and an answer is there, at the
very instant.

    asking = replay(setting)
    story = drive(asking, answer)      # where `answer` is a plain function; else send answers yourself
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sentinel.domain.decision import Decision, Restore
from sentinel.domain.policy import AlertRule
from sentinel.domain.record import Outcome, OutcomeKind, Record
from sentinel.domain.verdict import RuleVerdict
from sentinel.domain.workload import Workload, WorkloadKey
from sentinel.engine.alerts.attribution import merge_alerts
from sentinel.engine.alerts.naming import Directory, workloads_named
from sentinel.engine.reconciling.entries import entry_for, outcome_at_once
from sentinel.engine.reconciling.judging import (
    ever_pulled,
    judged,
    judged_alerts,
    pods_ripen_at,
    with_alert_verdicts,
)
from sentinel.engine.replay.evidence import Evidence
from sentinel.engine.replay.questions import Answer, Ask, AskPast, Question
from sentinel.engine.replay.setting import Setting
from sentinel.engine.replay.story import Look, Story
from sentinel.engine.rollout.beginning import (
    first_decision,
    new_record,
    rolled_back_by_hand,
    superseded,
    workload_gone,
)
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.gates import ungated
from sentinel.engine.rollout.lifecycle import Begin, Continue, RolledBack, recognise
from sentinel.engine.rollout.situation import Situation

INSTANT = timedelta(milliseconds=1)
FAR = timedelta(minutes=10)
MAX_LOOKS_AT_ONCE = 200
"""So many passes at one instant are no progress any more, but a fault of the engine."""


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
        self._evidence = self._none()
        self._pulled = False

    def _none(self) -> Evidence:
        """No evidence yet."""
        return Evidence(self._policy, self._setting.timings, self._setting.script.others_over)

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
        self._evidence, self._pulled = self._none(), False
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
        due = yield from self._evidence.measure(record, workload, now)
        ripe = pods_ripen_at(self._policy, workload, record, now)
        return self._evidence.waiting, self._next(now, decision.wake, due, ripe)

    def _judge(
        self, record: Record, workload: Workload, now: datetime
    ) -> Generator[Question, Answer, Situation]:
        self._pulled = self._pulled or ever_pulled(workload)
        situation = judged(
            self._situation(record, workload, now),
            self._evidence.take(),
            self._setting.holds,
            ever_pulled=self._pulled,
            unmeasured=self._evidence.unmeasured(record, now),
            learnt=self._evidence.learnt,
        )
        verdicts: tuple[RuleVerdict, ...] = ()
        for verdict in situation.verdicts:
            confirmed = yield from self._evidence.confirmed(verdict, record, workload)
            verdicts = (*verdicts, confirmed)
        situation = replace(situation, verdicts=verdicts)
        named = _naming(workload)
        return replace(situation, alerts=judged_alerts(situation, self._elsewhere(now), named))

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
        done = Outcome(OutcomeKind.DONE, now)
        outcome = outcome_at_once(decision, record.mode, now) if decision.change is None else done
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


def _naming(workload: Workload) -> Callable[[Mapping[str, str], AlertRule], tuple[WorkloadKey, ...]]:
    """Which workloads an alert names, where this one is all that is known of the cluster."""
    key, pods = workload.key, {pod.name for pod in workload.pods}

    def owner(namespace: str, pod: str) -> WorkloadKey | None:
        return key if namespace == key.namespace and pod in pods else None

    def behind(namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        return (key,) if (namespace, service) == (key.namespace, key.name) else ()

    known = Directory(frozenset({key}), owner, behind)

    def named(labels: Mapping[str, str], rule: AlertRule) -> tuple[WorkloadKey, ...]:
        return workloads_named(labels, rule, known)

    return named

"""A rollout replayed: the reconcile of production, driven over memory on virtual time.

`replay` is a generator: it yields each `Question` to a metrics source and is sent its answer, so that its driver may
answer from memory or wait for a server; it returns the `ReplayedRollout`. The very reconcile that the daemon drives
over the network (`engine/reconciling`) is driven here; what differs is that nothing takes time: a change is made, and
an answer is there, at the very instant.

    asking = replay(setting)
    story = drive(asking, answer)      # where `answer` is a plain function; else send answers yourself
"""

from collections.abc import Callable, Generator
from datetime import datetime, timedelta

from sentinel.domain.record.record import Record
from sentinel.domain.workload.config import ConfigReading
from sentinel.domain.workload.facts import Workload
from sentinel.engine.alerts.attribution import merge_alerts
from sentinel.engine.reconciling.effects import (
    Apply,
    Collect,
    Collected,
    Dismiss,
    Effect,
    LookAround,
    Measure,
    ReadConfig,
    Reply,
    Report,
    Save,
)
from sentinel.engine.reconciling.memory import Memory
from sentinel.engine.reconciling.reconcile import Reconciled, Reconciler
from sentinel.engine.replay.evidence import Evidence
from sentinel.engine.replay.memory_view import MemoryView
from sentinel.engine.replay.questions import Answer, Ask, AskPast, Question
from sentinel.engine.replay.setting import Setting
from sentinel.engine.replay.story import Look, ReplayedRollout
from sentinel.values import dataclass, replace

INSTANT = timedelta(milliseconds=1)
FAR = timedelta(minutes=10)
MAX_LOOKS_AT_ONCE = 200
"""So many reconciles at one instant are a fault of the engine: it makes no progress."""


def replay(setting: Setting) -> Generator[Question, Answer, ReplayedRollout]:
    """Replay a rollout. Ends when it is decided for good and its guard is over, or at `setting.ends`."""
    course = _Course(setting)
    now = setting.begins
    while now <= setting.ends:
        next_look = yield from course.settle(now)
        if next_look is None:
            break
        now = max(next_look, now + INSTANT)
    records = course.view.kept
    return ReplayedRollout(tuple(course.looks), records[0] if records else None)


def drive(
    asking: Generator[Question, Answer, ReplayedRollout],
    answer: Callable[[Ask], Answer],
    recall: Callable[[AskPast], Answer] = lambda _: {},
) -> ReplayedRollout:
    """Run a replay with functions that answer at once; without `recall` nothing is known of the hour before."""
    try:
        ask = next(asking)
        while True:
            ask = asking.send(recall(ask) if isinstance(ask, AskPast) else answer(ask))
    except StopIteration as end:
        story: ReplayedRollout = end.value
        return story


class _Course:
    """One replay under way: it replaces the network around the reconcile."""

    def __init__(self, setting: Setting) -> None:
        self.looks: list[Look] = []
        self.view = MemoryView(setting)
        self._setting = setting
        memory = Memory()
        if setting.stable is not None:
            memory.settled[self.view.key] = setting.stable
        self._reconciler = Reconciler(self.view, memory)
        self._evidence: dict[str, Evidence] = {}
        self._next: tuple[Measure, datetime] | None = None
        self._rested: _Rested | None = None
        self._moved = False
        self._reported: set[str] = set()

    def settle(self, now: datetime) -> Generator[Question, Answer, datetime | None]:
        """Reconcile at one instant until nothing moves; returns when to look again, None when all is over."""
        for number in range(MAX_LOOKS_AT_ONCE):
            self.view.move_to(now)
            self._notice(now)
            if number == 0:
                yield from self._ask_due(now)
                at_rest = yield from self._rest(now)
                if at_rest is not None:
                    return at_rest
            self._moved = False
            reconciled = yield from self._reconcile()
            if not (reconciled.again or self._moved):
                return self._next_look(now, reconciled)
        raise RuntimeError(
            f"the engine decided {MAX_LOOKS_AT_ONCE} times at {now.isoformat()} and did not come to rest"
        )

    def _next_look(self, now: datetime, reconciled: Reconciled) -> datetime | None:
        over = reconciled.gone or (reconciled.requeue_at is None and bool(self.view.kept))
        if over:
            return None
        setting = self._setting
        due = (
            now + FAR,
            reconciled.requeue_at,
            setting.world.next_change(now),
            setting.script.next_event(now),
        )
        wakes = min(at for at in due if at is not None)
        self._rested = _Rested(now, self.view.workload(self.view.key), self.view.kept, wakes)
        return min(wakes, self._next[1]) if self._next is not None else wakes

    def _rest(self, now: datetime) -> Generator[Question, Answer, datetime | None]:
        """When to look again, where since the last reconcile only ticks came in, and these may wait; else None."""
        rested, measured, seen_at = self._rested, self._next, self._setting.seen_at
        if rested is None or measured is None or seen_at is None or not rested.lasts(self.view, now):
            return None
        effect, evidence = measured[0], self._of(measured[0].record)
        if evidence.news or not evidence.waiting:
            return None
        effect = replace(effect, record=evidence.rest(effect.record))
        due = yield from self._measure(effect, now)
        # What is seen or decided next by anything but a tick is to find all of them judged.
        look = due if due is not None and due < min(rested.wakes, self._setting.ends) else None
        ends = effect.bake_ends
        if look is None or evidence.news or (ends is not None and rested.at < ends < look):
            return None
        return None if any(now <= at < look for at in seen_at) else look

    def _reconcile(self) -> Generator[Question, Answer, Reconciled]:
        steps = self._reconciler.reconcile(self.view.key)
        self._next = None
        answer: object = None
        while True:
            try:
                effect = steps.send(answer)
            except StopIteration as end:
                reconciled: Reconciled = end.value
                break
            answer = yield from self._perform(effect)
        if reconciled.verdicts is not None:
            state = self.view.kept[0].state
            self.looks.append(Look(self.view.now(), state.phase, state.progress.step, reconciled.verdicts))
        return reconciled

    def _perform(self, effect: Effect) -> Generator[Question, Answer, object]:
        """Make one effect real; returns its answer."""
        now = self.view.now()
        match effect:
            case Save(record):
                return self.view.keep(record)
            case Apply(_, change):
                self._setting.world.apply(change, now)
                self._moved = True
                return f"{type(change).__name__} replayed"
            case Collect(record, _, workload):
                evidence = self._of(record)
                return Collected(
                    evidence.take(),
                    evidence.unmeasured(record, workload, now),
                    evidence.learnt,
                    evidence.started,
                    evidence.settles,
                    evidence.ticks,
                    ends_with=evidence.ends_with,
                )
            case Measure():
                yield from self._measure(effect, now)
            case LookAround(rule, record, workload):
                return (yield from self._of(record).surroundings(rule, record, workload))
            case ReadConfig(workload):
                return ConfigReading(workload.config)
            case Report():
                self._report(effect, now)
            case Dismiss(record):
                self._evidence.pop(record.name, None)
            case Reply(command):
                self.view.answered(command)
        return None

    def _report(self, effect: Report, now: datetime) -> None:
        state = effect.record.state
        for entry in effect.record.decisions:
            if entry.outcome is not None and entry.id not in self._reported:
                self._reported.add(entry.id)
                self.looks.append(Look(now, state.phase, state.progress.step, effect.verdicts, entry))

    def _of(self, record: Record) -> Evidence:
        setting = self._setting
        return self._evidence.setdefault(
            record.name, Evidence(self.view.policy, setting.timings, setting.script.others_over)
        )

    def _measure(self, effect: Measure, now: datetime) -> Generator[Question, Answer, datetime | None]:
        evidence = self._of(effect.record)
        due = yield from evidence.measure(effect, now)
        self._next = (effect, due) if due is not None else None
        self._moved = self._moved or evidence.waiting
        return due

    def _ask_due(self, now: datetime) -> Generator[Question, Answer, None]:
        """Ask for what the last reconcile left to be asked now, so that one reconcile takes the answers."""
        workload = self.view.workload(self.view.key)
        if self._next is not None and self._next[1] <= now and workload is not None:
            yield from self._measure(replace(self._next[0], workload=workload), now)

    def _notice(self, now: datetime) -> None:
        """Enter the alerts into the open record that have come in by now."""
        kept = self.view.kept
        alerts = sorted(self._setting.script.alerts, key=lambda entry: entry.received_at)
        if not alerts or not kept or not kept[0].live:
            return
        record = kept[0]
        received = [entry for entry in alerts if record.started_at <= entry.received_at <= now]
        merged = merge_alerts(record.alerts, received)
        if merged != record.alerts:
            self.view.keep(record.with_alerts(merged))


@dataclass(frozen=True, slots=True)
class _Rested:
    """What the last reconcile left: the workload and the records that it saw, and when it wants to look again.

    Ticks come in before that.
    """

    at: datetime
    workload: Workload | None
    kept: tuple[Record, ...]
    wakes: datetime

    def lasts(self, view: MemoryView, now: datetime) -> bool:
        """Whether nothing of it has changed, and it is not time."""
        return now < self.wakes and view.kept is self.kept and view.workload(view.key) == self.workload

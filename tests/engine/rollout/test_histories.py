"""Random histories of one workload: people write templates, the sentinel decides, pods come and go."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.decision import Change, Decision, Release, Restore, Stop
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.record.entries import Outcome, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import RuleVerdict
from sentinel.domain.workload.facts import Brake, Exposure, Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.reconciling.entries import entry_for
from sentinel.engine.rollout.beginning import first_decision, new_record, rolled_back_by_hand, superseded
from sentinel.engine.rollout.decision import decide
from sentinel.engine.rollout.lifecycle import Begin, Continue, Idle, RolledBack, recognise
from tests.engine.builders import CANARY, FAIL, MISSING, OUTAGE, PASS, PENDING, PLAIN, situation
from tests.engine.snapshots import KEY, at, revision

TEMPLATES = ("a", "b", "c")
DESIRED = 4


@dataclass(frozen=True)
class Event:
    """A template applied, a pause or resume by hand, a verdict, a policy, time, or (None) a restart; then passes."""

    what: str | bool | RuleVerdict | Policy | timedelta | None
    views: tuple[bool, ...]


EVENTS = st.builds(
    Event,
    st.one_of(
        st.sampled_from(TEMPLATES),
        st.sampled_from([PASS, PASS, PENDING, FAIL, FAIL, MISSING, OUTAGE]),
        st.sampled_from([timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=90)]),
        st.sampled_from([CANARY, PLAIN]),
        st.sampled_from([False, False, True, None]),
    ),
    st.lists(st.sampled_from([False, False, True]), min_size=2, max_size=10).map(tuple),
)


@dataclass
class Cluster:
    """A Deployment whose controller moves one pod at a time, and never while paused."""

    template: str = "a"
    pods: dict[str, int] = field(default_factory=lambda: {"a": DESIRED})
    paused: bool = False
    mark: Stop | None = None
    generation: int = 1
    human_lifted: bool = False
    written: list[str] = field(default_factory=lambda: ["a"])

    def move(self) -> None:
        """One pod of another template makes way for one of the present."""
        old = next((name for name, count in self.pods.items() if count and name != self.template), None)
        if old is not None and not self.paused:
            self.pods[old] -= 1
            self.pods[self.template] = self.pods.get(self.template, 0) + 1

    def write(self, template: str) -> None:
        """A template is applied; a pause stays as it is."""
        self.template = template
        self.generation += 1
        self.written.append(template)

    def pause(self, paused: bool) -> None:
        """`kubectl rollout pause`, or `resume`, which leaves our mark behind."""
        self.human_lifted |= self.mark is not None and self.paused and not paused
        self.paused = paused
        self.generation += 1

    def apply(self, change: Change) -> None:
        """What the executor does."""
        self.generation += 1
        match change:
            case Stop():
                self.paused, self.mark = True, change
            case Release():
                assert not self.paused or self.mark is not None, "a pause by hand was lifted"
                self.paused, self.mark = False, None
            case Restore(target):
                self.template = target.digest
                if self.mark is not None:
                    self.paused, self.mark = False, None

    def seen(self) -> Workload:
        """The snapshot."""
        held = [self._revision(name) for name in self.pods]
        mine = self.pods.get(self.template, 0)
        known = {r.digest: r for r in held}
        return Workload(
            KEY,
            "uid-1",
            known.get(self.template, Revision(self.template, images=(f"api:{self.template}",))),
            generation=self.generation,
            observed_generation=self.generation,
            others=tuple(r for r in held if r.digest != self.template),
            exposure=Exposure.counted(DESIRED, mine, ready=mine, available=DESIRED, old=DESIRED - mine),
            brake=Brake(self.paused, self.mark.mark if self.mark else None),
        )

    def _revision(self, name: str) -> Revision:
        count = self.pods[name]
        return revision(name, number=TEMPLATES.index(name) + 1, replicas=count, ready=count, available=count)


class History:
    """The pass of the reconciler over that cluster, by the engine alone."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.stale: Workload | None = None
        self.records: list[Record] = []
        self.settled: str | None = None
        self.now: datetime = at(0)
        self.policy = CANARY
        self.verdicts: tuple[RuleVerdict, ...] = (PENDING,)

    def happens(self, event: Event) -> None:
        """One event, and the passes that follow it, each after a pod moved and each perhaps on an old view."""
        match event.what:
            case str(template):
                self.cluster.write(template)
            case bool(paused):
                self.cluster.pause(paused)
            case RuleVerdict() as verdict:
                self.verdicts = (verdict,)
            case Policy() as policy:
                self.policy = policy
            case timedelta() as time:
                self.now += time
            case None:
                self.settled = None
        for behind in event.views:
            self._pass(behind)
            self.cluster.move()
            self.now += timedelta(seconds=30)

    def _pass(self, behind: bool) -> None:
        world = self.stale if behind and self.stale is not None else self.cluster.seen()
        self.stale = self.cluster.seen()
        sighting = recognise(world, self.records, self.settled, self.policy.undo, self.now)
        match sighting:
            case Continue(record):
                here = situation(record, world, *self.verdicts, policy=self.policy, now=self.now)
                self._carry_out(record, decide(here), world)
            case RolledBack(record):
                here = situation(record, world, policy=self.policy, now=self.now)
                self._carry_out(record, rolled_back_by_hand(here), world)
            case Begin():
                self._begin(sighting, world)
            case Idle():
                pass
        if world.rolled_out:
            self.settled = world.candidate.digest

    def _begin(self, begin: Begin, world: Workload) -> None:
        ended = self.records[0] if self.records else None
        undo = ended.state.undo if ended is not None else None
        ours = ended is not None and ended.state.phase is Phase.UNDONE and undo is not None
        assert not (ours and undo and undo.restored_at and undo.target.digest == world.candidate.digest), (
            "the target of our own finished undo was taken for a candidate"
        )
        assert begin.stable is None or begin.stable.digest != world.candidate.digest
        if begin.closes is not None:
            self._carry_out(begin.closes, superseded(begin.closes, begin, self.now), None)
        record = new_record(begin, world, self.policy, Mode.ENFORCE, self.now)
        assert record.name not in {r.name for r in self.records}
        self.records.insert(0, record)
        self._carry_out(
            record, first_decision(begin, situation(record, world, policy=self.policy, now=self.now)), world
        )

    def _carry_out(self, record: Record, decision: Decision, world: Workload | None) -> None:
        written = record.with_state(decision.state)
        fresh = world is not None and world.candidate.digest == self.cluster.template
        self._assert_just(record, decision)
        if decision.action is not None:
            entry = replace(
                entry_for(record, decision, self.now), outcome=Outcome(OutcomeKind.DONE, self.now)
            )
            written = written.with_decision(entry)
        if decision.change is not None and fresh:
            others = self.cluster.paused and self.cluster.mark is None
            if not (others and isinstance(decision.change, Stop | Release)):
                self.cluster.apply(decision.change)
            if isinstance(decision.change, Restore) and written.state.undo is not None:
                patched = replace(written.state.undo, patched_at=self.now)
                written = written.with_state(replace(written.state, undo=patched))
        index = next(i for i, r in enumerate(self.records) if r.name == record.name)
        self.records[index] = written

    def _assert_just(self, record: Record, decision: Decision) -> None:
        """People are told of what people did, and of nothing else."""
        if decision.reason == "PauseLifted":
            assert self.cluster.human_lifted
        if decision.reason == "RestoredAfterUndo":
            assert self.cluster.written.count(record.candidate.digest) > 1


@given(st.lists(EVENTS, min_size=12, max_size=40))
@settings(max_examples=150, deadline=None)
def test_every_history_is_told_without_a_contradiction(events: list[Event]) -> None:
    """Never two live rollouts, our own target judged, two undos within ten minutes, or people told of what they
    did not do."""
    history = History()
    for event in (Event(None, (False,)), *events):
        history.happens(event)
        assert not any(record.live for record in history.records[1:])
        _assert_undone_once(history.records)


def _assert_undone_once(records: list[Record]) -> None:
    """An undone template that comes right back is left to a human."""
    undone = [
        (record.candidate.digest, record.state.undo.decided_at)
        for record in records
        if record.state.undo is not None and record.state.undo.patched_at is not None
    ]
    for n, (digest, moment) in enumerate(undone):
        for other, before in undone[n + 1 :]:
            assert digest != other or moment - before > timedelta(minutes=10)

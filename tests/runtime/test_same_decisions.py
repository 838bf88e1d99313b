"""The daemon and a replay, over the same story, decide the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from clustersim.virtual_time import VirtualTimeLoop
from sentinel.domain.command import Command, CommandAction
from sentinel.domain.evidence import Reading, Span, Subject
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CountQuery, CrashLoopRule, ErrorRateRule, HealthRule
from sentinel.domain.policy.strategy import Step, Strategy
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.engine.replay.course import drive, replay
from sentinel.engine.replay.modelled_pods import ModelledFate, PodEvent
from sentinel.engine.replay.modelled_workload import ModelledWorkload, WorkloadShape
from sentinel.engine.replay.questions import Answer, Ask
from sentinel.engine.replay.setting import Script, Setting
from tests.runtime.in_memory import Counting, Daemonlet

BEGAN = datetime.fromtimestamp(0, UTC)
UNTIL = 3600.0
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Tale:
    """One story: a policy, what the candidate is like, and what people ask for."""

    steps: tuple[float, ...]
    approval: bool
    replicas: int
    errors: float
    fate: ModelledFate | None
    ready_after: int
    approved_at: int | None
    resumed_at: int | None
    deadline: int

    @property
    def policy(self) -> Policy:
        """The policy."""
        steps = tuple(Step(weight, MINUTE, approval=self.approval) for weight in self.steps)
        errors = ErrorRateRule("errors", CountQuery("prometheus", "total", "errors"), 0.05)
        strategy = Strategy(
            steps=steps,
            bake=MINUTE,
            guard=5 * MINUTE,
            warmup=timedelta(0),
            deadline=timedelta(seconds=self.deadline),
        )
        return Policy(
            "shop", "d", strategy=strategy, rules=(errors, CrashLoopRule("crash"), HealthRule("health"))
        )

    @property
    def world(self) -> ModelledWorkload:
        """The workload."""
        events = {}
        if self.fate is not None:
            pods = [f"candidate-{n}" for n in range(1, self.replicas + 2)]
            events = {pod: (PodEvent(self.fate, None, timedelta(seconds=20)),) for pod in pods}
        ready = timedelta(seconds=self.ready_after)
        return ModelledWorkload(
            WorkloadShape(BEGAN, replicas=self.replicas, ready_after=ready, events=events)
        )

    def counted(self, since: datetime, until: datetime) -> tuple[Span, ...]:
        """What every pod there ever is counts that serves 20 requests a second."""
        shares = {"candidate": self.errors, "baseline": 0.001}
        return tuple(
            Span(Subject("default", f"{arm}-{n}"), _reading(since, share), _reading(until, share))
            for arm, share in shares.items()
            for n in range(1, 2 * self.replicas + 2)
        )

    @property
    def asked(self) -> tuple[Command, ...]:
        """What people ask for."""
        wishes = ((CommandAction.APPROVE, self.approved_at, 1), (CommandAction.RESUME, self.resumed_at, None))
        key = self.world.at(BEGAN).key
        return tuple(
            Command(
                action.value, key, action, "script", BEGAN + timedelta(seconds=at), action.value, step=step
            )
            for action, at, step in wishes
            if at is not None
        )


def _reading(at: datetime, share: float) -> Reading:
    total = round(20 * ((at - BEGAN).total_seconds() + 100_000))
    return Reading(at, {"total": total, "errors": round(total * share)})


def replayed(tale: Tale) -> Record | None:
    """The story by replay."""
    script = Script(
        approvals=tuple((c.created_at, 1) for c in tale.asked if c.action is CommandAction.APPROVE),
        resumes=tuple(c.created_at for c in tale.asked if c.action is CommandAction.RESUME),
    )
    ends = BEGAN + timedelta(seconds=UNTIL)
    setting = Setting(tale.policy, tale.world, BEGAN, ends, lambda *_: False, script=script)

    def answer(ask: Ask) -> Answer:
        return tale.counted(ask.since, ask.until)

    return drive(replay(setting), answer).record


def lived(tale: Tale) -> Record | None:
    """The story by the daemon's own reconciling, on virtual time."""

    async def live() -> Record | None:
        daemon = Daemonlet(tale.policy, tale.world, Counting(tale.counted), commands=tale.asked)
        return await daemon.run(UNTIL)

    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(live())
    finally:
        loop.close()


def told(record: Record | None) -> list[tuple[Action, str, int, str]]:
    """What was decided, without the times: an answer takes the daemon a moment."""
    entries: tuple[DecisionEntry, ...] = record.decisions if record else ()
    return [(entry.action, entry.reason, entry.step, entry.rule) for entry in entries]


TALES = st.builds(
    Tale,
    steps=st.sampled_from([(), (0.1,), (0.1, 0.5)]),
    approval=st.booleans(),
    replicas=st.sampled_from([1, 3, 10]),
    errors=st.sampled_from([0.0, 0.001, 0.08, 0.3, 1.0]),
    fate=st.sampled_from([None, None, *ModelledFate]),
    ready_after=st.sampled_from([1, 5, 45]),
    approved_at=st.sampled_from([None, 200, 400]),
    resumed_at=st.sampled_from([None, 900, 2500]),
    deadline=st.sampled_from([600, 1800]),
)


@settings(max_examples=15, deadline=None)
@given(TALES)
def test_the_daemon_and_a_replay_decide_the_same(tale: Tale) -> None:
    """Rule tests and rehearsals show what production would do: the same decisions, for the same reasons."""
    assert told(lived(tale)) == told(replayed(tale))


async def test_who_does_not_lead_writes_nothing() -> None:
    """Neither a record nor a change is made once the lease may be another's."""
    tale = Tale((0.1,), False, 10, 0.0, None, 5, None, None, 600)
    daemon = Daemonlet(tale.policy, tale.world, Counting(tale.counted), fence=lambda _: 0.0)
    await daemon.run(60)
    assert not daemon.shelf.records
    assert not daemon.cluster.applied_changes

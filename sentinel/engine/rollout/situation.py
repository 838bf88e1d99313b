"""All that one decision is made of."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sentinel.domain.policy.policy import Mode, Policy, UndoBudget
from sentinel.domain.policy.strategy import Step
from sentinel.domain.record.entries import AlertEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import RolloutState
from sentinel.domain.verdict import RuleVerdict
from sentinel.domain.workload.facts import OwnSteps, Workload
from sentinel.engine.alerts.attribution import Attribution
from sentinel.engine.exposure.weights import steps_apply
from sentinel.engine.pods.cluster_wait import ClusterWait, cluster_wait
from sentinel.values import dataclass, replace

KEEPER_HOLD_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class JudgedAlert:
    """An alert of the record, and what it comes to for this rollout."""

    entry: AlertEntry
    attribution: Attribution


@dataclass(frozen=True, slots=True)
class Situation:
    """One workload's rollout at one moment, with everything that was measured and judged.

    `mode` is the stricter of the policy's and the settings'. `records` are the workload's, `cluster_records` all.
    `keeper_hold_for` is after what time people are called because of a hold on who deploys the workload. `settle` is
    how long the numbers of the slowest source take to settle, `tick` how long the longest tick of a rule is that
    counts.
    """

    policy: Policy
    workload: Workload
    record: Record
    now: datetime
    mode: Mode = Mode.ENFORCE
    verdicts: tuple[RuleVerdict, ...] = ()
    alerts: tuple[JudgedAlert, ...] = ()
    records: Sequence[Record] = ()
    cluster_records: Iterable[Record] = ()
    cluster_budget: UndoBudget | None = None
    keeper_hold_for: timedelta = KEEPER_HOLD_FOR
    settle: timedelta = timedelta(0)
    tick: timedelta = timedelta(0)

    @property
    def stepped(self) -> bool:
        """Whether canary steps are made for this rollout: a first deployment has no old pods to stay beside."""
        return self.record.stable is not None and steps_apply(self.policy, self.workload, self.mode)

    @property
    def own_steps(self) -> OwnSteps | None:
        """The steps that the workload's own controller makes, where they are judged and may be promoted."""
        followed = self.record.stable is not None and self.mode is Mode.ENFORCE
        return self.workload.own_steps if followed else None

    @property
    def last_step(self) -> int:
        """The index that stands for 100 %."""
        if self.own_steps is not None:
            return self.own_steps.count
        return len(self.policy.strategy.steps) if self.stepped else 0

    @property
    def present_step(self) -> Step | None:
        """The policy's step that the rollout is at; None at 100 %, and where the workload makes its own steps."""
        step, steps = self.record.state.progress.step, self.policy.strategy.steps
        return steps[step] if step < len(steps) and self.stepped else None

    @property
    def weight(self) -> float | None:
        """The present step's weight, None for 100 %."""
        if self.own_steps is not None and self.record.state.progress.step < self.last_step:
            return self.own_steps.weight
        return self.present_step.weight if self.present_step is not None else None

    @property
    def cluster_wait(self) -> ClusterWait | None:
        """What the candidate waits for the cluster to do."""
        return cluster_wait(self.workload, self.now)

    @property
    def bake(self) -> timedelta:
        """How long the present step bakes."""
        return self.present_step.bake if self.present_step is not None else self.policy.strategy.bake

    @property
    def waited(self) -> timedelta:
        """For how long the clock has stood still, the stop under way included."""
        state = self.record.state
        running = self.now - state.waits.stopped_since if state.waits.stopped_since else timedelta(0)
        return timedelta(seconds=state.waits.stood) + running

    @property
    def deadline(self) -> datetime:
        """When a rollout that could not be judged is given to a human."""
        return self.record.started_at + self.policy.strategy.deadline + self.waited

    @property
    def bake_ends(self) -> datetime | None:
        """When the present step's bake is over, None before its weight is reached."""
        reached = self.record.state.progress.reached_at
        return reached + self.bake if reached is not None else None

    def with_record(self, record: Record) -> "Situation":
        """The situation with another record."""
        return replace(self, record=record) if record is not self.record else self

    def in_state(self, state: RolloutState) -> "Situation":
        """The situation with another state in its record."""
        return self.with_record(self.record.with_state(state))

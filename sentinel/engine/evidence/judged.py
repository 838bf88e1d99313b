"""The rollout as its rules judge it, and in which of its segments each tick is judged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from sentinel.domain.evidence import Missing, Tick, ValueSample
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import (
    CrashLoopRule,
    ErrorRateRule,
    LatencyRule,
    MetricRule,
    QueryRule,
    Rule,
)
from sentinel.domain.record.state import Json, Phase, RolloutState
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.evidence.looks import GAIN, EndsWith, never
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.evidence.schedule import next_end
from sentinel.engine.rules.segment import Segment
from sentinel.engine.statistics.calibration import Calibration
from sentinel.engine.statistics.starts import StartProfile
from sentinel.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class JudgedRollout:
    """What the rules need to know about the rollout that they judge.

    `unmeasured` names the metric rules without recent evidence, and why: they cannot pass meanwhile. `learnt` is what
    the hour before has taught so far, `remembered` what the workload's last rollout learnt, and `started` how the
    stable's pods started, as far as that is known. `known_flagrant` says by a rule whether any workload of the policy
    starts with more than half of its requests failing. `settles` says by rule how long its numbers take to settle.
    `bake_ends` is None before the step's weight is reached, `promotes` says that the last step bakes, and `ends_with`
    whether a rule can be measured up to the end of the bake.
    """

    policy: Policy
    workload: Workload
    baseline: Revision | None
    state: RolloutState
    segment: Segment
    ever_pulled: bool
    began: datetime
    now: datetime
    unmeasured: Mapping[str, Missing] = field(default_factory=dict)
    learnt: Mapping[str, Calibration] = field(default_factory=dict)
    remembered: Mapping[str, Calibration | None] = field(default_factory=dict)
    started: Mapping[str, StartProfile] = field(default_factory=dict)
    known_flagrant: Callable[[str], bool] = lambda _rule: False
    settles: Mapping[str, timedelta] = field(default_factory=dict)
    bake_ends: datetime | None = None
    promotes: bool = False
    ends_with: EndsWith = never

    def known_until(self, rule: MetricRule, tick: Tick | None = None) -> datetime:
        """The time of the newest evidence that a rule can have: what came after it, a late source does not know yet."""
        settled = self.now - self.settles.get(rule.name, timedelta(0))
        newest = max(settled, self.state.measured_until.get(rule.name, settled))
        return newest if tick is None or isinstance(tick, ValueSample) else max(newest, tick.until)

    def segment_of(self, rule: MetricRule, tick: Tick | None) -> Segment:
        """The present segment, as a rule's evidence shows it that ends with a tick, or was there before.

        The bake is not over for it while a whole tick is about to come that ends with the bake or before, or a moment
        after: nothing passes on an answer that is under way. Nor before a promotion, which is final, or where the
        newest ticks were bad, while it can be measured up to there.
        """
        segment, ends = self.segment_at(self.known_until(rule, tick)), self.bake_ends
        if (
            not segment.bake_over
            or ends is None
            or isinstance(rule, QueryRule)
            or isinstance(tick, ValueSample)
        ):
            return segment
        measured = self.state.measured_until.get(rule.name) if tick is None else tick.until
        if measured is None or measured >= ends:
            return segment
        comes = next_end(measured, rule.interval, rule) <= ends + GAIN
        if comes or ((self.promotes or self._is_bad(rule)) and self.ends_with(rule, ends)):
            return replace(segment, bake_over=False)
        return segment

    def _is_bad(self, rule: MetricRule) -> bool:
        """Whether the newest ticks that were judged speak against the candidate."""
        standing = self.state.analysis.get(rule.name, {}).get("standing")
        return isinstance(standing, Mapping) and bool(standing.get("bad_since"))

    def segment_at(self, at: datetime) -> Segment:
        """The present segment, as evidence up to a time shows it."""
        over = self.bake_ends is not None and at >= self.bake_ends
        return replace(self.segment, bake_over=over) if over != self.segment.bake_over else self.segment


def rules_in(policy: Policy, phase: Phase) -> tuple[Rule, ...]:
    """The rules that speak in this phase."""
    if phase is Phase.UNDOING:
        return ()
    if phase is Phase.PROMOTED:
        return tuple(rule for rule in policy.rules if isinstance(rule, CrashLoopRule))
    return policy.rules


def waited_while_up(
    rollout: JudgedRollout, measured: Sequence[Measured]
) -> Iterable[tuple[ErrorRateRule | LatencyRule, Sequence[Measured]]]:
    """What was measured of each metric rule while there were pods, and waited to be judged."""
    for rule in rules_in(rollout.policy, rollout.state.phase):
        waited = [one for one in measured if one.rule == rule.name and one.waited]
        if waited and isinstance(rule, ErrorRateRule | LatencyRule):
            yield rule, waited


def in_their_segments(
    rollout: JudgedRollout, state: Json | None, measured: Sequence[Measured]
) -> Iterable[tuple[Tick | None, JudgedRollout]]:
    """Each tick with the rollout as it is to be judged; the last one is judged in the present segment.

    A tick that waited belongs to the segment that the state is of: a new one begins without it.
    """
    standing = (state or {}).get("standing")
    name = standing.get("segment") if isinstance(standing, Mapping) else None
    then = rollout
    if isinstance(name, str) and name != rollout.segment.name:
        then = replace(rollout, segment=rollout.segment.before(name))
    for one in measured:
        yield one.tick, then if one.waited else rollout
    if not measured or (measured[-1].waited and then is not rollout):
        yield None, rollout

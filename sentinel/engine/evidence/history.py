"""What a rollout learns from the hour before it: whom to ask about, and which calibration its rules are judged with.

It never waits for it. Until an answer is there, what the workload's last rollout learnt is used, or the default. An
answer that comes later is applied from the next tick on, and the evidence gathered so far is kept: the bet of each
tick is fair at the φ that it is made with, whatever φ that is, as long as it does not depend on that tick's outcome or
later ones, and the hour before depends on none. So a change of φ between two ticks breaks nothing, and no evidence
need be thrown away. Once there, it stays the same for the rest of the rollout.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from sentinel.domain.evidence import Past
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, Method, Rule
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Json
from sentinel.domain.record.written import Written, value_of
from sentinel.domain.workload.facts import Workload
from sentinel.engine.evidence.schedule import HOUR_BEFORE, SourceTiming, grid, stable_of
from sentinel.engine.exposure.weights import wanted_pods
from sentinel.engine.statistics.calibration import Calibration

CALIBRATION = "calibration"
"""Its key in the state of a rule's test."""
FEWEST_PODS = 2
MOST_PODS = 50
"""Of more baseline pods an even choice is asked about."""
ENOUGH_WINDOWS = 40
"""With fewer, what the workload's last rollout learnt counts for more."""


def learns(rule: Rule) -> bool:
    """Whether a rule is judged by a test that needs to know how errors cluster between pods."""
    return (
        isinstance(rule, ErrorRateRule | LatencyRule)
        and rule.method is Method.SEQUENTIAL
        and rule.query.arms.version_label is None
    )


def past_of(
    rule: ErrorRateRule | LatencyRule, record: Record, workload: Workload, timing: SourceTiming, now: datetime
) -> Past | None:
    """What to ask of the hour before the rollout; None where fewer than two baseline pods are there to compare."""
    stable = stable_of(workload, record)
    pods = sorted(pod.name for pod in workload.pods_of(stable)) if stable is not None else []
    if not learns(rule) or len(pods) < FEWEST_PODS:
        return None
    step = timing.tick(rule)
    began = min(grid(record.started_at, step), grid(now - timing.settle, step))
    chosen = pods if len(pods) <= MOST_PODS else [pods[i * len(pods) // MOST_PODS] for i in range(MOST_PODS)]
    over = rule.limit if isinstance(rule, LatencyRule) else 0.0
    return Past(workload.key.namespace, tuple(chosen), began - HOUR_BEFORE // step * step, began, step, over)


def candidate_pods(policy: Policy, workload: Workload, baseline_pods: int) -> int:
    """How many pods the candidate has at first, but at most so many that there are two groups to compare."""
    steps = policy.strategy.steps
    exposure, batch = workload.exposure, workload.abilities.first_batch
    first = wanted_pods(steps[0].weight, exposure.wanted) if steps else min(batch, exposure.wanted)
    return max(1, min(first, baseline_pods // 2))


def calibration_in(state: Json | None) -> Calibration | None:
    """What was learnt, from the state of a rule's test."""
    kept = state.get(CALIBRATION) if state is not None else None
    if not isinstance(kept, Mapping):
        return None
    return value_of(kept, Calibration) or Calibration.from_json(cast(Mapping[str, float], kept))


def calibration_kept(calibration: Calibration, before: Json | None) -> Json:
    """What the state of a rule's test keeps of what was learnt: as `before`, the state so far, has it, if it does."""
    known = before.get(CALIBRATION) if before is not None else None
    if isinstance(known, Written) and known.of is calibration:
        return known
    return Written(calibration.as_json(), calibration)


def remembered(rule: str, record: Record, records: Sequence[Record]) -> Calibration | None:
    """What this workload's last rollout learnt for a rule of this name; `records` are newest first."""
    found = (calibration_in(one.state.analysis.get(rule)) for one in records if one.name != record.name)
    return next((one for one in found if one is not None and one.windows >= ENOUGH_WINDOWS), None)


def settled(learnt: Calibration, before: Calibration | None) -> Calibration:
    """What the rollout goes on with: what it learnt, or where that is from a short history what is remembered."""
    return before if before is not None and learnt.windows < ENOUGH_WINDOWS else learnt

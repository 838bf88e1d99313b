"""Takes in what was measured and answered since the last time, and judges every rule and alert by it."""

from functools import partial

from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.alerts.naming import workloads_named
from sentinel.engine.reconciling.effects import Collect, Collected, LookAround
from sentinel.engine.reconciling.judging import judged, judged_alerts
from sentinel.engine.reconciling.outcomes import Effects
from sentinel.engine.reconciling.view import View
from sentinel.engine.reconciling.working_state import WorkingState
from sentinel.engine.rollout.situation import Situation
from sentinel.engine.rules.environment import confirm
from sentinel.values import replace


def judge_collected(situation: Situation, view: View, working: WorkingState) -> Effects[Situation]:
    """The situation with each rule's verdict and what each alert comes to."""
    record, policy = situation.record, situation.policy
    collected: Collected = yield Collect(record, policy, situation.workload)
    if collected.gates is not None:
        record = record.with_gates(collected.gates)
    situation = judged(
        situation.with_record(record),
        collected,
        view.holds,
        ever_pulled=working.ever_pulled(record, situation.workload),
        lessons=working.lessons.lessons(policy, record, situation.records),
        flagrant=working.flagrant,
    )
    verdicts: tuple[RuleVerdict, ...] = ()
    for verdict in situation.verdicts:
        verdicts = (*verdicts, (yield from _confirmed(verdict, situation)))
    if verdicts != situation.verdicts:
        situation = replace(situation, verdicts=verdicts)
    if not record.alerts:
        return situation
    named = partial(workloads_named, known=view.directory())
    return replace(situation, alerts=judged_alerts(situation, view.alerts_elsewhere(record.key), named))


def _confirmed(verdict: RuleVerdict, situation: Situation) -> Effects[RuleVerdict]:
    """A fail without a concurrent baseline stands only if the surroundings bear it out."""
    rule = situation.policy.rule(verdict.rule)
    proven = verdict.alone and verdict.kind is VerdictKind.FAIL
    if not proven or not isinstance(rule, ErrorRateRule | LatencyRule):
        return verdict
    around = yield LookAround(rule, situation.record, situation.workload)
    return confirm(verdict, around)

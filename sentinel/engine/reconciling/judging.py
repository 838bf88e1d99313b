"""What a reconcile works out between measuring and deciding: verdicts, and what each alert comes to."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from sentinel.domain.alert import AlertStatus
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CrashLoopRule, ErrorRateRule, HealthRule, LatencyRule
from sentinel.domain.policy.selection import AlertRule
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.revision import Revision
from sentinel.engine.alerts.attribution import attribute
from sentinel.engine.evidence.assessment import Holds, assess
from sentinel.engine.evidence.judged import JudgedRollout
from sentinel.engine.evidence.remembering import FlagrantStarts, Lessons
from sentinel.engine.evidence.schedule import stable_of
from sentinel.engine.exposure.own import held_down_at
from sentinel.engine.exposure.switching import serves_alone
from sentinel.engine.matching import alert_rule_of
from sentinel.engine.pods.cluster_wait import turns_at
from sentinel.engine.reconciling.effects import Collected
from sentinel.engine.rollout.situation import JudgedAlert, Situation
from sentinel.engine.rules.crash_exposure import ripe_at
from sentinel.engine.rules.crashes import crashes_until
from sentinel.engine.rules.pod_rules import settled_at, wake_at
from sentinel.engine.rules.segment import Segment, segment_of
from sentinel.values import replace

Named = Callable[[Mapping[str, str], AlertRule], Collection[WorkloadKey]]
"""Which workloads an alert's labels name, under one alert rule."""


def judged(
    situation: Situation,
    collected: Collected,
    holds: Holds,
    *,
    ever_pulled: bool,
    lessons: Lessons,
    flagrant: FlagrantStarts,
) -> Situation:
    """The situation with every rule's verdict on what was collected, and the tests' next states in its record.

    `lessons` are those of the workload's rollouts before, `flagrant` tells how others of the policy start.
    """
    record, workload, policy = situation.record, situation.workload, situation.policy
    baseline = stable_of(workload, record)
    rollout = JudgedRollout(
        _asked(policy, collected.ticks),
        workload,
        baseline,
        record.state,
        _segment(situation, baseline),
        ever_pulled,
        record.started_at,
        situation.now,
        collected.unmeasured,
        collected.learnt,
        lessons.calibrations,
        {**collected.started, **lessons.starts},
        partial(flagrant.any, policy.name, situation.cluster_records),
        collected.settles,
        situation.bake_ends,
        record.state.progress.step == situation.last_step,
        collected.ends_with,
    )
    assessment = assess(rollout, collected.measured, holds)
    state = replace(
        record.state,
        analysis=assessment.analysis,
        measured_until=assessment.measured_until,
        course=assessment.course,
    )
    return replace(
        situation,
        record=record.with_state(state),
        verdicts=assessment.verdicts,
        settle=max(collected.settles.values(), default=timedelta(0)),
        tick=max(collected.ticks.values(), default=timedelta(0)),
    )


def _asked(policy: Policy, ticks: Mapping[str, timedelta]) -> Policy:
    """The policy as its rules are asked: where samples are rarer than a rule's interval, that is how often."""
    rules = tuple(
        replace(rule, interval=ticks[rule.name])
        if isinstance(rule, ErrorRateRule | LatencyRule)
        and ticks.get(rule.name, rule.interval) != rule.interval
        else rule
        for rule in policy.rules
    )
    return replace(policy, rules=rules) if rules != policy.rules else policy


def _segment(situation: Situation, baseline: Revision | None) -> Segment:
    workload, strategy = situation.workload, situation.policy.strategy
    beside = baseline is not None and bool(workload.pods_of(baseline)) and not serves_alone(workload)
    return segment_of(
        situation.record.state.progress.step,
        situation.last_step,
        concurrent=beside,
        min_requests=strategy.min_requests,
        early=strategy.promote_early,
    )


def judged_alerts(
    situation: Situation, elsewhere: Sequence[tuple[WorkloadKey, datetime]], named: Named
) -> tuple[JudgedAlert, ...]:
    """What each firing alert of the record comes to; `elsewhere` tells when others' alerts came in.

    During an undo nothing, so that the record keeps what each came to before.
    """
    if situation.record.state.phase is Phase.UNDOING:
        return ()
    found = []
    for entry in situation.record.alerts:
        rule = alert_rule_of(situation.policy, entry.labels)
        if entry.status is not AlertStatus.FIRING or rule is None:
            continue
        attribution = attribute(
            entry,
            rule,
            situation.record,
            situation.workload,
            elsewhere,
            situation.verdicts,
            named=named(entry.labels, rule),
        )
        found.append(JudgedAlert(entry, attribution))
    return tuple(found)


def with_alert_verdicts(record: Record, alerts: Sequence[JudgedAlert]) -> Record:
    """The record with the verdict on each alert."""
    if not alerts:
        return record
    said = {
        alert.entry.fingerprint: f"{alert.attribution.effect.value if alert.attribution.effect else 'none'}: "
        f"{alert.attribution.reason}"
        for alert in alerts
    }
    marked = tuple(
        replace(entry, verdict=said.get(entry.fingerprint, entry.verdict)) for entry in record.alerts
    )
    return record.with_alerts(marked)


def pods_ripen_at(policy: Policy, workload: Workload, record: Record, now: datetime) -> datetime | None:
    """When a verdict on pods may next change by time alone."""
    baseline = stable_of(workload, record)
    due = [turns_at(workload, now), held_down_at(record.state)]
    for rule in policy.rules:
        if isinstance(rule, HealthRule):
            due.append(wake_at(rule, workload, workload.candidate, baseline, now))
        if not isinstance(rule, CrashLoopRule):
            continue
        due.append(settled_at(rule, workload, workload.candidate, baseline, now))
        if baseline is not None and rule.restarts is None:
            since = crashes_until(record.state.analysis.get(rule.name)) or record.started_at
            due.append(ripe_at(workload, baseline, since, policy.strategy.warmup))
    return min((at for at in due if at is not None and at > now), default=None)


def ever_pulled(workload: Workload) -> bool:
    """Whether a pod of the candidate has all its images: from then on a failing pull is the registry's fault."""
    pods = workload.pods_of(workload.candidate)
    return any(pod.containers and all(c.pulled for c in pod.containers) for pod in pods)

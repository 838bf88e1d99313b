"""Verdicts from what the watch shows of the candidate's pods: crash loops, and whether they become and stay ready.

Only pods of the candidate count against it; the baseline's tell whether the environment does the same to every
revision. With three candidate pods or more, a single pod, or a single node of several, is not proof: it may be the
node's fault. Unless no candidate pod is ready at all.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from math import ceil

from sentinel.domain.figures import amount
from sentinel.domain.policy.rules import CrashLoopRule, HealthRule
from sentinel.domain.verdict import DecisionCause, Number, RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.pods import Container, Pod
from sentinel.domain.workload.revision import Revision
from sentinel.engine.pods.cluster_faults import PodFault
from sentinel.engine.pods.cluster_wait import counted, pulled_by
from sentinel.engine.pods.pod_faults import crash_of, deadline, end_of, ending, health_fault, settles_at
from sentinel.engine.pods.setting_up import kept_back
from sentinel.values import replace

FAILING_SHARE = 0.1
"""In which share of the candidate's pods a health fault must show."""
ALL_READY = "all candidate pods are ready"
SPREAD_FROM = 3
"""From this many candidate pods on, a fault must show on two of them, and on two of several nodes."""


def judge_crash_loop(
    rule: CrashLoopRule, workload: Workload, candidate: Revision, baseline: Revision | None, now: datetime
) -> RuleVerdict:
    """Whether the candidate's containers crash: in CrashLoopBackOff, or restarted often, as the rule has it.

    Init containers and sidecars count. Restarts of other revisions' pods never do, nor do pods that the cluster
    stopped (evicted, preempted, shut down with their node).
    """
    if not workload.unsound_of(candidate):
        return _sound(rule.name, workload.pods_of(candidate), "no candidate pod crashes")
    pods = counted(workload.pods_of(candidate), now)
    crashes = {pod.name: container for pod in pods if (container := crash_of(pod, rule, now)) is not None}
    failing = [pod for pod in pods if pod.name in crashes]
    numbers = _numbers(pods, failing)
    if not failing:
        return _unfailed(rule.name, pods, numbers, "no candidate pod crashes")
    first = failing[0]
    oom = "OOMKilled" in (end.reason for c in crashes.values() if (end := end_of(c)) is not None)
    summary = (
        f"{len(failing)} of {len(pods)} candidate pods crashing: {_crash_text(first, crashes[first.name])}"
    )
    cause = _cause(_ended_at(container) for container in crashes.values())
    reason = "OOMKilled" if oom else "CrashLoop"
    verdict = RuleVerdict(rule.name, VerdictKind.FAIL, reason, summary, numbers, cause=cause)
    short = _shortfall(failing, pods, rule.share, any(pod.ready for pod in pods))
    if short is not None:
        return _not_proven(verdict, short)
    if baseline is not None and _crashes_too(rule, workload.pods_of(baseline), pods, now):
        return _everywhere(verdict, "the stable revision's pods also crash")
    return verdict


def judge_health(
    rule: HealthRule,
    workload: Workload,
    candidate: Revision,
    baseline: Revision | None,
    now: datetime,
    *,
    ever_pulled: bool,
) -> RuleVerdict:
    """Whether the candidate's images pull and its pods become, and stay, ready in time.

    `ever_pulled`: some pod of this revision has had all its images once, so that a pull that fails is the registry's
    fault. What is the cluster's fault is inconclusive.
    """
    pods: Sequence[Pod] = workload.pods_of(candidate)
    if not workload.unsound_of(candidate):
        return _unless_stopped(_sound(rule.name, pods, ALL_READY), pods, workload, baseline)
    pods = counted(pods, now)
    unwell = [pod for pod in pods if not (pod.ready and pod.node_ready)]
    pulled: Collection[str] = ()
    if unwell:
        pulled = {c.name for pod in pods for c in pod.containers} if ever_pulled else pulled_by(pods)
    faults = [fault for pod in unwell if (fault := health_fault(pod, rule, now, pulled)) is not None]
    own = [fault for fault in faults if not fault.cluster]
    excused = [fault for fault in faults if fault.cluster]
    numbers = _numbers(pods, [fault.pod for fault in own])
    verdict = _unfailed(rule.name, pods, numbers, ALL_READY)
    if own:
        summary = f"{len(own)} of {len(pods)} candidate pods failing: {own[0]}"
        cause = _cause(fault.since for fault in own)
        verdict = RuleVerdict(rule.name, VerdictKind.FAIL, own[0].reason, summary, numbers, cause=cause)
        # Pods that the cluster failed do not show that the candidate cannot become ready anywhere.
        spread = bool(excused) or any(pod.ready for pod in pods)
        short = _shortfall([fault.pod for fault in own], pods, FAILING_SHARE, spread)
        if short is None:
            return _compared(verdict, own, rule, workload, baseline, now)
        verdict = _not_proven(verdict, short)
    if excused:
        summary = f"{len(excused)} of {len(pods)} candidate pods held up by the cluster: {excused[0]}"
        return replace(verdict, kind=VerdictKind.INCONCLUSIVE, reason=excused[0].reason, message=summary)
    return verdict if own else _unless_stopped(verdict, pods, workload, baseline)


def wake_at(
    rule: HealthRule, workload: Workload, candidate: Revision, baseline: Revision | None, now: datetime
) -> datetime | None:
    """The earliest time after now at which the health verdict may change by time alone."""
    ends = [deadline(pod, rule) for pod in _unsound(workload, candidate, baseline)]
    return min([end for end in ends if end is not None and end > now], default=None)


def settled_at(
    rule: CrashLoopRule, workload: Workload, candidate: Revision, baseline: Revision | None, now: datetime
) -> datetime | None:
    """The earliest time after now at which the verdict on crash loops may change by time alone."""
    ends = [end for pod in _unsound(workload, candidate, baseline) for end in settles_at(pod, rule)]
    return min([end for end in ends if end > now], default=None)


def _unsound(workload: Workload, *revisions: Revision | None) -> list[Pod]:
    """The pods that time alone may turn: no clock runs for one that is sound."""
    return [pod for revision in revisions if revision is not None for pod in workload.unsound_of(revision)]


def _shortfall(
    failing: Sequence[Pod], pods: Sequence[Pod], share: float, spread: bool
) -> tuple[str, str] | None:
    """What is lacking for proof, as a reason and for people; None where the failures are enough."""
    needed = max(1, ceil(share * len(pods) - 1e-9))
    if len(failing) < needed:
        return "TooFewPods", f"the rule fails from {amount(needed, 'pod')} on"
    if not spread or len(pods) < SPREAD_FROM:
        return None
    if len(failing) < 2:
        return "OnePod", "with only one pod failing, its node may be at fault"
    if len(_nodes(pods)) > 1 and len(_nodes(failing)) < 2:
        return "OneNode", f"all on node {failing[0].node}, which may be at fault"
    return None


def _nodes(pods: Iterable[Pod]) -> set[str]:
    return {pod.node for pod in pods if pod.node is not None}


def _not_proven(verdict: RuleVerdict, short: tuple[str, str]) -> RuleVerdict:
    reason, why = short
    return replace(verdict, kind=VerdictKind.PENDING, reason=reason, message=f"{verdict.message}; {why}")


def _everywhere(verdict: RuleVerdict, why: str) -> RuleVerdict:
    message = f"{verdict.message}; {why}"
    return replace(verdict, kind=VerdictKind.INCONCLUSIVE, message=message, everywhere=True)


def _sound(rule: str, pods: Sequence[Pod], well: str) -> RuleVerdict:
    """The verdict on pods that simply run."""
    numbers: dict[str, Number] = {
        "pods": len(pods),
        "ready": len(pods),
        "failing": 0,
        "nodes": 0,
        "restarts": 0,
    }
    return _unfailed(rule, pods, numbers, well)


def _unfailed(rule: str, pods: Sequence[Pod], numbers: dict[str, Number], well: str) -> RuleVerdict:
    ready = sum(pod.ready for pod in pods)
    if pods and ready == len(pods):
        return RuleVerdict(rule, VerdictKind.PASS, "AllReady", f"{well} ({ready} of {ready} ready)", numbers)
    if not pods:
        return RuleVerdict(rule, VerdictKind.PENDING, "NoPods", "the candidate has no pods yet", numbers)
    message = f"{ready} of {len(pods)} candidate pods ready"
    return RuleVerdict(rule, VerdictKind.PENDING, "NotReadyYet", message, numbers)


def _numbers(pods: Sequence[Pod], failing: Sequence[Pod]) -> dict[str, Number]:
    """The figures behind a verdict."""
    return {
        "pods": len(pods),
        "ready": sum(pod.ready for pod in pods),
        "failing": len(failing),
        "nodes": len(_nodes(failing)),
        "restarts": sum(pod.restarts for pod in pods),
    }


def _cause(began: Iterable[datetime | None]) -> DecisionCause:
    """From when on pods failed: the earliest fault that the statuses still show."""
    return DecisionCause(first_bad_at=min((at for at in began if at is not None), default=None))


# Crashes.


def _crash_text(pod: Pod, container: Container) -> str:
    state = f"is in {container.waiting}" if container.waiting == "CrashLoopBackOff" else "keeps restarting"
    restarts = amount(container.restarts, "restart")
    text = f"pod {pod.name} on node {pod.node}, container {container.name} {state}, {restarts}"
    end = ending(container)
    return f"{text}, {end}" if end else text


def _ended_at(container: Container) -> datetime | None:
    ends = (run.finished_at for run in (container.last, container.terminated) if run is not None)
    return min((end for end in ends if end is not None), default=None)


def _crashes_too(rule: CrashLoopRule, stable: Sequence[Pod], pods: Sequence[Pod], now: datetime) -> bool:
    """Whether the stable pods meet the same condition, by crashes since the first candidate pod was made.

    Earlier restarts of a long-lived pod do not count.
    """
    made = min((pod.created_at for pod in pods if pod.created_at is not None), default=None)
    failing = []
    for pod in stable:
        container = crash_of(pod, rule, now)
        if container is not None and _is_current(container, made):
            failing.append(pod)
    return _shortfall(failing, stable, rule.share, any(pod.ready for pod in stable)) is None


def _is_current(container: Container, made: datetime | None) -> bool:
    if container.waiting == "CrashLoopBackOff":
        return True
    ended = end_of(container)
    if ended is None or ended.finished_at is None or made is None:
        return False
    return ended.finished_at >= made


# Health.


def _compared(
    verdict: RuleVerdict,
    own: Sequence[PodFault],
    rule: HealthRule,
    workload: Workload,
    baseline: Revision | None,
    now: datetime,
) -> RuleVerdict:
    """The fail, unless the stable pods fail in the same way: images that do not pull, or pods that are not ready."""
    stable = workload.pods_of(baseline) if baseline is not None else ()
    names = {container.name for pod in stable for container in pod.containers}
    faults = [fault for pod in stable if (fault := health_fault(pod, rule, now, names)) is not None]
    if own[0].image:
        pulls = any(fault.image for fault in faults)
        return (
            _everywhere(verdict, "the stable revision's image cannot be pulled either") if pulls else verdict
        )
    failing = [fault.pod for fault in faults if not fault.cluster]
    ready = any(pod.ready for pod in stable)
    if _shortfall(failing, stable, FAILING_SHARE, ready) is None:
        return _everywhere(verdict, "the stable revision's pods are not ready either")
    return verdict


def _unless_stopped(
    verdict: RuleVerdict, pods: Sequence[Pod], workload: Workload, baseline: Revision | None
) -> RuleVerdict:
    """A verdict without a fault of any pod, unless more of them cannot be created or the controller gave up waiting."""
    if workload.create_failure and verdict.kind is VerdictKind.PENDING:
        summary = f"{verdict.message}; pods cannot be created: {workload.create_failure}"
        return replace(verdict, kind=VerdictKind.INCONCLUSIVE, reason="FailedCreate", message=summary)
    if workload.progress_deadline_exceeded:
        return _progress_stopped(verdict, pods, workload, baseline)
    return verdict


def _progress_stopped(
    verdict: RuleVerdict, pods: Sequence[Pod], workload: Workload, baseline: Revision | None
) -> RuleVerdict:
    """The controller gave up waiting. Where it could not make pods (a quota, an admission webhook) nobody can tell."""
    reason = "ProgressDeadlineExceeded"
    unready = [pod for pod in pods if not pod.ready]
    if not unready:
        message = f"the rollout made no progress within its deadline, but its pods are ready ({len(pods)})"
        return replace(verdict, kind=VerdictKind.INCONCLUSIVE, reason=reason, message=message)
    if all(kept_back(pod) for pod in unready):
        return verdict
    message = f"the rollout made no progress within its deadline: {verdict.message}"
    verdict = replace(verdict, kind=VerdictKind.FAIL, reason=reason, message=message)
    stable = workload.pods_of(baseline) if baseline is not None else ()
    if stable and not any(pod.ready for pod in stable):
        return _everywhere(verdict, "the stable revision's pods are not ready either")
    return verdict

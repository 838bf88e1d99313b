"""What the candidate waits for the cluster to do: room, nodes, volumes, images, pods that a quota refuses, gateways.

It is not the verdict of a rule: whatever the rules, people learn about it long before the deadline, as the reason for
the missing evidence.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sentinel.domain.record.state import RolloutState
from sentinel.domain.verdict import VerdictKind
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.pods import Pod
from sentinel.engine.pods.cluster_faults import PodFault, cluster_keeps, keeping_since
from sentinel.engine.pods.setting_up import PROMPT
from sentinel.values import dataclass, replace

TOLD_AFTER = timedelta(seconds=45)
"""A wait this long is reported, but nobody is called: a node that an autoscaler adds often takes longer."""

ENDED = frozenset({"Failed", "Succeeded"})
REPLACED_AFTER = timedelta(minutes=10)
"""A pod that ended so long ago counts no more where others live."""


@dataclass(frozen=True, slots=True)
class ClusterWait:
    """A reason for machines, a sentence for people, and since when, as far as the statuses tell."""

    reason: str
    message: str
    since: datetime | None

    def __str__(self) -> str:
        return f"waiting for the cluster: {self.message}"


def cluster_wait(workload: Workload, now: datetime) -> ClusterWait | None:
    """What keeps the candidate's pods back now, None where the cluster does its part."""
    if workload.rolled_out:
        return None
    if workload.create_failure:
        message = f"pods cannot be created: {workload.create_failure}"
        return ClusterWait("FailedCreate", message, workload.create_failure_since)
    if (first := workload.in_the_way) is not None:
        message = f"pod {first.name}, not of the candidate, is not ready, so no other pod is replaced: delete that pod"
        return ClusterWait("BrokenPodBefore", message, first.unready_since)
    pods: Sequence[Pod] = workload.pods_of(workload.candidate)
    faults: list[PodFault] = []
    if workload.unsound_of(workload.candidate):
        pods = counted(pods, now)
        pulled = pulled_by(pods)
        faults = [fault for pod in pods if (fault := cluster_keeps(pod, pulled, now)) is not None]
    if not faults:
        traffic = workload.exposure.traffic
        return ClusterWait("NotInForce", traffic.awaited, None) if traffic and traffic.awaited else None
    longest = min(faults, key=lambda fault: fault.since or now)
    message = f"{len(faults)} of {len(pods)} candidate pods held up: {longest}"
    return ClusterWait(longest.reason, message, longest.since)


def turns_at(workload: Workload, now: datetime) -> datetime | None:
    """The earliest time after now at which a wait begins, or must be reported, by time alone."""
    wait = cluster_wait(workload, now)
    ahead = [wait.since + TOLD_AFTER] if wait is not None and wait.since is not None else []
    if not workload.unsound_of(workload.candidate):
        return ahead[0] if ahead and ahead[0] > now else None
    pods = counted(workload.pods_of(workload.candidate), now)
    ahead += [at + PROMPT for at in map(keeping_since, pods) if at is not None]
    ahead += [pod.unready_since + REPLACED_AFTER for pod in pods if pod.phase in ENDED and pod.unready_since]
    return min((at for at in ahead if at > now), default=None)


def showing(state: RolloutState, wait: ClusterWait) -> RolloutState:
    """The state that says what is waited for."""
    return replace(state, verdict=VerdictKind.INCONCLUSIVE.value, reason=wait.reason, message=str(wait))


def counted(pods: Sequence[Pod], now: datetime) -> Sequence[Pod]:
    """The pods that count: one that ended (evicted, refused by its node) does not where others live: it was replaced.

    Two that ended recently count: if one pod ends after the other, something is wrong, whatever the cause.
    """
    living = [pod for pod in pods if pod.phase not in ENDED]
    if not living:
        return pods
    lately = [pod for pod in pods if pod.phase in ENDED and _ended_lately(pod, now)]
    return [*living, *lately] if len(lately) > 1 else living


def _ended_lately(pod: Pod, now: datetime) -> bool:
    return pod.unready_since is None or now < pod.unready_since + REPLACED_AFTER


def pulled_by(pods: Sequence[Pod]) -> frozenset[str]:
    """The names of the containers whose image one of these pods has had."""
    return frozenset(container.name for pod in pods for container in pod.containers if container.pulled)

"""What the cluster does to a single pod, or has yet to do for it: no revision is to blame for that."""

from collections.abc import Collection
from datetime import datetime

from sentinel.domain.workload.pods import Container, Pod
from sentinel.engine.pods.setting_up import PROMPT, PULLING, is_being_set_up, missing, waits_since
from sentinel.values import dataclass

CLUSTER_REASONS = frozenset(
    {
        "Evicted",
        "NodeAffinity",
        "NodeLost",
        "NodeShutdown",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfpods",
        "Preempted",
        "Preempting",
        "Shutdown",
        "Terminated",
        "UnexpectedAdmissionError",
    }
)
"""Reasons in a pod's status by which the kubelet or the node controller says that it was not the pod."""

NEVER_PULLS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_UNPULLED = PULLING | NEVER_PULLS


@dataclass(frozen=True, slots=True)
class PodFault:
    """Why one pod is bad: a reason for machines, the end of a sentence about the pod for people.

    `cluster`: nobody's fault who wrote the revision. `image`: it could not be pulled. `since` is when the fault
    began, as far as the status tells.
    """

    pod: Pod
    reason: str
    message: str
    since: datetime | None = None
    cluster: bool = False
    image: bool = False

    def __str__(self) -> str:
        return f"pod {self.pod.name} {self.message}"


def cluster_fault(pod: Pod) -> PodFault | None:
    """What the cluster did to a pod, None where it did its part."""
    if pod.reason in CLUSTER_REASONS:
        text = f"was stopped by the cluster ({pod.reason})"
        return PodFault(pod, pod.reason, text, since=pod.unready_since, cluster=True)
    if pod.phase == "Unknown" or not pod.node_ready:
        text = f"is on node {pod.node}, which is not ready"
        return PodFault(pod, "NodeNotReady", text, since=pod.unready_since, cluster=True)
    if pod.unschedulable is not None:
        return PodFault(
            pod,
            "Unschedulable",
            f"cannot be scheduled: {pod.unschedulable}",
            since=pod.created_at,
            cluster=True,
        )
    return None


def cluster_keeps(pod: Pod, pulled: Collection[str], now: datetime) -> PodFault | None:
    """What a pod that is not ready waits for the cluster to do; None while that is prompt, or it waits for nothing.

    `pulled` names the containers whose image some pod of the revision has had.
    """
    if pod.ready and pod.node_ready:
        return None
    fault = cluster_fault(pod)
    if fault is not None:
        return fault
    stuck = cannot_pull(pod)
    if stuck is not None:
        return registry_fault(pod, stuck) if stuck.name in pulled else None
    began = keeping_since(pod)
    if began is None or now < began + PROMPT:
        return None
    if pod.scheduled_at is None:
        return PodFault(pod, "NotScheduled", "is still waiting for the scheduler", began, cluster=True)
    return PodFault(pod, "ContainerCreating", f"is not set up yet: {missing(pod)}", began, cluster=True)


def keeping_since(pod: Pod) -> datetime | None:
    """Since when a pod has waited to be scheduled, or to be set up by its node; None where it waits for neither."""
    if pod.ready or not is_being_set_up(pod):
        return None
    return waits_since(pod) if pod.scheduled_at is not None else pod.created_at


def cannot_pull(pod: Pod) -> Container | None:
    """The container whose image cannot be pulled."""
    return next((c for c in pod.containers if c.waiting in _UNPULLED), None)


def registry_fault(pod: Pod, container: Container) -> PodFault:
    """The fault of a registry that does not give out what it gave out before."""
    message = f"{pull_error(container)}, which this revision has pulled before"
    return PodFault(pod, "RegistryOutage", message, pod.scheduled_at, cluster=True, image=True)


def pull_error(container: Container) -> str:
    """What the node reports about a pull, for people."""
    said = f": {container.waiting_message}" if container.waiting_message else ""
    image = container.image or "the image"
    return f"cannot pull {image} for container {container.name} ({container.waiting}{said})"

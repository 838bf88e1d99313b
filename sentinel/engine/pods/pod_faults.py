"""What is wrong with a single pod, and whose fault it is: the revision's, or the cluster's.

The cluster's are pods that find no node, that sit on a node that is not ready, that were evicted, preempted or lost
with their node, whose volumes or network are not set up, whose images take long to be pulled, and images that cannot
be pulled although this revision was pulled before. Everything else that keeps a pod from being ready counts against
its revision.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sentinel.domain.figures import duration
from sentinel.domain.policy.rules import USUAL_RESTARTS, CrashLoopRule, HealthRule
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.engine.pods.cluster_faults import (
    NEVER_PULLS,
    PodFault,
    cannot_pull,
    cluster_fault,
    pull_error,
    registry_fault,
)
from sentinel.engine.pods.setting_up import (
    CREATING,
    PROMPT,
    due,
    is_being_set_up,
    is_done,
    missing,
    set_up_time,
)

NOT_A_CRASH = frozenset({"ContainerStatusUnknown", "Unknown"})
"""Ends of a container that kubelet and runtime make up when they lost sight of it: its node went down."""

NOT_CREATED = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})

FIRST_STATUS = timedelta(seconds=5)
"""The kubelet's first status of a new pod says that it is not ready; it comes this soon after PodScheduled."""

NO_SUCH_IMAGE = (
    "not found",
    "manifest unknown",
    "name unknown",
    "no match for platform",
    "no matching manifest",
)
NETWORK_TROUBLE = ("lookup ", "dial ", "i/o timeout", "connection refused")
"""A name server's 'not found' is not the registry's."""
NEVER_CREATED = (
    "not found",
    "couldn't find key",
    "non-existent",
    "no such file",
    "no command specified",
    "runasnonroot",
    "will run as root",
    "permission denied",
)
"""What a config or create error says when trying again cannot help; others may be the runtime's own trouble."""


def health_fault(pod: Pod, rule: HealthRule, now: datetime, pulled: Collection[str]) -> PodFault | None:
    """What keeps a pod from being ready, None while it is ready or still has time.

    `pulled` names the containers whose image some pod of the revision has had.
    """
    if pod.ready and pod.node_ready:
        return None
    fault = cluster_fault(pod)
    if fault is not None:
        return fault
    stuck = cannot_pull(pod)
    if stuck is not None:
        return _image_fault(pod, stuck, rule, now, pulled)
    return _creation_fault(pod) or _late(pod, rule, now)


def deadline(pod: Pod, rule: HealthRule) -> datetime | None:
    """When time alone makes a fault of a pod's state, None where it does not."""
    if pod.ready or cluster_fault(pod) is not None:
        return None
    if cannot_pull(pod) is not None:
        return pod.scheduled_at + rule.pull_within if pod.scheduled_at is not None else None
    began = _time_runs_from(pod)
    return began + rule.ready_within if began is not None else None


def crash_of(pod: Pod, rule: CrashLoopRule, now: datetime) -> Container | None:
    """The container of a pod that crashes, as the rule has it; None where none does.

    A pod that the cluster stopped or whose node is not ready did not crash, whatever its containers ended with.
    """
    for container in pod.containers:
        if _crashes(container, rule, now):
            return container if cluster_fault(pod) is None else None
    return None


def settles_at(pod: Pod, rule: CrashLoopRule) -> Sequence[datetime]:
    """When the restarts of its containers are over, if they go on running."""
    return [
        container.running_since + rule.settled_after
        for container in pod.containers
        if container.restarts > 0 and container.running_since is not None
    ]


def _crashes(container: Container, rule: CrashLoopRule, now: datetime) -> bool:
    ended = end_of(container)
    if ended is None and container.waiting is None and not container.restarts:
        return False
    if ended is not None and ended.reason in NOT_A_CRASH:
        return False
    if container.runs_once and is_done(container):
        return False  # its failures before are over
    if rule.restarts is None and container.waiting == "CrashLoopBackOff":
        return True
    return _restarts_together(container, rule.settled_after, now) >= (rule.restarts or USUAL_RESTARTS)


def _restarts_together(container: Container, settled_after: timedelta, now: datetime) -> int:
    """Restarts that are not over yet: those before a run that lasted are. The status shows two runs only."""
    since, ended = container.running_since, end_of(container)
    if since is not None and now >= since + settled_after:
        return 0
    if ended is not None and ended.started_at is not None and ended.finished_at is not None:
        lasted = ended.finished_at - ended.started_at >= settled_after
        return int(since is not None) if lasted else container.restarts
    return container.restarts


def end_of(container: Container) -> Termination | None:
    """How the newest run that is over ended."""
    return container.terminated or container.last


def ending(container: Container) -> str:
    """How its newest run ended, for people; empty where unknown."""
    ended = end_of(container)
    return f"last exit code {ended.exit_code} ({ended.reason or 'no reason given'})" if ended else ""


def _image_fault(
    pod: Pod, container: Container, rule: HealthRule, now: datetime, pulled: Collection[str]
) -> PodFault | None:
    """An image that cannot be pulled.

    At once where the registry says that there is no such image. 'Denied' and 'unauthorized' wait like a timeout: a
    registry says so of a wrong name, but also while credentials are renewed.
    """
    if container.name in pulled:
        return registry_fault(pod, container)
    due = pod.scheduled_at is not None and now >= pod.scheduled_at + rule.pull_within
    if not due and not _no_such_image(container):
        return None
    return PodFault(pod, "ImagePull", pull_error(container), pod.scheduled_at, image=True)


def _no_such_image(container: Container) -> bool:
    said = container.waiting_message.lower()
    if container.waiting in NEVER_PULLS:
        return True
    return any(text in said for text in NO_SUCH_IMAGE) and not any(text in said for text in NETWORK_TROUBLE)


def _creation_fault(pod: Pod) -> PodFault | None:
    """A container that cannot be made from what the template says; other trouble may pass until the pod is late."""
    for container in pod.containers:
        said = container.waiting_message.lower()
        if container.waiting in NOT_CREATED and any(text in said for text in NEVER_CREATED):
            message = (
                f"cannot start container {container.name} ({container.waiting}: {container.waiting_message})"
            )
            return PodFault(pod, str(container.waiting), message, pod.scheduled_at)
    return None


def _late(pod: Pod, rule: HealthRule, now: datetime) -> PodFault | None:
    """A pod that is not ready in time: never since it was scheduled, or not again since it ceased to be."""
    began = _time_runs_from(pod)
    if began is None or now < began + rule.ready_within:
        return None
    within = duration(rule.ready_within)
    if is_being_set_up(pod):
        message = f"was not set up within {within}: {missing(pod)}"
        return PodFault(pod, "ContainerCreating", message, pod.scheduled_at, cluster=True)
    if began == _ceased(pod):
        return PodFault(pod, "NoLongerReady", f"was ready, then unready for {within}{_why(pod)}", began)
    return PodFault(pod, "NotReadyInTime", f"did not become ready within {within}{_why(pod)}", began)


def _time_runs_from(pod: Pod) -> datetime | None:
    """From when a pod's time runs, None before it is scheduled.

    From PodScheduled, less what the cluster took to set it up where that was long; from when it ceased to be ready.
    """
    if pod.scheduled_at is None:
        return None
    ceased = _ceased(pod)
    if ceased is not None:
        return ceased
    spent = set_up_time(pod, pod.scheduled_at)
    return pod.scheduled_at + spent if spent > PROMPT else pod.scheduled_at


def _ceased(pod: Pod) -> datetime | None:
    """When a pod that was ready ceased to be, None for one that never was."""
    if pod.scheduled_at is None or pod.unready_since is None:
        return None
    return pod.unready_since if pod.unready_since > pod.scheduled_at + FIRST_STATUS else None


def _why(pod: Pod) -> str:
    """What its containers show, for people."""
    container = next((c for c in due(pod) if c.waiting not in CREATING), None)
    if container is None:
        return ""
    kind = "sidecar" if container.sidecar else "init container" if container.init else "container"
    named = f": {kind} {container.name}"
    if container.waiting:
        details = [text for text in (container.waiting, container.waiting_message, ending(container)) if text]
        return f"{named} waits ({', '.join(details)})"
    if container.running_since is not None:
        probe = "its startup probe" if container.sidecar else "its probe"
        return f"{named} still runs" if container.runs_once else f"{named} runs and {probe} fails"
    return f"{named} ended, {ending(container)}" if end_of(container) else ""

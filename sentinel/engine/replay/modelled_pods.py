"""Pods of a modelled workload: what the watch would show of each at a time, by a script of what befalls it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.values import dataclass, replace

SCHEDULED_AFTER = timedelta(seconds=0)
STARTED_AFTER = timedelta(seconds=1)


class ModelledFate(StrEnum):
    """What can befall a modelled pod."""

    READY = "ready"
    UNREADY = "unready"
    NEVER_READY = "never-ready"
    CRASH = "crash"
    OOM = "oom"
    PULL_ERROR = "pull-error"
    CONFIG_ERROR = "config-error"
    UNSCHEDULABLE = "unschedulable"
    EVICTED = "evicted"
    NODE_LOST = "node-lost"


@dataclass(frozen=True, slots=True)
class PodEvent:
    """Something that befalls a pod: at a time, or so long after it was made (`at` None).

    `restarts` counts for crashes, `message` is what the kubelet reports.
    """

    fate: ModelledFate
    at: datetime | None = None
    after: timedelta = timedelta(0)
    restarts: int = 3
    message: str = ""

    def due(self, created_at: datetime) -> datetime:
        """When it befalls a pod that was made then."""
        return max(created_at, self.at) if self.at is not None else created_at + self.after


@dataclass(frozen=True, slots=True)
class ModelledPod:
    """A pod by its name, its revision's hash, its node, when it was made and what befalls it."""

    name: str
    revision: str
    node: str
    created_at: datetime
    ready_after: timedelta
    events: tuple[PodEvent, ...] = ()
    image: str = ""

    @property
    def turns(self) -> tuple[datetime, ...]:
        """When its status changes."""
        return (
            self.created_at + STARTED_AFTER,
            self.created_at + self.ready_after,
            *(event.due(self.created_at) for event in self.events),
        )

    def at(self, now: datetime) -> Pod:
        """What the watch shows of it."""
        pod = self._untouched(now)
        happened = sorted(
            (event for event in self.events if event.due(self.created_at) <= now),
            key=lambda event: event.due(self.created_at),
        )
        for event in happened:
            pod = _FATES[event.fate](pod, event, event.due(self.created_at))
        return pod

    def _untouched(self, now: datetime) -> Pod:
        started, ready_at = self.created_at + STARTED_AFTER, self.created_at + self.ready_after
        # What is to keep it from being ready does so from the beginning, or from when it befalls the pod.
        harmless = (ModelledFate.READY, ModelledFate.NODE_LOST)
        kept = [event.due(self.created_at) for event in self.events if event.fate not in harmless]
        ready = now >= ready_at and not any(due <= ready_at for due in kept)
        running = now >= min(started, ready_at)
        container = Container(
            "app",
            ready=ready,
            waiting=None if running else "ContainerCreating",
            running_since=min(started, ready_at) if running else None,
            image=self.image,
            pulled=running,
        )
        return Pod(
            self.name,
            uid=self.name,
            revision=self.revision,
            node=self.node,
            phase="Running" if running else "Pending",
            created_at=self.created_at,
            scheduled_at=self.created_at + SCHEDULED_AFTER,
            ready=ready,
            ready_since=ready_at if ready else None,
            unready_since=None if ready else self.created_at,
            containers=(container,),
        )


def _ready(pod: Pod, _event: PodEvent, at: datetime) -> Pod:
    container = replace(pod.containers[0], ready=True, waiting=None, waiting_message="", pulled=True)
    started = container.running_since or at
    return replace(
        pod,
        phase="Running",
        reason="",
        node_ready=True,
        unschedulable=None,
        scheduled_at=pod.scheduled_at or at,
        ready=True,
        ready_since=pod.ready_since or at,
        unready_since=None,
        containers=(replace(container, running_since=started),),
    )


def _unready(pod: Pod, _event: PodEvent, at: datetime) -> Pod:
    since = at if pod.ready else pod.unready_since
    container = replace(pod.containers[0], ready=False)
    return replace(pod, ready=False, ready_since=None, unready_since=since, containers=(container,))


def _crashed(reason: str, exit_code: int) -> Callable[[Pod, PodEvent, datetime], Pod]:
    def crashed(pod: Pod, event: PodEvent, at: datetime) -> Pod:
        pod = _unready(pod, event, at)
        end = Termination(reason, exit_code, pod.containers[0].running_since, at, event.message)
        container = replace(
            pod.containers[0],
            restarts=event.restarts,
            waiting="CrashLoopBackOff",
            running_since=None,
            last=end,
            pulled=True,
        )
        return replace(pod, phase="Running", containers=(container,))

    return crashed


def _waiting(reason: str, message: str) -> Callable[[Pod, PodEvent, datetime], Pod]:
    def waiting(pod: Pod, event: PodEvent, at: datetime) -> Pod:
        pod = _unready(pod, event, at)
        container = replace(
            pod.containers[0],
            waiting=reason,
            waiting_message=event.message or message,
            running_since=None,
            pulled=reason == "CreateContainerConfigError",
        )
        return replace(pod, phase="Pending", containers=(container,))

    return waiting


def _unschedulable(pod: Pod, event: PodEvent, at: datetime) -> Pod:
    message = event.message or "0/3 nodes are available: 3 Insufficient cpu."
    pod = _unready(pod, event, at)
    return replace(pod, node=None, scheduled_at=None, unschedulable=message, phase="Pending", containers=())


def _evicted(pod: Pod, event: PodEvent, at: datetime) -> Pod:
    return replace(_unready(pod, event, at), phase="Failed", reason="Evicted")


def _node_lost(pod: Pod, event: PodEvent, at: datetime) -> Pod:
    return replace(_unready(pod, event, at), node_ready=False)


_FATES: Mapping[ModelledFate, Callable[[Pod, PodEvent, datetime], Pod]] = {
    ModelledFate.READY: _ready,
    ModelledFate.UNREADY: _unready,
    ModelledFate.NEVER_READY: _unready,
    ModelledFate.CRASH: _crashed("Error", 1),
    ModelledFate.OOM: _crashed("OOMKilled", 137),
    ModelledFate.PULL_ERROR: _waiting("ImagePullBackOff", "manifest unknown: the image was not found"),
    ModelledFate.CONFIG_ERROR: _waiting("CreateContainerConfigError", 'configmap "settings" not found'),
    ModelledFate.UNSCHEDULABLE: _unschedulable,
    ModelledFate.EVICTED: _evicted,
    ModelledFate.NODE_LOST: _node_lost,
}


def next_turn(pods: Sequence[ModelledPod], after: datetime) -> datetime | None:
    """When the status of one of these pods changes next."""
    return min((turn for pod in pods for turn in pod.turns if turn > after), default=None)

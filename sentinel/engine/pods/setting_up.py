"""How far the cluster has set a pod up: which container waits for its node, and how long that took.

Images that are pulled, volumes that are attached and a network that is made take the cluster's time. The time that
init containers run is the revision's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sentinel.domain.workload.pods import Container, Pod

CREATING = frozenset({"ContainerCreating", "PodInitializing", ""})
PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageInspect", "RegistryUnavailable"})

PROMPT = timedelta(seconds=30)
"""If the cluster takes longer than this to start a pod's containers, it holds the pod up."""


def due(pod: Pod) -> tuple[Container, ...]:
    """The containers that keep a pod from being ready: the first init container that is not done, else the others."""
    for container in pod.containers:
        if container.init and not is_done(container):
            return (container,)
    return tuple(c for c in pod.containers if not c.init and not c.ready)


def is_done(container: Container) -> bool:
    """Whether an init container lets the next container start."""
    if container.sidecar:
        return container.running_since is not None and container.started is not False
    return container.terminated is not None and container.terminated.exit_code == 0


def is_being_set_up(pod: Pod) -> bool:
    """Whether a container that is due has yet to be made by the node, whatever else runs in the pod."""
    return not pod.containers or _waiting_for_node(pod) is not None


def missing(pod: Pod) -> str:
    """What a pod that is being set up waits for, for people: the container, and the cause as far as it is known.

    The status does not tell a slow pull from a volume that does not attach; that others run, or that the node says
    the pod is furnished, does.
    """
    container = _waiting_for_node(pod)
    if container is None:
        return f"node {pod.node} has not reported any of its containers"
    image = f"its image {container.image}" if container.image else "its image"
    if pod.furnished is False:
        cause = "its volumes or network"
    elif pod.furnished or any(_has_run(c) for c in pod.containers):
        cause = image
    else:
        cause = f"{image}, volumes or network"
    return f"container {container.name} waits for {cause} on node {pod.node}"


def waits_since(pod: Pod) -> datetime | None:
    """Since when a pod that is being set up waits for its node, None before it is scheduled."""
    if pod.scheduled_at is None:
        return None
    starts = (container.running_since for container in pod.containers)
    ends = (container.terminated.finished_at for container in pod.containers if container.terminated)
    return max(at for at in (pod.scheduled_at, pod.unready_since, *starts, *ends) if at is not None)


def _waiting_for_node(pod: Pod) -> Container | None:
    return next((c for c in due(pod) if c.waiting is not None and c.waiting in CREATING), None)


def kept_back(pod: Pod) -> bool:
    """Whether the cluster kept a pod from starting in time: the controller's deadline then does not judge the revision.

    That includes a pod that never started: no node, no volume, or an image that another rule judges.
    """
    if pod.created_at is None:
        return False
    unmade = any(c.waiting is not None and c.waiting in CREATING | PULLING for c in due(pod))
    return unmade or not any(map(_has_run, pod.containers)) or set_up_time(pod, pod.created_at) > PROMPT


def set_up_time(pod: Pod, since: datetime) -> timedelta:
    """How long the cluster took to start the pod's containers, counted from `since`, as far as the statuses tell."""
    spent, begins = timedelta(0), since
    for container in (c for c in pod.containers if c.init):
        start = _last_start([container])
        spent += max(timedelta(0), start - begins) if start is not None else timedelta(0)
        if not is_done(container):
            return spent
        over = container.terminated.finished_at if container.terminated and container.runs_once else start
        begins = max(begins, over or begins)
    last = _last_start([c for c in pod.containers if not c.init])
    return spent + (max(timedelta(0), last - begins) if last is not None else timedelta(0))


def _last_start(containers: Sequence[Container]) -> datetime | None:
    """When the last of these containers started for the first time; those that restarted often do not tell."""
    starts = []
    for container in containers:
        runs = [run.started_at for run in (container.last, container.terminated) if run is not None]
        first = next((at for at in (*runs, container.running_since) if at is not None), None)
        if first is not None and container.restarts <= 1:
            starts.append(first)
    return max(starts, default=None)


def _has_run(container: Container) -> bool:
    runs = (container.running_since, container.terminated, container.last)
    return container.restarts > 0 or any(run is not None for run in runs)

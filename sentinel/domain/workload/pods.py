"""Pods and their containers, as one snapshot of the cluster shows them."""

from datetime import datetime

from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Termination:
    """How a container ended."""

    reason: str
    exit_code: int
    started_at: datetime | None = None
    finished_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """One container's status. `waiting` is the reason while it waits, e.g. `CrashLoopBackOff`.

    `pulled` says that the image is on the node (the status carries an image ID). `init` containers run before the
    others; one that is a `sidecar` (restartPolicy Always) goes on running beside them, any other runs to its end.
    `started` says whether its startup probe has passed, None where the status does not tell.
    """

    name: str
    ready: bool = False
    restarts: int = 0
    waiting: str | None = None
    waiting_message: str = ""
    running_since: datetime | None = None
    terminated: Termination | None = None
    last: Termination | None = None
    image: str = ""
    pulled: bool = False
    init: bool = False
    sidecar: bool = False
    started: bool | None = None

    @property
    def runs_once(self) -> bool:
        """Whether it is to end before the next container starts."""
        return self.init and not self.sidecar


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `revision` is the hash by which its controller names its revision (pod-template-hash).

    `ready_since` and `unready_since` are when its Ready condition last became what it is now; one of them is None.
    `furnished` says whether its volumes and its network are set up, so that containers can start; None where the
    status does not tell.
    """

    name: str
    uid: str
    revision: str
    node: str | None = None
    node_ready: bool = True
    phase: str = "Pending"
    reason: str = ""
    created_at: datetime | None = None
    scheduled_at: datetime | None = None
    unschedulable: str | None = None
    ready: bool = False
    ready_since: datetime | None = None
    unready_since: datetime | None = None
    furnished: bool | None = None
    deleting: bool = False
    containers: tuple[Container, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether it simply runs: ready on a ready node, and no container of it waits, restarted, or ended but to be
        followed by the next."""
        if not (self.ready and self.node_ready and self.phase == "Running" and not self.reason):
            return False
        return self.unschedulable is None and all(map(_is_sound, self.containers))

    @property
    def restarts(self) -> int:
        """Restarts of all its containers together."""
        return sum(container.restarts for container in self.containers)


def _is_sound(container: Container) -> bool:
    if container.restarts or container.waiting is not None or container.last is not None:
        return False
    ended = container.terminated
    return ended is None or (container.runs_once and ended.exit_code == 0)

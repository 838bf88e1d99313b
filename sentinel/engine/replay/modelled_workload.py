"""A model of a rolling update on virtual time, that follows stops, releases and restores.

As Kubernetes rolls by surge (kubernetes/kubernetes, `pkg/controller/deployment/rolling.go`): new pods up to
`maxSurge` over the wanted number, old ones away while no more than `maxUnavailable` are missing, new pods that are
not ready counted as missing; old pods that are not ready first. While paused neither, and as many old pods stay as a
partition keeps back. Pods are named `candidate-1` and `baseline-1` onwards.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from types import MappingProxyType

from sentinel.domain.decision import Change, Release, Restore, SetPartition, Stop
from sentinel.domain.workload.facts import (
    Abilities,
    Ability,
    Brake,
    Exposure,
    Mark,
    Stepping,
    Workload,
    WorkloadKey,
)
from sentinel.domain.workload.kinds import USUAL_KIND
from sentinel.domain.workload.own_steps import OwnStep
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import ObjectRef, Revision
from sentinel.engine.replay.modelled_pods import ModelledPod, PodEvent, next_turn
from sentinel.values import dataclass

CANDIDATE, BASELINE = "candidate", "baseline"
AGES_AGO = timedelta(days=1)
NODES = 3

_NOT_OURS = {Ability.STEPPING: "the canary steps are the workload's own: remove the steps from the policy"}
_KEY = WorkloadKey(USUAL_KIND, "default", "app")
_STABLE = Revision(
    "baseline", BASELINE, 1, images=("app:1",), stored_in=ObjectRef("", "", "", BASELINE), order=1
)
_NEW = Revision(
    "candidate", CANDIDATE, 2, images=("app:2",), stored_in=ObjectRef("", "", "", CANDIDATE), order=2
)


@dataclass(frozen=True, slots=True)
class WorkloadShape:
    """What is modelled. `began` is when the template was changed; pods are ready `ready_after` they are made.

    `stable` None is a first deployment. `events` say what befalls which pod, by its name. So many pods of the candidate
    were `made` before. `own_steps` are its own controller's, which people promote and abort at these times.
    """

    began: datetime
    key: WorkloadKey = _KEY
    replicas: int = 10
    max_surge: int = 1
    max_unavailable: int = 0
    stepping: Stepping = Stepping.PAUSING
    ready_after: timedelta = timedelta(seconds=5)
    candidate: Revision = _NEW
    stable: Revision | None = _STABLE
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    events: Mapping[str, tuple[PodEvent, ...]] = field(default_factory=lambda: MappingProxyType({}))
    changed_by: str = ""
    made: int = 0
    own_steps: tuple[OwnStep, ...] = ()
    promotes: tuple[datetime, ...] = ()
    aborts: tuple[datetime, ...] = ()


class ModelledWorkload:
    """Implements `replay.World`. Time must not run backwards."""

    def __init__(self, shape: WorkloadShape) -> None:
        self._shape = shape
        self._now = shape.began
        self._generation = 2
        self._mark: Mark | None = None
        self._paused = False
        self._lets = shape.replicas
        self._template = shape.candidate
        self._made = {CANDIDATE: shape.made, BASELINE: 0}
        self._pods: list[ModelledPod] = []
        self._shown: Workload | None = None
        self._turns_at: datetime | None = None
        if shape.stable is not None:
            for _ in range(shape.replicas):
                self._make(shape.stable, shape.began - AGES_AGO)
        self._move()

    def at(self, now: datetime) -> Workload:
        """The workload as the watch shows it now."""
        while self._turns_at is not None and self._turns_at <= now:
            self._now = self._turns_at
            self._move()
        self._now = max(self._now, now)
        if self._shown is None:
            self._shown = self._snapshot()
        return self._shown

    def next_change(self, after: datetime) -> datetime | None:
        """When the workload changes next by itself."""
        due = self._turns_at
        return due if due is None or due > after else next_turn(self._pods, after)

    def apply(self, change: Change, now: datetime) -> None:
        """What the API server and the controller make of a change."""
        self.at(now)
        self._generation += 1
        if isinstance(change, Stop | SetPartition):
            self._stop(change)
        elif isinstance(change, Release | Restore):
            self._paused, self._mark, self._lets = False, None, self._shape.replicas
        if isinstance(change, Restore):
            known = (self._shape.candidate, self._shape.stable)
            target = next((r for r in known if r is not None and r.digest == change.target.digest), None)
            self._template = target or self._template
        self._move()

    def _stop(self, change: Stop | SetPartition) -> None:
        self._mark = change.mark
        if isinstance(change, SetPartition):
            self._lets = change.pods
        elif self._shape.stepping is Stepping.PARTITION:
            self._lets = self._updated()
        else:
            self._paused = True

    def _updated(self) -> int:
        return sum(pod.revision == self._template.hash for pod in self._pods)

    def _snapshot(self) -> Workload:
        pods = tuple(pod.at(self._now) for pod in self._pods)
        shape = self._shape
        revisions = {r.hash: counted(r, pods) for r in (shape.candidate, shape.stable) if r is not None}
        template = revisions.pop(self._template.hash)
        return Workload(
            key=shape.key,
            uid="modelled",
            candidate=template,
            generation=self._generation,
            observed_generation=self._generation,
            labels=shape.labels,
            annotations=shape.annotations,
            others=tuple(revisions.values()),
            exposure=Exposure.counted(
                shape.replicas,
                template.replicas,
                ready=template.ready,
                available=sum(pod.ready for pod in pods),
                old=len(pods) - template.replicas,
            ),
            brake=self._brake(),
            abilities=Abilities(
                shape.stepping,
                stops=shape.stepping is not Stepping.OWN,
                why_not=_NOT_OURS if shape.stepping is Stepping.OWN else {},
                first_batch=shape.max_surge + shape.max_unavailable,
                smaller_batch="set maxSurge: {weight} and maxUnavailable: 0",
            ),
            pods=pods,
            changed_by=shape.changed_by,
        )

    def _brake(self) -> Brake:
        if self._shape.stepping is Stepping.PARTITION:
            on = self._lets < self._shape.replicas
            return Brake(on, self._mark, self._lets, "partition")
        return Brake(self._paused, self._mark)

    # The controller.

    def _move(self) -> None:
        """What the controller does now; then nothing changes by itself before a pod's next turn."""
        self._roll()
        self._shown, self._turns_at = None, next_turn(self._pods, self._now)

    def _roll(self) -> None:
        """Make and remove pods until the limits allow no more."""
        while not self._paused and (self._surge() or self._retire()):
            pass

    def _surge(self) -> bool:
        room = self._shape.replicas + self._shape.max_surge - len(self._pods)
        wanted = min(self._lets - self._updated(), room)
        for _ in range(wanted):
            self._make(self._template, self._now)
        return wanted > 0

    def _retire(self) -> bool:
        """Old pods that are not ready go first, then ready ones, each within what the limits spare."""
        statuses = {pod.name: pod.at(self._now).ready for pod in self._pods}
        old = [pod for pod in self._pods if pod.revision != self._template.hash]
        at_least = self._shape.replicas - self._shape.max_unavailable
        new_unready = sum(not statuses[p.name] for p in self._pods if p.revision == self._template.hash)
        spare = len(self._pods) - at_least - new_unready
        if spare <= 0:
            return False
        gone = [pod for pod in old if not statuses[pod.name]][:spare]
        ready = [pod for pod in old if statuses[pod.name]]
        available = sum(statuses.values()) - at_least
        gone += ready[-min(available, len(ready)) :] if min(available, len(ready)) > 0 else []
        gone = gone[: max(0, len(old) - (self._shape.replicas - self._lets))]
        self._pods = [pod for pod in self._pods if pod not in gone]
        return bool(gone)

    def _make(self, revision: Revision, at: datetime) -> None:
        arm = CANDIDATE if revision.hash == CANDIDATE else BASELINE
        self._made[arm] += 1
        name = f"{arm}-{self._made[arm]}"
        self._pods.append(made_pod(self._shape, revision, name, len(self._pods), at))


def made_pod(shape: WorkloadShape, revision: Revision, name: str, number: int, at: datetime) -> ModelledPod:
    """A pod of a revision, the `number`-th, on one of the nodes."""
    return ModelledPod(
        name,
        revision.hash,
        f"node-{number % NODES + 1}",
        at,
        shape.ready_after,
        shape.events.get(name, ()),
        revision.images[0] if revision.images else "",
    )


def counted(revision: Revision, pods: tuple[Pod, ...]) -> Revision:
    """The revision with the numbers of its pods among these."""
    mine = [pod for pod in pods if pod.revision == revision.hash]
    ready = sum(pod.ready for pod in mine)
    return Revision(
        revision.digest,
        revision.hash,
        revision.number,
        revision.images,
        revision.labels,
        revision.created_at,
        revision.change_cause,
        revision.irreversible,
        len(mine),
        ready,
        ready,
        revision.stored_in,
        revision.order,
    )

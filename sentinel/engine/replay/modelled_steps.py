"""A model of a workload whose own controller makes the canary steps, as Argo Rollouts documents them.

Source: argoproj/argo-rollouts, `rollout/canary.go` (what ends a step) and `utils/replicaset/canary.go` (how many pods
of each revision a weight comes to, without a traffic router). Analyses, experiments and routers are not modelled.
"""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from math import ceil, floor

from sentinel.domain.decision import Change, Promote, Restore
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.own_steps import OwnStep, position
from sentinel.domain.workload.revision import Revision
from sentinel.engine.replay.modelled_pods import ModelledPod
from sentinel.engine.replay.modelled_workload import ModelledWorkload, WorkloadShape
from sentinel.values import replace

ABORTED = "a person aborted it"


class ModelledSteps(ModelledWorkload):
    """Implements `replay.World`. Time must not run backwards."""

    def __init__(self, shape: WorkloadShape) -> None:
        self._at = 0
        self._paused_since: datetime | None = None
        self._full = self._aborted = False
        self._stable = shape.stable or shape.candidate
        self._promotes, self._aborts = sorted(shape.promotes), sorted(shape.aborts)
        super().__init__(shape)

    def apply(self, change: Change, now: datetime) -> None:
        """What the API server and its controller make of a change."""
        self.at(now)
        self._generation += 1
        match change:
            case Promote(full=True):
                self._promote_in_full()
            case Promote():
                self._promote()
            case Restore(target):
                known = (self._shape.candidate, self._shape.stable)
                wanted = next((r for r in known if r is not None and r.digest == target.digest), None)
                if wanted is not None and wanted is not self._template:
                    self._template, self._at = wanted, 0
                    self._full = self._aborted = False
                    self._paused_since = None
            case _:
                pass
        self._move()

    def next_change(self, after: datetime) -> datetime | None:
        """When the workload changes next by itself, or by people."""
        by_pods = super().next_change(after)
        ahead = [at for at in (by_pods, *self._timers()) if at is not None and at > after]
        return min(ahead, default=None)

    def _timers(self) -> Iterator[datetime | None]:
        yield from (*self._promotes, *self._aborts)
        step = self._step
        if step is not None and self._paused_since is not None and step.duration is not None:
            yield self._paused_since + step.duration

    def _move(self) -> None:
        super()._move()
        ahead = (at for at in (self._turns_at, *self._timers()) if at is not None)
        self._turns_at = min(ahead, default=None)

    # People, and the controller.

    def _promote(self) -> None:
        if self._paused_since is not None:
            self._at, self._paused_since = self._at + 1, None

    def _promote_in_full(self) -> None:
        if self._template is not self._stable:
            self._full, self._aborted = True, False
            self._at, self._paused_since = len(self._shape.own_steps), None

    def _roll(self) -> None:
        while self._promotes and self._promotes[0] <= self._now:
            self._promotes.pop(0)
            self._promote()
        while self._aborts and self._aborts[0] <= self._now:
            self._aborts.pop(0)
            if self._template is not self._stable:
                self._aborted, self._at, self._paused_since = True, 0, None
        while self._scale() or self._go_on():
            pass

    @property
    def _step(self) -> OwnStep | None:
        """The step that it is at; None past the last one, and where there is nothing to roll out."""
        steps = self._shape.own_steps
        moving = self._template is not self._stable and not self._aborted
        return steps[self._at] if moving and self._at < len(steps) else None

    def _go_on(self) -> bool:
        """Whether a step, or the whole rollout, is over now."""
        step = self._step
        if step is None:
            over = self._template is not self._stable and not self._aborted and self._scaled()
            if over:
                self._stable, self._full = self._template, False
            return over
        if step.pauses:
            self._paused_since = self._paused_since or self._now
            over = step.duration is not None and self._now >= self._paused_since + step.duration
        else:
            over = self._scaled()
        if over:
            self._at, self._paused_since = self._at + 1, None
        return over

    # Pods.

    def _weight(self) -> float:
        if self._aborted:
            return 0.0
        if self._step is None:
            return 1.0
        return position(self._shape.own_steps, self._at).weight

    def _wanted(self) -> tuple[int, int]:
        """How many pods of the template, and how many of the stable beside it."""
        size = self._shape.replicas
        if self._template is self._stable:
            return size, 0
        return closest(size, Fraction(str(self._weight())), surge=self._shape.max_surge > 0)

    def _of(self, revision: Revision) -> list[ModelledPod]:
        return [pod for pod in self._pods if pod.revision == revision.hash]

    def _others(self) -> list[ModelledPod]:
        return [pod for pod in self._pods if pod.revision != self._template.hash]

    def _scaled(self) -> bool:
        """Whether each revision has the pods that it is to have, and those of the template are ready."""
        new, stable = self._wanted()
        mine = self._of(self._template)
        ready = all(pod.at(self._now).ready for pod in mine)
        return ready and (len(mine), len(self._others())) == (new, stable)

    def _scale(self) -> bool:
        """Make pods as far as the surge allows, then remove those that are too many and can be spared."""
        new, stable = self._wanted()
        mine, others = self._of(self._template), self._others()
        room = self._shape.replicas + self._shape.max_surge - len(self._pods)
        more_stable = max(0, min(stable - len(others), room))
        for _ in range(more_stable):
            self._make(self._stable, self._now)
        more = max(0, min(new - len(mine), room - more_stable))
        for _ in range(more):
            self._make(self._template, self._now)
        grows = new >= len(mine)
        drained, wanted = (self._others(), stable) if grows else (self._of(self._template), new)
        kept = self._of(self._template) if grows else self._others()
        at_least = self._shape.replicas - self._shape.max_unavailable
        spare = len(drained) + sum(pod.at(self._now).ready for pod in kept) - at_least
        gone = self._least_useful(drained)[: max(0, min(len(drained) - wanted, spare))]
        self._pods = [pod for pod in self._pods if pod not in gone]
        return bool(more_stable or more or gone)

    def _least_useful(self, pods: list[ModelledPod]) -> list[ModelledPod]:
        """Those that are not ready first, then the youngest: so pods go when fewer of them are wanted."""
        return sorted(pods, key=lambda pod: (pod.at(self._now).ready, -pods.index(pod)))

    def _snapshot(self) -> Workload:
        found = super()._snapshot()
        step = self._step
        waits = step is not None and step.waits and self._paused_since is not None
        at = self._at if step is not None or self._aborted else len(self._shape.own_steps)
        settled = self._template is self._stable and not found.exposure.old
        there = found.exposure.available >= self._shape.replicas
        return replace(
            found,
            exposure=replace(found.exposure, settled=settled and there),
            own_steps=position(
                self._shape.own_steps,
                at,
                waits=waits,
                full=self._full,
                aborted=ABORTED if self._aborted else "",
            ),
        )


def closest(size: int, weight: Fraction, *, surge: bool) -> tuple[int, int]:
    """How many pods of the candidate and of the stable come closest to a weight; of a tie more of the candidate.

    Between 0 and 100 % each revision has one pod at least where there is room for both; with a `surge` there may be
    one pod more than `size`.
    """
    up, down = ceil(size * weight), floor(size * weight)
    zero_allowed = weight in (0, 1) or (size == 1 and not surge)
    options = []
    for total in (size, size + 1) if surge else (size,):
        if total > size or up < size or zero_allowed:
            options.append((up, total))
        tied = (total * weight) % 1 == Fraction(1, 2)
        if not tied and (down > 0 or zero_allowed):
            options.append((down, total))
    candidate, total = min(options, key=lambda one: abs(Fraction(one[0], one[1]) - weight), default=(0, size))
    return candidate, total - candidate

"""A model of a blue-green pair: pods of both revisions side by side, of which those of one serve."""

from datetime import datetime

from sentinel.domain.decision import Adopt, Change, Release, Restore
from sentinel.domain.workload.facts import (
    Abilities,
    Brake,
    Exposure,
    Standby,
    Stepping,
    TrafficShare,
    Workload,
)
from sentinel.domain.workload.revision import Revision
from sentinel.engine.replay.modelled_workload import ModelledWorkload, WorkloadShape
from sentinel.values import replace


class ModelledSwitch(ModelledWorkload):
    """Implements `replay.World`: the candidate's pods are made at once, and serve from the switch on."""

    def __init__(self, shape: WorkloadShape) -> None:
        self._serving = shape.stable or shape.candidate
        self._made_candidates = False
        super().__init__(shape)

    def apply(self, change: Change, now: datetime) -> None:
        """A switch, a switch back, or the end of the pods that were replaced."""
        self.at(now)
        self._generation += 1
        if isinstance(change, Adopt):
            self._serving = self._template
        elif isinstance(change, Restore):
            self._serving = self._template = self._shape.stable or self._template
        elif isinstance(change, Release):
            self._pods = [pod for pod in self._pods if pod.revision == self._serving.hash]
        self._move()

    def _roll(self) -> None:
        if self._made_candidates:
            return
        self._made_candidates = True
        for _ in range(self._shape.replicas):
            self._make(self._shape.candidate, self._now)

    def _snapshot(self) -> Workload:
        found = super()._snapshot()
        known = {revision.digest: revision for revision in (found.candidate, *found.others)}
        serving = known.pop(self._serving.digest)
        other = next(iter(known.values()), None)
        adopted, wanted = serving.digest == found.candidate.digest, self._shape.replicas
        return replace(
            found,
            exposure=Exposure(
                wanted,
                found.candidate.replicas,
                ready=found.candidate.ready,
                available=serving.available,
                old=len(found.pods) - found.candidate.replicas,
                settled=adopted and serving.ready == wanted,
                traffic=TrafficShare(share=float(adopted), adopted=adopted),
                standby=_standby(other, serving, noted=adopted) if other is not None else None,
            ),
            brake=Brake(),
            abilities=Abilities(Stepping.SWITCHING, stops=False, first_batch=0),
        )


def _standby(other: Revision, serving: Revision, *, noted: bool) -> Standby:
    return Standby(other.digest, serving.digest, other.replicas, other.ready, noted=noted)

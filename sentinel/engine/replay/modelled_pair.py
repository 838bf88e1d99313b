"""A model of a canary pair on virtual time: a stable beside a canary that gets a share of the requests.

The canary has as many pods as its share asks for, named `candidate-1` onwards; the share is in force once they are
ready. When the stable takes the candidate's template it rolls as a modelled workload does, and its new pods go on with
the canary's numbers. Which requests come to which pod is for the series of the test to say.
"""

from datetime import datetime

from sentinel.domain.decision import Adopt, Change, Release, Restore, SetTraffic
from sentinel.domain.workload.facts import Abilities, Exposure, Stepping, TrafficShare, Workload
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import Revision
from sentinel.engine.exposure.weights import wanted_pods
from sentinel.engine.replay.modelled_pods import ModelledPod, next_turn
from sentinel.engine.replay.modelled_workload import (
    CANDIDATE,
    ModelledWorkload,
    WorkloadShape,
    counted,
    made_pod,
)
from sentinel.values import replace


class ModelledPair:
    """Implements `replay.World`. Time must not run backwards."""

    def __init__(self, shape: WorkloadShape) -> None:
        self._shape = shape
        self._canary: list[ModelledPod] = []
        self._stable = ModelledWorkload(replace(shape, candidate=shape.stable or shape.candidate))
        self._template = shape.candidate
        self._traffic = TrafficShare(adopted=shape.stable is None)
        self._generation = 2

    def at(self, now: datetime) -> Workload:
        """The pair as the watch shows it now."""
        canary = tuple(pod.at(now) for pod in self._canary)
        stable = self._stable.at(now)
        pods = (*stable.pods, *canary)
        known = [revision for revision in (self._shape.candidate, self._shape.stable) if revision is not None]
        revisions = {one.digest: counted(one, pods) for one in known}
        template = revisions.pop(self._template.digest)
        return replace(
            stable,
            candidate=template,
            generation=self._generation,
            observed_generation=self._generation,
            others=tuple(revisions.values()),
            exposure=self._exposure(stable, template, canary, pods),
            abilities=Abilities(Stepping.TRAFFIC, stops=False, first_batch=0),
            pods=pods,
        )

    def _exposure(
        self, stable: Workload, template: Revision, canary: tuple[Pod, ...], pods: tuple[Pod, ...]
    ) -> Exposure:
        old, traffic = len(pods) - template.replicas, self._traffic
        there = all(pod.ready for pod in canary)
        size = self._shape.replicas
        return Exposure(
            wanted=size,
            candidate=template.replicas,
            ready=template.ready,
            available=sum(pod.ready for pod in stable.pods),
            old=old,
            settled=traffic.adopted and stable.rolled_out and old == 0,
            traffic=replace(traffic, share=traffic.asked if there else 0.0, settled=there),
        )

    def next_change(self, after: datetime) -> datetime | None:
        """When the pair changes next by itself."""
        turns = (next_turn(self._canary, after), self._stable.next_change(after))
        return min((turn for turn in turns if turn is not None), default=None)

    def apply(self, change: Change, now: datetime) -> None:
        """What the API server, the controllers and the gateway make of a change."""
        self._generation += 1
        match change:
            case SetTraffic(share, mark):
                self._traffic = replace(self._traffic, asked=share, mark=mark)
                self._scale(wanted_pods(share, self._shape.replicas) if share else len(self._canary), now)
            case Adopt():
                self._traffic = replace(self._traffic, adopted=True)
                self._stable = ModelledWorkload(replace(self._shape, began=now, made=len(self._canary)))
            case Restore():
                self._stable.apply(change, now)
                self._template = self._shape.stable or self._shape.candidate
                self._rest()
            case Release():
                self._rest()
            case _:
                pass

    def _rest(self) -> None:
        self._canary, self._traffic = [], TrafficShare(adopted=True)

    def _scale(self, pods: int, now: datetime) -> None:
        for number in range(len(self._canary) + 1, pods + 1):
            name = f"{CANDIDATE}-{number}"
            self._canary.append(made_pod(self._shape, self._shape.candidate, name, number, now))

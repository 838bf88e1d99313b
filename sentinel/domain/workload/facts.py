"""Workloads as one snapshot of the cluster shows them: facts that a driver states, whatever the kind."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sentinel.domain.workload.config import ConfigFact
from sentinel.domain.workload.keeper import Keeper
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pairing import Pairing
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import ObjectRef, Revision
from sentinel.values import dataclass, replace

GUARD_LABEL = "rollback-sentinel.dev/guard"


HOLD_LABEL = "rollback-sentinel.dev/hold"


IRREVERSIBLE_ANNOTATION = "rollback-sentinel.dev/irreversible"
COMMITTED = "rollback-sentinel.dev/committed-at"
IMAGE_CREATED = "org.opencontainers.image.created"


PAUSED_ANNOTATION = "rollback-sentinel.dev/paused"


PARTITION_ANNOTATION = "rollback-sentinel.dev/partition"


TRAFFIC_ANNOTATION = "rollback-sentinel.dev/traffic"


CONFIG_ANNOTATION = "rollback-sentinel.dev/config"
"""On a pod template: the digest of the config with which we had its pods started again."""


class WorkloadKey(NamedTuple):
    """Names one workload in the cluster. A tuple, since it is looked up more often than anything else."""

    kind: WorkloadKind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Our signature on a brake: the record it belongs to and until when it is meant to last."""

    record: str
    until: datetime

    def __str__(self) -> str:
        return f"{self.record},{self.until.isoformat().replace('+00:00', 'Z')}"


@dataclass(frozen=True, slots=True)
class Brake:
    """Whether the rollout is stopped where it is (a pause, a partition, a frozen weight), and by whom.

    `mark` is ours; a brake that is `on` without it is somebody else's. `lets` is how many pods of the
    candidate it lets come, None where it stops them where they are. `name` is what the kind calls it. `why` is a
    sentence on somebody else's, where its name does not tell enough.
    """

    on: bool = False
    mark: Mark | None = None
    lets: int | None = None
    name: str = "pause"
    why: str = ""

    @property
    def foreign(self) -> bool:
        """Whether somebody else stopped it: that is never undone by us."""
        return self.on and self.mark is None


class Stepping(StrEnum):
    """How the candidate's share of a workload is moved in canary steps."""

    NONE = "none"
    PAUSING = "pausing"
    PARTITION = "partition"
    TRAFFIC = "traffic"
    """Two sets of pods run side by side, and a share of the requests goes to the candidate's."""
    SWITCHING = "switching"
    """The candidate's pods stand by beside those that serve, and take over all requests at once."""
    OWN = "own"
    """Its own controller makes the steps, and may wait at some of them until it is promoted."""


class Ability(StrEnum):
    """What a workload may be able to do, by which `Abilities.why_not` says why it is not."""

    STEPPING = "stepping"
    ROLLING = "rolling"
    """Its controller replaces pods by itself when the template changes: without that nothing can be undone."""
    BEGINNING = "beginning"
    """What its steps are made with is there: needed until the last of them."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What can be done with a workload of its kind and settings, as its driver says.

    `stops`: whether a rollout under way can be stopped so that no further old pod is replaced. `first_batch` is how
    many candidate pods come before anyone can stop it, `smaller_batch` the change of the manifest that makes them as
    few as a first step of `{weight}` asks for. `why_not` has a sentence for each ability that is missing. `remarks` are
    sentences on settings that do not do what they say.
    """

    stepping: Stepping = Stepping.PAUSING
    stops: bool = True
    first_batch: int = 1
    smaller_batch: str = ""
    why_not: Mapping[Ability, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnSteps:
    """A workload's position in the steps that its own controller makes.

    A stage is what the controller goes through without waiting: `stage` counts from 0, and `count`, the number of
    stages before 100 %, stands for 100 % itself. `weight` is the share that the present stage asks for. `waits`: it
    goes no further until it is promoted. `full`: it is being promoted past all stages. `aborted` is why its
    controller gave the candidate up, empty where it did not.
    """

    stage: int
    count: int
    weight: float = 0.0
    waits: bool = False
    full: bool = False
    aborted: str = ""


@dataclass(frozen=True, slots=True)
class TrafficShare:
    """How requests are split between two sets of pods that run side by side.

    `share` is the candidate's share of the requests that is in force, as read back. `asked` is the share that was last
    asked for by us, 0 where none is; `settled`: it is in force. `adopted`: the stable set has the candidate's template.
    `beside` is the digest of the template that the stable set has, empty where it is not known. `mark` is ours, None
    where we ask for nothing. `awaited` says what others have yet to do until what is written is in force.
    """

    share: float = 0.0
    asked: float = 0.0
    settled: bool = True
    adopted: bool = False
    beside: str = ""
    mark: Mark | None = None
    awaited: str = ""


@dataclass(frozen=True, slots=True)
class Standby:
    """The pods that stand by while others serve: of the template with this digest, `pods` wanted, `ready` of them.

    `beside` is the digest of what serves. `prepared`: nothing is left to ask for so that they can take over. `noted`:
    this template has served before, was set aside by an undo, or is what serves. `in_place`: what serves has got
    another template since requests were moved to it. `unconfirmed`: something that we wrote was not looked at again.
    """

    digest: str
    beside: str = ""
    pods: int = 0
    ready: int = 0
    prepared: bool = True
    noted: bool = False
    in_place: bool = False
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class Exposure:
    """How far the candidate has come, in pods and, where they are split, in requests.

    `wanted` is the workload's size, `candidate` how many pods of the candidate there are, `ready` how many of these
    are ready, `old` how many pods of other revisions are left, `available` how many of all pods are available.
    `settled`: nothing is left to be rolled out, and all of it is available. `standby` is None where no pods stand by.
    """

    wanted: int = 1
    candidate: int = 0
    ready: int = 0
    available: int = 0
    old: int = 0
    settled: bool = False
    traffic: TrafficShare | None = None
    standby: Standby | None = None

    @classmethod
    def counted(cls, wanted: int, candidate: int, *, ready: int, available: int, old: int) -> "Exposure":
        """The exposure that these counts come to, where they are all there is to know."""
        settled = candidate >= wanted and old == 0 and available >= wanted
        return cls(wanted, candidate, ready, available, old, settled)

    @property
    def share(self) -> float:
        """The candidate's share of the requests where they are split, else of the wanted pods; at most 1."""
        if self.traffic is not None:
            return 1.0 if self.settled else self.traffic.share
        return min(1.0, self.candidate / self.wanted) if self.wanted > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """One guarded workload at one moment: facts that its driver states, whatever its kind.

    `candidate` is the revision of the template in the spec now, `others` every other revision that the
    controller still holds, newest first. `parts` are the objects whose uids were judged, the workload itself first.
    `changed_by` is the field manager that wrote the template last, as far as the API tells. `create_failure` is why
    its controller cannot create pods (a quota, an admission webhook), empty where it can, and since when.
    `written` is the digest of the template in the workload's own object, if its revisions are identified by
    something else (empty: the candidate's digest). `essence` is that of this template without defaults: by it a
    revision is known that its controller has not taken up. Such a one is `unnamed`; of a new workload it is the
    `candidate` as well. `own_steps` is None where the sentinel makes the steps.
    `in_the_way` is a broken pod of another revision that its controller neither replaces nor
    passes by, None if nothing is in the way. `pairing` says how it is made, where a policy makes it of several objects.
    `config` is the content of what the candidate's template names, where it is followed.
    """

    key: WorkloadKey
    uid: str
    candidate: Revision
    generation: int = 1
    observed_generation: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    others: tuple[Revision, ...] = ()
    exposure: Exposure = Exposure()
    brake: Brake = Brake()
    abilities: Abilities = Abilities()
    keeper: Keeper | None = None
    parts: tuple[ObjectRef, ...] = ()
    progress_deadline_exceeded: bool = False
    create_failure: str = ""
    create_failure_since: datetime | None = None
    own_steps: OwnSteps | None = None
    pods: tuple[Pod, ...] = ()
    in_the_way: Pod | None = None
    changed_by: str = ""
    written: str = ""
    essence: str = ""
    unnamed: Revision | None = None
    pairing: Pairing | None = None
    deleting: bool = False
    config: tuple[ConfigFact, ...] = ()
    _by_hash: dict[str, tuple[Pod, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _unsound: dict[str, tuple[Pod, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def observed(self) -> bool:
        """Whether the controller has seen the newest spec, so that the counts are up to date."""
        return self.observed_generation >= self.generation

    @property
    def nameless(self) -> bool:
        """Whether the candidate is known by its template alone: its controller has not taken it up."""
        return self.essence != "" and self.candidate.digest == self.essence

    @property
    def revision_asked_for(self) -> str:
        """The digest of the revision in the spec, whether its controller has taken it up or not."""
        return (self.unnamed or self.candidate).digest

    def as_asked_for(self) -> "Workload":
        """The workload whose candidate is the revision in its spec, though its controller has not taken it up."""
        if self.unnamed is None:
            return self
        before = () if self.nameless else (self.candidate,)
        others = (one for one in (*before, *self.others) if one.digest != self.unnamed.digest)
        seen = self.exposure
        exposure = replace(seen, candidate=0, ready=0, old=seen.old + seen.candidate, settled=False)
        return replace(self, candidate=self.unnamed, others=tuple(others), exposure=exposure, unnamed=None)

    @property
    def rolled_out(self) -> bool:
        """Whether every pod is of the candidate and available, and no other is left."""
        return self.exposure.settled

    @property
    def stopped(self) -> bool:
        """Whether the brake keeps any further pod from being replaced."""
        lets = self.brake.lets
        return self.brake.on and (lets is None or self.exposure.candidate >= lets)

    @property
    def held_by_label(self) -> bool:
        """Whether a human asked by label that nothing be touched."""
        return self.labels.get(HOLD_LABEL) == "true"

    def revision(self, digest: str) -> Revision | None:
        """The revision with this template digest, where the workload still knows it."""
        if self.candidate.digest == digest:
            return self.candidate
        for other in self.others:
            if other.digest == digest:
                return other
        return None

    def pods_of(self, revision: Revision) -> tuple[Pod, ...]:
        """The pods of one revision that are not on their way out."""
        if not revision.hash:
            return ()
        found = self._by_hash.get(revision.hash)
        if found is None:
            found = tuple(pod for pod in self.pods if pod.revision == revision.hash and not pod.deleting)
            self._by_hash[revision.hash] = found
        return found

    def unsound_of(self, revision: Revision) -> tuple[Pod, ...]:
        """Those of them that do not simply run: mostly none, and then no rule on pods has to look at any."""
        found = self._unsound.get(revision.hash)
        if found is None:
            found = self._unsound[revision.hash] = tuple(
                [pod for pod in self.pods_of(revision) if not pod.sound]
            )
        return found

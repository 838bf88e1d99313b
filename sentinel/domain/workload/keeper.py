"""Who keeps a workload in another place than the cluster, and our hold on that."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sentinel.domain.workload.revision import ObjectRef
from sentinel.values import dataclass

KEEPER_ANNOTATION = "rollback-sentinel.dev/held"
"""Our mark on what a hold changed: whom it is for, until when it is meant to last, and what was there before."""


@dataclass(frozen=True, slots=True, order=True)
class KeeperRef:
    """One object of a tool (an Argo CD Application, a Flux Kustomization, a Helm release …).

    `namespace` is empty where only the name is known.
    """

    tool: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.tool} {self.namespace}/{self.name}" if self.namespace else f"{self.tool} {self.name}"


Lever = KeeperRef | ObjectRef
"""The object that a hold changes: the tool's own, or the workload where the tool can leave it out alone."""


@dataclass(frozen=True, slots=True)
class KeeperMark:
    """Our signature on what a hold changed: `holders` are the records that need it, each as namespace and name.

    `original` is what the first of them changed, as it was before.
    """

    holders: tuple[str, ...]
    until: datetime
    original: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps the workload in another place than the cluster, as the cluster shows it now.

    `reverts`: whether it deploys what its source says over what was changed in the cluster, at once or with the next
    change of the source. `why_not` is why it cannot be held, empty where it can. `on` is the object that a hold
    changes, None where that is the tool's own. `settings` is what a hold changes, as it was without one, None where
    that is not known. `held`: its deploying is off now; with a `mark` by us.

    `confirmed`: it is in the cluster. `readable`: its objects can be read. `source` names the state of its source;
    it changes with every commit. `settled`: nothing of it is being deployed at the moment. `lists`: whether the source
    still holds the workload. `agreed_at` is when the tool last compared the workload and found it as its source
    wants, None where it differs or is not known. `remarks` are sentences on settings of the tool that do not go with
    canary steps. `note` says what people must know after an undo of a workload that is not held.
    """

    ref: KeeperRef
    reverts: bool
    confirmed: bool = True
    readable: bool = True
    why_not: str = ""
    on: ObjectRef | None = None
    settings: Mapping[str, object] | None = None
    held: bool = False
    mark: KeeperMark | None = None
    source: str = ""
    settled: bool = True
    lists: bool = True
    agreed_at: datetime | None = None
    remarks: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        return str(self.ref)

    @property
    def holdable(self) -> bool:
        """Whether a hold keeps it from undoing an undo."""
        return self.reverts and not self.why_not

    @property
    def lever(self) -> Lever:
        """The object that a hold changes. Workloads with the same one are held and released together."""
        return self.on or self.ref

    def held_for(self, holder: str) -> bool:
        """Whether its deploying is off for this record (namespace and name), among others or alone."""
        return self.held and self.mark is not None and holder in self.mark.holders


class KeeperHoldStage(StrEnum):
    """How far a hold on a keeper is. A planned one was decided and is not in force yet."""

    PLANNED = "planned"
    IN_FORCE = "in force"
    ENDING = "being released"
    OVER = "over"


class KeeperHoldEnd(StrEnum):
    """Why a hold on a keeper is released, or ended without us."""

    SOURCE_CHANGED = "SourceChanged"
    """Its source changed; whether it still wants the undone revision is not known."""
    SOURCE_AGREES = "SourceAgrees"
    """The tool found the workload as its source wants it."""
    NOT_IN_SOURCE = "NotInSource"
    """The source no longer holds the workload."""
    LIFTED = "HoldLifted"
    """Someone else lifted it."""
    KEEPER_GONE = "KeeperGone"
    """What was held is no longer in the cluster, or no longer deploys the workload."""
    WORKLOAD_DELETED = "WorkloadDeleted"
    NOT_UNDONE = "NotUndone"
    """The undo that it was for was not made."""
    BY_PERSON = "ReleasedByPerson"


@dataclass(frozen=True, slots=True)
class KeeperHold:
    """Our hold on a workload's keeper, as the record has it, so that an undo lasts.

    `on` is the object that it changes, None where that is the keeper's own, and `original` what it changed there, as it
    was before. `source` is the keeper's source at that time, empty while that was still being deployed. `until`: people
    are called if it is still in force then. `placed_at` is when it was in force and read back, None before that.
    `seen`: the watch has shown it in force, so that its absence later means that someone lifted it. `by_people`: only a
    person releases it.

    `ending` is why it is being released, None while it is to stay; from `ended_at` on it is over.
    """

    keeper: KeeperRef
    original: Mapping[str, object]
    since: datetime
    until: datetime
    reason: str
    source: str = ""
    on: ObjectRef | None = None
    placed_at: datetime | None = None
    seen: bool = False
    overdue_told: bool = False
    by_people: bool = False
    ending: KeeperHoldEnd | None = None
    ended_at: datetime | None = None

    def __str__(self) -> str:
        said = {
            KeeperHoldStage.PLANNED: "is about to be held",
            KeeperHoldStage.IN_FORCE: f"is held until {self.ends_by}",
            KeeperHoldStage.ENDING: "is being released",
            KeeperHoldStage.OVER: "was held",
        }
        alone = f" for {self.on.kind} {self.on.name} alone" if self.on is not None else ""
        return f"{self.keeper} {said[self.stage].replace('held', f'held{alone}', 1)}"

    @property
    def ends_by(self) -> str:
        """What ends it, the end of a sentence with "until"."""
        return "a person releases it" if self.by_people else "its source changes"

    @property
    def stage(self) -> KeeperHoldStage:
        """How far it is."""
        if self.ended_at is not None:
            return KeeperHoldStage.OVER
        if self.ending is not None:
            return KeeperHoldStage.ENDING
        return KeeperHoldStage.IN_FORCE if self.placed_at is not None else KeeperHoldStage.PLANNED

    @property
    def lasts(self) -> bool:
        """Whether it is in force, or about to be."""
        return self.ended_at is None

    @property
    def lever(self) -> Lever:
        """The object that it changes."""
        return self.on or self.keeper

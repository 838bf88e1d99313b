"""What the adapter must know about a kind of workload: one `WorkloadDriver` each, and no other module asks for it."""

from collections.abc import Callable, Sequence

from sentinel.adapters.kubernetes.api.raw import RawObject, text
from sentinel.adapters.kubernetes.api.resources import REPLICA_SETS, ApiResource, Verbs
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.digest import digest_of, template_digest
from sentinel.adapters.kubernetes.workloads.patches import Plan
from sentinel.adapters.kubernetes.workloads.trim import RevisionEntry, WorkloadEntry
from sentinel.adapters.kubernetes.workloads.trim_pods import CONTROLLER_HASH
from sentinel.domain.decision import Change
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Abilities, Ability, Stepping, Workload
from sentinel.domain.workload.kinds import REPLICA_SET, WorkloadKind
from sentinel.values import dataclass

_ROLLING_UPDATE = "set spec.updateStrategy.type to RollingUpdate"


Place = tuple[ApiResource, str]
"""A resource, and a name in the workload's namespace."""
Live = Sequence[RawObject]
"""The objects of a workload as they were just read, in the order of the driver's `places`."""


@dataclass(frozen=True, slots=True)
class WorkloadDriver:
    """One kind of workload.

    `resource` is the workload itself and `history` the resource whose objects store its revisions: both are watched,
    trimmed by `trim` and `trim_revision`. `verbs` is all that the account needs for this kind beside pods. `counted`:
    its stored revisions tell how many pods they have; without it the pods themselves must be read for that. Pods name
    their revision by `revision_label`.

    `stored` is the name of the object that holds a revision's template, empty where it cannot be known, and
    `template_of` the template in it. `plan` is what a change comes to: pure, from the live object and (for a Restore)
    the object that stores the target.
    """

    kind: WorkloadKind
    resource: ApiResource
    history: ApiResource
    verbs: tuple[Verbs, ...]
    trim: Callable[[RawObject], WorkloadEntry]
    trim_revision: Callable[[RawObject], RevisionEntry]
    stored: Callable[[Workload, RevisionRef], str]
    template_of: Callable[[RawObject], RawObject]
    plan: Callable[[RawObject, Workload, Change, RawObject], Plan]
    counted: bool = False
    revision_label: str = CONTROLLER_HASH

    @property
    def owner_of_pods(self) -> str:
        """The kind of what controls its pods."""
        return REPLICA_SET if self.history == REPLICA_SETS else self.kind.value

    def places(self, workload: Workload) -> tuple[Place, ...]:
        """Where the objects are that a change is planned from."""
        return ((self.resource, workload.key.name),)

    def check(self, live: Live, workload: Workload, also: str) -> None:
        """Make sure that these objects are what was judged. Raises PreconditionError."""
        patches.check_judged(live[0], workload, also=also)

    def planned(self, live: Live, workload: Workload, change: Change, stored: RawObject) -> Plan:
        """What the change comes to."""
        return self.plan(live[0], workload, change, stored)

    def revision_in(self, live: Live, workload: Workload) -> str:
        """The digest of the revision that these objects ask for."""
        return self.trim(live[0]).template.digest

    def serving(self, live: Live, workload: Workload) -> frozenset[str]:
        """The digests of templates, as `digests` has them of one restored, for which an undo starts no pods."""
        return frozenset({digest_of(live[0])})

    def digests(self, stored: RawObject) -> tuple[str, str]:
        """The digest of the revision that an object stores, and that of a template restored from it."""
        return self.trim_revision(stored).template.digest, template_digest(self.template_of(stored))


def unsupported(workload: Workload, change: Change) -> InvalidObjectError:
    """The error of a change that the kind has no means for."""
    return InvalidObjectError(
        f"{workload.key}: a {workload.key.kind} does not support {type(change).__name__}",
        reason="Unsupported",
    )


def stored_by_hash(workload: Workload, target: RevisionRef) -> str:
    """The name of the object that stores a revision, where it is the workload's own name and the revision's hash."""
    return f"{workload.key.name}-{target.hash}" if target.hash else ""


def amount_in_pods(amount: object, size: int, absent: int | str, *, up: bool = True) -> int:
    """An amount such as maxSurge in pods: a number, or a percentage of `size`, rounded up or down."""
    amount = absent if amount is None else amount
    if isinstance(amount, int):
        return amount
    percent = text(amount).removesuffix("%")
    if not percent.isdecimal():
        return 0
    product = int(percent) * size
    return -(-product // 100) if up else product // 100


def replaced_by_hand(kind: WorkloadKind) -> Abilities:
    """The abilities of a workload under the update strategy OnDelete: none."""
    why = (
        f"this {kind} has the update strategy OnDelete, so that no pod is replaced until somebody deletes it: "
        f"{_ROLLING_UPDATE}"
    )
    why_not = {Ability.ROLLING: why, Ability.STEPPING: why}
    return Abilities(Stepping.NONE, stops=False, first_batch=0, why_not=why_not)

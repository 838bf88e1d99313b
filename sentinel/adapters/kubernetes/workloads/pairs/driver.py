"""What the adapter must know about a kind of pair: one `PairDriver` each, over members that all kinds share."""

from collections.abc import Callable, Container, Mapping, Sequence

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, REPLICA_SETS, ApiResource, Verbs
from sentinel.adapters.kubernetes.workloads.digest import TEMPLATE_HASH, template_digest
from sentinel.adapters.kubernetes.workloads.driver import Live, Place
from sentinel.adapters.kubernetes.workloads.kinds.deployment import DEPLOYMENT
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import stored_template
from sentinel.adapters.kubernetes.workloads.pairs.members import Attached, PairMember
from sentinel.adapters.kubernetes.workloads.pairs.templates import neutral_template
from sentinel.adapters.kubernetes.workloads.patches import Plan
from sentinel.adapters.kubernetes.workloads.trim import template_manager
from sentinel.domain.decision import Change
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pairing import Pairing
from sentinel.values import dataclass

Assemble = Callable[
    [WorkloadKey, Pairing, Mapping[str, PairMember], Attached, Container[str]], Workload | None
]


@dataclass(frozen=True, slots=True)
class PairDriver:
    """One kind of pair.

    `attached` names what belongs to a pair beside its members. `assemble` makes the snapshot, from the members and what
    is attached, as far as they exist; None without the member that the pair cannot be without. Its `parts` are in the
    order of the members, then of what is attached, and name what exists alone. `candidate_at` says which of the parts
    has the candidate's template, and `serving_at` which of them an undo can leave all requests to, or give back to.
    `plan` is what a change comes to, from all parts as they are now.
    """

    kind: WorkloadKind
    attached: Callable[[Pairing], tuple[Place, ...]]
    verbs: tuple[Verbs, ...]
    assemble: Assemble
    candidate_at: Callable[[Live, Workload], RawObject]
    serving_at: Callable[[Live, Workload], Sequence[RawObject]]
    plan: Callable[[Live, Workload, Change, RawObject], Plan]
    history: ApiResource = REPLICA_SETS
    revision_label: str = TEMPLATE_HASH

    def places(self, workload: Workload) -> tuple[Place, ...]:
        """Where the objects are that a change is planned from: the parts that were judged."""
        if workload.pairing is None:
            return ()
        beside = {name: resource for resource, name in self.attached(workload.pairing)}
        return tuple(
            (DEPLOYMENTS if part.kind == DEPLOYMENT.kind else beside[part.name], part.name)
            for part in workload.parts
        )

    def check(self, live: Live, workload: Workload, also: str) -> None:
        """Make sure that these objects are what was judged. Raises PreconditionError."""
        for part, raw in zip(workload.parts, live, strict=True):
            metadata, named = mapping(raw.get("metadata")), f"{part.kind} {part.namespace}/{part.name}"
            if metadata.get("uid") != part.uid:
                raise PreconditionError(
                    f"{named} was deleted and created again since it was judged", reason="WorkloadReplaced"
                )
            if "deletionTimestamp" in metadata:
                raise PreconditionError(f"{named} is being deleted", reason="WorkloadDeleted")
        judged = self.candidate_at(live, workload)
        if self.revision_in(live, workload) not in (workload.candidate.digest, also):
            metadata = mapping(judged.get("metadata"))
            manager = template_manager(metadata) or "an unknown field manager"
            raise PreconditionError(
                f"the pod template of {text(metadata.get('name'))} was changed by {manager} since it was judged",
                reason="TemplateChanged",
            )

    def planned(self, live: Live, workload: Workload, change: Change, stored: RawObject) -> Plan:
        """What the change comes to."""
        return self.plan(live, workload, change, stored)

    def revision_in(self, live: Live, workload: Workload) -> str:
        """The digest of the revision that these objects ask for."""
        return neutral_digest(self.candidate_at(live, workload))

    def serving(self, live: Live, workload: Workload) -> frozenset[str]:
        """The digests of templates, as `digests` has them of one restored, for which an undo starts no pods."""
        return frozenset(neutral_digest(raw) for raw in self.serving_at(live, workload))

    def template_of(self, stored: RawObject) -> RawObject:
        """The template that a ReplicaSet stores."""
        return stored_template(stored)

    def digests(self, stored: RawObject) -> tuple[str, str]:
        """The digest of the revision that an object stores, and that of a template restored from it."""
        digest = neutral_digest(stored)
        return digest, digest

    def stored(self, workload: Workload, target: RevisionRef) -> str:
        """The name of the object that stores a revision, where the snapshot no longer shows it: not known."""
        return ""


def neutral_digest(owner: RawObject) -> str:
    """The digest of a member's template, or of a ReplicaSet's, among the members of a pair."""
    return template_digest(neutral_template(owner))


def pairing_of(workload: Workload) -> Pairing:
    """How the workload, which is a pair, is made."""
    assert workload.pairing is not None, "a pair has a pairing"
    return workload.pairing


def part_named(live: Live, workload: Workload, kind: str, name: str) -> RawObject:
    """One of the objects of a pair, as it was just read."""
    parts = zip(workload.parts, live, strict=True)
    return next(raw for part, raw in parts if (part.kind, part.name) == (kind, name))

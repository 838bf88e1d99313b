"""The members of a pair as its driver sees them, and what their revisions and pods come to together."""

from collections.abc import Container, Iterable, Mapping, Sequence
from sys import intern

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, text
from sentinel.adapters.kubernetes.api.resources import ApiResource
from sentinel.adapters.kubernetes.workloads.digest import template_digest
from sentinel.adapters.kubernetes.workloads.kinds.deployment import trim_deployment
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import trim_replica_set
from sentinel.adapters.kubernetes.workloads.pairs.templates import neutral_template, selector_of
from sentinel.adapters.kubernetes.workloads.snapshot import on_its_node
from sentinel.adapters.kubernetes.workloads.trim import (
    CHANGE_CAUSE,
    MemberFacts,
    RevisionEntry,
    WorkloadEntry,
    digest_apart,
)
from sentinel.adapters.kubernetes.workloads.trim_pods import PodEntry
from sentinel.domain.workload.keeper import Keeper
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import Revision
from sentinel.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class PairMember:
    """One member: its own object, the objects that store its revisions, its pods, and who keeps it."""

    entry: WorkloadEntry
    revisions: tuple[RevisionEntry, ...] = ()
    pods: tuple[PodEntry, ...] = ()
    keeper: Keeper | None = None

    @property
    def facts(self) -> MemberFacts:
        """What a pair needs of it besides."""
        assert self.entry.member is not None, "members are trimmed by trim_member"
        return self.entry.member

    @property
    def observed(self) -> bool:
        """Whether its controller has seen the newest spec."""
        return self.entry.observed_generation >= self.entry.generation

    @property
    def rolled_out(self) -> bool:
        """Whether all its pods are of its template, and available."""
        entry = self.entry
        everything_new = entry.updated >= entry.desired and entry.total == entry.updated
        return self.observed and everything_new and entry.available >= entry.desired


def apart(one: WorkloadEntry, two: WorkloadEntry) -> str:
    """Why the pods of two members cannot be told apart, empty where they can."""
    first, second = one.member, two.member
    assert first is not None, "members are trimmed by trim_member"
    assert second is not None, "members are trimmed by trim_member"
    both = f"the selectors of {one.key.name} and {two.key.name}"
    if not (first.plain and second.plain):
        return f"{both} must be matchLabels alone, to be told apart"
    if first.selector.keys() != second.selector.keys():
        return f"{both} must ask for the same labels, with a different value"
    if first.selector == second.selector:
        return f"{both} overlap: give one label in them a different value"
    return ""


@dataclass(frozen=True, slots=True)
class Attached:
    """What belongs to a pair beside its members, by resource and name, and why a resource cannot be read."""

    objects: Mapping[tuple[ApiResource, str], RawObject]
    problems: Mapping[ApiResource, str]


@dataclass(frozen=True, slots=True)
class Joined:
    """The revisions of all members, the newest first, and their pods with one name for one revision."""

    revisions: tuple[Revision, ...]
    pods: tuple[Pod, ...]

    def revision(self, digest: str) -> Revision | None:
        """The revision of this digest, None while no object stores it."""
        return next((one for one in self.revisions if one.digest == digest), None)

    def revision_of(self, entry: WorkloadEntry) -> Revision:
        """The revision of a member's present template, also before any object stores it."""
        facts, cause = entry.template, entry.annotations.get(CHANGE_CAUSE, "")
        assert entry.member is not None, "members are trimmed by trim_member"
        known = self.revision(entry.member.neutral)
        if known is not None:
            return replace(known, change_cause=cause or known.change_cause)
        return Revision(
            digest=entry.member.neutral,
            images=facts.images,
            labels=facts.labels,
            change_cause=cause,
            irreversible=facts.irreversible,
            origin=facts.origin,
            named=facts.named,
            apart=facts.apart,
        )


def keeper_of(members: Sequence[PairMember]) -> Keeper | None:
    """Who keeps the pair: of the member that is held, else of the first of these that anyone keeps."""
    keepers = [member.keeper for member in members if member.keeper is not None]
    return next((one for one in keepers if one.mark is not None), next(iter(keepers), None))


def trim_member(raw: RawObject) -> WorkloadEntry:
    """What matters of a Deployment that may be a member."""
    selector = mapping(mapping(raw.get("spec")).get("selector"))
    entry, (neutral, apart) = trim_deployment(raw), _neutral(raw)
    facts = MemberFacts(
        neutral=neutral,
        selector=selector_of(raw),
        plain=not selector.get("matchExpressions"),
        ready=number(mapping(raw.get("status")).get("readyReplicas")),
    )
    return replace(entry, template=replace(entry.template, apart=apart), member=facts)


def trim_member_revision(raw: RawObject) -> RevisionEntry:
    """What matters of a ReplicaSet that may store a member's revision."""
    entry, (neutral, apart) = trim_replica_set(raw), _neutral(raw)
    return replace(entry, template=replace(entry.template, apart=apart), neutral=neutral)


def _neutral(raw: RawObject) -> tuple[str, str]:
    """The digest of a template among the members of a pair, with and without our annotation on it."""
    template = neutral_template(raw)
    digest = intern(template_digest(template))
    return digest, digest_apart(template) or digest


def joined(members: Sequence[PairMember], unready_nodes: Container[str]) -> Joined:
    """The revisions and pods of the members together: the same template is the same revision in any of them.

    A revision is named after the first member that has it, which also stores it. Only the first of all members numbers
    its revisions: the numbers of different members are not comparable.
    """
    groups: dict[str, list[RevisionEntry]] = {}
    for member in members:
        for held in sorted(member.revisions, key=lambda one: -one.number):
            groups.setdefault(held.neutral, []).append(held)
    home = members[0].entry.uid
    revisions = [_revision(digest, held, home) for digest, held in groups.items()]
    named = {one.hash: revision.hash for revision in revisions for one in groups[revision.digest]}
    pods = tuple(
        replace(pod, revision=named.get(pod.revision, pod.revision))
        for member in members
        for pod in (on_its_node(held.pod, unready_nodes) for held in member.pods)
    )
    return Joined(tuple(sorted(revisions, key=_age, reverse=True)), pods)


def _age(revision: Revision) -> tuple[float, int]:
    return (revision.created_at.timestamp() if revision.created_at else 0.0, revision.number)


def _revision(digest: str, held: Sequence[RevisionEntry], home: str) -> Revision:
    first = held[0]
    counts = [one.counts for one in held if one.counts is not None]
    return Revision(
        digest=digest,
        hash=first.hash,
        number=first.number if first.owner_uid == home else 0,
        images=first.template.images,
        labels=first.template.labels,
        created_at=max((one.created_at for one in held if one.created_at is not None), default=None),
        change_cause=_first(one.change_cause for one in held),
        irreversible=first.template.irreversible,
        origin=first.template.origin,
        replicas=sum(one.replicas for one in counts),
        ready=sum(one.ready for one in counts),
        available=sum(one.available for one in counts),
        stored_in=first.ref,
        named=first.template.named,
        apart=first.template.apart,
    )


def _first(texts: Iterable[str]) -> str:
    return next((one for one in texts if one), "")


def replicas_of(live: RawObject) -> int:
    """How many pods a Deployment is to have."""
    return number(mapping(live.get("spec")).get("replicas"), 1)


def ready_of(live: RawObject) -> int:
    """The ready pods of the newest template, as far as the controller has seen it."""
    status, metadata = mapping(live.get("status")), mapping(live.get("metadata"))
    seen = number(status.get("observedGeneration")) >= number(metadata.get("generation"), 1)
    updated = number(status.get("updatedReplicas"))
    return min(number(status.get("readyReplicas")), updated) if seen else 0


def name_of(live: RawObject) -> str:
    """An object's name."""
    return text(mapping(live.get("metadata")).get("name"))

"""From trimmed entries to one snapshot of a workload, whatever its kind."""

from collections.abc import Container, Iterable, Sequence

from sentinel.adapters.kubernetes.workloads.trim import CHANGE_CAUSE, PodCounts, RevisionEntry, WorkloadEntry
from sentinel.adapters.kubernetes.workloads.trim_pods import PodEntry
from sentinel.domain.workload.facts import Exposure, Workload
from sentinel.domain.workload.keeper import Keeper
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import Revision
from sentinel.values import replace


def build_workload(
    entry: WorkloadEntry,
    revisions: Iterable[RevisionEntry],
    pods: Iterable[PodEntry],
    unready_nodes: Container[str],
    keeper: Keeper | None = None,
) -> Workload:
    """The snapshot of a workload with its stored revisions, its pods, and who keeps it."""
    placed = tuple(on_its_node(held.pod, unready_nodes) for held in pods)
    newest_first = sorted(revisions, key=lambda held: (held.number, held.ref.name), reverse=True)
    current = next((held for held in newest_first if held.template.digest == entry.template.digest), None)
    unnamed = _unnamed(entry, current, newest_first, placed)
    candidate = _candidate(entry, current, placed) if entry.template.digest or unnamed is None else unnamed
    return Workload(
        key=entry.key,
        uid=entry.uid,
        candidate=candidate,
        generation=entry.generation,
        observed_generation=entry.observed_generation,
        labels=entry.labels,
        annotations=entry.annotations,
        others=tuple(_revision(held, placed) for held in newest_first if held is not current),
        exposure=_exposure(entry, candidate),
        brake=entry.brake,
        abilities=entry.abilities,
        keeper=keeper,
        parts=(entry.ref,),
        progress_deadline_exceeded=entry.progress_deadline_exceeded,
        create_failure=entry.create_failure,
        create_failure_since=entry.create_failure_since,
        pods=placed,
        own_steps=entry.own_steps,
        in_the_way=_in_the_way(placed, candidate) if entry.ordered else None,
        changed_by=entry.changed_by,
        written=entry.written,
        essence=entry.essence,
        unnamed=unnamed,
        deleting=entry.deleting,
    )


def _candidate(entry: WorkloadEntry, current: RevisionEntry | None, pods: Sequence[Pod]) -> Revision:
    cause = entry.annotations.get(CHANGE_CAUSE, "")
    if current is not None:
        return replace(_revision(current, pods), change_cause=cause or current.change_cause)
    return _written(entry, entry.template.digest)


def _unnamed(
    entry: WorkloadEntry,
    current: RevisionEntry | None,
    stored: Sequence[RevisionEntry],
    pods: Sequence[Pod],
) -> Revision | None:
    """The revision that the spec asks for, where the controller has not taken it up.

    One that was there before is known by the name that it had. What the spec asks for beside its template (a size,
    other steps) may be what is not taken up: then it is None.
    """
    if not entry.essence or entry.observed_generation >= entry.generation:
        return None
    if entry.template.digest and (current is None or current.essence == entry.essence):
        return None
    before = next((held for held in stored if held.essence == entry.essence), None)
    return _revision(before, pods) if before is not None else _written(entry, entry.essence)


def _written(entry: WorkloadEntry, digest: str) -> Revision:
    """The revision of the template in the workload's own object, of which nothing but that is known."""
    facts, cause = entry.template, entry.annotations.get(CHANGE_CAUSE, "")
    return Revision(
        digest=digest,
        images=facts.images,
        labels=facts.labels,
        change_cause=cause,
        irreversible=facts.irreversible,
        origin=facts.origin,
        named=facts.named,
        apart=facts.apart,
    )


def _revision(held: RevisionEntry, pods: Sequence[Pod]) -> Revision:
    facts = held.template
    counts = held.counts or _counted(pods, held.hash)
    return Revision(
        digest=facts.digest,
        hash=held.hash,
        number=held.number,
        images=facts.images,
        labels=facts.labels,
        created_at=held.created_at,
        change_cause=held.change_cause,
        irreversible=facts.irreversible,
        origin=facts.origin,
        replicas=counts.replicas,
        ready=counts.ready,
        available=counts.available,
        stored_in=held.ref,
        order=held.number,
        named=facts.named,
        apart=facts.apart,
    )


def _counted(pods: Sequence[Pod], hash_: str) -> PodCounts:
    """A revision's pods, where the object that stores it does not count them. Ready ones count as available."""
    mine = [pod for pod in pods if hash_ and pod.revision == hash_ and not pod.deleting]
    ready = sum(pod.ready for pod in mine)
    return PodCounts(len(mine), ready, ready)


def _exposure(entry: WorkloadEntry, candidate: Revision) -> Exposure:
    """How far the candidate has come.

    Until the controller has seen the spec, its counts are of the template before.
    """
    observed = entry.observed_generation >= entry.generation
    updated = entry.updated if observed else candidate.replicas
    everything_new = entry.updated >= entry.desired and entry.total == entry.updated
    finished = everything_new if entry.finished is None else entry.finished
    return Exposure(
        wanted=entry.desired,
        candidate=updated,
        ready=candidate.ready,
        available=entry.available,
        old=max(0, entry.total - updated),
        settled=observed and finished and entry.available >= entry.desired,
    )


def _in_the_way(pods: Sequence[Pod], candidate: Revision) -> Pod | None:
    """The first pod that is not ready, where it is of another revision: until it is, no pod after it is replaced.

    Nobody knows the candidate's pods before the controller has named the candidate.
    """
    broken = (pod for pod in sorted(pods, key=_ordinal) if pod.deleting or not pod.ready)
    first = next(broken, None)
    waits = first is None or first.deleting or first.revision == candidate.hash or not candidate.hash
    return None if waits else first


def _ordinal(pod: Pod) -> int:
    number = pod.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def on_its_node(pod: Pod, unready_nodes: Container[str]) -> Pod:
    """The pod with its node's readiness."""
    return replace(pod, node_ready=False) if pod.node is not None and pod.node in unready_nodes else pod

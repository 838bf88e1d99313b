"""StatefulSets: a partition says from which ordinal on pods are of the candidate, and ControllerRevisions store them.

A partition is ours where our annotation names it: `<record>,<until>,<partition>`. One that says another number than the
annotation was moved by somebody else.
"""

import orjson

from sentinel.adapters.kubernetes.api.operations import Operation, put
from sentinel.adapters.kubernetes.api.raw import RawObject, labels, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.driver import (
    WorkloadDriver,
    amount_in_pods,
    replaced_by_hand,
    unsupported,
)
from sentinel.adapters.kubernetes.workloads.kinds import controller_revisions
from sentinel.adapters.kubernetes.workloads.patches import Plan
from sentinel.adapters.kubernetes.workloads.trim import (
    LAST_APPLIED,
    WorkloadEntry,
    kept_annotations,
    parse_mark,
    ref_of,
    template_manager,
    trim_template,
)
from sentinel.domain.decision import Change, Release, RemovePod, Restart, Restore, SetPartition, Stop
from sentinel.domain.errors import PreconditionError
from sentinel.domain.figures import amount
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import (
    PARTITION_ANNOTATION,
    Abilities,
    Brake,
    Mark,
    Stepping,
    Workload,
    WorkloadKey,
)
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.values import dataclass

_DROPPED = (
    "the manifest's spec.updateStrategy.rollingUpdate.maxUnavailable is not in the StatefulSet: the API server drops "
    "it without its feature gate, and pods are replaced one at a time"
)


@dataclass(frozen=True, slots=True)
class Ordinals:
    """Which pods there are to be, and from which ordinal on they are of the candidate."""

    start: int
    end: int
    partition: int

    @classmethod
    def of(cls, raw: RawObject) -> "Ordinals":
        """As the spec says it."""
        spec = mapping(raw.get("spec"))
        start = number(mapping(spec.get("ordinals")).get("start"))
        return cls(start, start + number(spec.get("replicas"), 1), number(_rolling(spec).get("partition")))

    @property
    def keeps_back(self) -> bool:
        """Whether any pod is kept from being of the candidate."""
        return self.partition > self.start

    @property
    def lets(self) -> int:
        """How many pods may be of the candidate."""
        return max(0, self.end - max(self.partition, self.start))

    def letting(self, pods: int) -> int:
        """The partition that lets so many pods be of the candidate."""
        return max(self.start, self.end - pods)


# What is read.


def trim_stateful_set(raw: RawObject) -> WorkloadEntry:
    """What matters of a StatefulSet."""
    metadata, spec, status = (mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    ref = ref_of(raw, STATEFUL_SETS.api_version, WorkloadKind.STATEFULSET)
    return WorkloadEntry(
        key=WorkloadKey(WorkloadKind.STATEFULSET, ref.namespace, ref.name),
        ref=ref,
        generation=number(metadata.get("generation"), 1),
        observed_generation=number(status.get("observedGeneration")),
        labels=labels(metadata.get("labels")),
        annotations=kept_annotations(metadata),
        template=trim_template(spec.get("template")),
        desired=number(spec.get("replicas"), 1),
        total=number(status.get("replicas")),
        updated=number(status.get("updatedReplicas")),
        available=number(status.get("availableReplicas")),
        brake=_brake(raw),
        abilities=_abilities(raw),
        changed_by=template_manager(metadata),
        deleting="deletionTimestamp" in metadata,
        ordered=spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady",
    )


def _brake(raw: RawObject) -> Brake:
    """A partition that keeps pods back; where it keeps none, a mark of ours that was left is shown all the same."""
    ordinals, signed = Ordinals.of(raw), _signed(raw)
    mark = (
        signed[0]
        if signed is not None and (not ordinals.keeps_back or signed[1] == ordinals.partition)
        else None
    )
    return Brake(ordinals.keeps_back, mark, ordinals.lets, "partition")


def _abilities(raw: RawObject) -> Abilities:
    spec = mapping(raw.get("spec"))
    if _on_delete(spec):
        return replaced_by_hand(WorkloadKind.STATEFULSET)
    unavailable = _rolling(spec).get("maxUnavailable")
    batch = max(1, amount_in_pods(unavailable, number(spec.get("replicas"), 1), 1))
    dropped = unavailable is None and ("maxUnavailable" in _rolling(_applied(raw)) or _claimed(raw))
    return Abilities(
        Stepping.PARTITION,
        first_batch=batch,
        smaller_batch="set spec.updateStrategy.rollingUpdate.maxUnavailable: 1",
        remarks=(_DROPPED,) if dropped else (),
    )


def _claimed(raw: RawObject) -> bool:
    """Whether a server-side apply named maxUnavailable: its claim stays where the API server drops the field."""
    entries = objects(mapping(raw.get("metadata")).get("managedFields"))
    specs = (mapping(mapping(entry.get("fieldsV1")).get("f:spec")) for entry in entries)
    strategies = (mapping(spec.get("f:updateStrategy")) for spec in specs)
    return any("f:maxUnavailable" in mapping(one.get("f:rollingUpdate")) for one in strategies)


def _applied(raw: RawObject) -> RawObject:
    """The spec that `kubectl apply` was given last, as far as its copy can be read."""
    copy = text(mapping(mapping(raw.get("metadata")).get("annotations")).get(LAST_APPLIED))
    try:
        return mapping(mapping(orjson.loads(copy or "{}")).get("spec"))
    except orjson.JSONDecodeError:
        return {}


def _rolling(spec: RawObject) -> RawObject:
    return mapping(mapping(spec.get("updateStrategy")).get("rollingUpdate"))


def _on_delete(spec: RawObject) -> bool:
    return mapping(spec.get("updateStrategy")).get("type") == "OnDelete"


def _signed(raw: RawObject) -> tuple[Mark, int] | None:
    """Our mark, and the partition that it was written with."""
    signature, _, partition = text(patches.annotations_of(raw).get(PARTITION_ANNOTATION)).rpartition(",")
    mark = parse_mark(signature)
    return (mark, int(partition)) if mark is not None and partition.isdecimal() else None


# What is written.


def plan(live: RawObject, workload: Workload, change: Change, stored: RawObject) -> Plan:
    """What a change to the StatefulSet comes to; `stored` is the ControllerRevision of a Restore's target."""
    match change:
        case Stop(mark):
            return keep_back(live, workload.exposure.candidate, mark)
        case SetPartition(pods, mark):
            return keep_back(live, pods, mark)
        case Release():
            return let_go(live)
        case Restore(target):
            return restore(live, stored, target)
        case Restart(config):
            return patches.restart(live, config)
        case RemovePod(name):
            return Plan(f"removed the pod {name}, which kept the others from being replaced")
    raise unsupported(workload, change)


def keep_back(live: RawObject, pods: int, mark: Mark) -> Plan:
    """Let so many pods be of the candidate, signed with the mark; another's partition raises PreconditionError."""
    ordinals, brake = Ordinals.of(live), _brake(live)
    if brake.foreign:
        raise _others_partition(live, ordinals)
    partition = ordinals.letting(pods)
    if partition <= ordinals.start:
        return Plan("every pod may be of the candidate")
    if brake.on and (brake.mark, ordinals.partition) == (mark, partition):
        return Plan(f"the partition is {partition} already, by us")
    return Plan(
        f"the partition is {partition}: {amount(ordinals.end - partition, 'pod')} may be of the candidate",
        (
            *patches.unchanged(live),
            *_set_partition(live, partition),
            *patches.set_annotation(live, PARTITION_ANNOTATION, f"{mark},{partition}"),
        ),
    )


def let_go(live: RawObject) -> Plan:
    """Take our own partition away; another's raises PreconditionError."""
    brake = _brake(live)
    if brake.foreign:
        raise _others_partition(live, Ordinals.of(live))
    if not brake.on:
        stale = _unmark(live)
        return Plan("no partition keeps a pod back", (*patches.judged(live), *stale) if stale else ())
    return Plan("the partition is 0", (*patches.unchanged(live), *_without_partition(live)))


def restore(live: RawObject, stored: RawObject, target: RevisionRef) -> Plan:
    """Put back the ControllerRevision's template and change-cause, and take our partition away in the same patch."""
    brake = _brake(live)
    lifted = _without_partition(live) if brake.mark is not None else ()
    left = "; the partition that is not ours was left" if brake.foreign else ""
    template = controller_revisions.template_of(stored)
    return patches.put_back(live, stored, template, target, also=lifted, left=left)


def _without_partition(live: RawObject) -> tuple[Operation, ...]:
    """Only our own partition is ever set, so there is no earlier one to restore."""
    partition = _set_partition(live, 0) if Ordinals.of(live).partition else ()
    return (*partition, *_unmark(live))


def _set_partition(live: RawObject, partition: int) -> tuple[Operation, ...]:
    path = "/spec/updateStrategy/rollingUpdate"
    if "rollingUpdate" in mapping(mapping(live.get("spec")).get("updateStrategy")):
        return (put(f"{path}/partition", partition),)
    return (put(path, {"partition": partition}),)


def _unmark(live: RawObject) -> tuple[Operation, ...]:
    return () if _signed(live) is None else patches.drop_annotation(live, PARTITION_ANNOTATION)


def _others_partition(live: RawObject, ordinals: Ordinals) -> PreconditionError:
    name = text(mapping(live.get("metadata")).get("name"))
    return PreconditionError(
        f"statefulset {name} has the partition {ordinals.partition}, which is not ours and is left alone",
        reason="PartitionedByOther",
    )


def _stored(_workload: Workload, target: RevisionRef) -> str:
    return target.hash


STATEFUL_SET = WorkloadDriver(
    kind=WorkloadKind.STATEFULSET,
    resource=STATEFUL_SETS,
    history=CONTROLLER_REVISIONS,
    verbs=(
        (STATEFUL_SETS, "", ("get", "list", "watch", "patch")),
        (CONTROLLER_REVISIONS, "", ("get", "list", "watch")),
        (PODS, "", ("get", "delete")),
    ),
    trim=trim_stateful_set,
    trim_revision=controller_revisions.trim_controller_revision,
    stored=_stored,
    template_of=controller_revisions.template_of,
    plan=plan,
)

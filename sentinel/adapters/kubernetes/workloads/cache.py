"""The workloads of the cluster as the watches show them, indexed so that a snapshot costs next to nothing."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from sentinel.adapters.kubernetes.api.raw import ObjectId, ObjectKey, RawObject
from sentinel.adapters.kubernetes.api.resources import SERVICES, ApiResource
from sentinel.adapters.kubernetes.workloads.pairs.index import PairIndex
from sentinel.adapters.kubernetes.workloads.pairs.members import Attached, PairMember
from sentinel.adapters.kubernetes.workloads.registry import PAIRS
from sentinel.adapters.kubernetes.workloads.snapshot import build_workload
from sentinel.adapters.kubernetes.workloads.trim import NodeEntry, RevisionEntry, WorkloadEntry
from sentinel.adapters.kubernetes.workloads.trim_pods import PodEntry
from sentinel.domain.workload.config import ConfigFact, ConfigRef
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.keeper import Keeper
from sentinel.domain.workload.kinds import MEMBER_KIND, WorkloadKind
from sentinel.domain.workload.pairing import Pairing
from sentinel.values import replace

ConfigKnown = Callable[[str, tuple[ConfigRef, ...]], tuple[ConfigFact, ...]]
"""What is known of objects of a namespace that a template names."""
_SERVICE_LABELS = ("app.kubernetes.io/name", "app")


class WorkloadCache:
    """Workload → stored revisions and pods, by their controllers' uids. The `*_changed` methods are the reflectors'
    handlers.

    A pod is controlled by the workload itself or by the object that stores its revision. Changes may come in any order:
    a pod may be known before its ReplicaSet, and a ReplicaSet before its Deployment. `keeper_of` says who keeps a
    workload; `unreadable` asks, by resource, why what belongs to pairs beside their members cannot be read.
    """

    def __init__(
        self,
        keeper_of: Callable[[WorkloadEntry], Keeper | None] = lambda _: None,
        config_of: ConfigKnown = lambda _namespace, _named: (),
    ) -> None:
        self._keeper_of = keeper_of
        self._config_of = config_of
        self._workloads: dict[WorkloadKey, WorkloadEntry] = {}
        self._key_of_uid: dict[str, WorkloadKey] = {}
        self._owner_of_revision: dict[str, str] = {}
        self._revisions_of: defaultdict[str, dict[str, RevisionEntry]] = defaultdict(dict)
        self._pods_of: defaultdict[str, dict[str, PodEntry]] = defaultdict(dict)
        self._pod_owner: dict[ObjectKey, str] = {}
        self._unready_nodes: set[str] = set()
        self._pairs = PairIndex()
        self._beside: dict[ApiResource, dict[ObjectKey, RawObject]] = {}
        self.unreadable: dict[ApiResource, Callable[[], str]] = {}
        self._snapshots: dict[WorkloadKey, Workload] = {}
        self._listeners: list[Callable[[WorkloadKey], None]] = []

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever something of a workload changed."""
        self._listeners.append(listener)

    # -- reading

    def keys(self) -> Iterable[WorkloadKey]:
        """Every workload known now."""
        if not self._pairs.pairings:
            return tuple(self._workloads)
        return tuple(dict.fromkeys(map(self._pairs.pair_of, self._workloads)))

    def labels(self) -> Iterator[tuple[WorkloadKey, Mapping[str, str]]]:
        """Every workload known now with its labels, which a pair does not have."""
        for key, entry in tuple(self._workloads.items()):
            if self._pairs.pair_of(key) == key:
                yield key, entry.labels
        for pair in set(map(self._pairs.pair_of, self._workloads)) - self._workloads.keys():
            yield pair, {}

    def pair_of(self, key: WorkloadKey) -> WorkloadKey:
        """The pair that a workload is a member of, or the workload itself."""
        return self._pairs.pair_of(key)

    def called(self, key: WorkloadKey) -> tuple[WorkloadKey, ...]:
        """All names by which people may mean a workload: its own, and those of its members."""
        pairing = self._pairs.pairing_of(key)
        members = pairing.members if pairing is not None else ()
        return (key, *(key._replace(kind=MEMBER_KIND, name=name) for name in members))

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of one workload, None when it is gone. Built once until something of it changes.

        One whose revisions its controller names is not known before it has taken up the first one, unless what it
        has yet to take up is known.
        """
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            pairing = self._pairs.pairing_of(key)
            snapshot = self._single(key) if pairing is None else self._pair(key, pairing)
            if snapshot is not None:
                config = self._config_of(key.namespace, snapshot.candidate.named)
                self._snapshots[key] = snapshot = replace(snapshot, config=config) if config else snapshot
        return snapshot

    def _single(self, key: WorkloadKey) -> Workload | None:
        entry = self._workloads.get(key)
        if entry is None or self._pairs.pair_of(key) != key:
            return None
        to_come = entry.essence and entry.observed_generation < entry.generation
        if not entry.template.digest and not to_come:
            return None
        revisions = self._revisions_of.get(entry.uid, {})
        pods = self._pods_under(entry.uid, *revisions)
        return build_workload(entry, revisions.values(), pods, self._unready_nodes, self._keeper_of(entry))

    def _pair(self, key: WorkloadKey, pairing: Pairing) -> Workload | None:
        driver = PAIRS[key.kind]
        entries = (self._workloads.get(key._replace(kind=MEMBER_KIND, name=name)) for name in pairing.members)
        members = {entry.key.name: self._member(entry) for entry in entries if entry is not None}
        places = driver.attached(pairing)
        found = {
            (resource, name): raw
            for resource, name in places
            if (raw := self._beside.get(resource, {}).get((key.namespace, name))) is not None
        }
        problems = {resource: why() for resource, why in self.unreadable.items()}
        return driver.assemble(key, pairing, members, Attached(found, problems), self._unready_nodes)

    def _member(self, entry: WorkloadEntry) -> PairMember:
        revisions = self._revisions_of.get(entry.uid, {})
        pods = tuple(self._pods_under(entry.uid, *revisions))
        return PairMember(entry, tuple(revisions.values()), pods, self._keeper_of(entry))

    def owner_of_pod(self, namespace: str, pod: str) -> WorkloadKey | None:
        """Which workload a pod belongs to, as far as the watch knows."""
        return self.owner_of_pods(self._pod_owner.get((namespace, pod), ""))

    def owner_of_pods(self, controller: str) -> WorkloadKey | None:
        """Which workload the pods of this controller (its uid) belong to, as far as the watches know."""
        owner = self._workload_above(controller)
        return self._pairs.pair_of(owner) if owner is not None else None

    def workloads_behind(self, namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        """The workloads that a Service of this name stands for.

        Services are not watched except for pairs: workloads of the same name are taken, else all whose pods carry the
        name in their usual name label.
        """
        pairs = tuple(
            key
            for key, pairing in self._pairs.inside(namespace)
            if (SERVICES, service) in PAIRS[pairing.kind].attached(pairing)
        )
        if pairs:
            return pairs
        here = [entry for key, entry in self._workloads.items() if key.namespace == namespace]
        found = [entry.key for entry in here if entry.key.name == service] or [
            entry.key
            for entry in here
            if any(entry.template.labels.get(label) == service for label in _SERVICE_LABELS)
        ]
        return tuple(dict.fromkeys(map(self._pairs.pair_of, found)))

    def _pods_under(self, *uids: str) -> Iterator[PodEntry]:
        for uid in uids:
            yield from self._pods_of.get(uid, {}).values()

    def _workload_above(self, uid: str) -> WorkloadKey | None:
        """The workload that this controller of pods is, or belongs to."""
        return self._key_of_uid.get(uid) or self._key_of_uid.get(self._owner_of_revision.get(uid, ""))

    # -- changes

    def pair(self, pairings: Iterable[Pairing]) -> tuple[ApiResource, ...]:
        """Make pairs as the policies say from now on; returns the resources that have to be watched for them."""
        before, self._pairs = self._pairs, PairIndex(pairings)
        if before.pairings != self._pairs.pairings:
            known = tuple(dict.fromkeys((*map(before.pair_of, self._workloads), *self.keys())))
            self._snapshots.clear()
            for key in known:
                self._touch(key)
        made = self._pairs.pairings
        return tuple({resource for one in made for resource, _ in PAIRS[one.kind].attached(one)})

    def beside_changed(
        self, resource: ApiResource, key: ObjectKey, _before: RawObject | None, after: RawObject | None
    ) -> None:
        """An object that may belong to a pair beside its members is new, other, or gone."""
        held = self._beside.setdefault(resource, {})
        if after is None:
            held.pop(key, None)
        else:
            held[key] = after
        namespace, name = key
        for pairing in self._pairs.pairings:
            if (resource, name) in PAIRS[pairing.kind].attached(pairing):
                self._touch(WorkloadKey(pairing.kind, namespace, pairing.name))

    def workload_changed(
        self, _key: ObjectKey, before: WorkloadEntry | None, after: WorkloadEntry | None
    ) -> None:
        """A workload is new, other, or gone; one made again under its name has another uid."""
        if before is not None and (after is None or after.uid != before.uid):
            self._key_of_uid.pop(before.uid, None)
            self._workloads.pop(before.key, None)
        if after is not None:
            self._workloads[after.key] = after
            self._key_of_uid[after.uid] = after.key
        held = after or before
        self._touch(held.key if held is not None else None)

    def revision_changed(
        self, _key: ObjectKey, before: RevisionEntry | None, after: RevisionEntry | None
    ) -> None:
        """An object that stores a revision is new, other, or gone."""
        touched = {held.owner_uid for held in (before, after) if held is not None}
        if before is not None:
            self._owner_of_revision.pop(before.uid, None)
            _take_out(self._revisions_of, before.owner_uid, before.uid)
        if after is not None and after.owner_uid:
            self._owner_of_revision[after.uid] = after.owner_uid
            self._revisions_of[after.owner_uid][after.uid] = after
        for uid in touched:
            self._touch(self._key_of_uid.get(uid))

    def pod_changed(self, key: ObjectKey, before: PodEntry | None, after: PodEntry | None) -> None:
        """A pod is new, other, or gone."""
        touched = {held.owner_uid for held in (before, after) if held is not None}
        if before is not None:
            _take_out(self._pods_of, before.owner_uid, before.pod.uid)
            self._pod_owner.pop(key, None)
        if after is not None and after.owner_uid:
            self._pods_of[after.owner_uid][after.pod.uid] = after
            self._pod_owner[key] = after.owner_uid
        for uid in touched:
            self._touch(self._workload_above(uid))

    def node_changed(self, key: ObjectKey, before: NodeEntry | None, after: NodeEntry | None) -> None:
        """A node became ready or unready, or is gone (then its pods stay as they are)."""
        name = key[1]
        was_unready, is_unready = name in self._unready_nodes, after is not None and not after.ready
        if was_unready == is_unready:
            return
        if is_unready:
            self._unready_nodes.add(name)
        else:
            self._unready_nodes.discard(name)
        for uid in [uid for uid, pods in self._pods_of.items() if _any_on(pods.values(), name)]:
            self._touch(self._workload_above(uid))

    def keeper_changed(self, listed: ObjectId) -> None:
        """What keeps a workload, if this is one, is new, other, or gone."""
        _, kind, namespace, name = listed
        key = WorkloadKey(WorkloadKind(kind), namespace, name)
        self._touch(key if key in self._workloads else None)

    def config_changed(self, key: WorkloadKey) -> None:
        """Something that the workload names is other than it was."""
        self._touch(key)

    def _touch(self, key: WorkloadKey | None) -> None:
        if key is None:
            return
        key = self._pairs.pair_of(key)
        self._snapshots.pop(key, None)
        for listener in self._listeners:
            listener(key)


def _any_on(pods: Iterable[PodEntry], node: str) -> bool:
    return any(held.pod.node == node for held in pods)


def _take_out(
    index: defaultdict[str, dict[str, PodEntry]] | defaultdict[str, dict[str, RevisionEntry]],
    owner: str,
    uid: str,
) -> None:
    """Remove an entry from an index, and its owner's place with the last one."""
    held = index.get(owner)
    if held is not None:
        held.pop(uid, None)
        if not held:
            del index[owner]

"""The workloads of the cluster as the watches show them, indexed so that a snapshot costs next to nothing."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from sentinel.adapters.kubernetes.api.raw import ObjectKey
from sentinel.adapters.kubernetes.workloads.snapshot import build_workload, key_of_deployment
from sentinel.adapters.kubernetes.workloads.trim import DeploymentEntry, NodeEntry, PodEntry, ReplicaSetEntry
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind

_SERVICE_LABELS = ("app.kubernetes.io/name", "app")


class WorkloadCache:
    """Deployment → ReplicaSets → pods by their owners' uids. The `*_changed` methods are the reflectors' handlers.

    They may come in any order: a pod may be known before its ReplicaSet, and a ReplicaSet before its Deployment.
    """

    def __init__(self) -> None:
        self._deployments: dict[ObjectKey, DeploymentEntry] = {}
        self._key_of_uid: dict[str, WorkloadKey] = {}
        self._replica_sets: dict[str, ReplicaSetEntry] = {}
        self._sets_of: defaultdict[str, dict[str, ReplicaSetEntry]] = defaultdict(dict)
        self._pods_of: defaultdict[str, dict[str, PodEntry]] = defaultdict(dict)
        self._pod_owner: dict[ObjectKey, str] = {}
        self._unready_nodes: set[str] = set()
        self._snapshots: dict[WorkloadKey, Workload] = {}
        self._listeners: list[Callable[[WorkloadKey], None]] = []

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever something of a workload changed."""
        self._listeners.append(listener)

    # -- reading

    def keys(self) -> Iterable[WorkloadKey]:
        """Every workload known now."""
        return tuple(self._key_of_uid.values())

    def workload(self, key: WorkloadKey) -> Workload | None:
        """The snapshot of one workload, None when it is gone. Built once until something of it changes."""
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            entry = self._deployments.get((key.namespace, key.name))
            if entry is None or key.kind is not WorkloadKind.DEPLOYMENT:
                return None
            sets = self._sets_of.get(entry.uid, {}).values()
            snapshot = build_workload(entry, sets, self._pods_under(sets), self._unready_nodes)
            self._snapshots[key] = snapshot
        return snapshot

    def owner_of_pod(self, namespace: str, pod: str) -> WorkloadKey | None:
        """Which workload a pod belongs to, as far as the watch knows."""
        return self._workload_of_set(self._pod_owner.get((namespace, pod), ""))

    def workloads_behind(self, namespace: str, service: str) -> tuple[WorkloadKey, ...]:
        """The workloads that a Service of this name stands for.

        Services are not watched: a workload of the same name is taken, else all whose pods carry the name in
        their usual name label.
        """
        if (namespace, service) in self._deployments:
            return (WorkloadKey(WorkloadKind.DEPLOYMENT, namespace, service),)
        return tuple(
            key_of_deployment(entry)
            for entry in self._deployments.values()
            if entry.namespace == namespace
            and any(entry.template.labels.get(label) == service for label in _SERVICE_LABELS)
        )

    def _pods_under(self, sets: Iterable[ReplicaSetEntry]) -> Iterator[PodEntry]:
        for held in sets:
            yield from self._pods_of.get(held.uid, {}).values()

    def _workload_of_set(self, uid: str) -> WorkloadKey | None:
        held = self._replica_sets.get(uid)
        return self._key_of_uid.get(held.owner_uid) if held else None

    # -- changes

    def deployment_changed(
        self, key: ObjectKey, before: DeploymentEntry | None, after: DeploymentEntry | None
    ) -> None:
        """A Deployment is new, other, or gone; one made anew under its name has another uid."""
        if before is not None and (after is None or after.uid != before.uid):
            self._key_of_uid.pop(before.uid, None)
        if after is None:
            self._deployments.pop(key, None)
        else:
            self._deployments[key] = after
            self._key_of_uid[after.uid] = key_of_deployment(after)
        self._touch(WorkloadKey(WorkloadKind.DEPLOYMENT, *key))

    def replica_set_changed(
        self, key: ObjectKey, before: ReplicaSetEntry | None, after: ReplicaSetEntry | None
    ) -> None:
        """A ReplicaSet is new, other, or gone."""
        touched = {held.owner_uid for held in (before, after) if held is not None}
        if before is not None:
            self._replica_sets.pop(before.uid, None)
            _take_out(self._sets_of, before.owner_uid, before.uid)
        if after is not None:
            self._replica_sets[after.uid] = after
            if after.owner_uid:
                self._sets_of[after.owner_uid][after.uid] = after
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
            self._touch(self._workload_of_set(uid))

    def node_changed(self, key: ObjectKey, before: NodeEntry | None, after: NodeEntry | None) -> None:
        """A node became ready or unready, or is gone (then nothing is said of its pods)."""
        name = key[1]
        was_unready, is_unready = name in self._unready_nodes, after is not None and not after.ready
        if was_unready == is_unready:
            return
        if is_unready:
            self._unready_nodes.add(name)
        else:
            self._unready_nodes.discard(name)
        for uid in [uid for uid, pods in self._pods_of.items() if _any_on(pods.values(), name)]:
            self._touch(self._workload_of_set(uid))

    def _touch(self, key: WorkloadKey | None) -> None:
        if key is None:
            return
        self._snapshots.pop(key, None)
        for listener in self._listeners:
            listener(key)


def _any_on(pods: Iterable[PodEntry], node: str) -> bool:
    return any(held.pod.node == node for held in pods)


def _take_out(
    index: defaultdict[str, dict[str, PodEntry]] | defaultdict[str, dict[str, ReplicaSetEntry]],
    owner: str,
    uid: str,
) -> None:
    """Remove an entry from an index, and its owner's place with the last one."""
    held = index.get(owner)
    if held is not None:
        held.pop(uid, None)
        if not held:
            del index[owner]

"""One-shot reads of a cluster, for commands that look once and end: what the watches are to the daemon."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial

from sentinel.adapters.kubernetes.api.client import MANAGER, ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.listing import pages
from sentinel.adapters.kubernetes.api.raw import RawObject, key_of, labels, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import (
    APPLICATION_SETS,
    CLUSTER_POLICIES,
    PODS,
    POLICIES,
    RECORDS,
    ApiResource,
)
from sentinel.adapters.kubernetes.custom.histories import KubernetesHistoryStore
from sentinel.adapters.kubernetes.custom.policy_objects import PolicyObject, policy_object
from sentinel.adapters.kubernetes.custom.record_objects import WORKLOAD_LABEL, record_of
from sentinel.adapters.kubernetes.gitops.argocd import ARGO_CD, trim_application_set
from sentinel.adapters.kubernetes.gitops.keepers import (
    MarkedWorkload,
    OwnerCache,
    claimed_tools,
    marks_of,
    named_keeper,
)
from sentinel.adapters.kubernetes.gitops.owners import named_by_managers
from sentinel.adapters.kubernetes.workloads.cache import WorkloadCache
from sentinel.adapters.kubernetes.workloads.driver import WorkloadDriver
from sentinel.adapters.kubernetes.workloads.pairs.index import PairIndex
from sentinel.adapters.kubernetes.workloads.pairs.members import trim_member
from sentinel.adapters.kubernetes.workloads.registry import DRIVERS, MEMBERS, PAIRS, resource_of
from sentinel.adapters.kubernetes.workloads.trim import RevisionEntry, trim_beside
from sentinel.adapters.kubernetes.workloads.trim_pods import trim_pod
from sentinel.domain.errors import ClusterError, ForbiddenError, NotFoundError
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.keeper import KeeperRef
from sentinel.domain.workload.kinds import MEMBER_KIND, PAIRED, USUAL_KIND, WorkloadKind
from sentinel.domain.workload.pairing import Pairing
from sentinel.domain.workload.revision import ObjectRef
from sentinel.reports.history import RolloutHistory
from sentinel.values import dataclass

log = logging.getLogger(__name__)

_HISTORY_LIMIT = 10
_LABEL_LIMIT = 63


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """What a preflight needs of a workload beside its snapshot.

    `unprobed` are its containers without a readiness probe. `named` are the fields by which canary steps are made, each
    with the field manager that set it. `beside` are the routes and Services of a pair, each with who deploys it.
    """

    unprobed: tuple[str, ...]
    history_limit: int
    named: tuple[tuple[str, str], ...] = ()
    beside: tuple[tuple[ObjectRef, KeeperRef | None], ...] = ()


class ClusterReader:
    """Reads through an open ApiClient. Every method raises ClusterError by its named kind."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def workloads(
        self, namespace: str = "", *, pods: bool = False, pairings: Collection[Pairing] = ()
    ) -> tuple[Workload, ...]:
        """The workloads of a namespace (empty: of all) by kind, namespace and name; their pods only where asked for.

        Other kinds than the usual one are left out where we may not list them. Members of `pairings` are one workload.
        Who deploys them is what their own marks say, and is not confirmed.
        """
        owners, listed = OwnerCache(), []
        cache = WorkloadCache(lambda kept: owners.keeper(marks_of(kept)))
        beside = cache.pair(pairings)
        for driver in DRIVERS.values():
            try:
                found = await self._served(driver.resource, namespace)
            except ForbiddenError:
                if driver.kind is USUAL_KIND:
                    raise
                continue
            listed += [driver] if found else []
            trim = trim_member if pairings and driver.kind is MEMBER_KIND else driver.trim
            for raw in found:
                cache.workload_changed(key_of(raw), None, trim(raw))
        await self._fill(cache, _histories(listed, pairs=bool(pairings)), namespace, {}, pods=pods)
        await self._fill_beside(cache, beside, namespace)
        snapshots = (cache.workload(key) for key in sorted(cache.keys()))
        return tuple(workload for workload in snapshots if workload is not None)

    async def workload(
        self, key: WorkloadKey, *, pods: bool = False, pairings: Collection[Pairing] = ()
    ) -> Workload:
        """One workload with its revisions, or the pair that it is a member of. Raises NotFoundError if it does not
        exist.

        Its pods are read, too, if nothing else shows how many a revision has.
        """
        pair = PairIndex(pairings).pair_of(key)
        if pair.kind in PAIRED:
            return await self._paired(pair, pairings, pods=pods)
        driver = DRIVERS[key.kind]
        raw = await self._object(key)
        entry = driver.trim(raw)
        owners = await self._owners_of([marks_of(entry)])
        cache = WorkloadCache(lambda kept: owners.keeper(marks_of(kept)))
        cache.workload_changed(key_of(raw), None, entry)
        selector = mapping(mapping(mapping(raw.get("spec")).get("selector")).get("matchLabels"))
        asked = ",".join(f"{label}={value}" for label, value in selector.items())
        params = {"labelSelector": asked} if asked else {}
        stored = {driver.history: driver.trim_revision}
        await self._fill(cache, stored, key.namespace, params, pods=pods or not driver.counted)
        workload = cache.workload(key)
        if workload is None:
            raise NotFoundError(
                f"the controller of {key} has not taken it up yet", reason="NotFound", status=404
            )
        return workload

    async def _paired(self, key: WorkloadKey, pairings: Collection[Pairing], *, pods: bool) -> Workload:
        """A pair by what there is of it."""
        pairing = PairIndex(pairings).pairing_of(key)
        if pairing is None:
            why = (
                f"nothing says which objects {key} is made of: no policy with a rollout on record pairs them"
            )
            raise NotFoundError(why, reason="NotFound", status=404)
        members = []
        for name in pairing.members:
            with suppress(NotFoundError):
                raw = await self._client.get(RequestTarget(MEMBERS.resource, key.namespace, name))
                members.append((key_of(raw), trim_member(raw)))
        owners = await self._owners_of([marks_of(entry) for _, entry in members])
        cache = WorkloadCache(lambda kept: owners.keeper(marks_of(kept)))
        beside = cache.pair(pairings)
        for member, entry in members:
            cache.workload_changed(member, None, entry)
        await self._fill(cache, {MEMBERS.history: MEMBERS.trim_revision}, key.namespace, {}, pods=pods)
        await self._fill_beside(cache, beside, key.namespace)
        workload = cache.workload(key)
        if workload is None:
            absent = f"there is no {MEMBER_KIND} {pairing.members[0]} in namespace {key.namespace}"
            raise NotFoundError(absent, reason="NotFound", status=404)
        return workload

    async def _fill_beside(
        self, cache: WorkloadCache, resources: Iterable[ApiResource], namespace: str
    ) -> None:
        """What belongs to pairs beside their members, as far as we may read it."""
        for resource in resources:
            try:
                found = await self._list(resource, namespace)
            except (ForbiddenError, NotFoundError) as error:
                cache.unreadable[resource] = partial(str, error)
                continue
            for raw in found:
                cache.beside_changed(resource, key_of(raw), None, trim_beside(raw))

    async def _owners_of(self, kept: Iterable[MarkedWorkload]) -> OwnerCache:
        """What may deploy the workloads by their marks, as far as we may read it."""
        owners = OwnerCache()
        for tool in dict.fromkeys(tool for marked in kept for tool in claimed_tools(marked)):
            try:
                found = await self._list(tool.resource, "")
            except (ForbiddenError, NotFoundError) as error:
                owners.unreadable.append((tool.name, partial("it cannot be read: {}".format, error)))
                continue
            owners.unreadable.append((tool.name, str))
            for raw in found:
                owners.owner_changed(key_of(raw), None, tool.trim(raw))
            if tool is ARGO_CD:
                for raw in await self._served(APPLICATION_SETS, ""):
                    owners.set_changed(key_of(raw), None, trim_application_set(raw))
        return owners

    async def facts(self, workload: Workload) -> WorkloadFacts:
        """What a preflight asks of a workload, or of a pair's first member. Raises NotFoundError if it is gone."""
        first = workload.parts[0]
        raw = await self._object(WorkloadKey(WorkloadKind(first.kind), first.namespace, first.name))
        spec = mapping(raw.get("spec"))
        containers = objects(mapping(mapping(spec.get("template")).get("spec")).get("containers"))
        return WorkloadFacts(
            unprobed=tuple(text(c.get("name")) for c in containers if "readinessProbe" not in c),
            history_limit=number(spec.get("revisionHistoryLimit"), _HISTORY_LIMIT),
            named=named_by_managers(raw, MANAGER),
            beside=tuple([await self._kept(*each) for each in _beside(workload)]),
        )

    async def _kept(self, part: ObjectRef, resource: ApiResource) -> tuple[ObjectRef, KeeperRef | None]:
        """A route or Service of a pair, with who deploys it by its own marks."""
        raw = await self._client.get(RequestTarget(resource, part.namespace, part.name))
        metadata = mapping(raw.get("metadata"))
        marks = MarkedWorkload(part, labels(metadata.get("labels")), labels(metadata.get("annotations")))
        return part, named_keeper(marks)

    async def records(self, namespace: str = "", workload: str = "") -> tuple[Record, ...]:
        """The RolloutRecords of a namespace (empty: of all), or of one workload there; the newest first."""
        params = (
            {"labelSelector": f"{WORKLOAD_LABEL}={workload[:_LABEL_LIMIT].rstrip('-.')}"} if workload else {}
        )
        records = [_read(raw) for raw in await self._list(RECORDS, namespace, params)]
        mine = (record for record in records if not workload or record.key.name == workload)
        return tuple(sorted(mine, key=lambda record: (record.started_at, record.name), reverse=True))

    async def histories(self, namespace: str = "") -> tuple[RolloutHistory, ...]:
        """The RolloutHistories of a namespace (empty: of all); none where the cluster does not know them.

        One that cannot be read is left out.
        """
        return await KubernetesHistoryStore(self._client, (namespace,)).all()

    async def policies(self, namespace: str = "") -> tuple[PolicyObject, ...]:
        """The RolloutPolicies of a namespace (empty: of all), and the ClusterRolloutPolicies where we may read them.

        Raises NotFoundError where the cluster does not know them.
        """
        found = list(await self._list(POLICIES, namespace))
        with suppress(ForbiddenError):
            found += await self._list(CLUSTER_POLICIES, "")
        return tuple(policy_object(raw) for raw in found)

    async def _object(self, key: WorkloadKey) -> Json:
        try:
            return await self._client.get(RequestTarget(resource_of(key.kind), key.namespace, key.name))
        except NotFoundError as error:
            absent = f"there is no {key.kind} {key.name} in namespace {key.namespace}"
            raise NotFoundError(absent, reason="NotFound", status=404) from error

    async def _fill(
        self,
        cache: WorkloadCache,
        stored: Mapping[ApiResource, Callable[[RawObject], RevisionEntry]],
        namespace: str,
        params: dict[str, str],
        *,
        pods: bool,
    ) -> None:
        for resource, trim in stored.items():
            for raw in await self._list(resource, namespace, params):
                cache.revision_changed(key_of(raw), None, trim(raw))
        for raw in await self._list(PODS, namespace, params) if pods else ():
            cache.pod_changed(key_of(raw), None, trim_pod(raw))

    async def _served(self, resource: ApiResource, namespace: str) -> list[RawObject]:
        """All objects of a resource; none where its definition is not installed in the cluster."""
        try:
            return await self._list(resource, namespace)
        except NotFoundError:
            return []

    async def _list(
        self, resource: ApiResource, namespace: str, params: dict[str, str] | None = None
    ) -> list[RawObject]:
        found = pages(self._client, RequestTarget(resource, namespace), params)
        return [one async for page in found for one in page]


def _histories(
    drivers: Iterable[WorkloadDriver], *, pairs: bool
) -> dict[ApiResource, Callable[[RawObject], RevisionEntry]]:
    """The resources that store revisions, and how their objects are trimmed."""
    stored = {driver.history: driver.trim_revision for driver in drivers}
    return {**stored, MEMBERS.history: MEMBERS.trim_revision} if pairs else stored


def _beside(workload: Workload) -> list[tuple[ObjectRef, ApiResource]]:
    """What a pair is made of beside its members."""
    if workload.pairing is None:
        return []
    places = PAIRS[workload.key.kind].places(workload)
    parts = zip(workload.parts, places, strict=True)
    return [(part, resource) for part, (resource, _) in parts if part.kind != MEMBER_KIND]


def _read(raw: RawObject) -> Record:
    try:
        return record_of(raw)
    except ValueError as error:
        name = "/".join(key_of(raw))
        raise ClusterError(f"the RolloutRecord {name} cannot be read: {error}", reason="BadRecord") from error

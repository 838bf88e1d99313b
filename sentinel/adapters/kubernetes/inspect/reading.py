"""One-shot reads of a cluster, for commands that look once and end: what the watches are to the daemon."""

from dataclasses import dataclass

from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, key_of, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, PODS, RECORDS, REPLICA_SETS, ApiResource
from sentinel.adapters.kubernetes.custom.record_objects import WORKLOAD_LABEL, record_of
from sentinel.adapters.kubernetes.workloads.cache import WorkloadCache
from sentinel.adapters.kubernetes.workloads.trim import trim_deployment, trim_pod, trim_replica_set
from sentinel.domain.errors import ClusterError, NotFoundError
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload

PAGE = 500
TIMEOUT = 30.0
_HISTORY_LIMIT = 10
_LABEL_LIMIT = 63


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """What a preflight needs of a Deployment beside its snapshot.

    `unprobed` are its containers without a readiness probe.
    """

    unprobed: tuple[str, ...]
    history_limit: int


class ClusterReader:
    """Reads through an open ApiClient. Every method raises ClusterError by its named kind."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def workloads(self, namespace: str = "", *, pods: bool = False) -> tuple[Workload, ...]:
        """The Deployments of a namespace (empty: of all) by namespace and name; their pods only where asked for."""
        cache = WorkloadCache()
        for raw in await self._list(DEPLOYMENTS, namespace):
            cache.deployment_changed(key_of(raw), None, trim_deployment(raw))
        await self._fill(cache, namespace, {}, pods=pods)
        found = (cache.workload(key) for key in sorted(cache.keys()))
        return tuple(workload for workload in found if workload is not None)

    async def workload(self, namespace: str, name: str, *, pods: bool = False) -> Workload:
        """One Deployment with its revisions. Raises NotFoundError where there is none of this name."""
        raw = await self._deployment(namespace, name)
        cache = WorkloadCache()
        cache.deployment_changed(key_of(raw), None, trim_deployment(raw))
        selector = mapping(mapping(mapping(raw.get("spec")).get("selector")).get("matchLabels"))
        labels = ",".join(f"{label}={value}" for label, value in selector.items())
        await self._fill(cache, namespace, {"labelSelector": labels} if labels else {}, pods=pods)
        workload = next(filter(None, map(cache.workload, cache.keys())), None)
        if workload is None:
            raise NotFoundError(_absent(namespace, name), reason="NotFound", status=404)
        return workload

    async def facts(self, namespace: str, name: str) -> DeploymentFacts:
        """What a preflight asks of one Deployment. Raises NotFoundError where there is none of this name."""
        raw = await self._deployment(namespace, name)
        spec = mapping(raw.get("spec"))
        containers = objects(mapping(mapping(spec.get("template")).get("spec")).get("containers"))
        return DeploymentFacts(
            unprobed=tuple(text(c.get("name")) for c in containers if "readinessProbe" not in c),
            history_limit=number(spec.get("revisionHistoryLimit"), _HISTORY_LIMIT),
        )

    async def records(self, namespace: str = "", workload: str = "") -> tuple[Record, ...]:
        """The RolloutRecords of a namespace (empty: of all), or of one workload there; the newest first."""
        params = (
            {"labelSelector": f"{WORKLOAD_LABEL}={workload[:_LABEL_LIMIT].rstrip('-.')}"} if workload else {}
        )
        records = [_read(raw) for raw in await self._list(RECORDS, namespace, params)]
        mine = (record for record in records if not workload or record.key.name == workload)
        return tuple(sorted(mine, key=lambda record: (record.started_at, record.name), reverse=True))

    async def _deployment(self, namespace: str, name: str) -> Json:
        try:
            return await self._client.get(RequestTarget(DEPLOYMENTS, namespace, name))
        except NotFoundError as error:
            raise NotFoundError(_absent(namespace, name), reason="NotFound", status=404) from error

    async def _fill(
        self, cache: WorkloadCache, namespace: str, params: dict[str, str], *, pods: bool
    ) -> None:
        for raw in await self._list(REPLICA_SETS, namespace, params):
            cache.replica_set_changed(key_of(raw), None, trim_replica_set(raw))
        for raw in await self._list(PODS, namespace, params) if pods else ():
            cache.pod_changed(key_of(raw), None, trim_pod(raw))

    async def _list(
        self, resource: ApiResource, namespace: str, params: dict[str, str] | None = None
    ) -> list[RawObject]:
        found: list[RawObject] = []
        query = {"limit": str(PAGE), **(params or {})}
        while True:
            page = await self._client.request(
                "GET", RequestTarget(resource, namespace), params=query, timeout=TIMEOUT
            )
            found.extend(objects(page.get("items")))
            following = text(mapping(page.get("metadata")).get("continue"))
            if not following:
                return found
            query["continue"] = following


def _absent(namespace: str, name: str) -> str:
    return f"there is no Deployment {name} in namespace {namespace}"


def _read(raw: RawObject) -> Record:
    try:
        return record_of(raw)
    except ValueError as error:
        name = "/".join(key_of(raw))
        raise ClusterError(f"the RolloutRecord {name} cannot be read: {error}", reason="BadRecord") from error

"""The Jobs of gates: made once from a policy's template, looked at, and taken away when nobody waits for them."""

from collections.abc import Iterable, Mapping
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, objects, text
from sentinel.adapters.kubernetes.api.resources import JOBS, RECORDS
from sentinel.domain.errors import ClusterError, ConflictError, NotFoundError
from sentinel.domain.gate import JobGate, JobPhase, JobState
from sentinel.domain.record.record import Record

KEPT_SECONDS = 24 * 3600
"""So long a Job that has ended is kept for people to read its log, unless its template says otherwise."""
_LABEL_LENGTH = 63
_DISRUPTIONS_ARE_NO_FAILURES = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}
"""A pod that is evicted, preempted or drained does not judge the candidate: it is replaced."""


class KubernetesJobs:
    """Implements `ports.Jobs`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def run(
        self, gate: JobGate, record: Record, name: str, *, made: bool, timeout: float = 10.0
    ) -> JobState:
        """Where the Job stands; made where it was not before and is not there."""
        if not made:
            try:
                return _state(await self._create(gate, record, name, timeout), name, made=True)
            except ConflictError as error:
                if error.reason != "AlreadyExists":
                    raise
        found = await self._find(record, name, timeout)
        if found is None:
            return JobState(name, JobPhase.GONE, "it was deleted before it ended")
        if not _owned(found, record):
            raise ClusterError(f"Job {name} already exists and belongs to something else", reason="NotOurs")
        return _state(found, name)

    async def remove(self, record: Record, name: str, *, timeout: float = 10.0) -> bool:
        """Delete the Job with its pods; False if this rollout does not have such a Job."""
        found = await self._find(record, name, timeout)
        if found is None or not _owned(found, record):
            return False
        uid = text(mapping(found.get("metadata")).get("uid"))
        try:
            await self._client.delete(_place(record, name), uid=uid, timeout=timeout)
        except (NotFoundError, ConflictError) as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
            return False
        return True

    async def rehearse(self, gate: JobGate, record: Record, *, timeout: float = 10.0) -> None:
        """Have the API server look at the Job as it would be made; nothing is. Raises ClusterError with its no."""
        await self._create(gate, record, "gate-rehearsal", timeout, dry_run=True)

    async def _create(
        self, gate: JobGate, record: Record, name: str, timeout: float, *, dry_run: bool = False
    ) -> Json:
        """Fields that Kubernetes does not know are refused, not dropped: a test with a typo tests something else."""
        return await self._client.request(
            "POST",
            RequestTarget(JOBS, record.key.namespace),
            params={"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})},
            body=job_of(gate, record, name),
            timeout=timeout,
        )

    async def _find(self, record: Record, name: str, timeout: float) -> Json | None:
        try:
            return await self._client.get(_place(record, name), timeout=timeout)
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            return None


def job_of(gate: JobGate, record: Record, name: str) -> Json:
    """The Job: the policy's template, tied to the rollout's record, bounded in time, and told what it tests.

    What the template leaves out is filled in so that one failure is the answer and no token is handed to the pod.
    """
    template = mapping(gate.template)
    metadata, spec = mapping(template.get("metadata")), dict(mapping(template.get("spec")))
    labels = _labels(gate, record)
    spec["template"] = _pods(mapping(spec.get("template")), record, labels)
    given = spec.get("activeDeadlineSeconds")
    within = max(1, int(gate.within.total_seconds()))
    spec["activeDeadlineSeconds"] = min(given, within) if isinstance(given, int) else within
    spec.setdefault("backoffLimit", 0)
    spec.setdefault("ttlSecondsAfterFinished", KEPT_SECONDS)
    if spec["template"]["spec"]["restartPolicy"] == "Never":
        spec.setdefault("podFailurePolicy", _DISRUPTIONS_ARE_NO_FAILURES)
    return {
        "apiVersion": JOBS.api_version,
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": record.key.namespace,
            "labels": {**mapping(metadata.get("labels")), **labels},
            "annotations": {**mapping(metadata.get("annotations"))},
            "ownerReferences": [_owner(record)],
        },
        "spec": spec,
    }


def _owner(record: Record) -> Json:
    return {
        "apiVersion": RECORDS.api_version,
        "kind": "RolloutRecord",
        "name": record.name,
        "uid": record.uid,
        "controller": True,
    }


def _labels(gate: JobGate, record: Record) -> dict[str, str]:
    found = {
        "app.kubernetes.io/managed-by": "rollback-sentinel",
        "rollback-sentinel.dev/workload": record.key.name,
        "rollback-sentinel.dev/record": record.name,
        "rollback-sentinel.dev/gate": gate.name,
    }
    return {key: value[:_LABEL_LENGTH].rstrip("-.") for key, value in found.items()}


def _pods(template: RawObject, record: Record, labels: Mapping[str, str]) -> dict[str, Any]:
    metadata, spec = dict(mapping(template.get("metadata"))), dict(mapping(template.get("spec")))
    metadata["labels"] = {**mapping(metadata.get("labels")), **labels}
    spec.setdefault("restartPolicy", "Never")
    spec.setdefault("automountServiceAccountToken", False)
    told = [{"name": key, "value": value} for key, value in environment_of(record).items()]
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [_told(container, told) for container in objects(spec[kind])]
    return {**template, "metadata": metadata, "spec": spec}


def _told(container: RawObject, told: Iterable[Json]) -> dict[str, Any]:
    """The container with our variables before its own, which may refer to them and win over them."""
    own = list(objects(container.get("env")))
    taken = {text(variable.get("name")) for variable in own}
    return {**container, "env": [*(each for each in told if each["name"] not in taken), *own]}


def environment_of(record: Record) -> dict[str, str]:
    """What the containers learn about the rollout, by the names of their environment variables."""
    candidate = record.candidate
    return {
        "ROLLOUT_NAMESPACE": record.key.namespace,
        "ROLLOUT_KIND": record.key.kind.value,
        "ROLLOUT_WORKLOAD": record.key.name,
        "ROLLOUT_REVISION": candidate.hash or candidate.digest[:10],
        "ROLLOUT_IMAGE": candidate.images[0] if candidate.images else "",
        "ROLLOUT_IMAGES": ",".join(candidate.images),
        "ROLLOUT_STEP": str(record.state.progress.step + 1),
        "ROLLOUT_RECORD": record.name,
    }


def _owned(job: Json, record: Record) -> bool:
    owners = objects(mapping(job.get("metadata")).get("ownerReferences"))
    return any(owner.get("uid") == record.uid for owner in owners)


def _state(job: Json, name: str, *, made: bool = False) -> JobState:
    """Where a Job stands by its conditions; only Complete and Failed are an end, once its pods have ended too."""
    if mapping(job.get("metadata")).get("deletionTimestamp"):
        return JobState(name, JobPhase.GONE, "it was deleted before it ended")
    status = mapping(job.get("status"))
    for condition in objects(status.get("conditions")):
        if condition.get("status") != "True":
            continue
        kind, reason = text(condition.get("type")), text(condition.get("reason"))
        said = ": ".join(filter(None, (reason, text(condition.get("message")))))
        if kind == "Complete":
            return JobState(name, JobPhase.SUCCEEDED, said, made)
        if kind == "Failed":
            late = reason == "DeadlineExceeded"
            return JobState(name, JobPhase.TIMED_OUT if late else JobPhase.FAILED, said, made)
    counts = {word: status.get(word) for word in ("active", "ready", "succeeded", "failed")}
    seen = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return JobState(name, JobPhase.RUNNING, f"pods: {seen}" if seen else "no pod yet", made)


def _place(record: Record, name: str) -> RequestTarget:
    return RequestTarget(JOBS, record.key.namespace, name)

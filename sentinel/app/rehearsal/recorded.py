"""A past rollout as the engine sees a workload: its pods at each moment, from the series of kube-state-metrics."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta

from sentinel.app.rehearsal.history import MetricHistory, RangeSeries
from sentinel.app.rehearsal.model import PastRollout
from sentinel.domain.decision import Change, Restore
from sentinel.domain.workload.facts import Exposure, Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.domain.workload.revision import ObjectRef, Revision
from sentinel.values import dataclass

STEP = timedelta(seconds=15)
BEFORE = timedelta(minutes=5)

_POD = {
    "owner": ("pod, owner_name", 'kube_pod_owner{%s, owner_kind="ReplicaSet"}'),
    "ready": ("pod", 'kube_pod_status_ready{%s, condition="true"}'),
    "ready_time": ("pod", "kube_pod_status_ready_time{%s}"),
    "created": ("pod", "kube_pod_created{%s}"),
    "scheduled": ("pod", "kube_pod_status_scheduled_time{%s}"),
    "unschedulable": ("pod", "kube_pod_status_unschedulable{%s}"),
    "info": ("pod, node, uid", "kube_pod_info{%s}"),
    "deleted": ("pod", "kube_pod_deletion_timestamp{%s}"),
    "phase": ("pod, phase", "kube_pod_status_phase{%s} > 0"),
    "restarts": ("pod, container", "kube_pod_container_status_restarts_total{%s}"),
    "waiting": ("pod, container, reason", "kube_pod_container_status_waiting_reason{%s} > 0"),
    "ended": ("pod, container, reason", "kube_pod_container_status_last_terminated_reason{%s} > 0"),
    "exit_code": ("pod, container", "kube_pod_container_status_last_terminated_exitcode{%s}"),
    "started": ("pod, container", "kube_pod_container_state_started{%s}"),
    "container": ("pod, container, image, image_id", "kube_pod_container_info{%s}"),
}


@dataclass(frozen=True, slots=True)
class Samples:
    """What was recorded around one rollout: series by kind, how many pods were wanted, the workload's labels."""

    series: Mapping[str, tuple[RangeSeries, ...]]
    desired: tuple[RangeSeries, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


async def read_samples(history: MetricHistory, rollout: PastRollout, until: datetime) -> Samples:
    """Read what was recorded of a rollout's pods. Raises SourceError."""
    since = rollout.began - BEFORE
    sets = "|".join(f"{rollout.workload}-{one}" for one in rollout.revisions)
    pods = f'namespace="{rollout.namespace}", pod=~"({sets})-[a-z0-9]+"'
    own = f'namespace="{rollout.namespace}", deployment="{rollout.workload}"'
    *found, desired, labels = await asyncio.gather(
        *(
            history.range(f"max by ({by}) ({query % pods})", since, until, STEP)
            for by, query in _POD.values()
        ),
        history.range(f"max(kube_deployment_spec_replicas{{{own}}})", since, until, STEP),
        history.range(f"kube_deployment_labels{{{own}}}", rollout.began, rollout.began + STEP, STEP),
    )
    return Samples(dict(zip(_POD, found, strict=True)), desired, labels[0].labels if labels else {})


class RecordedWorld:
    """The workload as it was, until the rules go back: from then on the stable revision is in force, at once.

    What people really did is not changed by a pause, so pauses are ignored.
    """

    def __init__(self, states: Iterable[tuple[datetime, Workload]]) -> None:
        states = list(states)
        self._times = [at for at, _ in states]
        self._workloads = [workload for _, workload in states]
        self._restored: Restore | None = None

    def at(self, now: datetime) -> Workload | None:
        """The workload at this time."""
        index = bisect_right(self._times, now) - 1
        workload = self._workloads[max(index, 0)]
        return _restored(workload, self._restored) if self._restored else workload

    def apply(self, change: Change, now: datetime) -> None:
        """Take an undo for done; the past knows no pauses."""
        if isinstance(change, Restore):
            self._restored = change

    def next_change(self, after: datetime) -> datetime | None:
        """When something next changes."""
        index = bisect_right(self._times, after)
        return self._times[index] if index < len(self._times) else None


def _restored(workload: Workload, restore: Restore) -> Workload:
    target = workload.revision(restore.target.digest) or workload.candidate
    others = tuple(one for one in (workload.candidate, *workload.others) if one.digest != target.digest)
    wanted = workload.exposure.wanted
    return Workload(
        workload.key,
        workload.uid,
        target,
        generation=workload.generation + 1,
        observed_generation=workload.generation + 1,
        labels=workload.labels,
        others=others,
        exposure=Exposure.counted(wanted, wanted, ready=wanted, available=wanted, old=0),
    )


def states_of(
    rollout: PastRollout, samples: Samples, labels: Mapping[str, str], until: datetime
) -> list[tuple[datetime, Workload]]:
    """The workload at each time at which something of it changed."""
    pods = _PodHistory(samples)
    desired = {at: round(value) for one in samples.desired for at, value in one.points}
    found: list[tuple[datetime, Workload]] = []
    wanted, at = 0, rollout.began - BEFORE
    while at <= until:
        current = pods.at(at)
        wanted = desired.get(at, wanted)
        if at > rollout.began - STEP:
            workload = _workload(rollout, current, wanted or len(current), labels)
            if not found or found[-1][1] != workload:
                found.append((max(at, rollout.began), workload))
        at += STEP
    return found


def _workload(
    rollout: PastRollout, pods: tuple[Pod, ...], desired: int, labels: Mapping[str, str]
) -> Workload:
    alive = [pod for pod in pods if not pod.deleting]
    new = [pod for pod in alive if pod.revision == rollout.candidate]
    ready = sum(pod.ready for pod in alive)
    candidate = _revision(rollout, rollout.candidate, alive, 3)
    others = (one for one in rollout.revisions if one not in (rollout.candidate, rollout.stable))
    return Workload(
        WorkloadKey(WorkloadKind.DEPLOYMENT, rollout.namespace, rollout.workload),
        f"{rollout.namespace}/{rollout.workload}",
        candidate,
        labels=labels,
        others=(
            _revision(rollout, rollout.stable, alive, 2),
            *(_revision(rollout, one, alive, 1) for one in others),
        ),
        exposure=Exposure.counted(
            desired, len(new), ready=candidate.ready, available=ready, old=len(alive) - len(new)
        ),
        pods=pods,
    )


def _revision(rollout: PastRollout, name: str, pods: list[Pod], number: int) -> Revision:
    own = [pod for pod in pods if pod.revision == name]
    ready = sum(pod.ready for pod in own)
    images = sorted({container.image for pod in own for container in pod.containers if container.image})
    return Revision(
        name,
        name,
        number,
        tuple(images),
        replicas=len(own),
        ready=ready,
        available=ready,
        stored_in=ObjectRef("", "", rollout.namespace, f"{rollout.workload}-{name}"),
        order=number,
    )


@dataclass(slots=True)
class _Remembered:
    """What changes of a pod or container tell only when they are seen one after the other."""

    value: float = 0.0
    since: datetime | None = None


class _PodHistory:
    """The pods at each step, asked in order: some times are only seen as a change from one step to the next."""

    def __init__(self, samples: Samples) -> None:
        self._at: dict[str, dict[datetime, list[tuple[Mapping[str, str], float]]]] = {}
        for kind, series in samples.series.items():
            by_time = self._at.setdefault(kind, {})
            for one in series:
                for at, value in one.points:
                    by_time.setdefault(at, []).append((one.labels, value))
        self._readiness: dict[str, _Remembered] = {}
        self._restarts: dict[tuple[str, str], _Remembered] = {}

    def at(self, at: datetime) -> tuple[Pod, ...]:
        """All pods at this step."""
        values = {kind: self._at.get(kind, {}).get(at, []) for kind in _POD}
        containers = self._containers(values, at)
        one = {
            kind: {labels["pod"]: (labels, value) for labels, value in values[kind]}
            for kind in (
                "ready",
                "ready_time",
                "created",
                "scheduled",
                "unschedulable",
                "info",
                "deleted",
                "phase",
            )
        }
        return tuple(
            self._pod(labels["pod"], labels.get("owner_name", ""), one, containers.get(labels["pod"], ()), at)
            for labels, _ in sorted(values["owner"], key=lambda item: item[0]["pod"])
        )

    def _pod(
        self,
        name: str,
        owner: str,
        one: Mapping[str, Mapping[str, tuple[Mapping[str, str], float]]],
        containers: tuple[Container, ...],
        at: datetime,
    ) -> Pod:
        info = one["info"].get(name, ({}, 0.0))[0]
        ready = one["ready"].get(name, ({}, 0.0))[1] > 0
        since = self._ready_since(name, ready, at)
        exact = _time(one["ready_time"].get(name))
        return Pod(
            name,
            info.get("uid") or name,
            owner.rpartition("-")[2],
            node=info.get("node") or None,
            phase=one["phase"].get(name, ({}, 0.0))[0].get("phase", "Pending"),
            created_at=_time(one["created"].get(name)),
            scheduled_at=_time(one["scheduled"].get(name)),
            unschedulable="no node fits" if one["unschedulable"].get(name, ({}, 0.0))[1] > 0 else None,
            ready=ready,
            ready_since=(exact or since) if ready else None,
            unready_since=None if ready else since,
            deleting=name in one["deleted"],
            containers=containers,
        )

    def _ready_since(self, name: str, ready: bool, at: datetime) -> datetime:
        known = self._readiness.get(name)
        if known is None or known.since is None or (known.value > 0) != ready:
            known = self._readiness[name] = _Remembered(float(ready), at)
        assert known.since is not None
        return known.since

    def _containers(
        self, values: Mapping[str, list[tuple[Mapping[str, str], float]]], at: datetime
    ) -> dict[str, tuple[Container, ...]]:
        named = {
            kind: {(labels["pod"], labels["container"]): (labels, value) for labels, value in values[kind]}
            for kind in ("restarts", "waiting", "ended", "exit_code", "started", "container")
        }
        found: dict[str, list[Container]] = {}
        for pod, container in sorted(named["restarts"].keys() | named["container"].keys()):
            found.setdefault(pod, []).append(self._container((pod, container), named, at))
        return {pod: tuple(containers) for pod, containers in found.items()}

    def _container(
        self,
        key: tuple[str, str],
        named: Mapping[str, Mapping[tuple[str, str], tuple[Mapping[str, str], float]]],
        at: datetime,
    ) -> Container:
        restarts = named["restarts"].get(key, ({}, 0.0))[1]
        known = self._restarts.setdefault(key, _Remembered(restarts))
        if restarts > known.value:
            self._restarts[key] = known = _Remembered(restarts, at - STEP / 2)
        info, ended = named["container"].get(key, ({}, 0.0))[0], named["ended"].get(key)
        waiting = named["waiting"].get(key)
        last = None
        if ended is not None or known.since is not None:
            reason = ended[0].get("reason", "Error") if ended else "Error"
            code = named["exit_code"].get(key, ({}, 0.0 if reason == "Completed" else 1.0))[1]
            last = Termination(reason, round(code), finished_at=known.since)
        return Container(
            key[1],
            restarts=round(restarts),
            waiting=waiting[0].get("reason") if waiting else None,
            running_since=None if waiting else _time(named["started"].get(key)) or known.since,
            last=last,
            image=info.get("image", ""),
            pulled=bool(info.get("image_id")),
        )


def _time(found: tuple[Mapping[str, str], float] | None) -> datetime | None:
    return datetime.fromtimestamp(found[1], UTC) if found is not None and found[1] > 0 else None

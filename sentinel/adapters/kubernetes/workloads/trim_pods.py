"""From a raw pod to what matters of it, with strings shared where they repeat."""

from collections.abc import Callable, Collection
from datetime import datetime
from sys import intern

from sentinel.adapters.kubernetes.api.raw import (
    RawObject,
    controller_of,
    mapping,
    number,
    objects,
    text,
    time,
)
from sentinel.adapters.kubernetes.workloads.digest import ROLLOUT_HASH, TEMPLATE_HASH
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.values import dataclass

CONTROLLER_HASH = "controller-revision-hash"
"""The label by which pods without a ReplicaSet name their revision."""
_REVISION_LABELS = (TEMPLATE_HASH, ROLLOUT_HASH, CONTROLLER_HASH)
_MESSAGE_LIMIT = 400


@dataclass(frozen=True, slots=True)
class PodEntry:
    """A pod and the uid of its controller. The node's readiness is filled in when a snapshot is taken."""

    namespace: str
    owner_uid: str
    pod: Pod


def trim_pods_of(controllers: Collection[str]) -> Callable[[RawObject], PodEntry | None]:
    """What trims the pods that controllers of these kinds own, and keeps nothing of others, those of Jobs for one."""

    def trim(raw: RawObject) -> PodEntry | None:
        kind, *_ = controller_of(mapping(raw.get("metadata")))
        return trim_pod(raw) if kind in controllers else None

    return trim


def trim_pod(raw: RawObject) -> PodEntry:
    """What matters of a pod."""
    metadata, spec, status = (mapping(raw.get(part)) for part in ("metadata", "spec", "status"))
    conditions = {text(c.get("type")): c for c in objects(status.get("conditions"))}
    scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
    node = text(spec.get("nodeName"))
    named = mapping(metadata.get("labels"))
    is_ready = ready.get("status") == "True"
    pod = Pod(
        name=text(metadata.get("name")),
        uid=text(metadata.get("uid")),
        revision=intern(next((text(named[mark]) for mark in _REVISION_LABELS if mark in named), "")),
        node=intern(node) if node else None,
        phase=intern(text(status.get("phase")) or "Pending"),
        reason=intern(text(status.get("reason"))),
        created_at=time(metadata.get("creationTimestamp")),
        scheduled_at=since(scheduled) if scheduled.get("status") == "True" else None,
        unschedulable=_unschedulable(scheduled),
        ready=is_ready,
        ready_since=since(ready) if is_ready else None,
        unready_since=None if is_ready else since(ready),
        furnished=_told(conditions.get("PodReadyToStartContainers", {})),
        deleting="deletionTimestamp" in metadata,
        containers=_containers(spec, status),
    )
    return PodEntry(intern(text(metadata.get("namespace"))), intern(controller_of(metadata)[2]), pod)


def since(condition: RawObject) -> datetime | None:
    return time(condition.get("lastTransitionTime"))


def _told(condition: RawObject) -> bool | None:
    """What a condition says; None where it is absent or unknown."""
    return {"True": True, "False": False}.get(text(condition.get("status")))


def _unschedulable(scheduled: RawObject) -> str | None:
    """Why the scheduler finds no node; waiting for its first attempt is not a reason yet."""
    if scheduled.get("status") != "False" or not scheduled.get("reason"):
        return None
    return intern(cut(text(scheduled.get("message"))) or text(scheduled.get("reason")))


def _containers(spec: RawObject, status: RawObject) -> tuple[Container, ...]:
    init = objects(status.get("initContainerStatuses"))
    kept = {
        text(item.get("name"))
        for item in objects(spec.get("initContainers"))
        if item.get("restartPolicy") == "Always"
    }
    return (
        *(_container(item, init=True, sidecar=text(item.get("name")) in kept) for item in init),
        *(_container(item) for item in objects(status.get("containerStatuses"))),
    )


def _container(raw: RawObject, *, init: bool = False, sidecar: bool = False) -> Container:
    state = mapping(raw.get("state"))
    waiting = state.get("waiting")
    waits = mapping(waiting)
    return Container(
        name=intern(text(raw.get("name"))),
        ready=raw.get("ready") is True,
        restarts=number(raw.get("restartCount")),
        waiting=None if waiting is None else intern(text(waits.get("reason"))),
        waiting_message=intern(cut(text(waits.get("message")))),
        running_since=time(mapping(state.get("running")).get("startedAt")),
        terminated=_termination(state.get("terminated")),
        last=_termination(mapping(raw.get("lastState")).get("terminated")),
        image=intern(text(raw.get("image"))),
        pulled=bool(raw.get("imageID")),
        init=init,
        sidecar=sidecar,
        started=started if isinstance(started := raw.get("started"), bool) else None,
    )


def _termination(raw: object) -> Termination | None:
    if not isinstance(raw, dict):
        return None
    return Termination(
        reason=intern(text(raw.get("reason"))),
        exit_code=number(raw.get("exitCode")),
        started_at=time(raw.get("startedAt")),
        finished_at=time(raw.get("finishedAt")),
        message=cut(text(raw.get("message"))),
    )


def cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"

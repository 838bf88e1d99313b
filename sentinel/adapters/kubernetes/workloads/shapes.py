"""The fields of pods and of workloads that their trims read, as the API server sends them; see `watch.decoding`."""

from typing import Any, TypedDict

import msgspec


class _OwnerShape(TypedDict, total=False):
    kind: str | None
    name: str | None
    uid: str | None
    controller: bool | None


class _CommonMetadata(TypedDict, total=False):
    namespace: str | None
    name: str | None
    uid: str | None
    resourceVersion: str | None
    creationTimestamp: str | None
    deletionTimestamp: str | None
    labels: dict[str, str] | None
    ownerReferences: list[_OwnerShape] | None


_ClaimedSpec = TypedDict("_ClaimedSpec", {"f:template": msgspec.Raw, "f:updateStrategy": Any}, total=False)
"""That a template is claimed is read, and not which of its fields: they take half of a workload's bytes."""
_ClaimedFields = TypedDict("_ClaimedFields", {"f:spec": _ClaimedSpec | None}, total=False)


class _ClaimShape(TypedDict, total=False):
    manager: str | None
    subresource: str | None
    time: str | None
    fieldsV1: _ClaimedFields | None


class _WorkloadMetadata(_CommonMetadata, total=False):
    generation: int | None
    annotations: dict[str, str] | None
    managedFields: list[_ClaimShape] | None


class ApiWorkloadShape(TypedDict, total=False):
    """A workload, or the object that stores a revision of one: all but the fields that its managers claim."""

    metadata: _WorkloadMetadata | None
    spec: Any
    status: Any
    data: Any
    revision: Any


class _InitContainerShape(TypedDict, total=False):
    name: str | None
    restartPolicy: str | None


class _SpecShape(TypedDict, total=False):
    nodeName: str | None
    initContainers: list[_InitContainerShape] | None


class _ConditionShape(TypedDict, total=False):
    type: str | None
    status: str | None
    reason: str | None
    message: str | None
    lastTransitionTime: str | None


class _WaitingShape(TypedDict, total=False):
    reason: str | None
    message: str | None


class _RunningShape(TypedDict, total=False):
    startedAt: str | None


class _TerminatedShape(TypedDict, total=False):
    reason: str | None
    exitCode: int | None
    startedAt: str | None
    finishedAt: str | None
    message: str | None


class _StateShape(TypedDict, total=False):
    waiting: _WaitingShape | None
    running: _RunningShape | None
    terminated: _TerminatedShape | None


class _ContainerStatusShape(TypedDict, total=False):
    name: str | None
    ready: bool | None
    restartCount: int | None
    state: _StateShape | None
    lastState: _StateShape | None
    image: str | None
    imageID: str | None
    started: bool | None


class _StatusShape(TypedDict, total=False):
    phase: str | None
    reason: str | None
    conditions: list[_ConditionShape] | None
    initContainerStatuses: list[_ContainerStatusShape] | None
    containerStatuses: list[_ContainerStatusShape] | None


class PodShape(TypedDict, total=False):
    """A pod, as far as it is read."""

    metadata: _CommonMetadata | None
    spec: _SpecShape | None
    status: _StatusShape | None

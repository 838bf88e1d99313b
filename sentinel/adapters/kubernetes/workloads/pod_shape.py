"""The fields of a pod that `trim_pods` reads, as the API server sends them; see `watch.decoding`."""

from typing import TypedDict


class _OwnerShape(TypedDict, total=False):
    kind: str | None
    name: str | None
    uid: str | None
    controller: bool | None


class _MetadataShape(TypedDict, total=False):
    namespace: str | None
    name: str | None
    uid: str | None
    resourceVersion: str | None
    creationTimestamp: str | None
    deletionTimestamp: str | None
    labels: dict[str, str] | None
    ownerReferences: list[_OwnerShape] | None


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

    metadata: _MetadataShape | None
    spec: _SpecShape | None
    status: _StatusShape | None

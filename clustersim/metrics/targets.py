"""Where the requests of a load go: the pods behind its destination, as the cluster changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clustersim.controllers.common.pod_state import is_terminating, ready_since
from clustersim.controllers.common.selectors import selects
from clustersim.controllers.endpoint_slices import SERVICE_LABEL
from clustersim.controllers.routes.backends import RoutedRequest, backends
from clustersim.controllers.routes.in_force import RouteKey, RoutesInForce
from clustersim.metrics.load import Destination, ToPods, ToRoute, ToService
from clustersim.storage.history import Event
from clustersim.storage.resources import ENDPOINT_SLICES, PODS
from clustersim.storage.store import Store

JsonObject = dict[str, Any]


@dataclass(slots=True)
class Group:
    """Pods (by uid) that share the requests of one weight; without pods, those requests are lost."""

    weight: float = 1.0
    pods: list[str] = field(default_factory=list)


class Targets(ABC):
    """The groups of one destination, and what changes them."""

    groups: list[Group]

    @abstractmethod
    def concern(self, event: Event) -> bool:
        """Whether a change of an object may change the groups."""

    @abstractmethod
    def follow(self, event: Event) -> None:
        """Take in a change that concerns the groups."""

    def reroute(self) -> bool:
        """Take in that some route in force has changed; whether that may change the groups."""
        return False


class LabelledPods(Targets):
    """The ready pods with certain labels, in the order in which they became ready."""

    def __init__(self, store: Store, namespace: str, labels: tuple[tuple[str, str], ...]) -> None:
        self._namespace = namespace
        self._selector = {"matchLabels": dict(labels)}
        ready = (p["metadata"]["uid"] for p in store.list(PODS, namespace, self._takes) if takes_requests(p))
        self.groups = [Group(pods=list(ready))]

    def concern(self, event: Event) -> bool:
        """A pod that is among them, or becomes so."""
        if event.resource is not PODS:
            return False
        return event.object["metadata"]["uid"] in self.groups[0].pods or self._joins(event)

    def follow(self, event: Event) -> None:
        """Leave the pod out, or put it at the end."""
        uid = event.object["metadata"]["uid"]
        pods = self.groups[0].pods
        if uid in pods:
            pods.remove(uid)
        if self._joins(event):
            pods.append(uid)

    def _joins(self, event: Event) -> bool:
        return event.type != "DELETED" and takes_requests(event.object) and self._takes(event.object)

    def _takes(self, pod: JsonObject) -> bool:
        metadata = pod["metadata"]
        return metadata["namespace"] == self._namespace and selects(
            self._selector, metadata.get("labels") or {}
        )


class ServiceEndpoints(Targets):
    """The endpoints of a Service."""

    def __init__(self, store: Store, namespace: str, service: str) -> None:
        self._store = store
        self._namespace = namespace
        self._service = service
        self._refresh()

    def concern(self, event: Event) -> bool:
        """A slice of the Service."""
        return is_slice_of(event, self._namespace, self._service)

    def follow(self, event: Event) -> None:
        """Read the slices again."""
        self._refresh()

    def _refresh(self) -> None:
        self.groups = [Group(pods=serving_pods(self._store, self._namespace, self._service))]


class RouteBackends(Targets):
    """The endpoints of the Services between which a route splits the requests."""

    def __init__(self, store: Store, routes: RoutesInForce, namespace: str, to: ToRoute) -> None:
        self._store = store
        self._routes = routes
        self._key = RouteKey(to.plural, namespace, to.name)
        self._request = RoutedRequest(dict(to.headers), to.path)
        self.reroute()

    def concern(self, event: Event) -> bool:
        """A slice of one of the Services."""
        return any(is_slice_of(event, b.namespace, b.service) for b in self._backends)

    def follow(self, event: Event) -> None:
        """Read the slices again."""
        self._refresh()

    def _refresh(self) -> None:
        self.groups = [
            Group(b.weight, serving_pods(self._store, b.namespace, b.service, b.labels))
            for b in self._backends
        ]

    def reroute(self) -> bool:
        """Read the route and the slices again."""
        self._backends = backends(self._routes, self._key, self._request)
        self._refresh()
        return True


def targets_of(store: Store, routes: RoutesInForce, namespace: str, to: Destination) -> Targets:
    """The targets of a destination, as they are now."""
    match to:
        case ToPods():
            return LabelledPods(store, namespace, to.labels)
        case ToService():
            return ServiceEndpoints(store, namespace, to.name)
        case ToRoute():
            return RouteBackends(store, routes, namespace, to)


def is_slice_of(event: Event, namespace: str, service: str) -> bool:
    """Whether a change is about an EndpointSlice of a Service."""
    metadata = event.object["metadata"]
    return (
        event.resource is ENDPOINT_SLICES
        and metadata["namespace"] == namespace
        and (metadata.get("labels") or {}).get(SERVICE_LABEL) == service
    )


def serving_pods(
    store: Store, namespace: str, service: str, labels: Mapping[str, str] | None = None
) -> list[str]:
    """The uids of a Service's ready endpoints; where all are terminating, of those that still serve.

    `labels` narrow them down to the pods that have these.
    """
    found = list(_endpoints(store, namespace, service, labels or {}))
    ready = [uid for uid, conditions in found if conditions["ready"]]
    if ready or not all(conditions["terminating"] for _, conditions in found):
        return ready
    return [uid for uid, conditions in found if conditions["serving"]]


def _endpoints(
    store: Store, namespace: str, service: str, labels: Mapping[str, str]
) -> Iterator[tuple[str, JsonObject]]:
    for entry in store.list(ENDPOINT_SLICES, namespace):
        if (entry["metadata"].get("labels") or {}).get(SERVICE_LABEL) == service:
            for endpoint in entry["endpoints"] or ():
                pod = store.find(PODS, namespace, endpoint["targetRef"]["name"])
                if pod and labels.items() <= (pod["metadata"].get("labels") or {}).items():
                    yield endpoint["targetRef"]["uid"], endpoint["conditions"]


def takes_requests(pod: JsonObject) -> bool:
    """Whether the pod's main container runs and the pod is ready and stays."""
    return runs(pod)[0] and ready_since(pod) is not None and not is_terminating(pod)


def runs(pod: JsonObject) -> tuple[bool, int]:
    """Whether the pod's main container runs, and its restarts."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    running = bool(statuses) and "running" in (statuses[0].get("state") or {})
    return running, int(statuses[0].get("restartCount", 0)) if statuses else 0

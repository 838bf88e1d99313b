"""The EndpointSlice controller: which pods answer for a Service.

A Service whose selector changes loses its old endpoints and gets the new ones in one write of the slice, ready
or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from clustersim.controllers.common import pod_state
from clustersim.controllers.common.base import FIELD_MANAGER, Controller, Key, key_of
from clustersim.controllers.common.ownership import controller_of, controller_reference
from clustersim.controllers.common.selectors import selects
from clustersim.storage.history import Event
from clustersim.storage.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES

JsonObject = dict[str, Any]
SERVICE_LABEL = "kubernetes.io/service-name"
_MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
_ENDPOINTS_PER_SLICE = 100


@dataclass(slots=True)
class _Draft:
    """A slice as it has to be; `slice` is the stored one that it replaces, if any."""

    ports: list[JsonObject]
    endpoints: list[JsonObject]
    slice: JsonObject | None = None


class EndpointSliceController(Controller):
    """Keeps the EndpointSlices of each Service that has a selector."""

    latency = (0.011, 0.067)

    def initial_keys(self) -> Iterable[Key]:
        """Every Service."""
        return [key_of(service) for service in self.store.list(SERVICES)]

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The Service itself, that of a slice, and those whose selectors select a pod that changed."""
        if event.resource is SERVICES:
            yield key_of(event.object)
        elif event.resource is ENDPOINT_SLICES:
            owner = controller_of(event.object)
            if owner is not None and owner["kind"] == "Service":
                yield event.object["metadata"]["namespace"], owner["name"]
        elif event.resource is PODS and (
            event.type == "DELETED" or _facts(event.previous) != _facts(event.object)
        ):
            seen = [pod for pod in (event.previous, event.object) if pod is not None]
            for service in self.store.list(SERVICES, event.object["metadata"]["namespace"]):
                if any(_selects(service, pod) for pod in seen):
                    yield key_of(service)

    def sync(self, key: Key) -> None:
        """Bring the slices of one Service up to date."""
        service = self.store.find(SERVICES, *key)
        if service is None or "deletionTimestamp" in service["metadata"] or not _selector(service):
            return
        slices = self.plane.owners.owned(ENDPOINT_SLICES, service)
        drafts = _drafts(self._endpoints(service), slices)
        free = [s for s in slices if all(draft.slice is not s for draft in drafts)]
        for draft in drafts:
            if draft.slice is None and free:
                draft.slice = free.pop(0)
            self._write(service, draft)
        for surplus in free:
            self.store.delete(ENDPOINT_SLICES, *key_of(surplus))

    def _endpoints(self, service: JsonObject) -> list[tuple[list[JsonObject], JsonObject]]:
        """The endpoint of each pod that the Service selects, with its ports."""
        always = bool(service["spec"].get("publishNotReadyAddresses"))
        found = []
        for pod in self.store.list(PODS, service["metadata"]["namespace"]):
            node = self.store.find(NODES, None, pod["spec"].get("nodeName", ""))
            ended = pod_state.phase(pod) in ("Succeeded", "Failed")
            if _selects(service, pod) and pod["status"].get("podIP") and node is not None and not ended:
                found.append((_ports(service, pod), _endpoint(pod, node, always=always)))
        return found

    def _write(self, service: JsonObject, draft: _Draft) -> None:
        content = {"endpoints": draft.endpoints or None, "ports": draft.ports or None}
        if draft.slice is not None:
            self.store.mutate(
                ENDPOINT_SLICES, *key_of(draft.slice), lambda obj: obj.update(content), manager=FIELD_MANAGER
            )
            return
        metadata = service["metadata"]
        own = {SERVICE_LABEL: metadata["name"], **_MANAGED_BY}
        obj = {
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": {**(metadata.get("labels") or {}), **own},
                "ownerReferences": [controller_reference(SERVICES, service)],
            },
            "addressType": "IPv4",
            **content,
        }
        self.store.create(ENDPOINT_SLICES, obj, manager=FIELD_MANAGER)


def _drafts(
    wanted: Iterable[tuple[list[JsonObject], JsonObject]], slices: Sequence[JsonObject]
) -> list[_Draft]:
    """The slices to write: pods with the same ports share one, and stay in the one in which they are.

    Without endpoints, one empty slice remains.
    """
    drafts = [_Draft(s["ports"] or [], [], s) for s in slices]
    places = {_pod(e): draft for draft in drafts if draft.slice for e in draft.slice["endpoints"] or ()}
    for ports, endpoint in wanted:
        stays = places.get(_pod(endpoint))
        candidates = [*([stays] if stays else []), *drafts]
        roomy = (d for d in candidates if d.ports == ports and len(d.endpoints) < _ENDPOINTS_PER_SLICE)
        draft = next(roomy, None)
        if draft is None:
            draft = _Draft(ports, [])
            drafts.append(draft)
        draft.endpoints.append(endpoint)
    return [draft for draft in drafts if draft.endpoints] or [_Draft([], [])]


def _endpoint(pod: JsonObject, node: JsonObject, *, always: bool) -> JsonObject:
    metadata = pod["metadata"]
    serving, terminating = pod_state.is_ready(pod), pod_state.is_terminating(pod)
    zone = (node["metadata"].get("labels") or {}).get("topology.kubernetes.io/zone")
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": always or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": node["metadata"]["name"],
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
        **({"zone": zone} if zone else {}),
    }


def _ports(service: JsonObject, pod: JsonObject) -> list[JsonObject]:
    """The ports of a Service on a pod: a named one is looked up in the pod, and left out where it has none."""
    ports = []
    for port in service["spec"].get("ports") or ():
        number = port["targetPort"]
        if isinstance(number, str):
            number = _named_port(pod, number)
        if number is not None:
            ports.append({"name": port.get("name", ""), "port": number, "protocol": port["protocol"]})
    return ports


def _named_port(pod: JsonObject, name: str) -> int | None:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    return None


def _pod(endpoint: JsonObject) -> str:
    return str((endpoint.get("targetRef") or {}).get("uid", ""))


def _selector(service: JsonObject) -> JsonObject:
    return service["spec"].get("selector") or {}


def _selects(service: JsonObject, pod: JsonObject) -> bool:
    return selects({"matchLabels": _selector(service)}, pod["metadata"].get("labels") or {})


def _facts(pod: JsonObject | None) -> tuple[Any, ...]:
    """What of a pod decides whether, where and how it is an endpoint."""
    if pod is None:
        return ()
    ready = pod_state.is_ready(pod)
    address = pod.get("status", {}).get("podIP"), pod["spec"].get("nodeName")
    labels = pod["metadata"].get("labels")
    return labels, address, pod_state.phase(pod), ready, pod_state.is_terminating(pod)

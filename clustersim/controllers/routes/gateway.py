"""The gateway controller: takes routes in, some time after they were written, and says so in their status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from clustersim.controllers.common.base import Controller, ControlPlane, Key, key_of
from clustersim.controllers.routes.in_force import RouteKey
from clustersim.storage.history import Event
from clustersim.storage.resources import SERVICES, ResourceType
from clustersim.storage.store import timestamp

JsonObject = dict[str, Any]
CONTROLLER_NAME = "simulation.rollback-sentinel.dev/gateway"
_STATUSED = ("httproutes", "grpcroutes")
_ROUTES = frozenset(
    {
        ("gateway.networking.k8s.io", "httproutes"),
        ("gateway.networking.k8s.io", "grpcroutes"),
        ("networking.istio.io", "virtualservices"),
        ("networking.istio.io", "destinationrules"),
        ("traefik.io", "traefikservices"),
    }
)
_HELD_SECONDS = 1.0


class GatewayController(Controller):
    """All gateways and meshes of the cluster in one; its keys have the plural before the name."""

    latency = (0.1, 0.5)

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane)
        self._types: dict[str, ResourceType] = {}

    def initial_keys(self) -> Iterable[Key]:
        """Nothing: routes have no type before a definition is there, which comes as an event."""
        return ()

    def keys_of(self, event: Event) -> Iterable[Key]:
        """The route itself; all Gateway API routes of a namespace where a Service comes or goes."""
        if event.resource.key in _ROUTES:
            self._types[event.resource.plural] = event.resource
            yield _key(event.resource.plural, event.object)
        elif event.resource is SERVICES and event.type != "MODIFIED":
            for plural in self._types.keys() & set(_STATUSED):
                for route in self.store.list(self._types[plural], event.object["metadata"]["namespace"]):
                    yield _key(plural, route)

    def sync(self, key: Key) -> None:
        """Take one route in; while the gateway is down, look again a second later."""
        routes = self.plane.routes
        if routes.held:
            self.enqueue(key, _HELD_SECONDS)
            return
        plural, _, name = key[1].partition("/")
        route = self.store.find(self._types[plural], key[0], name)
        place = RouteKey(plural, key[0], name)
        if route is None:
            routes.put(place, None)
            return
        refusal = routes.refused.get(place)
        if refusal is None:
            routes.put(place, route["spec"])
        if plural in _STATUSED:
            self._answer(route, self._types[plural], refusal)

    def _answer(self, route: JsonObject, resource: ResourceType, refusal: str | None) -> None:
        """Write the status: one entry for each parent, those of other controllers left as they are."""
        before = (route.get("status") or {}).get("parents") or []
        kept = [parent for parent in before if parent["controllerName"] != CONTROLLER_NAME]
        stamped = {
            (str(parent["parentRef"]), c["type"], c["status"]): c["lastTransitionTime"]
            for parent in before
            for c in parent["conditions"]
        }
        ours = [
            {
                "parentRef": reference,
                "controllerName": CONTROLLER_NAME,
                "conditions": list(self._conditions(route, reference, refusal, stamped)),
            }
            for reference in route["spec"].get("parentRefs") or ()
        ]

        def change(obj: JsonObject) -> None:
            obj["status"] = {"parents": [*kept, *ours]}

        self.store.mutate(resource, *key_of(route), change, subresource="status", manager="gateway")

    def _conditions(
        self,
        route: JsonObject,
        reference: JsonObject,
        refusal: str | None,
        stamped: dict[tuple[str, str, str], str],
    ) -> Iterator[JsonObject]:
        missing = [name for name in _services(route) if not self._exists(route, name)]
        accepted = (not refusal, refusal or "Accepted", "Route is accepted" if not refusal else "")
        text = f"Service {missing[0]!r} not found" if missing else "All references are resolved"
        resolved = (not missing, "BackendNotFound" if missing else "ResolvedRefs", text)
        for kind, (holds, reason, message) in (("Accepted", accepted), ("ResolvedRefs", resolved)):
            since = stamped.get((str(reference), kind, str(holds)), timestamp(self.plane.now()))
            yield {
                "type": kind,
                "status": str(holds),
                "reason": reason,
                "message": message,
                "observedGeneration": route["metadata"]["generation"],
                "lastTransitionTime": since,
            }

    def _exists(self, route: JsonObject, service: str) -> bool:
        return self.store.find(SERVICES, route["metadata"]["namespace"], service) is not None


def _key(plural: str, route: JsonObject) -> Key:
    metadata = route["metadata"]
    return metadata["namespace"], f"{plural}/{metadata['name']}"


def _services(route: JsonObject) -> Iterator[str]:
    for rule in route["spec"].get("rules") or ():
        for backend in rule.get("backendRefs") or ():
            if backend["kind"] == "Service" and "namespace" not in backend:
                yield backend["name"]

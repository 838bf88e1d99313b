"""HTTPRoutes and GRPCRoutes of the Gateway API: weights of a rule's backends, and what each parent reports."""

from collections.abc import Iterator

from sentinel.adapters.kubernetes.api.operations import holds
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import GRPC_ROUTES, HTTP_ROUTES
from sentinel.adapters.kubernetes.traffic.router import TrafficRouter
from sentinel.adapters.kubernetes.traffic.weights import (
    Backends,
    RouteRule,
    TrafficSplit,
    WeightedBackend,
    called_route,
    find_split,
    placed_service,
)
from sentinel.domain.workload.revision import ObjectRef
from sentinel.domain.workload.routes import RouteKind

_DEFAULT_WEIGHT = 1
_OF_PARENT = (("group", "gateway.networking.k8s.io"), ("kind", "Gateway"), ("name", ""), ("sectionName", ""))


def _split(ref: ObjectRef, raw: RawObject, backends: Backends, rule: str) -> TrafficSplit:
    return find_split(ref, tuple(_rules(raw, ref.namespace)), backends, rule)


def _rules(raw: RawObject, namespace: str) -> Iterator[RouteRule]:
    for position, rule in enumerate(objects(mapping(raw.get("spec")).get("rules"))):
        path, name = f"/spec/rules/{position}", text(rule.get("name"))
        found = tuple(
            _backend(f"{path}/backendRefs/{index}", backend, namespace)
            for index, backend in enumerate(objects(rule.get("backendRefs")))
        )
        yield RouteRule(position, found, name, (holds(f"{path}/name", name),) if name else ())


def _backend(path: str, raw: RawObject, namespace: str) -> WeightedBackend:
    name = text(raw.get("name"))
    own = raw.get("kind", "Service") == "Service" and not raw.get("group")
    return WeightedBackend(
        path,
        placed_service(raw, namespace) if own else "",
        number(raw.get("weight"), _DEFAULT_WEIGHT),
        "weight" in raw,
        tests=(holds(f"{path}/name", name),),
    )


# What the parents say.


def _taken_in(raw: RawObject, ref: ObjectRef) -> tuple[bool, str]:
    """Whether every parent has taken in what is written, and what is wrong where one refuses it."""
    generation = number(mapping(raw.get("metadata")).get("generation"))
    parents = list(objects(mapping(raw.get("spec")).get("parentRefs")))
    if not parents:
        return False, f"{called_route(ref)} has no parentRefs, so that no gateway acts on it"
    said = list(objects(mapping(raw.get("status")).get("parents")))
    everywhere = True
    for parent in parents:
        own = _identity(parent, ref)
        answers = [one for one in said if _identity(mapping(one.get("parentRef")), ref) == own]
        everywhere = everywhere and bool(answers)
        for answer in answers:
            current, problem = _answered(answer, generation)
            if problem:
                return False, f"{called_route(ref)} is not in force: {own['kind']} {own['name']} {problem}"
            everywhere = everywhere and current
    return everywhere, ""


def _answered(answer: RawObject, generation: int) -> tuple[bool, str]:
    """Whether a parent has taken this generation in, and why it does not act on it."""
    conditions = {text(one.get("type")): one for one in objects(answer.get("conditions"))}
    accepted, resolved = conditions.get("Accepted", {}), conditions.get("ResolvedRefs", {})
    if accepted and "observedGeneration" not in accepted:
        return False, "does not say which generation of it was accepted"
    current = number(accepted.get("observedGeneration")) >= generation
    for condition, verb in ((accepted, "does not accept it"), (resolved, "does not find all its backends")):
        if condition.get("status") == "False" and number(condition.get("observedGeneration")) >= generation:
            told = ": ".join(filter(None, (text(condition.get("reason")), text(condition.get("message")))))
            return False, f"{verb} ({told})"
    return current and accepted.get("status") == "True", ""


def _identity(parent: RawObject, ref: ObjectRef) -> dict[str, object]:
    named = {field: parent.get(field) or default for field, default in _OF_PARENT}
    return {**named, "namespace": parent.get("namespace") or ref.namespace, "port": parent.get("port")}


_WRITTEN = ".spec.rules[].backendRefs[].weight"
HTTP_ROUTE = TrafficRouter(RouteKind.HTTP_ROUTE, HTTP_ROUTES, _split, _taken_in, _WRITTEN)
GRPC_ROUTE = TrafficRouter(RouteKind.GRPC_ROUTE, GRPC_ROUTES, _split, _taken_in, _WRITTEN)

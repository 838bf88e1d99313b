"""HTTPRoutes and GRPCRoutes of the Gateway API: weights of a rule's backends, and what each parent reports."""

from collections.abc import Iterator
from functools import partial

from sentinel.adapters.kubernetes.api.operations import Operation, holds
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import GRPC_ROUTES, HTTP_ROUTES, ApiResource
from sentinel.adapters.kubernetes.traffic.router import Backends, Routing, TrafficRouter
from sentinel.adapters.kubernetes.traffic.weights import (
    RouteRule,
    TrafficSplit,
    WeightedBackend,
    called_route,
    find_split,
    route_ref,
    weigh,
)
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.workload.revision import ObjectRef
from sentinel.domain.workload.routes import RouteKind

_DEFAULT_WEIGHT = 1
_OF_PARENT = (("group", "gateway.networking.k8s.io"), ("kind", "Gateway"), ("name", ""), ("sectionName", ""))


def _routing(
    resource: ApiResource, kind: RouteKind, raw: RawObject, backends: Backends, rule: str
) -> Routing:
    ref = route_ref(raw, resource.api_version, kind)
    try:
        share = _split(ref, raw, backends, rule).share
    except InvalidObjectError as error:
        return Routing(None, False, str(error), ref)
    in_force, problem = _taken_in(raw, ref)
    return Routing(share, in_force, problem, ref)


def _plan(
    resource: ApiResource, kind: RouteKind, raw: RawObject, backends: Backends, rule: str, share: float
) -> tuple[Operation, ...]:
    ref = route_ref(raw, resource.api_version, kind)
    return weigh(_split(ref, raw, backends, rule), mapping(raw.get("metadata")).get("uid"), share)


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
    near = raw.get("namespace", namespace) == namespace
    return WeightedBackend(
        path,
        name if own and near else "",
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


def _router(resource: ApiResource, kind: RouteKind) -> TrafficRouter:
    verbs = ((resource, "", ("get", "list", "watch", "patch")),)
    return TrafficRouter(
        kind,
        resource,
        verbs,
        partial(_routing, resource, kind),
        partial(_plan, resource, kind),
        ".spec.rules[].backendRefs[].weight",
    )


HTTP_ROUTE = _router(HTTP_ROUTES, RouteKind.HTTP_ROUTE)
GRPC_ROUTE = _router(GRPC_ROUTES, RouteKind.GRPC_ROUTE)

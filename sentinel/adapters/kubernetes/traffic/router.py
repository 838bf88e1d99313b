"""What the adapter must know about a kind of route: one `TrafficRouter` each, pure functions on the raw object."""

from collections.abc import Callable
from dataclasses import dataclass

from sentinel.adapters.kubernetes.api.operations import Operation
from sentinel.adapters.kubernetes.api.raw import RawObject
from sentinel.adapters.kubernetes.api.resources import ApiResource, Verbs
from sentinel.domain.workload.revision import ObjectRef
from sentinel.domain.workload.routes import RouteKind


@dataclass(frozen=True, slots=True)
class Backends:
    """Between which two Services a route splits the traffic, both in the route's own namespace.

    The subsets are names of a DestinationRule's, where the router knows such; then both may be of one Service.
    """

    stable: str
    candidate: str
    stable_subset: str = ""
    candidate_subset: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """How a route splits the traffic of its two backends.

    `share` is the candidate's of what the two get together, in [0, 1], as it is written; None where the route cannot be
    used. `in_force` says whether the gateway acts on what is written, as far as it tells. `problem` is a sentence on
    what a person must change, empty without one.
    """

    share: float | None
    in_force: bool
    problem: str
    ref: ObjectRef


@dataclass(frozen=True, slots=True)
class TrafficRouter:
    """One kind of route.

    `routing` reads it, and never raises. `plan` is the JSON patch that gives the candidate this share, nothing where
    it has it; it tests all that it relies on. Raises InvalidObjectError, its reason `RouteUnusable`, with the
    sentence of `problem`. Both take the rule by its name or its position from 0; empty: the only one that names both
    backends. `written` names the field that `plan` writes, as a jq path.
    """

    kind: RouteKind
    resource: ApiResource
    verbs: tuple[Verbs, ...]
    routing: Callable[[RawObject, Backends, str], Routing]
    plan: Callable[[RawObject, Backends, str, float], tuple[Operation, ...]]
    written: str

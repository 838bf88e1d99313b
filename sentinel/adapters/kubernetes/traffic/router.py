"""What the adapter must know about a kind of route: one `TrafficRouter` each, pure on the raw object."""

from collections.abc import Callable

from sentinel.adapters.kubernetes.api.operations import Operation
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping
from sentinel.adapters.kubernetes.api.resources import ApiResource, Verbs
from sentinel.adapters.kubernetes.traffic.weights import Backends, TrafficSplit, route_ref, weigh
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.workload.revision import ObjectRef
from sentinel.domain.workload.routes import RouteKind
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Routing:
    """How a route splits the traffic of its two backends.

    `share` is the candidate's of what the two get together, in [0, 1], as it is written; None where the route cannot be
    used. `in_force` says whether the gateway acts on what is written, as far as it tells. `problem` is a sentence on
    what a person must change, empty without one. `total` is the two weights together, 0 where they are not known.
    """

    share: float | None
    in_force: bool
    problem: str
    ref: ObjectRef
    total: int = 0


@dataclass(frozen=True, slots=True)
class TrafficRouter:
    """One kind of route.

    `split` finds the two weights of a route in the rule of a name or position (empty: in the only one that names both
    backends); it raises InvalidObjectError, its reason `RouteUnusable`. `taken_in` says whether the gateway acts on
    what is written, as far as it tells, and what is wrong where it does not. `written` names the field that `plan`
    writes, as a jq path.
    """

    kind: RouteKind
    resource: ApiResource
    split: Callable[[ObjectRef, RawObject, Backends, str], TrafficSplit]
    taken_in: Callable[[RawObject, ObjectRef], tuple[bool, str]]
    written: str

    @property
    def verbs(self) -> tuple[Verbs, ...]:
        """What the account must be allowed to do with such routes."""
        return ((self.resource, "", ("get", "list", "watch", "patch")),)

    def routing(self, raw: RawObject, backends: Backends, rule: str) -> Routing:
        """How the route splits the traffic. Never raises."""
        ref = self._ref(raw)
        try:
            split = self.split(ref, raw, backends, rule)
        except InvalidObjectError as error:
            return Routing(None, False, str(error), ref)
        return Routing(split.share, *self.taken_in(raw, ref), ref, split.total)

    def plan(
        self, raw: RawObject, backends: Backends, rule: str, share: float, scale: int = 0
    ) -> tuple[Operation, ...]:
        """The JSON patch that gives the candidate this share, nothing where it has it; it tests all that it relies on.

        The weights add up to `scale` where that can tell the share (0: to what they are now). Raises
        InvalidObjectError, its reason `RouteUnusable`, with the sentence of `Routing.problem`.
        """
        uid = mapping(raw.get("metadata")).get("uid")
        return weigh(self.split(self._ref(raw), raw, backends, rule), uid, share, scale)

    def _ref(self, raw: RawObject) -> ObjectRef:
        return route_ref(raw, self.resource.api_version, self.kind)

"""Two weights among those of a route's rules: found, read as a share, and planned, whatever the kind of route."""

from collections.abc import Iterable, Sequence
from dataclasses import field

from sentinel.adapters.kubernetes.api.operations import Operation, holds, put
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.workload.revision import ObjectRef
from sentinel.values import dataclass

MAX_WEIGHT = 1_000_000
_FINENESS = 0.0005
"""By so much a share may miss what was asked for, for weights are whole numbers."""
_SCALES = (100, 1_000, 10_000)


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
class WeightedBackend:
    """One backend of a rule, at `path` of the route. `tests` hold as long as it is the same one there.

    `service` is empty where it is not a Service, and NAMESPACE/NAME where it is one of another namespace than the
    route's. `weight` is as it counts, `written` whether the object has it.
    """

    path: str
    service: str
    weight: int
    written: bool
    subset: str = ""
    tests: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One rule of a route; `position` counts from 0, `tests` hold as long as it is the same one there."""

    position: int
    backends: tuple[WeightedBackend, ...]
    name: str = ""
    tests: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """The two backends of the one rule whose weights are moved, and the rule's other ones."""

    ref: ObjectRef
    rule: RouteRule
    stable: WeightedBackend
    candidate: WeightedBackend
    others: tuple[WeightedBackend, ...] = field(default=())

    @property
    def total(self) -> int:
        """The two weights together; more than 0."""
        return self.stable.weight + self.candidate.weight

    @property
    def share(self) -> float:
        """The candidate's share of the two."""
        return self.candidate.weight / self.total


def find_split(ref: ObjectRef, rules: Sequence[RouteRule], backends: Backends, rule: str) -> TrafficSplit:
    """The split between the two backends, by the chosen rule or the only one that has both.

    Raises InvalidObjectError, its reason `RouteUnusable`, with a sentence on why it is not to be found.
    """
    found = _chosen(ref, rules, backends, rule)
    stable = _only(ref, found, backends.stable, backends.stable_subset)
    candidate = _only(ref, found, backends.candidate, backends.candidate_subset)
    if stable.weight < 0 or candidate.weight < 0:
        raise unusable(ref, f"has a negative weight in {_called(found)}")
    if stable.weight + candidate.weight == 0:
        raise unusable(
            ref,
            f"gives neither {_named(stable)} nor {_named(candidate)} any traffic in {_called(found)}: "
            f"give {_named(stable)} the weight 100",
        )
    others = tuple(each for each in found.backends if each is not stable and each is not candidate)
    return TrafficSplit(ref, found, stable, candidate, others)


def _chosen(ref: ObjectRef, rules: Sequence[RouteRule], backends: Backends, rule: str) -> RouteRule:
    wanted = [one for one in rules if not rule or rule in (one.name, str(one.position))]
    if rule and not wanted:
        raise unusable(ref, f"has no rule {rule}: it has {_all_called(rules)}")
    sides = ((backends.stable, backends.stable_subset), (backends.candidate, backends.candidate_subset))
    able = [one for one in wanted if all(_matching(one, *side) for side in sides)]
    if len(able) == 1:
        return able[0]
    if able:
        raise unusable(
            ref, f"names both Services in {_all_called(able)}: choose one of them by `rule` in the policy"
        )
    missing = [side for side in sides if not any(_matching(one, *side) for one in wanted)]
    where = f" in {_all_called(wanted)}" if rule else ""
    if missing:
        names = " or ".join(_title(*side) for side in missing)
        far = [one.service for rule in wanted for one in rule.backends if "/" in one.service]
        where += f", but to {far[0]}" if far else ""
        remedy = "add it as a backend, with the weight 0"
        if len(missing) == len(sides):
            remedy = "add both as backends of one rule, with the weights 100 and 0"
        raise unusable(ref, f"does not send traffic to {names}{where}: {remedy}")
    raise unusable(
        ref, f"names {_title(*sides[0])} and {_title(*sides[1])}, but never in one and the same rule"
    )


def _only(ref: ObjectRef, rule: RouteRule, service: str, subset: str) -> WeightedBackend:
    found = _matching(rule, service, subset)
    if len(found) > 1:
        raise unusable(
            ref, f"names {_title(service, subset)} {len(found)} times in {_called(rule)}: name it once"
        )
    return found[0]


def _matching(rule: RouteRule, service: str, subset: str) -> list[WeightedBackend]:
    return [one for one in rule.backends if (one.service, one.subset) == (service, subset)]


def weigh(split: TrafficSplit, uid: object, share: float, scale: int = 0) -> tuple[Operation, ...]:
    """The patch that gives the candidate this share in [0, 1] of the two weights; nothing where it has it already.

    Their total is `scale` (0: as it is). Where whole numbers are too coarse for the share, all weights of the rule grow
    by one factor, so that each other backend keeps its share; they shrink again as soon as they can.
    """
    scale = (
        scale
        if scale and all(other.weight * scale % split.total == 0 for other in split.others)
        else split.total
    )
    total = scale * _factor(split, share, scale)
    candidate = round(share * total)
    wanted = [(split.stable, total - candidate), (split.candidate, candidate)]
    wanted += [(other, other.weight * total // split.total) for other in split.others]
    if max(weight for _, weight in wanted) > MAX_WEIGHT:
        raise unusable(
            split.ref, f"has too small weights for {share:.2%} in {_called(split.rule)}: make them larger"
        )
    changed = [(backend, weight) for backend, weight in wanted if weight != backend.weight]
    if not changed:
        return ()
    return (
        holds("/metadata/uid", uid),
        *split.rule.tests,
        *(test for backend, _ in wanted for test in _unchanged(backend)),
        *(put(f"{backend.path}/weight", weight) for backend, weight in changed),
    )


def scale_of(total: int, known: int) -> int:
    """The total of two weights as people wrote it: `known`, if ours may have grown from it to this one."""
    return known if known and total in {known * _growth(known, least) for least in (0, *_SCALES)} else total


def _growth(scale: int, least: int) -> int:
    """The factor by which a scale is `least` or more."""
    return max(1, -(-least // scale))


def _factor(split: TrafficSplit, share: float, scale: int) -> int:
    """By what the scale must grow so that the share is right in whole numbers."""
    for least in (0, *_SCALES):
        factor = _growth(scale, least)
        total = scale * factor
        candidate = round(share * total)
        lost = (candidate == 0) is not (share == 0) or (candidate == total) is not (share == 1)
        if not lost and abs(candidate / total - share) <= _FINENESS:
            return factor
    raise unusable(
        split.ref, f"cannot give {split.candidate.service} a share of {share:.4%}: choose a coarser one"
    )


def _unchanged(backend: WeightedBackend) -> Iterable[Operation]:
    """Tests that this is the backend, with the weight, that the plan was made for."""
    yield from backend.tests
    if backend.written:
        yield holds(f"{backend.path}/weight", backend.weight)


def unusable(ref: ObjectRef, why: str) -> InvalidObjectError:
    """The error of a route that cannot split the traffic of the two backends."""
    return InvalidObjectError(f"{called_route(ref)} {why}", reason="RouteUnusable")


def placed_service(raw: RawObject, namespace: str) -> str:
    """The Service that a backend names; with its namespace where that is not the route's."""
    name, placed = text(raw.get("name")), text(raw.get("namespace")) or namespace
    return name if placed == namespace else f"{placed}/{name}"


def called_route(ref: ObjectRef) -> str:
    """The route in a sentence."""
    return f"{ref.kind} {ref.namespace}/{ref.name}"


def route_ref(raw: RawObject, api_version: str, kind: str) -> ObjectRef:
    """The reference to a route."""
    metadata = mapping(raw.get("metadata"))
    namespace, name, uid = (text(metadata.get(part)) for part in ("namespace", "name", "uid"))
    return ObjectRef(api_version, kind, namespace, name, uid)


def _named(backend: WeightedBackend) -> str:
    return _title(backend.service, backend.subset)


def _title(service: str, subset: str) -> str:
    return f"subset {subset} of {service}" if subset else f"Service {service}"


def _called(rule: RouteRule) -> str:
    return f"rule {rule.name or rule.position}"


def _all_called(rules: Sequence[RouteRule]) -> str:
    return ", ".join(_called(rule) for rule in rules) or "no rules"

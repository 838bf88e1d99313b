"""Canary pairs as they are read: a stable and a canary Deployment, and what sends requests to which of them."""

from collections.abc import Container, Mapping

from sentinel.adapters.kubernetes.traffic.registry import ROUTERS
from sentinel.adapters.kubernetes.traffic.router import Routing
from sentinel.adapters.kubernetes.traffic.weights import Backends
from sentinel.adapters.kubernetes.workloads.driver import Place
from sentinel.adapters.kubernetes.workloads.pairs.members import (
    Attached,
    Joined,
    PairMember,
    apart,
    joined,
    keeper_of,
)
from sentinel.adapters.kubernetes.workloads.pairs.shares import (
    ShareMark,
    close,
    parse_share_mark,
    pods_for,
    ratio,
)
from sentinel.adapters.kubernetes.workloads.trim import WorkloadEntry
from sentinel.domain.figures import percent
from sentinel.domain.workload.facts import (
    HOLD_LABEL,
    TRAFFIC_ANNOTATION,
    Abilities,
    Ability,
    Brake,
    Exposure,
    Stepping,
    TrafficShare,
    Workload,
    WorkloadKey,
)
from sentinel.domain.workload.pairing import Pairing, RouteName
from sentinel.domain.workload.revision import ObjectRef, Revision
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class CanarySight:
    """A canary pair at one moment. Without a canary the stable stands alone."""

    pairing: Pairing
    stable: PairMember
    canary: PairMember | None
    routing: Routing | None
    mark: ShareMark | None
    joined: Joined

    @property
    def newest(self) -> PairMember:
        """The member that has the candidate's template."""
        return self.canary or self.stable

    @property
    def adopted(self) -> bool:
        """Whether the stable Deployment has the candidate's template."""
        return self.stable.facts.neutral == self.newest.facts.neutral

    @property
    def written_share(self) -> float:
        """The canary's share of the requests by what is written: in the route, or as numbers of pods."""
        if self.pairing.route is not None:
            return (self.routing.share or 0.0) if self.routing is not None else 0.0
        return ratio(self.canary.entry.desired, self.stable.entry.desired) if self.canary is not None else 0.0


def attached(pairing: Pairing) -> tuple[Place, ...]:
    """The route, where the pair has one."""
    route = pairing.route
    return () if route is None else ((ROUTERS[route.kind].resource, route.name),)


def backends_of(route: RouteName) -> Backends:
    """What the route names, as its router wants it."""
    return Backends(route.stable, route.canary, route.stable_subset, route.canary_subset)


def assemble(
    key: WorkloadKey,
    pairing: Pairing,
    members: Mapping[str, PairMember],
    beside: Attached,
    unready_nodes: Container[str],
) -> Workload | None:
    """The snapshot of a canary pair; None without its stable Deployment."""
    stable, canary = (members.get(name) for name in pairing.members)
    if stable is None:
        return None
    both = (stable,) if canary is None else (stable, canary)
    routing, missing = _routing(pairing, key.namespace, beside)
    annotation = canary.entry.annotations.get(TRAFFIC_ANNOTATION, "") if canary is not None else ""
    mark = parse_share_mark(annotation)
    sight = CanarySight(pairing, stable, canary, routing, mark, joined(both, unready_nodes))
    entry = sight.newest.entry
    candidate = sight.joined.revision_of(entry)
    return Workload(
        key=key,
        uid=stable.entry.uid,
        candidate=candidate,
        generation=sum(member.entry.generation for member in both),
        observed_generation=sum(
            min(member.entry.observed_generation, member.entry.generation) for member in both
        ),
        labels=_labels(both),
        annotations=stable.entry.annotations,
        others=tuple(one for one in sight.joined.revisions if one.digest != candidate.digest),
        exposure=_exposure(sight, candidate),
        brake=_brake(sight),
        abilities=_abilities(sight, missing),
        keeper=keeper_of((sight.newest, *both)),
        parts=_parts(sight),
        progress_deadline_exceeded=any(member.entry.progress_deadline_exceeded for member in both),
        create_failure=entry.create_failure or stable.entry.create_failure,
        create_failure_since=entry.create_failure_since or stable.entry.create_failure_since,
        pods=sight.joined.pods,
        changed_by=entry.changed_by if canary is not None else "",  # who deleted it is not known
        pairing=pairing,
        deleting=stable.entry.deleting,
    )


def _labels(members: tuple[PairMember, ...]) -> dict[str, str]:
    """The stable's labels; a hold on either member is one on the pair."""
    held = {HOLD_LABEL: "true"} if any(m.entry.labels.get(HOLD_LABEL) == "true" for m in members) else {}
    return {**members[0].entry.labels, **held}


def _parts(sight: CanarySight) -> tuple[ObjectRef, ...]:
    members = [member.entry.ref for member in (sight.stable, sight.canary) if member is not None]
    return (*members, *((sight.routing.ref,) if sight.routing is not None else ()))


def _routing(pairing: Pairing, namespace: str, beside: Attached) -> tuple[Routing | None, str]:
    """How the route splits the requests, or why it cannot be read."""
    route = pairing.route
    if route is None:
        return None, ""
    router = ROUTERS[route.kind]
    raw = beside.objects.get((router.resource, route.name))
    if raw is None:
        problem = beside.problems.get(router.resource)
        called = f"{route.kind} {namespace}/{route.name}"
        return None, f"{called} cannot be read: {problem}" if problem else f"there is no {called}"
    return router.routing(raw, backends_of(route), route.rule), ""


# How far it has come.


def _exposure(sight: CanarySight, candidate: Revision) -> Exposure:
    stable, canary = sight.stable.entry, sight.canary.entry if sight.canary is not None else None
    pods = stable.total + (canary.total if canary is not None else 0)
    old = max(0, pods - candidate.replicas)
    settled = sight.adopted and sight.stable.rolled_out and sight.newest.observed and old == 0
    return Exposure(
        wanted=stable.desired,
        candidate=candidate.replicas,
        ready=candidate.ready,
        available=stable.available,
        old=old,
        settled=settled,
        traffic=_traffic(sight),
    )


def _traffic(sight: CanarySight) -> TrafficShare:
    written, mark = sight.written_share, sight.mark
    arrived = mark is None or _arrived(sight, mark)
    in_force = sight.routing.in_force if sight.routing is not None else _pods_there(sight)
    share = written if in_force or mark is None else mark.before
    if sight.adopted:
        share += (1 - share) * _updated_share(sight.stable.entry)
    gone = sight.canary is None or (sight.adopted and sight.canary.entry.desired == 0)
    asked = _asked(sight, mark) if mark is not None else written * gone
    return TrafficShare(
        share=share,
        asked=asked,
        settled=in_force and arrived,
        adopted=sight.adopted,
        beside=sight.stable.facts.neutral,
        mark=mark.mark if mark is not None else None,
        awaited=_awaited(sight),
    )


def _awaited(sight: CanarySight) -> str:
    """What the gateway has yet to do."""
    route, routing = sight.pairing.route, sight.routing
    if route is None or routing is None or routing.in_force or routing.problem:
        return ""
    share = percent(sight.written_share)
    return f"{route.kind} {route.name} sends {share} to the canary, and no gateway has reported yet that it does so"


def _arrived(sight: CanarySight, mark: ShareMark) -> bool:
    """Whether what was asked for is written."""
    if sight.pairing.route is not None:
        return close(sight.written_share, mark.share)
    return sight.canary is not None and sight.canary.entry.desired == mark.pods


def _asked(sight: CanarySight, mark: ShareMark) -> float:
    """The share asked for last; the one before where there is something left to write for it."""
    return mark.share if _arrived(sight, mark) and not _short(sight, mark) else mark.before


def _short(sight: CanarySight, mark: ShareMark) -> bool:
    """Whether the canary has too few pods for its share since the stable was scaled, and nobody else scales it."""
    if sight.canary is None or mark.share == 0:
        return False
    desired = sight.canary.entry.desired
    wanted = pods_for(mark.share, sight.stable.entry.desired, routed=sight.pairing.route is not None)
    return desired == mark.pods and (
        desired < wanted if sight.pairing.route is not None else desired != wanted
    )


def _pods_there(sight: CanarySight) -> bool:
    """Without a route: whether the canary has as many available pods as it is to have."""
    return (
        sight.canary is not None
        and sight.canary.observed
        and (
            sight.canary.entry.available >= sight.canary.entry.desired
            and sight.canary.entry.total == sight.canary.entry.desired
        )
    )


def _updated_share(stable: WorkloadEntry) -> float:
    observed = stable.observed_generation >= stable.generation
    return min(1.0, stable.updated / stable.total) if observed and stable.total else 0.0


# Who moves it, and what is in the way.


def _brake(sight: CanarySight) -> Brake:
    """A share or a pause that is not ours: nothing is moved while it lasts. Or our own pause of the stable."""
    by_hand = _moved_by_hand(sight)
    return by_hand if by_hand.on else sight.stable.entry.brake


def _moved_by_hand(sight: CanarySight) -> Brake:
    """A share that is not ours."""
    route, mark, canary = sight.pairing.route, sight.mark, sight.canary
    if canary is None or (route is not None and (sight.routing is None or sight.routing.share is None)):
        return Brake()
    written, name = sight.written_share, canary.entry.key.name
    if route is None:
        by_hand = mark is not None and canary.entry.desired not in (mark.pods, mark.pods_before)
        why = f"{name} was scaled to {canary.entry.desired} by hand"
        return Brake(on=True, name="number of pods", why=why) if by_hand else Brake()
    called = f"{route.kind} {route.name}"
    if mark is None and written > 0 and not sight.adopted:
        why = f"{called} sends {percent(written)} to {name}, which the sentinel did not set: set it to 0 to begin"
        return Brake(on=True, name="weight", why=why)
    if mark is not None and not close(written, mark.share) and not close(written, mark.before):
        why = f"the weight of {name} in {called} was changed to {percent(written)} by hand"
        return Brake(on=True, name="weight", why=f"{why}: set it back to {percent(mark.share)} to go on")
    if mark is not None and written > 0 and canary.entry.desired == 0 and mark.pods > 0:
        why = f"{name} was scaled to 0 by hand while {called} sends it {percent(written)}"
        return Brake(on=True, name="weight", why=f"{why}: scale it to {mark.pods} to go on")
    return Brake()


def _abilities(sight: CanarySight, missing: str) -> Abilities:
    why = _in_the_way(sight) or missing or (sight.routing.problem if sight.routing is not None else "")
    if why:
        return Abilities(Stepping.NONE, stops=False, first_batch=0, why_not={Ability.STEPPING: why})
    stable = sight.stable.entry.key
    alone = (
        f"there is no Deployment {stable.namespace}/{sight.pairing.members[1]}, the canary of {stable.name}: create it "
        "with the template of the stable, and apply new releases to it"
    )
    why_not = {Ability.BEGINNING: alone} if sight.canary is None else {}
    return Abilities(Stepping.TRAFFIC, sight.adopted and not why_not, first_batch=0, why_not=why_not)


def _in_the_way(sight: CanarySight) -> str:
    """Why the two Deployments cannot be a pair, empty where they can."""
    return apart(sight.stable.entry, sight.canary.entry) if sight.canary is not None else ""

"""What changes to a canary pair come to: ordered patches of the route and of both Deployments.

The order is what keeps requests served: the canary has its pods before it gets requests, and gets none before it loses
its pods. Each patch tests what it relies on, and a plan that was cut off is planned again from where it stands.
"""

from sentinel.adapters.kubernetes.api.operations import Operation, holds, put
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS
from sentinel.adapters.kubernetes.traffic.registry import ROUTERS
from sentinel.adapters.kubernetes.traffic.router import Routing
from sentinel.adapters.kubernetes.traffic.weights import scale_of
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.driver import Live, unsupported
from sentinel.adapters.kubernetes.workloads.kinds.deployment import DEPLOYMENT, our_pause_lifted, pause
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import stored_template
from sentinel.adapters.kubernetes.workloads.pairs.canary_pair import assemble, attached, backends_of
from sentinel.adapters.kubernetes.workloads.pairs.driver import PairDriver, neutral_digest, pairing_of
from sentinel.adapters.kubernetes.workloads.pairs.members import name_of, ready_of, replicas_of
from sentinel.adapters.kubernetes.workloads.pairs.shares import (
    ShareMark,
    parse_share_mark,
    pods_for,
    ratio,
)
from sentinel.adapters.kubernetes.workloads.pairs.templates import moved_template, selector_of
from sentinel.adapters.kubernetes.workloads.patches import Patch, Plan
from sentinel.adapters.kubernetes.workloads.trim import template_manager
from sentinel.domain.decision import Adopt, Change, Release, Restart, Restore, SetTraffic, Stop
from sentinel.domain.errors import InvalidObjectError, PreconditionError
from sentinel.domain.figures import amount, percent
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import TRAFFIC_ANNOTATION, Mark, Workload
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pairing import Pairing
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class _Pair:
    """The live objects of a pair, with what they come to."""

    pairing: Pairing
    stable: RawObject
    canary: RawObject | None
    route: RawObject | None

    @property
    def routing(self) -> Routing | None:
        named = self.pairing.route
        if named is None or self.route is None:
            return None
        return ROUTERS[named.kind].routing(self.route, backends_of(named), named.rule)

    @property
    def share(self) -> float:
        """The canary's share as it is written now."""
        if self.pairing.route is None:
            return ratio(replicas_of(self.canary) if self.canary else 0, replicas_of(self.stable))
        routing = self.routing
        return routing.share or 0.0 if routing is not None else 0.0

    @property
    def mark(self) -> ShareMark | None:
        annotations = patches.annotations_of(self.canary) if self.canary is not None else {}
        return parse_share_mark(text(annotations.get(TRAFFIC_ANNOTATION)))

    @property
    def scale(self) -> int:
        """The total of the route's two weights as people wrote it."""
        routing, mark = self.routing, self.mark
        return scale_of(routing.total if routing else 0, mark.scale if mark else 0)

    @property
    def withdrawn(self) -> bool:
        """Whether the canary no longer gets requests, so that it can lose its pods."""
        routing = self.routing
        return self.pairing.route is None or (routing is None) or (routing.in_force and routing.share == 0)


def plan(live: Live, workload: Workload, change: Change, stored: RawObject) -> Plan:
    """What a change comes to; `stored` is the ReplicaSet of a Restore's target."""
    pair = _pair(live, workload)
    if pair.canary is None:
        return _without_canary(pair, workload, change, stored)
    match change:
        case SetTraffic(share, mark):
            return set_traffic(pair, pair.canary, share, mark)
        case Release():
            return release(pair, pair.canary, workload)
        case Adopt(revision):
            _check_stable(pair, workload)
            return adopt(pair, pair.canary, workload, revision)
        case Stop(mark):
            return stop(pair, mark)
        case Restore(target):
            return restore(pair, pair.canary, workload, stored, target)
        case Restart(config):
            restarted = patches.restart(pair.canary, config)
            return Plan(restarted.sentence, patches=_sent(pair.canary, restarted.operations, disowned=False))
    raise unsupported(workload, change)


def _pair(live: Live, workload: Workload) -> _Pair:
    pairing = pairing_of(workload)
    by_name = {(part.kind, part.name): raw for part, raw in zip(workload.parts, live, strict=True)}
    stable, canary = (by_name.get((WorkloadKind.DEPLOYMENT.value, name)) for name in pairing.members)
    if stable is None:
        raise InvalidObjectError(f"{workload.key} has no stable Deployment", reason="Unsupported")
    route = by_name.get((pairing.route.kind, pairing.route.name)) if pairing.route is not None else None
    return _Pair(pairing, stable, canary, route)


def _without_canary(pair: _Pair, workload: Workload, change: Change, stored: RawObject) -> Plan:
    """A canary that does not exist gets no requests, and the stable alone is undone."""
    if isinstance(change, Restore):
        moved = moved_template(stored_template(stored), selector_of(stored), selector_of(pair.stable))
        lifted = our_pause_lifted(pair.stable)
        back = patches.put_back(pair.stable, stored, moved, change.target, also=lifted)
        done = f"{back.sentence} in {name_of(pair.stable)}"
        return Plan(done, patches=(*_routed(pair, 0.0), *_sent(pair.stable, back.operations)))
    if isinstance(change, Release) or (isinstance(change, SetTraffic) and change.share == 0):
        patch = (*_let_on(pair), *_routed(pair, 0.0))
        return Plan(f"{pair.pairing.members[1]} gets no more requests", patches=patch)
    raise InvalidObjectError(f"the canary of {workload.key} does not exist", reason="Unsupported")


# The share of the requests.


def set_traffic(pair: _Pair, canary: RawObject, share: float, mark: Mark) -> Plan:
    """Give the canary its pods, then its share; a share that grows waits until the pods are ready."""
    routed = pair.pairing.route is not None
    replicas = replicas_of(canary)
    needed = pods_for(share, replicas_of(pair.stable), routed=routed)
    target = (max(replicas, needed) if share > 0 else replicas) if routed else needed
    signed = _signature(pair, canary, share, target, mark)
    prepared = _patch(canary, (*patches.scaled(canary, target), *signed))
    name = name_of(canary)
    if not routed:
        return Plan(
            f"{name} has {amount(target, 'pod')} for {percent(share)} of the requests", patches=prepared
        )
    if share > pair.share and ready_of(canary) < needed:
        waits = f"{name} is to have {amount(target, 'pod')} ready before it gets {percent(share)}"
        return Plan(waits, patches=prepared)
    return Plan(f"{name} gets {percent(share)} of the requests", patches=(*prepared, *_routed(pair, share)))


def release(pair: _Pair, canary: RawObject, workload: Workload) -> Plan:
    """Take the requests from the canary, and then, once that is in force, its pods.

    It gets them back at once if somebody gave it requests meanwhile.
    """
    name = name_of(canary)
    operations, let_on = _withdrawing(pair, canary), _let_on(pair)
    if pair.withdrawn:
        scaled = _patch(canary, operations, disowned=True)
        back = _sent(canary, (holds("/spec/replicas", 0), put("/spec/replicas", replicas_of(canary))))

        def look(live: Live) -> tuple[Patch, ...]:
            return () if not scaled or _pair(live, workload).share == 0 else back

        return Plan(f"{name} was scaled to 0", patches=(*let_on, *scaled), second_look=look)
    patch = (*let_on, *_patch(canary, operations), *_routed(pair, 0.0))
    return Plan(f"{name} gets no more requests", patches=patch)


def _withdrawing(pair: _Pair, canary: RawObject) -> tuple[Operation, ...]:
    """What the canary loses: its pods and our mark where it no longer gets requests, else it is noted that it is to
    get none."""
    if pair.withdrawn:
        return (*patches.scaled(canary, 0), *patches.drop_annotation(canary, TRAFFIC_ANNOTATION))
    known = pair.mark
    return _signature(pair, canary, 0.0, replicas_of(canary), known.mark) if known is not None else ()


def _signature(pair: _Pair, canary: RawObject, share: float, pods: int, mark: Mark) -> tuple[Operation, ...]:
    """Note what is asked for now, and what was before."""
    known = pair.mark
    if known is not None and (known.share, known.pods, known.mark.record) == (share, pods, mark.record):
        return ()
    noted = ShareMark(pair.share, share, replicas_of(canary), pods, mark, pair.scale)
    return patches.set_annotation(canary, TRAFFIC_ANNOTATION, str(noted))


def _routed(pair: _Pair, share: float) -> tuple[Patch, ...]:
    """The route's patch; nothing where it has the share."""
    named = pair.pairing.route
    if named is None or pair.route is None:
        return ()
    router = ROUTERS[named.kind]
    operations = router.plan(pair.route, backends_of(named), named.rule, share, pair.scale)
    return (Patch(operations, resource=router.resource, name=named.name, disowned=True),)


def _patch(
    live: RawObject, operations: tuple[Operation, ...], *, disowned: bool = False
) -> tuple[Patch, ...]:
    tested = (*patches.judged(live), *operations) if operations else ()
    return _sent(live, tested, disowned=disowned)


def _sent(live: RawObject, operations: tuple[Operation, ...], *, disowned: bool = True) -> tuple[Patch, ...]:
    patch = Patch(operations, resource=DEPLOYMENTS, name=name_of(live), disowned=disowned)
    return (patch,) if operations else ()


# Templates.


def adopt(pair: _Pair, canary: RawObject, workload: Workload, revision: RevisionRef) -> Plan:
    """Have the stable Deployment roll the canary's template out while the canary still serves.

    It gets its own template back at once if the canary's was changed meanwhile: nobody wants that revision now.
    """
    name = name_of(pair.stable)
    if neutral_digest(pair.stable) == revision.digest:
        let_on = _let_on(pair)
        done = "goes on to roll out" if let_on else "has the template of"
        return Plan(f"{name} {done} {revision}", patches=let_on)
    template = mapping(mapping(canary.get("spec")).get("template"))
    moved = moved_template(template, selector_of(canary), selector_of(pair.stable))
    lifted = our_pause_lifted(pair.stable)
    operations = patches.put_back(pair.stable, canary, moved, revision, also=lifted).operations

    def look(live: Live) -> tuple[Patch, ...]:
        now = _pair(live, workload)
        wanted = now.canary is None or neutral_digest(now.canary) == revision.digest
        ours = neutral_digest(now.stable) == revision.digest
        return () if wanted or not ours else _sent(now.stable, patches.taken_back(now.stable, pair.stable))

    done = f"the template of {revision} was put into {name}"
    return Plan(done, patches=_sent(pair.stable, operations), second_look=look)


def _beside(workload: Workload) -> str:
    """The template that the stable had when the pair was judged."""
    return workload.exposure.traffic.beside if workload.exposure.traffic is not None else ""


def _check_stable(pair: _Pair, workload: Workload) -> None:
    """Make sure that the stable has the template that it had when the pair was judged. Raises PreconditionError."""
    if neutral_digest(pair.stable) != _beside(workload):
        who = template_manager(mapping(pair.stable.get("metadata"))) or "an unknown field manager"
        raise PreconditionError(
            f"the pod template of {name_of(pair.stable)} was changed by {who} since the pair was judged",
            reason="TemplateChanged",
        )


def stop(pair: _Pair, mark: Mark) -> Plan:
    """Pause the stable's own rolling update; the canary serves on."""
    paused = pause(pair.stable, mark)
    return Plan(f"{name_of(pair.stable)}: {paused.sentence}", patches=_sent(pair.stable, paused.operations))


def _let_on(pair: _Pair) -> tuple[Patch, ...]:
    """What lifts our pause of the stable's rolling update."""
    lifted = our_pause_lifted(pair.stable)
    return _sent(pair.stable, (*patches.unchanged(pair.stable), *lifted)) if lifted else ()


def restore(
    pair: _Pair, canary: RawObject, workload: Workload, replica_set: RawObject, target: RevisionRef
) -> Plan:
    """Take the requests from the canary first, then put the target's template back wherever the undone one is."""
    undone, steps = workload.candidate.digest, list(_routed(pair, 0.0))
    template, from_ = stored_template(replica_set), selector_of(replica_set)
    in_stable = neutral_digest(pair.stable)
    if in_stable != target.digest and in_stable in (undone, _beside(workload)):
        moved, lifted = (
            moved_template(template, from_, selector_of(pair.stable)),
            our_pause_lifted(pair.stable),
        )
        restored = patches.put_back(pair.stable, replica_set, moved, target, also=lifted)
        steps += _sent(pair.stable, restored.operations)
    else:
        steps += _let_on(pair)
    moved = moved_template(template, from_, selector_of(canary))
    also = _withdrawing(pair, canary)
    steps += _sent(canary, patches.put_back(canary, replica_set, moved, target, also=also).operations)
    left = "" if pair.withdrawn else ", which keeps its pods until no more requests come"
    done = f"no more requests go to {name_of(canary)}{left}; the template of {target} was restored"
    return Plan(done, patches=tuple(steps))


def candidate_at(live: Live, workload: Workload) -> RawObject:
    """The canary, or the stable where that stands alone."""
    alone = len(workload.parts) < 2 or workload.parts[1].kind != WorkloadKind.DEPLOYMENT
    return live[0] if alone else live[1]


def serving_at(live: Live, workload: Workload) -> Live:
    """The stable."""
    return live[:1]


CANARY_PAIR = PairDriver(
    kind=WorkloadKind.CANARY_PAIR,
    attached=attached,
    verbs=DEPLOYMENT.verbs,
    assemble=assemble,
    candidate_at=candidate_at,
    serving_at=serving_at,
    plan=plan,
)

"""What changes to a blue-green pair come to: its Service's selector moves all requests at once, and nothing else does.

The endpoints follow the selector at once, whether the pods are ready or not. So the colours are read just before it is
written, and it is written in one patch with a note of what each colour has, by which a switch that others make back is
known. A plan that was cut off is planned again from where it stands.
"""

from dataclasses import dataclass, replace

from sentinel.adapters.kubernetes.api.operations import Operation, holds, put
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, SERVICES
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.driver import Live, unsupported
from sentinel.adapters.kubernetes.workloads.kinds.deployment import DEPLOYMENT
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import stored_template
from sentinel.adapters.kubernetes.workloads.pairs.blue_green import assemble, attached, pods_needed
from sentinel.adapters.kubernetes.workloads.pairs.colours import (
    COLOURS_ANNOTATION,
    REPLICAS_ANNOTATION,
    Colours,
    note_of,
    pointed_at,
    ready_pods,
    selector_of_service,
    service_name,
    short_digest,
)
from sentinel.adapters.kubernetes.workloads.pairs.driver import PairDriver, neutral_digest, pairing_of
from sentinel.adapters.kubernetes.workloads.pairs.members import trim_member
from sentinel.adapters.kubernetes.workloads.pairs.templates import moved_template, selector_of
from sentinel.adapters.kubernetes.workloads.patches import Patch, Plan
from sentinel.adapters.kubernetes.workloads.trim import WorkloadEntry
from sentinel.domain.decision import Adopt, Change, Prepare, Release, Restart, Restore
from sentinel.domain.errors import InvalidObjectError, PreconditionError
from sentinel.domain.figures import amount
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.kinds import MEMBER_KIND, WorkloadKind


@dataclass(frozen=True, slots=True)
class _Sides:
    """The live objects: the Service, what it points at, and the other one."""

    colours: Colours
    serving: WorkloadEntry
    standby: WorkloadEntry
    raw: dict[str, RawObject]

    def having(self, revision: RevisionRef) -> WorkloadEntry | None:
        """The colour that has this revision's template, what serves first."""
        both = (self.serving, self.standby)
        return next((one for one in both if one.member and one.member.neutral == revision.digest), None)


def plan(live: Live, workload: Workload, change: Change, stored: RawObject) -> Plan:
    """What a change comes to; `stored` is the ReplicaSet of a Restore's target."""
    sides = _sides(live, workload)
    match change:
        case Prepare(revision):
            return prepare(sides, revision)
        case Adopt(revision):
            return adopt(sides, revision)
        case Restore(target):
            return restore(sides, target, stored)
        case Release():
            return release(sides)
        case Restart(config):
            return restart(sides, config)
    raise unsupported(workload, change)


def _sides(live: Live, workload: Workload) -> _Sides:
    """The colours as they are now. Raises InvalidObjectError where it is not clear which one serves."""
    pairing = pairing_of(workload)
    by_name = {(part.kind, part.name): raw for part, raw in zip(workload.parts, live, strict=True)}
    raw = {name: by_name[MEMBER_KIND, name] for name in pairing.members if (MEMBER_KIND, name) in by_name}
    members = tuple(trim_member(one) for one in raw.values())
    service, preview = (by_name.get(("Service", name)) for name in (pairing.name, pairing.preview))
    colours = Colours(pairing, service or {}, members, preview)
    serving, other, problem = colours.serving, colours.other, colours.unclear()
    if problem or serving is None or other is None:
        raise InvalidObjectError(problem or colours.problem(), reason="Unsupported")
    return _Sides(colours, serving, other, raw)


def prepare(sides: _Sides, revision: RevisionRef) -> Plan:
    """Bring up the pods that stand by, and point the preview at them."""
    colour, name = sides.standby, sides.standby.key.name
    if sides.having(revision) is not colour:
        return Plan(f"{revision} does not stand by")
    wanted = pods_needed(colour, sides.serving)
    scaled = _scaled(sides, colour, wanted)
    steps = (*_noted_first(sides), *scaled, *_previewed(sides, colour))
    ready = f"{ready_pods(colour)} of {amount(wanted, 'pod')} ready"
    done = f"{name} is brought up ({ready})" if scaled else f"{name} has {ready}"
    return Plan(f"{done}; requests stay with {sides.serving.key.name}", patches=steps)


def adopt(sides: _Sides, revision: RevisionRef) -> Plan:
    """Send all requests to this revision's colour. Raises PreconditionError where its pods are not all ready."""
    colour = sides.having(revision)
    if colour is sides.serving:
        return Plan(f"requests go to {sides.serving.key.name} already")
    if colour is None or ready_pods(colour) < pods_needed(colour, sides.serving):
        raise _unready(sides)
    return Plan(_switched(sides), patches=(_switch(sides),))


def restore(sides: _Sides, target: RevisionRef, replica_set: RawObject) -> Plan:
    """Send all requests back to the colour that has the target's template, or leave them there.

    Where no colour has it, or what serves was changed in place, it is put back into the one that serves.
    """
    colour = sides.having(target)
    if colour is sides.serving:
        done = f"requests stay with {colour.key.name}; the template of {sides.standby.key.name} is not rolled out"
        return Plan(done, patches=_note(sides))
    if colour is not None and ready_pods(colour) >= pods_needed(colour, sides.serving):
        return Plan(_switched(sides), patches=(_switch(sides),))
    if colour is not None and not sides.colours.has_news(sides.serving):
        if not 0 < ready_pods(colour) >= sides.serving.available:
            raise _unready(sides)
        return Plan(_switched(sides), patches=(_switch(sides),))
    live = sides.raw[sides.serving.key.name]
    moved = moved_template(stored_template(replica_set), selector_of(replica_set), selector_of(live))
    back = patches.put_back(live, replica_set, moved, target)
    sentence = f"{back.sentence} in {sides.serving.key.name}, which serves"
    return Plan(sentence, patches=(*_of(sides.serving, back.operations), *_set_aside(sides, target)))


def release(sides: _Sides) -> Plan:
    """Scale what was replaced to 0, and note how many replicas it had."""
    colour, name = sides.standby, sides.standby.key.name
    if colour.desired == 0 or not sides.colours.done_with(colour):
        return Plan(f"{name} has nothing to give back")
    noted = patches.set_annotation(sides.raw[name], REPLICAS_ANNOTATION, str(colour.desired))
    operations = (*patches.judged(sides.raw[name]), *noted, *patches.scaled(sides.raw[name], 0))
    return Plan(f"{name}, which no longer serves, was scaled to 0", patches=_of(colour, operations))


def restart(sides: _Sides, config: str) -> Plan:
    """Have what stands by take over with changed config: it gets the template of what serves, with our annotation."""
    serving, live = sides.raw[sides.serving.key.name], sides.raw[sides.standby.key.name]
    template = mapping(mapping(serving.get("spec")).get("template"))
    moved = moved_template(template, selector_of(serving), selector_of(live))
    replaced = put("/spec/template", patches.started_with(live, moved, config))
    done = f"the template of {sides.serving.key.name} was put into {sides.standby.key.name}"
    return Plan(
        f"{done}, to start with the changed config",
        patches=_of(sides.standby, (*patches.unchanged(live), replaced)),
    )


def _unready(sides: _Sides) -> PreconditionError:
    colour = sides.standby
    wanted = amount(pods_needed(colour, sides.serving), "pod")
    return PreconditionError(
        f"{colour.key.name} has {ready_pods(colour)} of {wanted} ready: requests stay with {sides.serving.key.name}",
        reason="NotReady",
    )


# The Services.


def _switched(sides: _Sides) -> str:
    name, ready = sides.standby.key.name, amount(ready_pods(sides.standby), "ready pod")
    service = service_name(sides.colours.service)
    return f"Service {service} was switched from {sides.serving.key.name} to {name} ({ready})"


def _switch(sides: _Sides) -> Patch:
    """All requests go to what stands by: the selector that was judged is tested, replaced and signed in one patch."""
    service = sides.colours.service
    before = selector_of_service(service)
    return _of_service(
        service,
        holds("/spec/selector", before),
        put("/spec/selector", pointed_at(service, sides.standby)),
        *patches.set_annotation(service, COLOURS_ANNOTATION, note_of(sides.colours.members)),
    )


def _note(sides: _Sides) -> tuple[Patch, ...]:
    """What each colour has is noted though nothing is moved: what stands by has no news from now on."""
    service, note = sides.colours.service, note_of(sides.colours.members)
    if not sides.colours.has_news(sides.serving) and not sides.colours.has_news(sides.standby):
        return ()
    noted = patches.set_annotation(service, COLOURS_ANNOTATION, note)
    return (_of_service(service, holds("/spec/selector", selector_of_service(service)), *noted),)


def _set_aside(sides: _Sides, target: RevisionRef) -> tuple[Patch, ...]:
    """Where what stands by has the undone template too, it has no news once what serves has the target's."""
    serving, facts, service = sides.serving, sides.serving.member, sides.colours.service
    if facts is None or short_digest(serving) != short_digest(sides.standby):
        return ()
    restored = replace(serving, member=replace(facts, neutral=target.digest))
    note = note_of((restored, sides.standby))
    return (_of_service(service, *patches.set_annotation(service, COLOURS_ANNOTATION, note)),)


def _noted_first(sides: _Sides) -> tuple[Patch, ...]:
    """Before the first switch: what serves is noted, so that the other one's template is news whatever its age."""
    service = sides.colours.service
    if sides.colours.noted:
        return ()
    return (
        _of_service(service, *patches.set_annotation(service, COLOURS_ANNOTATION, note_of((sides.serving,)))),
    )


def _previewed(sides: _Sides, colour: WorkloadEntry) -> tuple[Patch, ...]:
    preview = sides.colours.preview
    if preview is None or selector_of_service(preview) == pointed_at(preview, colour):
        return ()
    before = selector_of_service(preview)
    return (
        _of_service(
            preview, holds("/spec/selector", before), put("/spec/selector", pointed_at(preview, colour))
        ),
    )


def _of_service(service: RawObject, *operations: Operation) -> Patch:
    judged = holds("/metadata/uid", mapping(service.get("metadata")).get("uid"))
    return Patch((judged, *operations), resource=SERVICES, name=service_name(service))


# The Deployments.


def _scaled(sides: _Sides, colour: WorkloadEntry, pods: int) -> tuple[Patch, ...]:
    """As many pods as are needed; what was noted when it was scaled to 0 is over."""
    if colour.desired >= pods:
        return ()
    raw = sides.raw[colour.key.name]
    dropped = patches.drop_annotation(raw, REPLICAS_ANNOTATION)
    return _of(colour, (*patches.judged(raw), *patches.scaled(raw, pods), *dropped))


def _of(colour: WorkloadEntry, operations: tuple[Operation, ...]) -> tuple[Patch, ...]:
    return (Patch(operations, resource=DEPLOYMENTS, name=colour.key.name, disowned=True),)


def candidate_at(live: Live, workload: Workload) -> RawObject:
    """The colour that has the candidate's template; where neither has it now, the other one."""
    deployments, wanted = colours_at(live, workload), workload.candidate.digest
    matching = (raw for raw in deployments if neutral_digest(raw) == wanted)
    return next(matching, deployments[-1] if deployments else {})


def colours_at(live: Live, workload: Workload) -> list[RawObject]:
    """Both colours: one that has a template already is switched to, and only if its pods are ready."""
    return [raw for part, raw in zip(workload.parts, live, strict=True) if part.kind == MEMBER_KIND.value]


BLUE_GREEN = PairDriver(
    kind=WorkloadKind.BLUE_GREEN,
    attached=attached,
    verbs=(*DEPLOYMENT.verbs, (SERVICES, "", ("get", "list", "watch", "patch"))),
    assemble=assemble,
    candidate_at=candidate_at,
    serving_at=colours_at,
    plan=plan,
)

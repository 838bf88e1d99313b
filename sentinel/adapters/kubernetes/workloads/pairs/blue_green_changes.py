"""What changes to a blue-green pair come to: its Service's selector moves all requests at once, and nothing else does.

The endpoints follow the selector at once, whether the pods are ready or not. So the colours are read just before it is
written, and it is written in one patch with a note of what each colour has, by which a switch that others make back is
known. A plan that was cut off is planned again from where it stands.
"""

from sentinel.adapters.kubernetes.api.operations import Operation, holds, put
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.adapters.kubernetes.api.resources import DEPLOYMENTS, SERVICES
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.driver import Live, unsupported
from sentinel.adapters.kubernetes.workloads.kinds.deployment import DEPLOYMENT
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import stored_template
from sentinel.adapters.kubernetes.workloads.pairs.blue_green import assemble, attached, pods_needed
from sentinel.adapters.kubernetes.workloads.pairs.colours import (
    COLOURS_ANNOTATION,
    REPLICAS_ANNOTATION,
    UNCONFIRMED_ANNOTATION,
    Colours,
    ready_pods,
    selector_of_service,
    service_name,
    unconfirmed_of,
)
from sentinel.adapters.kubernetes.workloads.pairs.driver import (
    PairDriver,
    neutral_digest,
    pairing_of,
    part_named,
)
from sentinel.adapters.kubernetes.workloads.pairs.members import trim_member
from sentinel.adapters.kubernetes.workloads.pairs.service_changes import (
    BlueGreenSides,
    noted_aside,
    noted_first,
    previewed,
    set_aside,
    switch,
    switch_back,
    switch_confirmed,
    switch_undone,
    switched,
)
from sentinel.adapters.kubernetes.workloads.pairs.templates import moved_template, selector_of
from sentinel.adapters.kubernetes.workloads.patches import Patch, Plan
from sentinel.adapters.kubernetes.workloads.trim import WorkloadEntry
from sentinel.domain.decision import Adopt, Change, LookAgain, Prepare, Release, Restart, Restore
from sentinel.domain.errors import InvalidObjectError, PreconditionError
from sentinel.domain.figures import amount
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.kinds import MEMBER_KIND, WorkloadKind

_CONFIRMED = patches.drop_annotation(
    {"metadata": {"annotations": {UNCONFIRMED_ANNOTATION: ""}}}, UNCONFIRMED_ANNOTATION
)
"""What a colour loses once our write is confirmed."""


def plan(live: Live, workload: Workload, change: Change, stored: RawObject) -> Plan:
    """What a change comes to; `stored` is the ReplicaSet of a Restore's target."""
    sides = _sides(live, workload)
    match change:
        case LookAgain():
            return look_again(sides, workload)
        case Prepare(revision):
            return prepare(sides, revision)
        case Adopt(revision):
            return adopt(sides, revision, workload)
        case Restore(target):
            return restore(sides, target, stored)
        case Release():
            return release(sides, workload)
        case Restart(config):
            return restart(sides, config)
    raise unsupported(workload, change)


def _sides(live: Live, workload: Workload) -> BlueGreenSides:
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
    return BlueGreenSides(colours, serving, other, raw)


def prepare(sides: BlueGreenSides, revision: RevisionRef) -> Plan:
    """Bring up the pods that stand by, and point the preview at them."""
    colour, name = sides.standby, sides.standby.key.name
    if sides.having(revision) is not colour:
        return Plan(f"{revision} does not stand by")
    wanted = pods_needed(colour, sides.serving)
    scaled = _scaled(sides, colour, wanted)
    steps = (*noted_first(sides), *scaled, *previewed(sides, colour))
    ready = f"{ready_pods(colour)} of {amount(wanted, 'pod')} ready"
    done = f"{name} is brought up ({ready})" if scaled else f"{name} has {ready}"
    return Plan(f"{done}; requests stay with {sides.serving.key.name}", patches=steps)


def adopt(sides: BlueGreenSides, revision: RevisionRef, workload: Workload) -> Plan:
    """Send all requests to this revision's colour. Raises PreconditionError where its pods are not all ready.

    They go back at once if its template was changed while the Service was switched.
    """
    colour = sides.having(revision)
    if colour is sides.serving:
        return Plan(f"requests go to {sides.serving.key.name} already")
    if colour is None or ready_pods(colour) < pods_needed(colour, sides.serving):
        raise _unready(sides)

    service = sides.colours.service
    former = text(patches.annotations_of(service).get(COLOURS_ANNOTATION))

    def look(live: Live) -> tuple[Patch, ...]:
        member = part_named(live, workload, MEMBER_KIND, colour.key.name)
        back = switch_back(service, former, sides.serving, colour)
        return () if neutral_digest(member) == revision.digest else (back,)

    confirmed = (switch_confirmed(service, colour),)
    return Plan(
        switched(sides),
        patches=(switch(sides),),
        second_look=look,
        confirmed=confirmed,
    )


def restore(sides: BlueGreenSides, target: RevisionRef, replica_set: RawObject) -> Plan:
    """Send all requests back to the colour that has the target's template, or leave them there.

    Where no colour has it, or what serves was changed in place, it is put back into the one that serves.
    """
    colour = sides.having(target)
    if colour is sides.serving:
        done = f"requests stay with {colour.key.name}; the template of {sides.standby.key.name} is not rolled out"
        return Plan(done, patches=noted_aside(sides))
    if colour is not None and ready_pods(colour) >= pods_needed(colour, sides.serving):
        return Plan(switched(sides), patches=(switch_undone(sides),))
    if colour is not None and not sides.colours.has_news(sides.serving):
        if not 0 < ready_pods(colour) >= sides.serving.available:
            raise _unready(sides)
        return Plan(switched(sides), patches=(switch_undone(sides),))
    live = sides.raw[sides.serving.key.name]
    moved = moved_template(stored_template(replica_set), selector_of(replica_set), selector_of(live))
    back = patches.put_back(live, replica_set, moved, target)
    sentence = f"{back.sentence} in {sides.serving.key.name}, which serves"
    return Plan(sentence, patches=(*_of(sides.serving, back.operations), *set_aside(sides, target)))


def release(sides: BlueGreenSides, workload: Workload) -> Plan:
    """Scale what was replaced to 0, and note how many replicas it had.

    It gets them back at once if somebody switched the Service back to it meanwhile.
    """
    colour, name = sides.standby, sides.standby.key.name
    if colour.desired == 0 or not sides.colours.done_with(colour):
        return Plan(f"{name} has nothing to give back")
    had = str(colour.desired)
    noted = patches.set_annotations(sides.raw[name], {REPLICAS_ANNOTATION: had, UNCONFIRMED_ANNOTATION: had})
    operations = (*patches.judged(sides.raw[name]), *noted, *patches.scaled(sides.raw[name], 0))

    service = sides.colours.service

    def look(live: Live) -> tuple[Patch, ...]:
        serves = selector_of_service(part_named(live, workload, "Service", service_name(service)))
        return () if serves == selector_of_service(service) else _scaled_back(colour, colour.desired)

    done = f"{name}, which no longer serves, was scaled to 0"
    confirmed = _of(colour, _CONFIRMED)
    return Plan(done, patches=_of(colour, operations), second_look=look, confirmed=confirmed)


def look_again(sides: BlueGreenSides, workload: Workload) -> Plan:
    """What a process that was cut off right after its write could not look at.

    A colour that got another template in the moment of the switch loses the requests to the one before, where that has
    all its pods; one that serves again has the pods back that it lost.
    """
    service, former = sides.colours.service, unconfirmed_of(sides.colours.service)
    serving, standby = sides.serving, sides.standby
    back: list[Patch] = []
    confirmed: list[Patch] = []
    if former is not None:
        ready = ready_pods(standby) >= pods_needed(standby, serving)
        if sides.colours.has_news(serving) and ready:
            back.append(switch_back(service, former, standby, serving))
        else:
            confirmed.append(switch_confirmed(service, serving))
    for colour in (serving, standby):
        had = colour.annotations.get(UNCONFIRMED_ANNOTATION)
        if had is None:
            continue
        if colour is serving and colour.desired == 0 and had.isdecimal():
            back += _scaled_back(colour, int(had))
        else:
            confirmed += _of(colour, _CONFIRMED)
    return Plan(
        f"what was written to {workload.key} was looked at again",
        second_look=lambda _live: tuple(back),
        confirmed=tuple(confirmed),
    )


def restart(sides: BlueGreenSides, config: str) -> Plan:
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


def _unready(sides: BlueGreenSides) -> PreconditionError:
    colour = sides.standby
    wanted = amount(pods_needed(colour, sides.serving), "pod")
    return PreconditionError(
        f"{colour.key.name} has {ready_pods(colour)} of {wanted} ready: requests stay with {sides.serving.key.name}",
        reason="NotReady",
    )


# The Deployments.


def _scaled(sides: BlueGreenSides, colour: WorkloadEntry, pods: int) -> tuple[Patch, ...]:
    """As many pods as are needed; what was noted when it was scaled to 0 is over."""
    if colour.desired >= pods:
        return ()
    raw = sides.raw[colour.key.name]
    dropped = patches.drop_annotation(raw, REPLICAS_ANNOTATION)
    return _of(colour, (*patches.judged(raw), *patches.scaled(raw, pods), *dropped))


def _scaled_back(colour: WorkloadEntry, pods: int) -> tuple[Patch, ...]:
    """The pods that it had before we scaled it to 0, if nobody has scaled it since."""
    return _of(colour, (holds("/spec/replicas", 0), put("/spec/replicas", pods), *_CONFIRMED))


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

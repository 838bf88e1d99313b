"""What is written to the Services of a blue-green pair: which colour gets the requests, and what each colour has."""

from sentinel.adapters.kubernetes.api.operations import Operation, holds, put
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, text
from sentinel.adapters.kubernetes.api.resources import SERVICES
from sentinel.adapters.kubernetes.workloads import patches
from sentinel.adapters.kubernetes.workloads.pairs.colours import (
    COLOURS_ANNOTATION,
    UNCONFIRMED_ANNOTATION,
    UNDONE_ANNOTATION,
    Colours,
    note_of,
    pointed_at,
    ready_pods,
    selector_of_service,
    service_name,
    short_digest,
    unconfirmed,
)
from sentinel.adapters.kubernetes.workloads.patches import Patch
from sentinel.adapters.kubernetes.workloads.trim import WorkloadEntry
from sentinel.domain.errors import PreconditionError
from sentinel.domain.figures import amount
from sentinel.domain.record.state import RevisionRef
from sentinel.values import dataclass, replace

_SWITCHED = {"metadata": {"annotations": {COLOURS_ANNOTATION: "", UNCONFIRMED_ANNOTATION: ""}}}
"""What a Service has after a switch that is to be confirmed."""


@dataclass(frozen=True, slots=True)
class BlueGreenSides:
    """The live objects: the Service, what it points at, and the other one."""

    colours: Colours
    serving: WorkloadEntry
    standby: WorkloadEntry
    raw: dict[str, RawObject]

    def having(self, revision: RevisionRef) -> WorkloadEntry | None:
        """The colour that has this revision's template, what serves first."""
        both = (self.serving, self.standby)
        return next((one for one in both if one.member and one.member.neutral == revision.digest), None)


def switched(sides: BlueGreenSides) -> str:
    name, ready = sides.standby.key.name, amount(ready_pods(sides.standby), "ready pod")
    service = service_name(sides.colours.service)
    return f"Service {service} was switched from {sides.serving.key.name} to {name} ({ready})"


def switch(sides: BlueGreenSides) -> Patch:
    """All requests go to what stands by, a release; what was noted before is kept until the switch is confirmed."""
    former = text(patches.annotations_of(sides.colours.service).get(COLOURS_ANNOTATION))
    dropped = patches.drop_annotation(sides.colours.service, UNDONE_ANNOTATION)
    return _switch(sides, {UNCONFIRMED_ANNOTATION: unconfirmed(former)}, dropped)


def switch_undone(sides: BlueGreenSides) -> Patch:
    """All requests go back to what stands by, and it is noted what they were taken from.

    Raises PreconditionError where that was done before: somebody has sent them there again since.
    """
    undone, name = short_digest(sides.serving), sides.serving.key.name
    if patches.annotations_of(sides.colours.service).get(UNDONE_ANNOTATION) == undone:
        raise PreconditionError(
            f"requests were sent to {name} again after the undo had taken them from it",
            reason="TemplateChanged",
        )
    return _switch(sides, {UNDONE_ANNOTATION: undone}, ())


def _switch(sides: BlueGreenSides, beside: dict[str, str], dropped: tuple[Operation, ...]) -> Patch:
    """The selector that was judged is tested, replaced and signed in one patch."""
    service = sides.colours.service
    return _of_service(
        service,
        holds("/spec/selector", selector_of_service(service)),
        put("/spec/selector", pointed_at(service, sides.standby)),
        *patches.set_annotations(service, {COLOURS_ANNOTATION: note_of(sides.colours.members), **beside}),
        *dropped,
    )


def switch_confirmed(service: RawObject, serving: WorkloadEntry) -> Patch:
    """The switch to this colour stands: `service` as it was before or after it."""
    done = patches.drop_annotation(_SWITCHED, UNCONFIRMED_ANNOTATION)
    return _of_service(service, holds("/spec/selector", pointed_at(service, serving)), *done)


def switch_back(service: RawObject, former: str, to: WorkloadEntry, from_: WorkloadEntry) -> Patch:
    """The selector and the note as they were before an unconfirmed switch, if nobody has changed them since."""
    noted = patches.set_annotation(_SWITCHED, COLOURS_ANNOTATION, former)
    return _of_service(
        service,
        holds("/spec/selector", pointed_at(service, from_)),
        put("/spec/selector", pointed_at(service, to)),
        *(noted if former else patches.drop_annotation(_SWITCHED, COLOURS_ANNOTATION)),
        *patches.drop_annotation(_SWITCHED, UNCONFIRMED_ANNOTATION),
    )


def noted_aside(sides: BlueGreenSides) -> tuple[Patch, ...]:
    """What each colour has is noted though nothing is moved: what stands by has no news from now on."""
    service, note = sides.colours.service, note_of(sides.colours.members)
    if not sides.colours.has_news(sides.serving) and not sides.colours.has_news(sides.standby):
        return ()
    noted = patches.set_annotation(service, COLOURS_ANNOTATION, note)
    return (_of_service(service, holds("/spec/selector", selector_of_service(service)), *noted),)


def set_aside(sides: BlueGreenSides, target: RevisionRef) -> tuple[Patch, ...]:
    """Where what stands by has the undone template too, it has no news once what serves has the target's."""
    serving, facts, service = sides.serving, sides.serving.member, sides.colours.service
    if facts is None or short_digest(serving) != short_digest(sides.standby):
        return ()
    restored = replace(serving, member=replace(facts, neutral=target.digest))
    note = note_of((restored, sides.standby))
    return (_of_service(service, *patches.set_annotation(service, COLOURS_ANNOTATION, note)),)


def noted_first(sides: BlueGreenSides) -> tuple[Patch, ...]:
    """Before the first switch: what serves is noted, so that the other one's template is news whatever its age."""
    service = sides.colours.service
    if sides.colours.noted:
        return ()
    return (
        _of_service(service, *patches.set_annotation(service, COLOURS_ANNOTATION, note_of((sides.serving,)))),
    )


def previewed(sides: BlueGreenSides, colour: WorkloadEntry) -> tuple[Patch, ...]:
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

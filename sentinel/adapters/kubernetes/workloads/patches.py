"""What changes to a workload's own object are made of, whatever its kind. Pure: from the live object to operations."""

from collections.abc import Callable, Mapping, Sequence

from sentinel.adapters.kubernetes.api.operations import Operation, holds, put
from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, text
from sentinel.adapters.kubernetes.api.resources import ApiResource
from sentinel.adapters.kubernetes.workloads.digest import bare_template, digest_of, template_digest
from sentinel.adapters.kubernetes.workloads.trim import CHANGE_CAUSE, template_manager
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import CONFIG_ANNOTATION, Workload
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Patch:
    """One JSON patch: of the workload's own object, or of another one in its namespace (`resource` and `name`).

    `disowned`: our claim on what it wrote is given up, so that no later apply conflicts with it.
    """

    operations: tuple[Operation, ...]
    subresource: str = ""
    resource: ApiResource | None = None
    name: str = ""
    disowned: bool = False


SecondLook = Callable[[Sequence[RawObject]], tuple[Patch, ...]]
"""What takes a plan's patches back, from the workload's objects as they are after them.

For what a plan relies on in other objects than it writes, which no test of its patches can cover; nothing where none of
that was changed meanwhile.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change comes to, and the sentence that says what was done.

    `operations` patch the workload's own object; `patches` follow, one after the other. Each of them leaves the
    workload in a state in which the same change can be planned again. Without any the change is in force already.
    `second_look` follows them, and `confirmed` a look that finds nothing changed.
    """

    sentence: str
    operations: tuple[Operation, ...] = ()
    patches: tuple[Patch, ...] = ()
    second_look: SecondLook | None = None
    confirmed: tuple[Patch, ...] = ()


def check_judged(live: RawObject, workload: Workload, *, also: str = "") -> None:
    """Make sure that this is the workload that was judged, with the template that was judged (or `also`).

    Raises PreconditionError that says what is different and, as far as managedFields tell, by whose hand.
    """
    metadata = mapping(live.get("metadata"))
    if metadata.get("uid") != workload.uid:
        raise PreconditionError(
            f"{workload.key} was deleted and created again since it was judged", reason="WorkloadReplaced"
        )
    if "deletionTimestamp" in metadata:
        raise PreconditionError(f"{workload.key} is being deleted", reason="WorkloadDeleted")
    if digest_of(live) not in (workload.written or workload.candidate.digest, also):
        manager = template_manager(metadata) or "an unknown field manager"
        raise PreconditionError(
            f"the pod template of {workload.key} was changed by {manager} since it was judged",
            reason="TemplateChanged",
        )


def put_back(
    live: RawObject,
    stored: RawObject,
    template: RawObject,
    target: RevisionRef,
    *,
    also: Sequence[Operation] = (),
    left: str = "",
) -> Plan:
    """Put back the target's template and the change-cause of the object that stored it.

    `also` goes into the same patch. `left` ends the sentence where something was left as it is.
    """
    if digest_of(live) == template_digest(template):
        # The tests are sent though nothing is to be changed: an old answer must not pass for an undo that was made.
        return Plan(f"{target} is already the current template", (*unchanged(live), *also))
    replaced = {"op": "replace", "path": "/spec/template", "value": bare_template(template)}
    operations = (*unchanged(live), replaced, *_change_cause(live, stored), *also)
    return Plan(f"the template of {target} was restored{left}", operations)


def taken_back(live: RawObject, before: RawObject) -> tuple[Operation, ...]:
    """Put back the template and the change-cause that the object had before."""
    former = bare_template(mapping(before.get("spec")).get("template"))
    replaced = {"op": "replace", "path": "/spec/template", "value": former}
    return (*judged(live), replaced, *_change_cause(live, before))


def restart(live: RawObject, config: str) -> Plan:
    """Have the controller start all pods again, by our annotation on the template that names their config."""
    template = mapping(mapping(live.get("spec")).get("template"))
    marked = mapping(started_with(live, template, config).get("metadata"))
    written = put("/spec/template/metadata", marked)
    if "annotations" in mapping(template.get("metadata")):
        path = f"/spec/template/metadata/annotations/{_escaped(CONFIG_ANNOTATION)}"
        written = put(path, mapping(marked.get("annotations"))[CONFIG_ANNOTATION])
    return Plan("had all pods started again with the changed config", (*unchanged(live), written))


def started_with(live: RawObject, template: RawObject, config: str) -> RawObject:
    """A template with our annotation that names the config of its pods, in the live object that is to carry it."""
    metadata = mapping(template.get("metadata"))
    annotations = mapping(metadata.get("annotations"))
    carried = mapping(mapping(live.get("spec")).get("template"))
    before = mapping(mapping(carried.get("metadata")).get("annotations"))
    if config in (annotations.get(CONFIG_ANNOTATION), before.get(CONFIG_ANNOTATION)):
        # The pods were started with this once, and with something else since.
        config = f"{config}.{mapping(live.get('metadata')).get('generation')}"
    return {**template, "metadata": {**metadata, "annotations": {**annotations, CONFIG_ANNOTATION: config}}}


def disown(live: RawObject, manager: str) -> tuple[Operation, ...]:
    """Drop the manager's entry for plain updates of the main resource, so that no later apply conflicts with it.

    Nothing without such an entry, or without any other: an object without any managedFields would be owned as a whole
    by the server's "before-first-apply", which is worse.
    """
    entries = list(objects(mapping(live.get("metadata")).get("managedFields")))
    for index, entry in enumerate(entries):
        ours = entry.get("manager") == manager and entry.get("operation") == "Update"
        if ours and not entry.get("subresource") and len(entries) > 1:
            path = f"/metadata/managedFields/{index}"
            return (holds(path, entry), {"op": "remove", "path": path})
    return ()


def scaled(live: RawObject, pods: int) -> tuple[Operation, ...]:
    """Have this many pods, if nobody has scaled it since it was read; nothing where it has them."""
    spec = mapping(live.get("spec"))
    if number(spec.get("replicas"), 1) == pods:
        return ()
    before = (holds("/spec/replicas", spec["replicas"]),) if "replicas" in spec else ()
    return (*before, put("/spec/replicas", pods))


def judged(live: RawObject) -> tuple[Operation, ...]:
    """Tests: the very object and the very template that were judged, as the API server gave it."""
    metadata, spec = mapping(live.get("metadata")), mapping(live.get("spec"))
    return (holds("/metadata/uid", metadata.get("uid")), holds("/spec/template", spec.get("template")))


def unchanged(live: RawObject) -> tuple[Operation, ...]:
    """Tests: besides, that nobody has written to the spec since. So a patch that comes late is refused."""
    generation = mapping(live.get("metadata")).get("generation")
    return (*judged(live), holds("/metadata/generation", generation))


def _change_cause(live: RawObject, stored: RawObject) -> tuple[Operation, ...]:
    cause = annotations_of(stored).get(CHANGE_CAUSE)
    if cause is not None:
        return set_annotation(live, CHANGE_CAUSE, text(cause))
    return drop_annotation(live, CHANGE_CAUSE)


def set_annotation(live: RawObject, name: str, value: str) -> tuple[Operation, ...]:
    """Write one annotation of the live object."""
    return set_annotations(live, {name: value})


def set_annotations(live: RawObject, values: Mapping[str, str]) -> tuple[Operation, ...]:
    """Write annotations of the live object."""
    metadata = mapping(live.get("metadata"))
    if "annotations" in metadata:
        return tuple(put(_annotation_path(name), value) for name, value in values.items())
    # The map itself is made: not over one that somebody else makes meanwhile.
    version = metadata.get("resourceVersion")
    return (holds("/metadata/resourceVersion", version), put("/metadata/annotations", dict(values)))


def drop_annotation(live: RawObject, name: str) -> tuple[Operation, ...]:
    """Take one annotation away where the live object has it."""
    return ({"op": "remove", "path": _annotation_path(name)},) if name in annotations_of(live) else ()


def _annotation_path(name: str) -> str:
    return "/metadata/annotations/" + _escaped(name)


def _escaped(name: str) -> str:
    """A key as a JSON pointer has it."""
    return name.replace("~", "~0").replace("/", "~1")


def annotations_of(live: RawObject) -> RawObject:
    """The object's annotations."""
    return mapping(mapping(live.get("metadata")).get("annotations"))

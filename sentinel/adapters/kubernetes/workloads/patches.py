"""What a change to a Deployment comes to as a JSON patch. Pure: from the live object to operations."""

from dataclasses import dataclass
from typing import Any

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, objects, text
from sentinel.adapters.kubernetes.workloads.digest import bare_template, digest_of
from sentinel.adapters.kubernetes.workloads.snapshot import parse_mark
from sentinel.adapters.kubernetes.workloads.trim import CHANGE_CAUSE, template_manager
from sentinel.domain.errors import PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import PAUSED_ANNOTATION, Mark, Workload

Operation = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """A patch and the sentence that says what it did; without operations the change is in force already."""

    sentence: str
    operations: tuple[Operation, ...] = ()


def check_judged(live: RawObject, workload: Workload, *, also: str = "") -> None:
    """Make sure that this is the Deployment that was judged, with the template that was judged (or `also`).

    Raises PreconditionError that says what is different and, as far as managedFields tell, by whose hand.
    """
    metadata = mapping(live.get("metadata"))
    if metadata.get("uid") != workload.uid:
        raise PreconditionError(
            f"{workload.key} was deleted and made anew since it was judged", reason="WorkloadReplaced"
        )
    if "deletionTimestamp" in metadata:
        raise PreconditionError(f"{workload.key} is being deleted", reason="WorkloadDeleted")
    if digest_of(live) not in (workload.candidate.digest, also):
        manager = template_manager(metadata) or "an unknown field manager"
        raise PreconditionError(
            f"the pod template of {workload.key} was changed by {manager} since it was judged",
            reason="TemplateChanged",
        )


def pause(live: RawObject, mark: Mark) -> Plan:
    """Stop, signed with the mark; a pause of ours is signed anew, another's raises PreconditionError."""
    ours = _our_mark(live)
    if _paused(live):
        if ours is None:
            raise _others_pause(live)
        if ours == mark:
            return Plan("it is paused already, by us")
        return Plan(f"our pause now stands for {mark.record}", (*_tests(live), *_annotate(live, mark)))
    return Plan("paused", (*_unchanged(live), _add("/spec/paused", True), *_annotate(live, mark)))


def resume(live: RawObject) -> Plan:
    """Lift our own pause; another's raises PreconditionError."""
    if not _paused(live):
        stale = _unmark(live)
        return Plan("it is not paused", (*_tests(live), *stale) if stale else ())
    if _our_mark(live) is None:
        raise _others_pause(live)
    return Plan("resumed", (*_unchanged(live), *_unpause(live)))


def restore(live: RawObject, replica_set: RawObject, target: RevisionRef) -> Plan:
    """Put back the ReplicaSet's template and change-cause, and lift our own pause in the same patch."""
    lifted = _unpause(live) if _our_mark(live) is not None else ()
    if digest_of(live) == target.digest:
        # The tests are sent though nothing is to be changed: an old answer must not pass for an undo that was made.
        return Plan(f"{target} is in the template already", (*_unchanged(live), *lifted))
    template = bare_template(mapping(replica_set.get("spec")).get("template"))
    replaced = {"op": "replace", "path": "/spec/template", "value": template}
    operations = (*_unchanged(live), replaced, *_change_cause(live, replica_set), *lifted)
    paused = "; the pause that is not ours was left" if _paused(live) and not lifted else ""
    return Plan(f"the template of {target} was put back{paused}", operations)


def disown(live: RawObject, manager: str) -> tuple[Operation, ...]:
    """Drop the manager's entry for plain updates of the main resource, so that no later apply conflicts with it.

    Nothing when there is none, or no other: an object without any managedFields would be owned as a whole by
    the server's "before-first-apply", which is worse.
    """
    entries = list(objects(mapping(live.get("metadata")).get("managedFields")))
    for index, entry in enumerate(entries):
        ours = entry.get("manager") == manager and entry.get("operation") == "Update"
        if ours and not entry.get("subresource") and len(entries) > 1:
            path = f"/metadata/managedFields/{index}"
            return (_test(path, entry), {"op": "remove", "path": path})
    return ()


def _tests(live: RawObject) -> tuple[Operation, ...]:
    """The very object and the very template that were judged, as the API server gave it."""
    metadata, spec = mapping(live.get("metadata")), mapping(live.get("spec"))
    return (_test("/metadata/uid", metadata.get("uid")), _test("/spec/template", spec.get("template")))


def _unchanged(live: RawObject) -> tuple[Operation, ...]:
    """Besides, that nobody has written to the spec since: a patch that comes late is refused."""
    return (*_tests(live), _test("/metadata/generation", _generation(live)))


def _unpause(live: RawObject) -> tuple[Operation, ...]:
    # `add` also replaces; `remove` of an absent field would be refused.
    return (*((_add("/spec/paused", False),) if _paused(live) else ()), *_unmark(live))


def _change_cause(live: RawObject, replica_set: RawObject) -> tuple[Operation, ...]:
    cause = _annotations(replica_set).get(CHANGE_CAUSE)
    if cause is not None:
        return _set_annotation(live, CHANGE_CAUSE, text(cause))
    if CHANGE_CAUSE in _annotations(live):
        return ({"op": "remove", "path": _annotation_path(CHANGE_CAUSE)},)
    return ()


def _annotate(live: RawObject, mark: Mark) -> tuple[Operation, ...]:
    return _set_annotation(live, PAUSED_ANNOTATION, str(mark))


def _unmark(live: RawObject) -> tuple[Operation, ...]:
    if _our_mark(live) is None:
        return ()
    return ({"op": "remove", "path": _annotation_path(PAUSED_ANNOTATION)},)


def _set_annotation(live: RawObject, name: str, value: str) -> tuple[Operation, ...]:
    metadata = mapping(live.get("metadata"))
    if "annotations" in metadata:
        return (_add(_annotation_path(name), value),)
    # The map itself is made: not over one that somebody else makes meanwhile.
    version = metadata.get("resourceVersion")
    return (_test("/metadata/resourceVersion", version), _add("/metadata/annotations", {name: value}))


def _annotation_path(name: str) -> str:
    return "/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1")


def _annotations(live: RawObject) -> RawObject:
    return mapping(mapping(live.get("metadata")).get("annotations"))


def _our_mark(live: RawObject) -> Mark | None:
    return parse_mark(text(_annotations(live).get(PAUSED_ANNOTATION)))


def _paused(live: RawObject) -> bool:
    return mapping(live.get("spec")).get("paused") is True


def _generation(live: RawObject) -> object:
    return mapping(live.get("metadata")).get("generation")


def _others_pause(live: RawObject) -> PreconditionError:
    name = text(mapping(live.get("metadata")).get("name"))
    return PreconditionError(
        f"deployment {name} is paused, and not by us: that pause is left alone", reason="PausedByOther"
    )


def _test(path: str, value: object) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _add(path: str, value: object) -> Operation:
    return {"op": "add", "path": path, "value": value}

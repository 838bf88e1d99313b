"""ControllerRevisions: what stores the revisions of StatefulSets and DaemonSets."""

from sys import intern

from sentinel.adapters.kubernetes.api.raw import RawObject, controller_of, mapping, number, text, time
from sentinel.adapters.kubernetes.api.resources import CONTROLLER_REVISIONS
from sentinel.adapters.kubernetes.workloads.trim import CHANGE_CAUSE, RevisionEntry, ref_of, trim_template
from sentinel.adapters.kubernetes.workloads.trim_pods import CONTROLLER_HASH, cut

_DAEMON_SET = "DaemonSet"
_PATCH_DIRECTIVE = "$patch"


def trim_controller_revision(raw: RawObject) -> RevisionEntry:
    """What matters of a ControllerRevision. It counts no pods; its number grows when it is rolled out again."""
    metadata = mapping(raw.get("metadata"))
    return RevisionEntry(
        ref=ref_of(raw, CONTROLLER_REVISIONS.api_version, "ControllerRevision"),
        owner_uid=intern(controller_of(metadata)[2]),
        hash=intern(pods_label(metadata)),
        number=number(raw.get("revision")),
        template=trim_template(template_of(raw)),
        created_at=time(metadata.get("creationTimestamp")),
        change_cause=cut(text(mapping(metadata.get("annotations")).get(CHANGE_CAUSE))),
    )


def template_of(raw: RawObject) -> RawObject:
    """The pod template that it stores: a patch that replaces the whole template."""
    template = mapping(mapping(mapping(raw.get("data")).get("spec")).get("template"))
    return {key: value for key, value in template.items() if key != _PATCH_DIRECTIVE}


def pods_label(metadata: RawObject) -> str:
    """The value of `controller-revision-hash` on its pods: of a DaemonSet the hash, of a StatefulSet the whole name."""
    if controller_of(metadata)[0] == _DAEMON_SET:
        return text(mapping(metadata.get("labels")).get(CONTROLLER_HASH))
    return text(metadata.get("name"))

"""What the adapter must know about a kind of workload: one `WorkloadDriver` each, and no other module asks for it."""

from collections.abc import Callable
from dataclasses import dataclass

from sentinel.adapters.kubernetes.api.raw import RawObject
from sentinel.adapters.kubernetes.api.resources import ApiResource
from sentinel.adapters.kubernetes.workloads.patches import Plan
from sentinel.adapters.kubernetes.workloads.trim import RevisionEntry, WorkloadEntry
from sentinel.domain.decision import Change
from sentinel.domain.errors import InvalidObjectError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.kinds import WorkloadKind

Verbs = tuple[ApiResource, str, tuple[str, ...]]
"""A resource, its subresource (or empty), and what the account must be allowed to do with it."""


@dataclass(frozen=True, slots=True)
class WorkloadDriver:
    """One kind of workload.

    `resource` is the workload itself and `history` the resource whose objects store its revisions: both are watched,
    trimmed by `trim` and `trim_revision`. `verbs` is all that the account needs for this kind beside pods. `counted`:
    its stored revisions tell how many pods they have; without it the pods themselves must be read for that.

    `stored` is the name of the object that holds a revision's template, empty where it cannot be known, and
    `template_of` the template in it. `plan` is what a change comes to: pure, from the live object and (for a Restore)
    the object that stores the target.
    """

    kind: WorkloadKind
    resource: ApiResource
    history: ApiResource
    verbs: tuple[Verbs, ...]
    trim: Callable[[RawObject], WorkloadEntry]
    trim_revision: Callable[[RawObject], RevisionEntry]
    stored: Callable[[Workload, RevisionRef], str]
    template_of: Callable[[RawObject], RawObject]
    plan: Callable[[RawObject, Workload, Change, RawObject], Plan]
    counted: bool = False


def unsupported(workload: Workload, change: Change) -> InvalidObjectError:
    """The error of a change that the kind has no means for."""
    return InvalidObjectError(
        f"{workload.key}: a {workload.key.kind} does not support {type(change).__name__}",
        reason="Unsupported",
    )

"""Workloads as people name them: KIND/NAME as kubectl takes it, or just NAME."""

import json

from sentinel.app.exitcodes import UsageError
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import LIFTED, PAUSABLE, USUAL_KIND, WorkloadKind
from sentinel.policies.mistakes import did_you_mean
from sentinel.values import dataclass

_SHORT = {"deploy": "deployment", "sts": "statefulset", "ds": "daemonset"}
"""kubectl's short names."""


@dataclass(frozen=True, slots=True)
class WorkloadName:
    """A name, and the kind where one was given."""

    name: str
    kind: WorkloadKind | None = None

    def fits(self, kind: WorkloadKind, name: str) -> bool:
        """Whether it names a workload of this kind and name; without a kind, any."""
        return name == self.name and self.kind in (None, kind)


def workload_name(text: str) -> WorkloadName:
    """What KIND/NAME or NAME says. Raises UsageError for an unknown kind, and for no name."""
    kind, slash, name = text.rpartition("/")
    found = kind_named(kind) if slash else None
    if not name:
        raise UsageError(f"{text!r} does not name a workload; write {USUAL_KIND.lower()}/NAME, or just NAME")
    return WorkloadName(name, found)


def kind_named(text: str) -> WorkloadKind:
    """The kind as kubectl takes it: in any case, singular, plural or short, with or without its group."""
    plain = text.lower().partition(".")[0]
    known = {kind.value.lower(): kind for kind in WorkloadKind}
    found = known.get(_SHORT.get(plain, plain)) or known.get(plain.removesuffix("s"))
    if found is None:
        raise UsageError(
            f"{text} is not a kind of workload ({did_you_mean(text, [k.value for k in known.values()])})"
        )
    return found


def called(key: WorkloadKey) -> str:
    """A workload as a table names it, and as the commands take it."""
    return key.name if key.kind is USUAL_KIND else f"{key.kind.lower()}/{key.name}"


def braked(workload: Workload) -> str:
    """What stops it, so that `by …` can follow."""
    return "paused" if workload.brake.name == "pause" else workload.brake.name


def going_on_by_hand(workload: Workload) -> str:
    """The command by which people have a workload roll out that is stopped by hand."""
    target = f"{workload.key.kind.lower()}/{workload.key.name}"
    if workload.key.kind in PAUSABLE:
        return f"kubectl -n {workload.key.namespace} rollout resume {target}"
    patch = json.dumps({"spec": LIFTED.get(workload.key.kind, {"paused": False})}, separators=(",", ":"))
    return f"kubectl -n {workload.key.namespace} patch {target} --type=merge -p '{patch}'"

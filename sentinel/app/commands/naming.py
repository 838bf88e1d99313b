"""Workloads as people name them: KIND/NAME as kubectl takes it, or just NAME."""

from dataclasses import dataclass

from sentinel.adapters.kubernetes.workloads.registry import DRIVERS
from sentinel.app.exitcodes import UsageError
from sentinel.domain.workload.kinds import USUAL_KIND, WorkloadKind
from sentinel.policies.mistakes import did_you_mean

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
    """What KIND/NAME or NAME says. Raises UsageError for an unknown kind, one that is not guarded, and for no name."""
    kind, slash, name = text.rpartition("/")
    found = kind_named(kind) if slash else None
    if found is not None and found not in DRIVERS:
        raise UsageError(f"{text}: the sentinel does not guard {found}s, only {guarded_kinds()}")
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


def guarded_kinds() -> str:
    """The kinds that can be guarded, for a sentence."""
    *most, last = (f"{kind}s" for kind in DRIVERS)
    return f"{', '.join(most)} and {last}" if most else last

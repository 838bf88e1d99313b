"""Why one policy guards a workload and the others do not, in words."""

from collections.abc import Iterable

from sentinel.domain.policy.policy import Policy
from sentinel.domain.workload.facts import Workload
from sentinel.engine.matching import Ambiguous, Guard, Guarded, guard_of, mismatch, specificity
from sentinel.values import dataclass

_PARTS = (
    "names the workload",
    "names the namespace",
    "requires more labels",
    "has narrower globs",
    "matches fewer kinds",
)
"""What each part of a specificity stands for."""
_OF_A_FILE = "is of a rule file, which comes before objects"


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """What guards a workload, and of every policy that does not, by name in order, why."""

    guard: Guard
    others: tuple[tuple[Policy, str], ...]


def choose(policies: Iterable[Policy], workload: Workload) -> PolicyChoice:
    """The policy that guards a workload, with the reasons against all others."""
    known = sorted(policies, key=lambda policy: policy.name)
    guard = guard_of(known, workload)
    guarding = guard.policy if isinstance(guard, Guarded) else None
    tied = guard.policies if isinstance(guard, Ambiguous) else ()
    others = tuple((p, _why_not(p, workload, guarding, tied)) for p in known if p is not guarding)
    return PolicyChoice(guard, others)


def _why_not(policy: Policy, workload: Workload, guarding: Policy | None, tied: tuple[Policy, ...]) -> str:
    why = mismatch(policy.match, workload.key, workload.labels)
    if why:
        return why
    if policy in tied:
        rivals = " and ".join(other.name for other in tied if other is not policy)
        return f"it matches as well as {rivals}: neither guards until one of them is more specific"
    winner = guarding or tied[0]
    ours, theirs = (specificity(p.match, workload.key) for p in (policy, winner))
    parts = (part for part, a, b in zip(_PARTS, ours, theirs, strict=True) if a != b)
    return f"it matches too, but {winner.name} {next(parts, _OF_A_FILE)}"

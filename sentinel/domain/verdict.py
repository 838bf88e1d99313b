"""What a rule says of a candidate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Number = int | float | str


class VerdictKind(StrEnum):
    """`pending`: not enough time or evidence yet. `inconclusive`: cannot be judged, by nobody's fault."""

    PASS = "pass"  # nosec B105  # a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule's verdict: a reason for machines, a sentence for people, and the numbers behind it.

    `everywhere` says that the baseline is as bad: an outage of the environment, not of the candidate.
    `alone` says that a fail was proven against the limit alone, with no concurrent baseline to compare with.
    """

    rule: str
    kind: VerdictKind
    reason: str
    message: str
    numbers: Mapping[str, Number] = field(default_factory=dict)
    everywhere: bool = False
    alone: bool = False

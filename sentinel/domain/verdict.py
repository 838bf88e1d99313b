"""The verdict of a rule on a candidate."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from sentinel.domain.figures import percent, seconds, to_one
from sentinel.values import dataclass

Number = int | float | str


class VerdictKind(StrEnum):
    """`pending`: not enough time or evidence yet. `inconclusive`: cannot be judged, by nobody's fault."""

    PASS = "pass"  # nosec B105  # a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class DecisionCause:
    """What a verdict or a decision came from, as far as other decisions depend on it.

    `alert` is the alert's fingerprint, `job` the name of the gate's Job. `first_bad_at` is when the evidence against
    the candidate began, `resumed_at` when the person asked who ended the hold. `config` is the digest of
    the config with which pods are started again.
    """

    alert: str = ""
    job: str = ""
    first_bad_at: datetime | None = None
    resumed_at: datetime | None = None
    config: str = ""

    @classmethod
    def began(cls, at: str) -> "DecisionCause":
        """The cause whose evidence began at this ISO 8601 time; empty where the time is not known."""
        return cls(first_bad_at=datetime.fromisoformat(at) if at else None)


NO_CAUSE = DecisionCause()


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule's verdict: a reason for machines, a sentence and numbers for people, and the cause.

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
    cause: DecisionCause = NO_CAUSE


ARMS = {"candidate": "canary", "baseline": "baseline"}
"""The arms as figures name them, and as people read them."""


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """What one rule measured, read from the numbers of a verdict or of a decision.

    `rule` is empty where the numbers are of one rule alone.
    """

    rule: str
    numbers: Mapping[str, Number]

    def measure(self, arm: str) -> float | None:
        """What an arm was measured at: its share of errors, its quantile or its mean; None where it saw nothing."""
        errors, total = self._real(f"{arm}_errors"), self._real(f"{arm}_total")
        if errors is not None:
            return errors / total if total else None
        quantile = self._real(f"{arm}_quantile")
        return self._real(f"{arm}_mean") if quantile is None else quantile

    def shown(self, value: float) -> str:
        """A measure in its unit."""
        return percent(value) if self._counts_errors else seconds(value)

    def arm(self, arm: str) -> str:
        """What an arm was measured at and on how many requests; empty where it saw nothing."""
        value, total = self.measure(arm), self._real(f"{arm}_total")
        if value is None or total is None:
            return ""
        errors = self._real(f"{arm}_errors")
        if errors is not None:
            return f"{percent(value)} ({errors:,.0f} of {total:,.0f} requests failed)"
        return f"{seconds(value)} ({total:,.0f} requests)"

    @property
    def limit(self) -> str:
        """The rule's limit in its unit; empty where it has none."""
        limit = self._real("limit")
        return "" if limit is None else self.shown(limit)

    @property
    def evidence(self) -> str:
        """How strong the evidence is that the candidate is worse; empty where the rule does not test that."""
        odds = self._real("odds")
        return "" if odds is None else to_one(odds)

    @property
    def _counts_errors(self) -> bool:
        return "candidate_errors" in self.numbers or "baseline_errors" in self.numbers

    def _real(self, name: str) -> float | None:
        value = self.numbers.get(name)
        return None if value is None or isinstance(value, str) else float(value)


def figures_of(numbers: Mapping[str, Number]) -> tuple[RuleFigures, ...]:
    """The figures of each rule; a decision on several rules prefixes theirs (`error-rate.candidate_total`)."""
    rules: dict[str, dict[str, Number]] = {}
    for name, value in numbers.items():
        rule, _, figure = name.rpartition(".")
        rules.setdefault(rule, {})[figure] = value
    return tuple(RuleFigures(rule, figures) for rule, figures in rules.items())

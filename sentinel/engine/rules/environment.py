"""What must hold around a candidate that is proven bad with no stable pod beside it to compare with."""

from sentinel.domain.evidence import CountTick, HistogramTick
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.record.holds import HoldReason
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.values import dataclass, replace

OTHERS_OVER = 2
"""As many other workloads over their limits at the same time point at the environment, not at the candidate."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The stable revision in the hour before the rollout, and the neighbours now.

    `stable_was_good` is whether it was under the rule's limit, None where nothing is known. `others_over` counts
    the other guarded workloads, not rolling out, that crossed their own limits in the last five minutes. `first`:
    there never was a stable revision.
    """

    stable_was_good: bool | None
    others_over: int
    first: bool = False


def confirm(verdict: RuleVerdict, around: Surroundings) -> RuleVerdict:
    """A fail against the limit alone, compared with its surroundings.

    It stands only if the stable revision was under the limit before and fewer than two neighbours crossed theirs;
    else it is inconclusive and counts as an outage of the environment.
    """
    if not verdict.alone or verdict.kind is not VerdictKind.FAIL:
        return verdict
    if around.others_over >= OTHERS_OVER:
        reason, why = (
            HoldReason.ENVIRONMENT_OUTAGE,
            f"{around.others_over} other workloads are over their limits, too",
        )
    elif around.first:
        reason, why = (
            HoldReason.NO_BASELINE,
            "it is the first revision: there is nothing to compare it with or to undo to",
        )
    elif around.stable_was_good is None:
        reason, why = (
            HoldReason.NO_BASELINE,
            "the measurements of the stable revision in the hour before are missing",
        )
    elif not around.stable_was_good:
        reason, why = (
            HoldReason.STABLE_WAS_BAD,
            "the stable revision was over the limit in the hour before, too",
        )
    else:
        return verdict
    message = f"{verdict.message}; {why}"
    return replace(verdict, kind=VerdictKind.INCONCLUSIVE, reason=reason, message=message, everywhere=True)


def over_limit(rule: ErrorRateRule | LatencyRule, tick: CountTick | HistogramTick) -> bool | None:
    """Whether the baseline arm of a tick was over the rule's limit, by its plain share or mean; None without data.

    A plain point estimate is enough here: it does not condemn anyone, it can only spare the candidate.
    """
    if isinstance(tick, CountTick):
        rate = tick.baseline.rate if tick.baseline else None
        return None if rate is None else rate > rule.limit
    if tick.baseline is None or tick.baseline.total == 0:
        return None
    if isinstance(rule, LatencyRule) and rule.quantile is not None:
        # A hair more: 1 − 0.9 in binary is a little less than 0.1.
        allowed = (1 - rule.quantile) * tick.baseline.total + 1e-9
        return tick.baseline.over(rule.limit) > allowed
    mean = tick.baseline.mean
    return None if mean is None else mean > rule.limit

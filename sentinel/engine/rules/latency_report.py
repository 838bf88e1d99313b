"""What a latency rule found, in words and numbers."""

from collections.abc import Mapping
from math import isinf

from sentinel.domain.evidence import Histogram
from sentinel.domain.figures import amount, seconds
from sentinel.domain.policy.rules import LatencyRule
from sentinel.domain.verdict import Number, RuleVerdict, VerdictKind
from sentinel.engine.rules.latency_state import LatencyState
from sentinel.engine.rules.standing import Proof, evidence_that, odds
from sentinel.engine.statistics.calibration import Restraint
from sentinel.engine.statistics.histograms import estimated_mean, estimated_quantile, limit_edge, tail
from sentinel.values import dataclass


def estimate(rule: LatencyRule, histogram: Histogram) -> float | None:
    """The mean or the quantile that the rule limits, in seconds; None without requests."""
    return (
        estimated_mean(histogram) if rule.quantile is None else estimated_quantile(histogram, rule.quantile)
    )


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """A state with its evidence and both arms' point estimates, worked out once."""

    rule: LatencyRule
    state: LatencyState
    proof: Proof
    ours: float | None
    theirs: float | None

    @classmethod
    def of(cls, rule: LatencyRule, state: LatencyState) -> "LatencyReport":
        """The report on a state."""
        ours, theirs = estimate(rule, state.candidate), estimate(rule, state.baseline)
        return cls(rule, state, state.proof(), ours, theirs)

    @property
    def acceptable(self) -> bool:
        """Whether the candidate's point estimate is at or under the limit, or the baseline's."""
        if self.ours is None:
            return False
        return self.ours <= self.rule.limit or (self.theirs is not None and self.ours <= self.theirs)

    def summary(self) -> str:
        """What was seen, for an engineer."""
        rule, state = self.rule, self.state
        what = "mean" if rule.quantile is None else f"p{rule.quantile * 100:g}"
        worse = "over the limit" if self.proof.alone else "slower than the baseline"
        cold = f" and {amount(state.cold, 'request')} while starting" if state.cold else ""
        return (
            f"{what} of the canary {_told(self.ours, state.candidate)}{cold}, "
            f"of the baseline {_told(self.theirs, state.baseline)}; "
            f"limit {seconds(rule.limit)}{_between(rule, state.candidate)}; "
            f"{evidence_that(self.proof.log_e, f'the canary is {worse}')}"
        )

    def numbers(self, restraint: Restraint) -> Mapping[str, Number]:
        """The numbers behind the verdict."""
        state, quantile = self.state, self.rule.quantile
        numbers: dict[str, Number] = {
            "candidate_total": state.candidate.total,
            "baseline_total": state.baseline.total,
            "limit": self.rule.limit,
            "log_e_ratio": round(self.proof.ratio, 4),
            "log_e_limit": round(self.proof.limit, 4),
            "odds": odds(self.proof.log_e),
            "ticks": state.standing.ticks,
            "phi": restraint.dispersion,
            "discount": restraint.discount,
        }
        if state.cold:
            numbers["cold_total"] = state.cold
        name = "mean" if quantile is None else "quantile"
        arms = (("candidate", state.candidate, self.ours), ("baseline", state.baseline, self.theirs))
        for arm, histogram, value in arms:
            if value is not None:
                numbers[f"{arm}_{name}"] = value
            edge = limit_edge(histogram.bounds, self.rule.limit)
            if quantile is not None and edge is not None:
                numbers[f"{arm}_over"] = tail(histogram, edge).errors
        return numbers

    def beyond_buckets(self, restraint: Restraint) -> RuleVerdict:
        """The verdict where the limit is over the last bucket bound: no quantile can be proven over it."""
        finite = [bound for bound in self.state.candidate.bounds if not isinf(bound)]
        limit = seconds(self.rule.limit)
        if finite:
            what = f"the limit of {limit} is over the last bucket bound ({seconds(finite[-1])})"
            mend = "add a bucket bound at the limit"
        else:
            what = "the candidate's histograms have no bucket bound in common"
            mend = f"give all of them one at the limit of {limit}"
        message = f"{what}, so the rule cannot prove anything; {mend}"
        kind, numbers = VerdictKind.INCONCLUSIVE, self.numbers(restraint)
        return RuleVerdict(self.rule.name, kind, "LimitBeyondBuckets", message, numbers)


def _told(value: float | None, histogram: Histogram) -> str:
    return (
        "without requests" if value is None else f"{seconds(value)} of {amount(histogram.total, 'request')}"
    )


def _between(rule: LatencyRule, histogram: Histogram) -> str:
    """A remark on a quantile's limit that is not a bucket bound; empty otherwise."""
    edge = None if rule.quantile is None else limit_edge(histogram.bounds, rule.limit)
    if edge is None or abs(edge - rule.limit) <= 1e-9 * edge:
        return ""
    return f" (not a bucket bound: tested at {seconds(edge)})"

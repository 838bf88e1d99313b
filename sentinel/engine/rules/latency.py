"""Judges a latency rule: is the candidate's mean or quantile over the limit, and is it slower than the baseline?

Slower is tested at bucket edges: the share of requests above each is compared between the arms as errors would be,
and the evidence is averaged over the edges. Over the limit is tested for a quantile at the limit's edge, for the mean
by bets on the latencies themselves. As with errors, the smaller of the two is what undoes, and ticks in which both
arms are over the limit are shown and not bet on (see `error_rate`).
"""

from collections.abc import Mapping
from datetime import datetime

from sentinel.domain.evidence import Histogram, HistogramTick
from sentinel.domain.policy.rules import LatencyRule, Method
from sentinel.domain.verdict import RuleVerdict
from sentinel.engine.rules.cold_starts import Bets, compared
from sentinel.engine.rules.latency_report import LatencyReport, estimate
from sentinel.engine.rules.latency_state import RATIOS, LatencyState
from sentinel.engine.rules.segment import Segment
from sentinel.engine.rules.standing import RuleEvidence, conclude, needed_evidence, over_limit, unmeasured
from sentinel.engine.rules.threshold import judge_threshold
from sentinel.engine.statistics.calibration import Restraint
from sentinel.engine.statistics.e_process import (
    LIMIT_FACTORS,
    Wealth,
    capped,
    limit_gains,
    rates_above,
)
from sentinel.engine.statistics.goodness import goodness_gains
from sentinel.engine.statistics.histograms import (
    edges_in_use,
    estimated_mean,
    least_mean,
    limit_edge,
    mean_gains,
    tail,
)
from sentinel.engine.statistics.starts import Starts, YoungTick
from sentinel.values import dataclass

Json = Mapping[str, object]

STAKES = (0.05, 0.15, 0.4, 0.8, 0.95)
"""How much of the wealth is staked on the mean being over its limit."""
TYPICAL = 1
"""Which of the alternatives dates the beginning of a fault."""
OUTAGE_REQUESTS = 20
"""A baseline's mean over fewer requests in a tick does not show an outage."""


def judge_latency(
    rule: LatencyRule,
    state: Json | None,
    tick: HistogramTick | None,
    segment: Segment,
    now: datetime,
    *,
    dispersion: float = 1.0,
    placebo: float = 0.0,
    starts: Starts | None = None,
) -> tuple[Json, RuleVerdict]:
    """The rule's next state and its verdict; arguments as for `judge_error_rate`."""
    if rule.method is Method.THRESHOLD:
        return judge_threshold(rule, state, tick, segment, now)
    restraint = Restraint.learnt(dispersion, placebo, needed_evidence(rule.alpha, segment))
    bets = len(STAKES if rule.quantile is None else LIMIT_FACTORS)
    before = LatencyState.load(state, segment, bets)
    if tick is not None and not tick.candidate.total and not _baseline(tick, segment).total and tick.missing:
        numbers = LatencyReport.of(rule, before).numbers(restraint)
        return before.as_json(), unmeasured(rule.name, tick.missing, numbers)
    after = before if tick is None else _take_in(rule, before, tick, segment, restraint, starts)
    report = LatencyReport.of(rule, after)
    if rule.quantile is not None and after.candidate.bounds and _edge(rule, after.candidate) is None:
        return after.as_json(), report.beyond_buckets(restraint)
    verdict = conclude(_assess(report, segment, restraint), after.standing, segment, now)
    return after.as_json(), verdict


def is_within(rule: LatencyRule, histogram: Histogram) -> bool:
    """Whether no bet against the limit wins on these requests of one tick; so on those of several that are within."""
    if not histogram.total:
        return True
    if rule.quantile is None:
        return not _over(rule, histogram) and least_mean(histogram) <= rule.limit
    edge = _edge(rule, histogram)
    return edge is not None and tail(histogram, edge).errors <= (1 - rule.quantile) * histogram.total


def _baseline(tick: HistogramTick, segment: Segment) -> Histogram:
    return Histogram() if tick.baseline is None or not segment.concurrent else tick.baseline


def _take_in(
    rule: LatencyRule,
    state: LatencyState,
    tick: HistogramTick,
    segment: Segment,
    restraint: Restraint,
    starts: Starts | None,
) -> LatencyState:
    """The state after one tick of evidence."""
    alone = tick.baseline is None or not segment.concurrent
    arms = _Arms(
        tick.candidate, YoungTick.of(tick.starts, None if alone else starts), _baseline(tick, segment)
    )
    lasting = state.standing.everywhere
    outage = _baseline_over(rule, arms.baseline, restraint.dispersion) and (lasting or _over(rule, arms.ours))
    edges, slower, limit, good = state.edges, state.slower, state.limit, state.good
    candidate = _together(rule, state.candidate, arms.candidate)
    seen_before = _together(rule, state.baseline, arms.baseline)
    if edges and arms.ours.bounds and arms.baseline.bounds and not set(edges) & set(arms.ours.bounds):
        edges = ()  # the source keeps the histogram in another form now: compared afresh at its edges
    if not edges and arms.ours.total and arms.baseline.total:
        edges = _edges(rule, arms)
        slower = (Wealth.fresh(len(RATIOS)),) * len(edges)
    typical = 0.0
    if not lasting and arms.ours.total:
        allowed = capped if outage else tuple
        clusters = restraint.dispersion if alone else restraint.mean_cluster
        bets = [arms.compared(edge, restraint.dispersion) for edge in edges]
        against = [_limit_gains(rule, part, clusters) for part in (arms.old, arms.young)]
        held_back = Bets.best(bets).held_back(*against)
        over = allowed(restraint.discounted(held_back))
        gains = [allowed(restraint.limited(each.gains)) for each in bets]
        typical = over[TYPICAL] if alone or not gains else sum(each[1] for each in gains) / len(gains)
        slower = tuple(
            [wealth.bet(each) if any(each) else wealth for wealth, each in zip(slower, gains, strict=True)]
        )
        limit = limit.bet(over)
        good = _goodness(rule, good, arms.candidate, arms.baseline, restraint) if segment.early else good
    standing = state.standing.seen(everywhere=outage, alone=alone).after(tick.since, tick.until, typical)
    return LatencyState(
        standing,
        candidate,
        seen_before,
        edges,
        slower,
        limit,
        good,
        state.cold + arms.starting.outside.total,
    )


def _together(rule: LatencyRule, before: Histogram, now: Histogram) -> Histogram:
    """The sum of both; what is seen now alone, where both have no bound at the limit in common but this has one."""
    both = before + now
    return now if _edge(rule, both) is None and _edge(rule, now) is not None else both


@dataclass(frozen=True, slots=True)
class _Arms:
    """What a tick counted: the candidate's arm, its young pods as far as they can be judged, the baseline."""

    candidate: Histogram
    starting: YoungTick
    baseline: Histogram

    @property
    def ours(self) -> Histogram:
        """All of the candidate that is judged, its cold pods too."""
        return self.candidate + self.starting.outside

    @property
    def old(self) -> Histogram:
        """The candidate's arm without its young pods."""
        return self.candidate - self.starting.within

    @property
    def young(self) -> Histogram:
        """Its young pods, within the arm and not."""
        return self.starting.within + self.starting.outside

    def compared(self, edge: float, dispersion: float) -> Bets:
        """The bets at one edge; none where the candidate has no such bucket, or the baseline none up to there.

        A bucket of the baseline that the edge splits counts as slower: then the candidate is proven worse than more
        than the baseline's part, whatever buckets either release has.
        """
        if edge not in self.ours.bounds or self.baseline.bounds[:1] > (edge,):
            return Bets.none(len(RATIOS))
        started = self.starting.gains(edge, RATIOS, dispersion)
        old, young, baseline = (tail(part, edge) for part in (self.old, self.young, self.baseline))
        return compared(old, young, baseline, started, RATIOS, dispersion)


def _edges(rule: LatencyRule, arms: _Arms) -> tuple[float, ...]:
    """Where the arms are compared: at bounds that both have, and at the candidate's at the limit."""
    common = edges_in_use(arms.ours + arms.baseline, rule.limit)
    at_limit = _edge(rule, arms.ours)
    return common if at_limit is None else tuple(sorted({*common, at_limit}))


def _goodness(
    rule: LatencyRule, good: Wealth, ours: Histogram, baseline: Histogram, restraint: Restraint
) -> Wealth:
    """One more bet that the candidate is good, at the limit's edge; a mean's limit itself cannot be bet on so."""
    edge = _edge(rule, ours)
    if edge is None or edge not in baseline.bounds:
        return good
    allowed = None if rule.quantile is None else 1 - rule.quantile
    gains = goodness_gains(tail(ours, edge), tail(baseline, edge), allowed, dispersion=restraint.dispersion)
    return good.bet(restraint.discounted(gains))


def _limit_gains(rule: LatencyRule, candidate: Histogram, dispersion: float) -> tuple[float, ...]:
    """Log gains of one tick against "within the limit"."""
    if rule.quantile is None:
        if not candidate.total:
            return (0.0,) * len(STAKES)
        return mean_gains(candidate, rule.limit, STAKES, dispersion=dispersion)
    edge = _edge(rule, candidate)
    if edge is None:
        return (0.0,) * len(LIMIT_FACTORS)
    allowed = 1 - rule.quantile
    rates = rates_above(allowed, LIMIT_FACTORS)
    return limit_gains(tail(candidate, edge), allowed, rates, dispersion=dispersion)


def _edge(rule: LatencyRule, histogram: Histogram) -> float | None:
    return limit_edge(histogram.bounds, rule.limit)


def _baseline_over(rule: LatencyRule, baseline: Histogram, dispersion: float) -> bool:
    """Whether the baseline is over the limit in one tick."""
    if rule.quantile is None:
        mean = estimated_mean(baseline)
        return mean is not None and baseline.total >= OUTAGE_REQUESTS and mean > rule.limit
    edge = _edge(rule, baseline)
    return edge is not None and over_limit(tail(baseline, edge), 1 - rule.quantile, dispersion)


def _over(rule: LatencyRule, histogram: Histogram) -> bool:
    """Whether one tick's point estimate is over the limit."""
    value = estimate(rule, histogram)
    return value is not None and value > rule.limit


def _assess(report: LatencyReport, segment: Segment, restraint: Restraint) -> RuleEvidence:
    rule, state = report.rule, report.state
    return RuleEvidence(
        rule.name,
        report.proof.log_e,
        needed_evidence(rule.alpha, segment),
        report.acceptable,
        state.candidate.total,
        rule.interval,
        report.summary(),
        report.numbers(restraint),
        state.good.log_e if segment.early else 0.0,
    )

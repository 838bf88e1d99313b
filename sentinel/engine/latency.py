"""Judges a latency rule: is the candidate's mean or quantile over the limit, and is it slower than the baseline?

Slower is tested at bucket edges: the share of requests above each is compared between the arms as errors would be,
and the evidence is averaged over the edges. Over the limit is tested for a quantile at the limit's edge, for the mean
by bets on the latencies themselves. As with errors, the smaller of the two is what undoes, and ticks in which both
arms are over the limit are shown and not bet on (see `error_rate`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf, isinf, log
from typing import cast

from sentinel.domain.evidence import Histogram, HistogramTick
from sentinel.domain.policy import LatencyRule, Method
from sentinel.domain.verdict import Number, RuleVerdict, VerdictKind
from sentinel.engine.betting import (
    LIMIT_FACTORS,
    Wealth,
    capped,
    limit_gains,
    log_sum,
    rates_above,
    ratio_gains,
)
from sentinel.engine.calibration import Restraint
from sentinel.engine.promotion import fresh_goodness, goodness_gains
from sentinel.engine.segment import Segment
from sentinel.engine.standing import (
    Assessment,
    Proof,
    Standing,
    conclude,
    odds,
    odds_text,
    over_limit,
    unmeasured,
)
from sentinel.engine.tails import (
    edges_in_use,
    estimated_mean,
    estimated_quantile,
    limit_edge,
    mean_gains,
    tail,
)
from sentinel.engine.threshold import judge_threshold

Json = Mapping[str, object]

RATIOS = (1.25, 1.5, 2.0, 4.0, 10.0)
STAKES = (0.05, 0.15, 0.4, 0.8, 0.95)
TYPICAL = 2
"""Which of the alternatives dates the beginning of a fault."""
OUTAGE_REQUESTS = 20
"""A baseline's mean over fewer requests in a tick says nothing of an outage."""


@dataclass(frozen=True, slots=True)
class _State:
    """The latencies of this segment and the evidence drawn from them; `edges` are where the arms are compared."""

    standing: Standing
    candidate: Histogram
    baseline: Histogram
    edges: tuple[float, ...]
    slower: tuple[Wealth, ...]
    limit: Wealth
    good: Wealth


def judge_latency(
    rule: LatencyRule,
    state: Json | None,
    tick: HistogramTick | None,
    segment: Segment,
    now: datetime,
    *,
    dispersion: float = 1.0,
    placebo: float = 0.0,
) -> tuple[Json, RuleVerdict]:
    """The rule's next state and its verdict; arguments as for `judge_error_rate`."""
    if rule.method is Method.THRESHOLD:
        return judge_threshold(rule, state, tick, segment, now)
    restraint = Restraint.learnt(dispersion, placebo, _needed(rule, segment))
    before = _load(state, segment)
    if tick is not None and not tick.candidate.total and not _baseline(tick, segment).total and tick.missing:
        numbers = _numbers(rule, before, _proof(before), restraint)
        return _dump(before), unmeasured(rule.name, tick.missing, numbers)
    after = before if tick is None else _take_in(rule, before, tick, segment, restraint)
    if rule.quantile is not None and after.candidate.bounds and _edge(rule, after.candidate) is None:
        return _dump(after), _beyond_buckets(rule, after, restraint)
    return _dump(after), conclude(_assess(rule, after, segment, restraint), after.standing, segment, now)


def _needed(rule: LatencyRule, segment: Segment) -> float:
    """The log evidence that proves: ln 1/α of this segment."""
    return -log(rule.alpha * segment.share)


def _baseline(tick: HistogramTick, segment: Segment) -> Histogram:
    return Histogram() if tick.baseline is None or not segment.concurrent else tick.baseline


def _take_in(
    rule: LatencyRule, state: _State, tick: HistogramTick, segment: Segment, restraint: Restraint
) -> _State:
    """The state after one tick of evidence."""
    baseline, ours = _baseline(tick, segment), tick.candidate
    alone = tick.baseline is None or not segment.concurrent
    lasting = state.standing.everywhere
    outage = _baseline_over(rule, baseline, restraint.dispersion) and (
        lasting or not _acceptable(rule, ours, None)
    )
    standing = replace(state.standing, everywhere=outage, alone=alone)
    counted = replace(state, candidate=state.candidate + ours, baseline=state.baseline + baseline)
    if not counted.edges and ours.total and baseline.total:
        edges = edges_in_use(ours + baseline, rule.limit)
        counted = replace(counted, edges=edges, slower=tuple(Wealth.fresh(len(RATIOS)) for _ in edges))
    if lasting or not ours.total:
        return replace(counted, standing=standing.after(tick.since, tick.until, 0.0))
    allowed = capped if outage else tuple
    over = allowed(restraint.discounted(_limit_gains(rule, ours, restraint.dispersion)))
    gains = [
        allowed(restraint.limited(_edge_gains(edge, ours, baseline, restraint.dispersion)))
        for edge in counted.edges
    ]
    typical = over[TYPICAL] if alone or not gains else sum(each[1] for each in gains) / len(gains)
    return replace(
        counted,
        standing=standing.after(tick.since, tick.until, typical),
        slower=tuple(
            wealth.bet(each) if any(each) else wealth
            for wealth, each in zip(counted.slower, gains, strict=True)
        ),
        limit=state.limit.bet(over),
        good=_goodness(rule, state.good, ours, baseline, restraint) if segment.early else state.good,
    )


def _edge_gains(edge: float, ours: Histogram, baseline: Histogram, dispersion: float) -> tuple[float, ...]:
    """Log gains of comparing the tails at one edge; none where an arm has no such bucket."""
    if edge not in ours.bounds or edge not in baseline.bounds:
        return (0.0,) * len(RATIOS)
    return ratio_gains(tail(ours, edge), tail(baseline, edge), RATIOS, dispersion=dispersion)


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


def _acceptable(rule: LatencyRule, candidate: Histogram, baseline: Histogram | None) -> bool:
    """Whether the candidate's point estimate is at or under the limit, or the baseline's."""
    ours = _estimate(rule, candidate)
    theirs = None if baseline is None else _estimate(rule, baseline)
    return ours is not None and (ours <= rule.limit or (theirs is not None and ours <= theirs))


def _estimate(rule: LatencyRule, histogram: Histogram) -> float | None:
    return (
        estimated_mean(histogram) if rule.quantile is None else estimated_quantile(histogram, rule.quantile)
    )


def _assess(rule: LatencyRule, state: _State, segment: Segment, restraint: Restraint) -> Assessment:
    proof = _proof(state)
    return Assessment(
        rule.name,
        proof.log_e,
        _needed(rule, segment),
        _acceptable(rule, state.candidate, state.baseline),
        state.candidate.total,
        rule.interval,
        _summary(rule, state, proof),
        _numbers(rule, state, proof, restraint),
        state.good.log_e if segment.early else 0.0,
    )


def _proof(state: _State) -> Proof:
    """The evidence so far; that against "no slower" is the mean over the edges."""
    slower = 0.0
    if state.slower:
        slower = log_sum([wealth.log_e for wealth in state.slower]) - log(len(state.slower))
    return Proof(slower, state.limit.log_e, state.standing.alone)


def _summary(rule: LatencyRule, state: _State, proof: Proof) -> str:
    what = "mean" if rule.quantile is None else f"p{rule.quantile * 100:g}"
    null = "within the limit" if proof.alone else "no slower"
    ours, theirs = _told(rule, state.candidate), _told(rule, state.baseline)
    return (
        f"candidate {f'{what} {ours} requests' if ours else 'without requests'}, "
        f"baseline {theirs or 'without requests'}; "
        f"limit {_seconds(rule.limit)}{_between(rule, state.candidate)}; "
        f"odds against '{null}' {odds_text(proof.log_e)}"
    )


def _told(rule: LatencyRule, histogram: Histogram) -> str:
    estimate = _estimate(rule, histogram)
    return "" if estimate is None else f"{_seconds(estimate)} of {histogram.total:,}"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def _between(rule: LatencyRule, histogram: Histogram) -> str:
    """What to say of a quantile's limit that is no bucket bound."""
    edge = _edge(rule, histogram)
    if rule.quantile is None or edge is None or abs(edge - rule.limit) <= 1e-9 * edge:
        return ""
    return f" (no bucket bound: tested at {_seconds(edge)})"


def _beyond_buckets(rule: LatencyRule, state: _State, restraint: Restraint) -> RuleVerdict:
    finite = [bound for bound in state.candidate.bounds if not isinf(bound)]
    last = _seconds(finite[-1]) if finite else "none"
    message = (
        f"the limit of {_seconds(rule.limit)} is over the last bucket bound ({last}), so nothing can be proven; "
        "add a bucket bound at the limit"
    )
    numbers = _numbers(rule, state, _proof(state), restraint)
    return RuleVerdict(rule.name, VerdictKind.INCONCLUSIVE, "LimitBeyondBuckets", message, numbers)


def _numbers(rule: LatencyRule, state: _State, proof: Proof, restraint: Restraint) -> Mapping[str, Number]:
    numbers: dict[str, Number] = {
        "candidate_total": state.candidate.total,
        "baseline_total": state.baseline.total,
        "limit": rule.limit,
        "log_e_ratio": round(proof.ratio, 4),
        "log_e_limit": round(proof.limit, 4),
        "odds": odds(proof.log_e),
        "ticks": state.standing.ticks,
        "phi": restraint.dispersion,
        "discount": restraint.discount,
    }
    for arm, histogram in (("candidate", state.candidate), ("baseline", state.baseline)):
        mean, quantile = estimated_mean(histogram), rule.quantile
        if mean is not None:
            numbers[f"{arm}_mean"] = mean
        if quantile is not None and (estimate := estimated_quantile(histogram, quantile)) is not None:
            numbers[f"{arm}_quantile"] = estimate
        edge = _edge(rule, histogram)
        if quantile is not None and edge is not None and histogram.total:
            numbers[f"{arm}_over"] = tail(histogram, edge).errors
    if state.standing.bad_since:
        numbers["first_bad_at"] = state.standing.bad_since
    return numbers


def _load(state: Json | None, segment: Segment) -> _State:
    standing = Standing(segment.name, alone=not segment.concurrent)
    fresh = _State(standing, Histogram(), Histogram(), (), (), Wealth.fresh(len(STAKES)), fresh_goodness())
    if state is None or "standing" not in state:
        return fresh
    loaded = _State(
        Standing.from_json(state["standing"]),
        _histogram(state["candidate"]),
        _histogram(state["baseline"]),
        tuple(cast(list[float], state["edges"])),
        tuple(Wealth.from_json(value) for value in cast(list[object], state["slower"])),
        Wealth.from_json(state["limit"]),
        Wealth.from_json(state["good"]),
    )
    same_bets = (
        len(loaded.limit.sums) == len(fresh.limit.sums)
        and len(loaded.good.sums) == len(fresh.good.sums)
        and all(len(wealth.sums) == len(RATIOS) for wealth in loaded.slower)
    )
    return loaded if loaded.standing.segment == segment.name and same_bets else fresh


def _dump(state: _State) -> Json:
    return {
        "standing": state.standing.as_json(),
        "candidate": _histogram_json(state.candidate),
        "baseline": _histogram_json(state.baseline),
        "edges": list(state.edges),
        "slower": [wealth.as_json() for wealth in state.slower],
        "limit": state.limit.as_json(),
        "good": state.good.as_json(),
    }


def _histogram_json(histogram: Histogram) -> Json:
    """Plain JSON values; JSON has no infinity, so the last bound goes without saying."""
    return {
        "bounds": list(histogram.bounds[:-1]),
        "counts": list(histogram.counts),
        "seconds": histogram.seconds,
    }


def _histogram(value: object) -> Histogram:
    data = cast(Mapping[str, object], value)
    counts = tuple(cast(list[int], data["counts"]))
    if not counts:
        return Histogram()
    bounds = (*map(float, cast(list[float], data["bounds"])), inf)
    seconds = data["seconds"]
    return Histogram(bounds, counts, None if seconds is None else float(cast(float, seconds)))

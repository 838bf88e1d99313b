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
from sentinel.domain.policy import LatencyRule
from sentinel.domain.verdict import Number, RuleVerdict, VerdictKind
from sentinel.engine.betting import Wealth, capped, limit_gains, log_sum, rates_above, ratio_gains
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

Json = Mapping[str, object]

RATIOS = (1.25, 1.5, 2.0, 4.0, 10.0)
TAIL_FACTORS = (1.25, 1.5, 2.0, 4.0, 10.0)
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


def judge_latency(
    rule: LatencyRule,
    state: Json | None,
    tick: HistogramTick | None,
    segment: Segment,
    now: datetime,
    *,
    dispersion: float = 1.0,
) -> tuple[Json, RuleVerdict]:
    """The rule's next state and its verdict; arguments as for `judge_error_rate`."""
    before = _load(state, segment)
    if tick is not None and not tick.candidate.total and not _baseline(tick, segment).total and tick.missing:
        return _dump(before), unmeasured(
            rule.name, tick.missing, _numbers(rule, before, _proof(before), dispersion)
        )
    after = before if tick is None else _take_in(rule, before, tick, segment, dispersion)
    if rule.quantile is not None and after.candidate.bounds and _edge(rule, after.candidate) is None:
        return _dump(after), _beyond_buckets(rule, after, dispersion)
    return _dump(after), conclude(_assess(rule, after, segment, dispersion), after.standing, segment, now)


def _baseline(tick: HistogramTick, segment: Segment) -> Histogram:
    return Histogram() if tick.baseline is None or not segment.concurrent else tick.baseline


def _take_in(
    rule: LatencyRule, state: _State, tick: HistogramTick, segment: Segment, dispersion: float
) -> _State:
    """The state after one tick of evidence."""
    baseline = _baseline(tick, segment)
    alone = tick.baseline is None or not segment.concurrent
    edges, slower = state.edges, state.slower
    if not edges and tick.candidate.total and baseline.total:
        edges = edges_in_use(tick.candidate + baseline, rule.limit)
        slower = tuple(Wealth.fresh(len(RATIOS)) for _ in edges)
    lasting = state.standing.everywhere
    outage = _baseline_over(rule, baseline, dispersion) and (
        lasting or not _acceptable(rule, tick.candidate, None)
    )
    limit, typical = state.limit, 0.0
    if not lasting and tick.candidate.total:
        against_limit = _limit_gains(rule, tick.candidate, dispersion)
        limit = limit.bet(capped(against_limit) if outage else against_limit)
        slower, gain = _compare(edges, slower, tick.candidate, baseline, outage, dispersion)
        typical = against_limit[TYPICAL] if alone else gain
    standing = replace(state.standing, everywhere=outage, alone=alone)
    return _State(
        standing.after(tick.since, tick.until, min(typical, 0.0) if outage else typical),
        state.candidate + tick.candidate,
        state.baseline + baseline,
        edges,
        slower,
        limit,
    )


def _compare(
    edges: tuple[float, ...],
    slower: tuple[Wealth, ...],
    candidate: Histogram,
    baseline: Histogram,
    outage: bool,
    dispersion: float,
) -> tuple[tuple[Wealth, ...], float]:
    """One more bet at each edge; beside it the mean log gain over the edges, to date a fault by."""
    after: list[Wealth] = []
    typical = 0.0
    for edge, wealth in zip(edges, slower, strict=True):
        comparable = edge in candidate.bounds and edge in baseline.bounds
        ours, theirs = tail(candidate, edge), tail(baseline, edge)
        if not comparable or not ours.errors + theirs.errors:
            after.append(wealth)
            continue
        gains = ratio_gains(ours, theirs, RATIOS, dispersion=dispersion)
        after.append(wealth.bet(capped(gains) if outage else gains))
        typical += gains[1] / len(edges)
    return tuple(after), typical


def _limit_gains(rule: LatencyRule, candidate: Histogram, dispersion: float) -> tuple[float, ...]:
    """Log gains of one tick against "within the limit"."""
    if rule.quantile is None:
        return mean_gains(candidate, rule.limit, STAKES, dispersion=dispersion)
    edge = _edge(rule, candidate)
    if edge is None:
        return (0.0,) * len(TAIL_FACTORS)
    allowed = 1 - rule.quantile
    rates = rates_above(allowed, TAIL_FACTORS)
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


def _assess(rule: LatencyRule, state: _State, segment: Segment, dispersion: float) -> Assessment:
    proof = _proof(state)
    return Assessment(
        rule.name,
        proof.log_e,
        -log(rule.alpha * segment.share),
        _acceptable(rule, state.candidate, state.baseline),
        state.candidate.total,
        rule.interval,
        _summary(rule, state, proof),
        _numbers(rule, state, proof, dispersion),
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


def _beyond_buckets(rule: LatencyRule, state: _State, dispersion: float) -> RuleVerdict:
    finite = [bound for bound in state.candidate.bounds if not isinf(bound)]
    last = _seconds(finite[-1]) if finite else "none"
    message = (
        f"the limit of {_seconds(rule.limit)} is over the last bucket bound ({last}), so nothing can be proven; "
        "add a bucket bound at the limit"
    )
    numbers = _numbers(rule, state, _proof(state), dispersion)
    return RuleVerdict(rule.name, VerdictKind.INCONCLUSIVE, "LimitBeyondBuckets", message, numbers)


def _numbers(rule: LatencyRule, state: _State, proof: Proof, dispersion: float) -> Mapping[str, Number]:
    numbers: dict[str, Number] = {
        "candidate_total": state.candidate.total,
        "baseline_total": state.baseline.total,
        "limit": rule.limit,
        "log_e_ratio": round(proof.ratio, 4),
        "log_e_limit": round(proof.limit, 4),
        "odds": odds(proof.log_e),
        "ticks": state.standing.ticks,
        "phi": dispersion,
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
    if state is not None:
        standing = Standing.from_json(state["standing"])
        if standing.segment == segment.name:
            return _State(
                standing,
                _histogram(state["candidate"]),
                _histogram(state["baseline"]),
                tuple(cast(list[float], state["edges"])),
                tuple(Wealth.from_json(value) for value in cast(list[object], state["slower"])),
                Wealth.from_json(state["limit"]),
            )
    standing = Standing(segment.name, alone=not segment.concurrent)
    return _State(standing, Histogram(), Histogram(), (), (), Wealth.fresh(len(STAKES)))


def _dump(state: _State) -> Json:
    return {
        "standing": state.standing.as_json(),
        "candidate": _histogram_json(state.candidate),
        "baseline": _histogram_json(state.baseline),
        "edges": list(state.edges),
        "slower": [wealth.as_json() for wealth in state.slower],
        "limit": state.limit.as_json(),
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

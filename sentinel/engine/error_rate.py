"""Judges an error-rate rule: is the candidate over the limit and worse than the baseline, both proven?

Two e-processes run side by side: the candidate's rate against the limit, and, given the errors of both arms
together, its share of them against its share of the traffic. The smaller of the two is evidence against "not worse
or within the limit" (an intersection of proofs needs no correction), and 1/α of it undoes.

A tick in which both arms are over the limit is an outage of the environment. It is shown and nothing can be won in
it. What is lost in the first such tick still counts, because leaving a tick out on account of its own outcome would
bias the bet; the ticks that follow are left out whole, which is decided before they are seen. An outage begins with a
tick in which the baseline is over the limit by more than chance (two standard errors and three errors) and the
candidate's own rate is over it too; it lasts until a tick finds the baseline not over it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import log
from typing import cast

from sentinel.domain.evidence import Counts, CountTick
from sentinel.domain.policy import ErrorRateRule
from sentinel.domain.verdict import Number, RuleVerdict
from sentinel.engine.betting import Wealth, capped, limit_gains, rates_above, ratio_gains
from sentinel.engine.segment import Segment
from sentinel.engine.standing import (
    Assessment,
    Proof,
    Standing,
    conclude,
    odds,
    odds_text,
    over_limit,
    percent,
    unmeasured,
)

Json = Mapping[str, object]

RATIOS = (2.0, 4.0, 10.0, 50.0)
LIMIT_FACTORS = (1.25, 1.5, 2.0, 4.0, 10.0)
TYPICAL = 2
"""Which of the alternatives dates the beginning of a fault."""
LEAST_LIMIT = 1e-6


@dataclass(frozen=True, slots=True)
class _State:
    """The counts of this segment and the evidence drawn from them."""

    standing: Standing
    candidate: Counts
    baseline: Counts
    ratio: Wealth
    limit: Wealth


def judge_error_rate(
    rule: ErrorRateRule,
    state: Json | None,
    tick: CountTick | None,
    segment: Segment,
    now: datetime,
    *,
    dispersion: float = 1.0,
) -> tuple[Json, RuleVerdict]:
    """The rule's next state and its verdict.

    `state` is what the last call returned (None at first); `tick` None judges again without new evidence. Another
    `segment.name` starts afresh with `rule.alpha * segment.share`. `dispersion` (φ ≥ 1) is the size up to which
    errors come in clusters.
    """
    before = _load(state, segment)
    if tick is not None and _empty(tick) and tick.missing:
        return _dump(before), unmeasured(
            rule.name, tick.missing, _numbers(rule, before, _proof(before), dispersion)
        )
    after = before if tick is None else _take_in(rule, before, tick, segment, dispersion)
    return _dump(after), conclude(_assess(rule, after, segment, dispersion), after.standing, segment, now)


def _empty(tick: CountTick) -> bool:
    return not tick.candidate.total and (tick.baseline is None or not tick.baseline.total)


def _take_in(
    rule: ErrorRateRule, state: _State, tick: CountTick, segment: Segment, dispersion: float
) -> _State:
    """The state after one tick of evidence."""
    alone = tick.baseline is None or not segment.concurrent
    baseline = Counts() if tick.baseline is None or alone else tick.baseline
    lasting = state.standing.everywhere
    outage = over_limit(baseline, rule.limit, dispersion) and (lasting or _over(tick.candidate, rule.limit))
    ratio, limit = state.ratio, state.limit
    typical = 0.0
    if not lasting:
        against_baseline = ratio_gains(tick.candidate, baseline, RATIOS, dispersion=dispersion)
        rates = rates_above(_tested(rule.limit), LIMIT_FACTORS)
        against_limit = limit_gains(tick.candidate, _tested(rule.limit), rates, dispersion=dispersion)
        typical = against_limit[TYPICAL] if alone else against_baseline[0]
        ratio = _bet(ratio, against_baseline, outage, tick.candidate.errors + baseline.errors)
        limit = _bet(limit, against_limit, outage, tick.candidate.total)
    standing = replace(state.standing, everywhere=outage, alone=alone)
    return _State(
        standing.after(tick.since, tick.until, min(typical, 0.0) if outage else typical),
        state.candidate + tick.candidate,
        state.baseline + baseline,
        ratio,
        limit,
    )


def _tested(limit: float) -> float:
    """The limit as it is bet against: a limit of 0 or 1 leaves nothing to bet on."""
    return min(max(limit, LEAST_LIMIT), 1 - LEAST_LIMIT)


def _over(counts: Counts, limit: float) -> bool:
    return counts.errors > limit * counts.total


def _bet(wealth: Wealth, gains: tuple[float, ...], outage: bool, observations: int) -> Wealth:
    """One more bet; a tick without observations is none, so that it spends no start."""
    if not observations:
        return wealth
    return wealth.bet(capped(gains) if outage else gains)


def _assess(rule: ErrorRateRule, state: _State, segment: Segment, dispersion: float) -> Assessment:
    candidate, baseline = state.candidate.rate, state.baseline.rate
    acceptable = candidate is not None and (
        candidate <= rule.limit or (baseline is not None and candidate <= baseline)
    )
    proof = _proof(state)
    return Assessment(
        rule.name,
        proof.log_e,
        -log(rule.alpha * segment.share),
        acceptable,
        state.candidate.total,
        rule.interval,
        _summary(rule, state, proof),
        _numbers(rule, state, proof, dispersion),
    )


def _proof(state: _State) -> Proof:
    return Proof(state.ratio.log_e, state.limit.log_e, state.standing.alone)


def _summary(rule: ErrorRateRule, state: _State, proof: Proof) -> str:
    null = "within the limit" if proof.alone else "no worse"
    candidate, baseline = state.candidate, state.baseline
    ours = f"{_share(candidate)} requests" if candidate.total else "without requests"
    theirs = _share(baseline) if baseline.total else "without requests"
    return (
        f"candidate {ours}, baseline {theirs}; limit {percent(rule.limit)}; "
        f"odds against '{null}' {odds_text(proof.log_e)}"
    )


def _share(counts: Counts) -> str:
    return f"{percent(counts.errors / counts.total)} of {counts.total:,}"


def _numbers(rule: ErrorRateRule, state: _State, proof: Proof, dispersion: float) -> Mapping[str, Number]:
    numbers: dict[str, Number] = {
        "candidate_total": state.candidate.total,
        "candidate_errors": state.candidate.errors,
        "baseline_total": state.baseline.total,
        "baseline_errors": state.baseline.errors,
        "limit": rule.limit,
        "log_e_ratio": round(proof.ratio, 4),
        "log_e_limit": round(proof.limit, 4),
        "odds": odds(proof.log_e),
        "ticks": state.standing.ticks,
        "phi": dispersion,
    }
    rates = {"candidate_rate": state.candidate.rate, "baseline_rate": state.baseline.rate}
    numbers.update({name: rate for name, rate in rates.items() if rate is not None})
    if state.standing.bad_since:
        numbers["first_bad_at"] = state.standing.bad_since
    return numbers


def _load(state: Json | None, segment: Segment) -> _State:
    if state is not None:
        standing = Standing.from_json(state["standing"])
        if standing.segment == segment.name:
            return _State(
                standing,
                Counts(*cast(list[int], state["candidate"])),
                Counts(*cast(list[int], state["baseline"])),
                Wealth.from_json(state["ratio"]),
                Wealth.from_json(state["limit"]),
            )
    standing = Standing(segment.name, alone=not segment.concurrent)
    grids = Wealth.fresh(len(RATIOS)), Wealth.fresh(len(LIMIT_FACTORS))
    return _State(standing, Counts(), Counts(), *grids)


def _dump(state: _State) -> Json:
    return {
        "standing": state.standing.as_json(),
        "candidate": [state.candidate.total, state.candidate.errors],
        "baseline": [state.baseline.total, state.baseline.errors],
        "ratio": state.ratio.as_json(),
        "limit": state.limit.as_json(),
    }

"""Judges an error-rate rule: is the candidate over the limit and worse than the baseline, both proven?

Two e-processes run side by side: the candidate's rate against the limit, and, given the errors of both arms
together, its share of them against its share of the traffic. The smaller of the two is evidence against "not worse
or within the limit" (an intersection of proofs needs no correction), and 1/α of it undoes.

A tick in which both arms are over the limit is an outage of the environment. It is shown and nothing can be won in
it. What is lost in the first such tick still counts, because leaving a tick out on account of its outcome would bias
the bet; the ticks that follow are left out whole, which is decided before they are seen. An outage begins with a tick
in which the baseline is over the limit by more than chance (three standard errors and five errors) and the
candidate's own rate is over it too; it lasts until a tick finds the baseline not over it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sentinel.domain.evidence import ERRORS_OVER, Counts, CountTick
from sentinel.domain.figures import amount, percent
from sentinel.domain.policy.rules import ErrorRateRule, Method
from sentinel.domain.record.written import Written, value_of
from sentinel.domain.verdict import Number, RuleVerdict
from sentinel.engine.rules.cold_starts import compared
from sentinel.engine.rules.segment import Segment
from sentinel.engine.rules.standing import (
    Proof,
    RuleEvidence,
    RuleStanding,
    conclude,
    evidence_that,
    needed_evidence,
    odds,
    over_limit,
    unmeasured,
)
from sentinel.engine.rules.threshold import judge_threshold
from sentinel.engine.statistics.calibration import Restraint
from sentinel.engine.statistics.e_process import (
    LIMIT_FACTORS,
    RATIOS,
    Wealth,
    capped,
    limit_gains,
    rates_above,
)
from sentinel.engine.statistics.goodness import GOODNESS_BETS, fresh_goodness, goodness_gains
from sentinel.engine.statistics.histograms import tail
from sentinel.engine.statistics.starts import Starts, YoungTick
from sentinel.values import dataclass, replace

Json = Mapping[str, object]

TYPICAL = 1
"""Which of the alternatives dates the beginning of a fault."""
LEAST_LIMIT = 1e-6


@dataclass(frozen=True, slots=True)
class _State:
    """The counts of this segment and the evidence drawn from them; `cold` is what cold pods were judged by."""

    standing: RuleStanding
    candidate: Counts
    baseline: Counts
    ratio: Wealth
    limit: Wealth
    good: Wealth
    cold: Counts


def judge_error_rate(
    rule: ErrorRateRule,
    state: Json | None,
    tick: CountTick | None,
    segment: Segment,
    now: datetime,
    *,
    dispersion: float = 1.0,
    placebo: float = 0.0,
    starts: Starts | None = None,
) -> tuple[Json, RuleVerdict]:
    """The rule's next state and its verdict.

    `state` is what the last call returned (None at first); `tick` None judges again without new evidence. Another
    `segment.name` starts afresh with `rule.alpha * segment.share`. `now` is until when the source's counts have
    settled: evidence that ends long before it lets nothing pass. `dispersion` (φ ≥ 1, the size up to which errors
    come in clusters) and `placebo` (log evidence against the worst placebo canary) come from `calibrate`. `starts` is
    how pods started so far; without it cold pods are left out.
    """
    if rule.method is Method.THRESHOLD:
        return judge_threshold(rule, state, tick, segment, now)
    restraint = Restraint.learnt(dispersion, placebo, needed_evidence(rule.alpha, segment))
    before = _load(state, segment)
    if tick is not None and _empty(tick) and tick.missing:
        numbers = _numbers(rule, before, _proof(before), restraint)
        return _dump(before), unmeasured(rule.name, tick.missing, numbers)
    after = before if tick is None else _take_in(rule, before, tick, segment, restraint, starts)
    return _dump(after), conclude(_assess(rule, after, segment, restraint), after.standing, segment, now)


def _empty(tick: CountTick) -> bool:
    return not tick.candidate.total and (tick.baseline is None or not tick.baseline.total)


def _take_in(
    rule: ErrorRateRule,
    state: _State,
    tick: CountTick,
    segment: Segment,
    restraint: Restraint,
    starts: Starts | None,
) -> _State:
    """The state after one tick of evidence."""
    alone = tick.baseline is None or not segment.concurrent
    baseline = Counts() if tick.baseline is None or alone else tick.baseline
    starting = YoungTick.of(tick.starts, None if alone else starts)
    cold, warm = (tail(part, ERRORS_OVER) for part in (starting.outside, starting.within))
    old, young, ours = tick.candidate - warm, warm + cold, tick.candidate + cold
    lasting = state.standing.everywhere
    phi = restraint.dispersion
    outage = over_limit(baseline, rule.limit, phi) and (lasting or _over(ours, rule.limit))
    standing = state.standing.seen(everywhere=outage, alone=alone)
    counted = replace(
        state,
        candidate=state.candidate + tick.candidate,
        baseline=state.baseline + baseline,
        cold=state.cold + cold,
    )
    if lasting:
        return replace(counted, standing=standing.after(tick.since, tick.until, 0.0))
    limit, allowed = _tested(rule.limit), capped if outage else tuple
    bets = compared(old, young, baseline, starting.gains(ERRORS_OVER, RATIOS, phi), RATIOS, phi)
    ratio = allowed(restraint.limited(bets.gains))
    rates = rates_above(limit, LIMIT_FACTORS)
    clusters = phi if alone else restraint.mean_cluster
    against = [limit_gains(part, limit, rates, dispersion=clusters) for part in (old, young)]
    over = allowed(restraint.discounted(bets.held_back(*against)))
    typical = over[TYPICAL] if alone else ratio[0]
    return replace(
        counted,
        standing=standing.after(tick.since, tick.until, typical),
        # A tick without observations is not a bet, so that it does not use up a start.
        ratio=state.ratio.bet(ratio) if any(ratio) else state.ratio,
        limit=state.limit.bet(over) if ours.total else state.limit,
        good=_goodness(state.good, tick.candidate, baseline, limit, restraint)
        if segment.early
        else state.good,
    )


def _goodness(
    good: Wealth, candidate: Counts, baseline: Counts, limit: float, restraint: Restraint
) -> Wealth:
    gains = goodness_gains(candidate, baseline, limit, dispersion=restraint.dispersion)
    return good.bet(restraint.discounted(gains)) if candidate.total else good


def _tested(limit: float) -> float:
    """The limit as it is bet against: a limit of 0 or 1 leaves nothing to bet on."""
    return min(max(limit, LEAST_LIMIT), 1 - LEAST_LIMIT)


def is_within(rule: ErrorRateRule, counts: Counts) -> bool:
    """Whether no bet against the limit wins on these requests of one tick; so on those of several that are within."""
    return counts.errors <= _tested(rule.limit) * counts.total


def _over(counts: Counts, limit: float) -> bool:
    return counts.errors > limit * counts.total


def _assess(rule: ErrorRateRule, state: _State, segment: Segment, restraint: Restraint) -> RuleEvidence:
    candidate, baseline = state.candidate.rate, state.baseline.rate
    acceptable = candidate is not None and (
        candidate <= rule.limit or (baseline is not None and candidate <= baseline)
    )
    proof = _proof(state)
    return RuleEvidence(
        rule.name,
        proof.log_e,
        needed_evidence(rule.alpha, segment),
        acceptable,
        state.candidate.total,
        rule.interval,
        _summary(rule, state, proof),
        _numbers(rule, state, proof, restraint),
        state.good.log_e if segment.early else 0.0,
    )


def _proof(state: _State) -> Proof:
    return Proof(state.ratio.log_e, state.limit.log_e, state.standing.alone)


def _summary(rule: ErrorRateRule, state: _State, proof: Proof) -> str:
    worse = "over the limit" if proof.alone else "worse than the baseline"
    return (
        f"canary {_canary(state)}, baseline {_share(state.baseline)}; limit {percent(rule.limit)}; "
        f"{evidence_that(proof.log_e, f'the canary is {worse}')}"
    )


def _canary(state: _State) -> str:
    cold = f"{_share(state.cold)} while starting"
    if not state.cold.total:
        return _share(state.candidate)
    return f"{_share(state.candidate)} ({cold})" if state.candidate.total else f"{cold} and none since"


def _share(counts: Counts) -> str:
    if not counts.total:
        return "without requests"
    return f"{percent(counts.errors / counts.total)} of {amount(counts.total, 'request')}"


def _numbers(rule: ErrorRateRule, state: _State, proof: Proof, restraint: Restraint) -> Mapping[str, Number]:
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
        "phi": restraint.dispersion,
        "discount": restraint.discount,
    }
    rates = {"candidate_rate": state.candidate.rate, "baseline_rate": state.baseline.rate}
    if state.cold.total:
        numbers.update({"cold_total": state.cold.total, "cold_errors": state.cold.errors})
    numbers.update({name: rate for name, rate in rates.items() if rate is not None})
    return numbers


def _fresh(segment: Segment) -> _State:
    return _State(
        RuleStanding(segment.name, alone=not segment.concurrent),
        Counts(),
        Counts(),
        Wealth.fresh(len(RATIOS)),
        Wealth.fresh(len(LIMIT_FACTORS)),
        fresh_goodness(),
        Counts(),
    )


def _load(state: Json | None, segment: Segment) -> _State:
    if state is None or "standing" not in state:
        return _fresh(segment)
    loaded = value_of(state, _State) or _State(
        RuleStanding.from_json(state["standing"]),
        Counts(*cast(list[int], state["candidate"])),
        Counts(*cast(list[int], state["baseline"])),
        Wealth.from_json(state["ratio"]),
        Wealth.from_json(state["limit"]),
        Wealth.from_json(state["good"]),
        Counts(*cast(list[int], state.get("cold", (0, 0)))),
    )
    bets = [len(wealth.stakes) for wealth in (loaded.ratio, loaded.limit, loaded.good)]
    same_bets = bets == [len(RATIOS), len(LIMIT_FACTORS), GOODNESS_BETS]
    return loaded if loaded.standing.segment == segment.name and same_bets else _fresh(segment)


def _dump(state: _State) -> Json:
    json = {
        "standing": state.standing.as_json(),
        "candidate": [state.candidate.total, state.candidate.errors],
        "baseline": [state.baseline.total, state.baseline.errors],
        "ratio": state.ratio.as_json(),
        "limit": state.limit.as_json(),
        "good": state.good.as_json(),
        **({"cold": [state.cold.total, state.cold.errors]} if state.cold.total else {}),
    }
    return Written(json, state)

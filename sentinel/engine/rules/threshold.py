"""A plain threshold (`method: threshold`): over the limit without a break for so long fails, as an alert's `for:` does.

No baseline is needed and no error level is promised. A tick within the limit, or without requests, starts the clock
again; a tick without evidence neither moves nor resets it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sentinel.domain.evidence import CountTick, HistogramTick
from sentinel.domain.figures import amount, duration, moment, percent, seconds
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.verdict import DecisionCause, Number, RuleVerdict, VerdictKind
from sentinel.engine.rules.segment import Segment
from sentinel.engine.rules.standing import STALE_AFTER, unmeasured
from sentinel.engine.statistics.histograms import estimated_mean, estimated_quantile

Json = Mapping[str, object]
ThresholdRule = ErrorRateRule | LatencyRule
MeasuredTick = CountTick | HistogramTick


def judge_threshold(
    rule: ThresholdRule, state: Json | None, tick: MeasuredTick | None, segment: Segment, now: datetime
) -> tuple[Json, RuleVerdict]:
    """The rule's next state and its verdict: each tick's value of the candidate against `rule.limit`, for `rule.hold`.

    Arguments as for `judge_error_rate`.
    """
    before = state if state is not None and state.get("segment") == segment.name else _fresh(segment)
    if tick is not None and not tick.candidate.total and tick.missing:
        return before, unmeasured(rule.name, tick.missing, _numbers(rule, before))
    after = before if tick is None else _take_in(rule, before, tick)
    return after, _conclude(rule, after, segment, now)


def _fresh(segment: Segment) -> Json:
    return {"segment": segment.name, "requests": 0, "value": None, "over_since": "", "until": ""}


def _take_in(rule: ThresholdRule, state: Json, tick: MeasuredTick) -> Json:
    value = _value(rule, tick)
    over = value is not None and value > rule.limit
    return {
        "segment": state["segment"],
        "requests": cast(int, state["requests"]) + tick.candidate.total,
        "value": value,
        "over_since": (state["over_since"] or tick.since.isoformat()) if over else "",
        "until": tick.until.isoformat(),
    }


def _value(rule: ThresholdRule, tick: MeasuredTick) -> float | None:
    """What one tick measured of the candidate, in the limit's unit."""
    if isinstance(tick, CountTick):
        return tick.candidate.rate
    quantile = rule.quantile if isinstance(rule, LatencyRule) else None
    return (
        estimated_mean(tick.candidate) if quantile is None else estimated_quantile(tick.candidate, quantile)
    )


def _conclude(rule: ThresholdRule, state: Json, segment: Segment, now: datetime) -> RuleVerdict:
    requests, over_since = cast(int, state["requests"]), str(state["over_since"])

    def verdict(kind: VerdictKind, reason: str, remark: str = "") -> RuleVerdict:
        message = f"{_told(rule, state)}{remark}"
        return RuleVerdict(
            rule.name,
            kind,
            reason,
            message,
            _numbers(rule, state),
            alone=not segment.concurrent,
            cause=DecisionCause.began(over_since),
        )

    if over_since:
        lasted = datetime.fromisoformat(str(state["until"])) - datetime.fromisoformat(over_since)
        if lasted >= rule.hold:
            return verdict(VerdictKind.FAIL, "OverThreshold", f"; over it for {duration(lasted)}")
        return verdict(
            VerdictKind.PENDING, "OverThreshold", f"; over it for {duration(lasted)} of {duration(rule.hold)}"
        )
    if not segment.bake_over:
        return verdict(VerdictKind.PENDING, "Baking")
    if requests < segment.min_requests or state["value"] is None:
        return verdict(
            VerdictKind.PENDING,
            "LowTraffic",
            f"; {requests:,} of {amount(segment.min_requests, 'request')} seen",
        )
    until = datetime.fromisoformat(str(state["until"]))
    if now - until > STALE_AFTER * rule.interval:
        return verdict(VerdictKind.PENDING, "Stale", f"; the newest evidence ends at {moment(until)}")
    return verdict(VerdictKind.PASS, "WithinLimit")


def _told(rule: ThresholdRule, state: Json) -> str:
    value = cast("float | None", state["value"])
    if value is None:
        return "canary without requests"
    if isinstance(rule, ErrorRateRule):
        return f"canary {percent(value)}, threshold {percent(rule.limit)}"
    return f"canary {seconds(value)}, threshold {seconds(rule.limit)}"


def _numbers(rule: ThresholdRule, state: Json) -> Mapping[str, Number]:
    numbers: dict[str, Number] = {"candidate_total": cast(int, state["requests"]), "limit": rule.limit}
    if state["value"] is not None:
        numbers["value"] = cast(float, state["value"])
    return numbers

"""A free query judged by conditions, with the measurement meanings of Argo Rollouts, so that its users can predict us.

Source: argoproj/argo-rollouts v1.8 and later, `analysis/analysis.go` (`runMeasurements`, `assessMetricStatus`,
`assessMetricFailureInconclusiveOrError`, `generateMetricTasks`) and `utils/evaluate/evaluate.go` (`EvaluateResult`).

- One measurement is successful, failed, inconclusive or an error. Failed comes before successful. With a success
  condition alone whatever is not a success is a failure, with a failure condition alone whatever is not a failure
  is a success; with both, neither is inconclusive.
- An error is a query without a usable answer or a condition that cannot be evaluated. It is not counted as a
  measurement and breaks a row of successes; anything else breaks a row of errors. It is tried again after 10 s,
  whatever the interval.
- Limits trip on more than: failures, inconclusives, errors in a row. A negative failure limit is off.
- So many successes in a row complete the metric. At `count` it is complete as well: successful, unless successes in
  a row were asked for, then inconclusive, or failed where the failure limit is off.

A metric with a count, or for which successes in a row were asked for, is waited for, as an inline analysis is; any
other runs until the step ends, as a background analysis does, and is successful then.

Where we differ, on purpose: errors never end a metric, they hold (inconclusive) until an answer comes; and what was
never measured, or not at last, never passes. Argo counts it as successful when it is terminated.

A change of arms opens a new segment, which is measured from the start, as each step's analysis run is.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from sentinel.domain.evidence import ValueSample
from sentinel.domain.figures import amount
from sentinel.domain.policy.rules import QueryRule
from sentinel.domain.record.state import Json
from sentinel.domain.verdict import DecisionCause, Number, RuleVerdict, VerdictKind
from sentinel.engine.rules.segment import Segment
from sentinel.values import dataclass, replace

Holds = Callable[[str, tuple[float, ...], bool], bool]

ERROR_RETRY = timedelta(seconds=10)
NEVER = datetime.max.replace(tzinfo=UTC)
"""When a metric that is complete is due."""


class MetricPhase(StrEnum):
    """What one measurement, or a whole metric, came to. `RUNNING` is a metric that is not complete."""

    RUNNING = ""
    SUCCESSFUL = "successful"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Tally:
    """A metric's measurements in one segment.

    `count` leaves errors out. `sampled` and `finished` are ISO times of the newest measurement: the time that it is
    about, and when it was received; `first_failed` is when the first failed. `text` is the newest value or error.
    """

    segment: str
    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    errors: int = 0
    successes_in_a_row: int = 0
    errors_in_a_row: int = 0
    sampled: str = ""
    finished: str = ""
    first_failed: str = ""
    text: str = ""
    phase: str = MetricPhase.RUNNING.value

    def has_taken(self, sample: ValueSample) -> bool:
        """Whether this sample, or a later one, was taken in before."""
        return bool(self.sampled) and sample.at <= datetime.fromisoformat(self.sampled)

    def after(self, phase: MetricPhase, sample: ValueSample, text: str, now: datetime) -> "Tally":
        """The tally with one more measurement."""
        sampled = sample.at.isoformat()
        error = phase is MetricPhase.ERROR
        return replace(
            self,
            count=self.count + (not error),
            successful=self.successful + (phase is MetricPhase.SUCCESSFUL),
            failed=self.failed + (phase is MetricPhase.FAILED),
            inconclusive=self.inconclusive + (phase is MetricPhase.INCONCLUSIVE),
            errors=self.errors + error,
            successes_in_a_row=self.successes_in_a_row + 1 if phase is MetricPhase.SUCCESSFUL else 0,
            errors_in_a_row=self.errors_in_a_row + 1 if error else 0,
            sampled=sampled,
            finished=now.isoformat(),
            first_failed=self.first_failed or (sampled if phase is MetricPhase.FAILED else ""),
            text=text,
        )


def judge_query(
    rule: QueryRule,
    state: Json | None,
    sample: ValueSample | None,
    holds: Holds,
    segment: Segment,
    now: datetime,
) -> tuple[Json, RuleVerdict]:
    """The rule's next state and its verdict.

    `sample` is a measurement (`missing` set where the query gave no usable answer), None where none was due. `holds`
    evaluates a condition and raises ValueError where it cannot. A sample that was taken in before changes nothing.
    """
    tally = _load(state)
    if tally is None or tally.segment != segment.name:
        tally = Tally(segment.name)
    if sample is not None and not tally.phase and not tally.has_taken(sample):
        phase, text = _measure(rule, sample, holds)
        tally = tally.after(phase, sample, text, now)
        tally = replace(tally, phase=_complete(rule, tally).value)
    return asdict(tally), _verdict(rule, tally, segment)


def next_due(rule: QueryRule, state: Json | None, step_since: datetime) -> datetime:
    """When the next measurement is due: after the initial delay, then at each interval, soon after an error.

    A state that was last measured before the step began is an older step's; a complete metric is never due.
    """
    tally = _load(state)
    if (
        tally is None
        or not tally.finished
        or (finished := datetime.fromisoformat(tally.finished)) < step_since
    ):
        return step_since + rule.initial_delay
    if tally.phase:
        return NEVER
    return finished + (ERROR_RETRY if tally.errors_in_a_row else rule.interval)


def _load(state: Json | None) -> Tally | None:
    return Tally(**cast("dict[str, Any]", dict(state))) if state else None


def _measure(rule: QueryRule, sample: ValueSample, holds: Holds) -> tuple[MetricPhase, str]:
    """What one measurement came to, and what it showed."""
    if sample.missing is not None:
        return MetricPhase.ERROR, str(sample.missing)
    text = f"{sample.values[0]:g}" if sample.scalar and sample.values else _list_text(sample.values)
    try:
        succeeds, fails = (
            holds(condition, sample.values, sample.scalar) if condition else None
            for condition in (rule.success, rule.failure)
        )
    except ValueError as error:
        return MetricPhase.ERROR, f"{text}: {error}"
    if fails or (fails is None and succeeds is False):
        return MetricPhase.FAILED, text
    if succeeds is False:
        return MetricPhase.INCONCLUSIVE, text
    return MetricPhase.SUCCESSFUL, text


def _list_text(values: tuple[float, ...]) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:5])
    return f"[{shown}, …]" if len(values) > 5 else f"[{shown}]"


def _complete(rule: QueryRule, tally: Tally) -> MetricPhase:
    """Whether the metric is complete, and how; errors in a row do not complete it here."""
    if 0 <= rule.failure_limit < tally.failed:
        return MetricPhase.FAILED
    if tally.inconclusive > rule.inconclusive_limit:
        return MetricPhase.INCONCLUSIVE
    wanted = rule.consecutive_success_limit or 0
    if 0 < wanted <= tally.successes_in_a_row:
        return MetricPhase.SUCCESSFUL
    if not rule.count or tally.count < rule.count:
        return MetricPhase.RUNNING
    if wanted <= 0:
        return MetricPhase.SUCCESSFUL
    return MetricPhase.INCONCLUSIVE if rule.failure_limit >= 0 else MetricPhase.FAILED


def _verdict(rule: QueryRule, tally: Tally, segment: Segment) -> RuleVerdict:
    kind, reason, message = _conclude(rule, tally, segment)
    numbers: dict[str, Number] = {
        "measurements": tally.count,
        "successful": tally.successful,
        "failed": tally.failed,
        "inconclusive": tally.inconclusive,
        "errors": tally.errors,
    }
    if tally.text:
        numbers["value"] = tally.text
    return RuleVerdict(
        rule.name, kind, reason, message, numbers, cause=DecisionCause.began(tally.first_failed)
    )


def _conclude(rule: QueryRule, tally: Tally, segment: Segment) -> tuple[VerdictKind, str, str]:
    done = f"{amount(tally.count, 'measurement')}, {tally.failed} failed, newest value {tally.text}"
    match tally.phase:
        case MetricPhase.FAILED if 0 <= rule.failure_limit < tally.failed:
            message = _over("failed", tally.failed, rule.failure_limit, f"newest value {tally.text}")
            return VerdictKind.FAIL, "FailureLimit", message
        case MetricPhase.FAILED:
            return VerdictKind.FAIL, "NoSuccessInARow", f"{done}; {_row_text(rule)}"
        case MetricPhase.INCONCLUSIVE if tally.inconclusive > rule.inconclusive_limit:
            message = _over("inconclusive", tally.inconclusive, rule.inconclusive_limit, done)
            return VerdictKind.INCONCLUSIVE, "InconclusiveLimit", message
        case MetricPhase.INCONCLUSIVE:
            return VerdictKind.INCONCLUSIVE, "NoSuccessInARow", f"{done}; {_row_text(rule)}"
    if tally.errors_in_a_row > rule.consecutive_error_limit:
        message = f"{amount(tally.errors_in_a_row, 'error')} in a row, the last: {tally.text}"
        return VerdictKind.INCONCLUSIVE, "ConsecutiveErrors", message
    if not tally.count:
        return (
            VerdictKind.PENDING,
            "NotMeasured",
            f"not measured yet{f' ({tally.text})' if tally.text else ''}",
        )
    if tally.errors_in_a_row:
        return VerdictKind.PENDING, "MeasurementError", f"the newest measurement had an error: {tally.text}"
    if not segment.bake_over:
        return VerdictKind.PENDING, "Baking", done
    if not tally.phase and (rule.count or rule.consecutive_success_limit):
        return VerdictKind.PENDING, "Measuring", done
    return VerdictKind.PASS, "Successful", done


def _row_text(rule: QueryRule) -> str:
    return f"the rule requires {amount(rule.consecutive_success_limit or 0, 'success', 'successes')} in a row"


def _over(kind: str, count: int, limit: int, newest: str) -> str:
    return f"{amount(count, f'{kind} measurement')}, at most {limit:,} allowed; {newest}"

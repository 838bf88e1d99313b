"""The pace of a Flagger Canary: weights and intervals become canary steps with bakes, webhooks become their gates.

Source: fluxcd/flagger, `pkg/apis/flagger/v1beta1/canary.go` (`CanaryAnalysis`, `CanaryWebhook`) and
`pkg/controller/scheduler.go` (a weight is raised by one step each interval, until maxWeight).
"""

from collections.abc import Mapping
from datetime import timedelta

from sentinel.domain.figures import amount
from sentinel.policies.importing.draft import Draft, ImportRefusedError, Values
from sentinel.policies.importing.flagger.webhooks import put_webhooks
from sentinel.policies.importing.shapes import number, whole
from sentinel.policies.importing.strategy import MAX_STEPS, PacedStep, put_strategy
from sentinel.policies.schema.quantities import format_duration


def pace(
    draft: Draft,
    spec: Values,
    analysis: Values,
    interval: timedelta,
    pair: Mapping[str, object] | None = None,
) -> None:
    """Put steps and bakes into the draft, those of a canary `pair` where one is given, with a note on each thing that
    has no equivalent."""
    notes: list[str] = []
    try:
        steps = _steps(analysis, interval, notes)
    except ImportRefusedError as error:
        notes.append(f"Left out: the steps: {error}.")
        steps = []
    put_webhooks(draft, analysis, steps, interval, notes)
    if spec.get("autoscalerRef"):
        notes.append(
            "Left out: autoscalerRef; while a step pauses, an autoscaler scales both revisions in proportion."
        )
    put_strategy(draft, steps, notes, bake=max(interval, timedelta(minutes=1)), pair=pair)


def _steps(analysis: Values, interval: timedelta, notes: list[str]) -> list[PacedStep]:
    weights = _weights(analysis)
    iterations = _count(analysis, "iterations")
    if analysis.get("match"):
        notes.append("Left out: match; traffic is not routed by headers, so A/B tests are not supported.")
    if iterations and not weights:
        bake = min(iterations * interval, timedelta(days=30))
        notes.append(
            f"Flagger tests {amount(iterations, 'time')} before it shifts all traffic; here half of the pods bake "
            f"{format_duration(bake)}."
        )
        return [PacedStep(50, bake)]
    return [PacedStep(weight, interval) for weight in weights]


def _weights(analysis: Values) -> list[float]:
    given = analysis.get("stepWeights")
    if isinstance(given, list) and given:
        weights = [number(weight, "a weight") for weight in given]
        return [weight for weight in sorted(set(weights)) if 0 < weight < 100]
    step, most = _count(analysis, "stepWeight"), _count(analysis, "maxWeight") or 100
    if not step:
        return []
    weights = [float(weight) for weight in range(step, min(most, 99) + 1, step)]
    return _thinned(weights)


def _thinned(weights: list[float]) -> list[float]:
    """At most as many steps as a rule file may have, evenly spaced."""
    every = -(-len(weights) // MAX_STEPS)
    return weights[::every] if every > 1 else weights


def _count(analysis: Values, key: str) -> int:
    value = analysis.get(key)
    return max(0, whole(value, key)) if value is not None else 0

"""The pace of a Flagger Canary: weights and intervals become canary steps with bakes, webhooks become approvals.

Source: fluxcd/flagger, `pkg/apis/flagger/v1beta1/canary.go` (`CanaryAnalysis`, `CanaryWebhook`) and
`pkg/controller/scheduler.go` (a weight is raised by one step each interval, until maxWeight).
"""

from datetime import timedelta

from sentinel.policies.importing.draft import Draft, ImportRefusedError, Values
from sentinel.policies.importing.shapes import items, number, text, whole
from sentinel.policies.importing.strategy import MAX_STEPS, Paced, put_strategy
from sentinel.policies.quantities import format_duration

_HOOKS = {
    "pre-rollout": "a test before traffic is shifted",
    "rollout": "a check or a load test at each interval",
    "post-rollout": "called after a rollout",
    "event": "told of each event; see spec.notify",
    "rollback": "rolls back while its answer is 200",
}
_CONFIRMING = {
    "confirm-rollout": "before the rollout: the first step waits for an approval",
    "confirm-traffic-increase": "before each increase: every step waits for an approval",
    "confirm-promotion": "before the promotion: the last step waits for an approval",
}


def pace(draft: Draft, spec: Values, analysis: Values, interval: timedelta) -> None:
    """Put steps and bakes into the draft, with a note on each thing that has no equivalent."""
    notes: list[str] = []
    try:
        steps = _steps(analysis, interval, notes)
    except ImportRefusedError as error:
        notes.append(f"Left out: the steps: {error}.")
        steps = []
    _webhooks(draft, analysis, steps, notes)
    notes += [
        f"Left out: {key}; traffic is shared by the number of pods."
        for key in (
            "mirror",
            "mirrorWeight",
            "sessionAffinity",
            "stepWeightPromotion",
            "primaryReadyThreshold",
        )
        if analysis.get(key)
    ]
    if spec.get("autoscalerRef"):
        notes.append(
            "Left out: autoscalerRef; while a step pauses, an autoscaler scales both revisions in proportion."
        )
    put_strategy(draft, steps, notes, bake=max(interval, timedelta(minutes=1)))


def _steps(analysis: Values, interval: timedelta, notes: list[str]) -> list[Paced]:
    weights = _weights(analysis)
    iterations = _count(analysis, "iterations")
    if analysis.get("match"):
        notes.append("Left out: match; traffic is not routed by headers, so this is no A/B test.")
    if iterations and not weights:
        bake = min(iterations * interval, timedelta(days=30))
        notes.append(
            f"Flagger tests {iterations} times before it shifts all traffic; here half of the pods bake "
            f"{format_duration(bake)}."
        )
        return [Paced(50, bake)]
    return [Paced(weight, interval) for weight in weights]


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
    """At most as many steps as a rule file may have, evenly taken."""
    every = -(-len(weights) // MAX_STEPS)
    return weights[::every] if every > 1 else weights


def _count(analysis: Values, key: str) -> int:
    value = analysis.get(key)
    return max(0, whole(value, key)) if value is not None else 0


def _webhooks(draft: Draft, analysis: Values, steps: list[Paced], notes: list[str]) -> None:
    for hook in items(analysis.get("webhooks")):
        kind, name = text(hook.get("type")) or "rollout", text(hook.get("name")) or "without a name"
        if kind in _CONFIRMING and steps:
            chosen = {"confirm-rollout": steps[:1], "confirm-promotion": steps[-1:]}.get(kind, steps)
            for step in chosen:
                step.approval = True
            notes.append(f"The webhook {name}, {_CONFIRMING[kind]}. Nobody is called: a human approves.")
        elif kind in _CONFIRMING:
            draft.lost.append(f"webhook {name} ({kind}): there is no step that could wait for an approval.")
        elif kind in ("event", "post-rollout"):
            notes.append(f"Left out: the webhook {name}, {_HOOKS[kind]}.")
        else:
            told = _HOOKS.get(kind, "of an unknown type")
            draft.lost.append(f"webhook {name} ({kind}), {told}: see whether a gate of a step can do it.")

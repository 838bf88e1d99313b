"""Job metrics of Argo's analyses become gates of the steps: a Job that must succeed before the next step.

Source: argoproj/argo-rollouts, `pkg/apis/rollouts/v1alpha1/analysis_types.go` (`JobMetric`) and
`metricproviders/job/job.go`: the Job is created in the Rollout's namespace, and it succeeds as a Kubernetes Job does.
"""

from datetime import timedelta

from sentinel.policies.importing.argo.arguments import Arguments
from sentinel.policies.importing.draft import Draft, ImportRefusedError, Values, policy_name, unique
from sentinel.policies.importing.gates import MAX_GATES, require_valid
from sentinel.policies.importing.shapes import items, mapping, text
from sentinel.policies.importing.strategy import steps_in
from sentinel.policies.schema.quantities import format_duration

WITHIN = timedelta(minutes=10)
"""How long a Job may take that sets no deadline."""
SETTINGS = "Allow Jobs of gates in the settings: gates.jobs.enabled: true."


def is_job(metric: Values) -> bool:
    """Whether the metric is a Job."""
    return bool(mapping(metric.get("provider")).get("job"))


def put_gate(draft: Draft, metric: Values, arguments: Arguments, steps: list[int]) -> None:
    """Put the Job into these canary steps of the draft. Raises ImportRefusedError where no gate does the same."""
    paced = steps_in(draft)
    chosen = [paced[number] for number in steps if number < len(paced)]
    if not chosen:
        raise ImportRefusedError("it is a Job, which becomes the gate of a step, and there is no step")
    gate = _gate(metric, arguments)
    for step in chosen:
        gates = list(items(step.get("gates")))
        if len(gates) >= MAX_GATES:
            raise ImportRefusedError(f"a step already has {MAX_GATES} gates, the most that a step can have")
        gate = {**gate, "name": unique(str(gate["name"]), (str(one["name"]) for one in gates))}
        step["gates"] = [*gates, gate]  # type: ignore[index] # our own draft, made of dicts
    note = f"The Job {gate['name']} is a gate: it runs once a step, when the step has baked."
    draft.strategy_notes += [one for one in (note, SETTINGS) if one not in draft.strategy_notes]


def steps_before(strategy: Values, analysis: Values, steps: int) -> list[int]:
    """Which of the imported steps an analysis decides on: the one before it in a step, else all."""
    number, weight = 0, 0
    for step in items(mapping(strategy.get("canary")).get("steps")):
        if step.get("analysis") is analysis:
            return [max(0, number - 1)]
        wanted = step.get("setWeight")
        if isinstance(wanted, int) and weight < wanted < 100:
            number, weight = number + 1, wanted
    return list(range(steps))


def _gate(metric: Values, arguments: Arguments) -> dict[str, object]:
    job = mapping(mapping(metric.get("provider")).get("job"))
    spec = mapping(_filled(job.get("spec"), arguments))
    deadline = spec.get("activeDeadlineSeconds")
    within = timedelta(seconds=deadline) if isinstance(deadline, int) and deadline > 0 else WITHIN
    gate: dict[str, object] = {
        "name": policy_name(arguments.in_plain(metric.get("name"), "its name") or "job"),
        "job": {"within": format_duration(within), "template": {"spec": spec}},
        "onFailure": "undo",
    }
    require_valid(gate)
    return gate


def _filled(value: object, arguments: Arguments) -> object:
    """The value with every text's arguments filled in."""
    if isinstance(value, dict):
        return {key: _filled(inner, arguments) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, arguments) for inner in value]
    return arguments.in_plain(value, "its Job") if isinstance(value, str) and "{{" in text(value) else value

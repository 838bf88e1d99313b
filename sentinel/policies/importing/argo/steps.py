"""The strategy of an Argo Rollout: `setWeight` and `pause` become canary steps with their bakes.

Source: argoproj/argo-rollouts, `pkg/apis/rollouts/v1alpha1/types.go` (`CanaryStep`, `RolloutPause`).
"""

from datetime import timedelta

from sentinel.policies.importing.argo.routing import blue_green_of, needs_two, routed_pair
from sentinel.policies.importing.draft import Draft, ImportRefusedError, Values
from sentinel.policies.importing.fields import fields_of
from sentinel.policies.importing.shapes import duration, items, mapping, text, whole
from sentinel.policies.importing.strategy import FINAL_BAKE, HOUR, SPARE, PacedStep, put_strategy
from sentinel.policies.schema.quantities import format_duration
from sentinel.values import dataclass

_STEPS_WITHOUT_EQUIVALENT = {
    "setCanaryScale": "the Deployment's own rolling update scales the pods",
    "setHeaderRoute": "traffic is not routed by headers",
    "setMirrorRoute": "traffic is not mirrored",
    "experiment": "the sentinel does not run experiments; the stable pods are the baseline",
    "plugin": "step plugins are not supported",
}
_ROUTING = "strategy.canary.trafficRouting"


@dataclass(slots=True)
class _Walk:
    """The steps so far; `begun` once a weight above zero was set."""

    steps: list[PacedStep]
    notes: list[str]
    complete: bool = False

    @property
    def begun(self) -> bool:
        return bool(self.steps)


def steps_of(draft: Draft, strategy: Values, spec: Values, name: str) -> None:
    """Put the strategy into the draft, with a note on each thing that has no equivalent.

    `name` is what a Deployment in place of the Rollout is called.
    """
    canary, blue_green = mapping(strategy.get("canary")), mapping(strategy.get("blueGreen"))
    walk = _Walk([], [])
    pair = routed_pair(canary, name)
    fields = fields_of("argo")
    routed = bool(mapping(canary.get("trafficRouting"))) and not pair
    if routed:
        walk.notes.append(f"Left out: spec.{_ROUTING}; {fields.left[_ROUTING]}.")
    walk.notes += fields.comments(spec, without=(_ROUTING,) if routed else ())
    for index, step in enumerate(items(canary.get("steps"))):
        try:
            _walk(walk, index, step)
        except ImportRefusedError as error:
            walk.notes.append(f"Left out: step {index + 1}: {error}.")
    if mapping(canary.get("analysis")).get("startingStep"):
        walk.notes.append("The rules judge from the first step on, whatever startingStep says.")
    colours = _colours(walk, blue_green, name)
    if blue_green and not colours:
        _blue_green(walk, blue_green)
    put_strategy(draft, walk.steps, walk.notes, pair=pair)
    if colours:
        waits = timedelta(seconds=whole(blue_green.get("autoPromotionSeconds") or 0, "autoPromotionSeconds"))
        deadline = format_duration(max(HOUR, FINAL_BAKE + waits + SPARE))
        draft.strategy = {"blueGreen": colours, **draft.strategy, "deadline": deadline}
        needs_two(draft, name, str(colours["green"]), "BlueGreen")
    elif pair and walk.steps:
        needs_two(draft, name, str(pair["canary"]), "CanaryPair", str(mapping(pair["route"])["kind"]))


def _colours(walk: _Walk, blue_green: Values, name: str) -> dict[str, object]:
    try:
        return blue_green_of(blue_green, name)
    except ImportRefusedError as error:
        walk.notes.append(f"Left out: the blue-green strategy: {error}.")
        return {}


def _walk(walk: _Walk, index: int, step: Values) -> None:
    if "setWeight" in step:
        _weight(walk, index, whole(step["setWeight"], "setWeight"))
    elif "pause" in step:
        _pause(walk, index, mapping(step["pause"]))
    elif "analysis" in step:
        walk.notes.append(
            f"The analysis of step {index + 1}: its rules judge every step from the first on, not only this one."
        )
    else:
        kind = next((str(key) for key in step if key in _STEPS_WITHOUT_EQUIVALENT), "")
        why = _STEPS_WITHOUT_EQUIVALENT.get(kind, f"{', '.join(map(str, step)) or '{}'} is not supported")
        walk.notes.append(f"Left out: step {index + 1}{f', {kind}' if kind else ''}: {why}.")


def _weight(walk: _Walk, index: int, weight: int) -> None:
    if weight >= 100:
        walk.complete = True
        return
    before = walk.steps[-1].weight if walk.steps else 0
    if weight <= before:
        reason = "a step without pods" if weight == 0 else f"not more than the {before}% before"
        walk.notes.append(f"Left out: step {index + 1}, setWeight {weight}: {reason}.")
    else:
        walk.steps.append(PacedStep(weight))


def _pause(walk: _Walk, index: int, pause: Values) -> None:
    given = text(pause.get("duration"))
    if walk.complete:
        walk.notes.append(f"Left out: the pause of step {index + 1}, at 100%; use spec.strategy.bake.")
    elif not walk.begun:
        walk.notes.append(f"Left out: the pause of step {index + 1}, before there are any new pods.")
    elif given:
        walk.steps[-1].bake += duration(given, "its pause")
    else:
        walk.steps[-1].approval = True


def _blue_green(walk: _Walk, blue_green: Values) -> None:
    walk.notes.append(
        "Blue-green: the sentinel does not run a second set of pods. The Deployment's own rolling update goes to 100%, "
        "and the rules judge during it and after it."
    )
    if blue_green.get("autoPromotionEnabled") is False:
        walk.notes.append("autoPromotionEnabled false: the first half waits for an approval instead.")
        walk.steps.append(PacedStep(50, timedelta(minutes=2), approval=True))

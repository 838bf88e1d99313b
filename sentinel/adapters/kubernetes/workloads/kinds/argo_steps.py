"""The position of an Argo Rollout in its own steps, read from its spec and status."""

from collections.abc import Sequence
from datetime import timedelta

from sentinel.adapters.kubernetes.api.raw import RawObject, mapping, number, objects, text
from sentinel.domain.workload.facts import OwnSteps
from sentinel.domain.workload.own_steps import OwnStep, position

INCONCLUSIVE = frozenset({"InconclusiveAnalysisRun", "InconclusiveExperiment"})
"""Why its controller pauses if one of its analyses was inconclusive."""


def own_steps(raw: RawObject) -> OwnSteps:
    """The stages of its strategy, and the one that it is at."""
    strategy, status = mapping(mapping(raw.get("spec")).get("strategy")), mapping(raw.get("status"))
    aborted = (text(status.get("message")) or "it was aborted") if status.get("abort") is True else ""
    full = status.get("promoteFull") is True
    if "blueGreen" in strategy:
        current = text(status.get("currentPodHash"))
        active = current != "" and mapping(status.get("blueGreen")).get("activeSelector") == current
        return OwnSteps(int(active), 1, 1.0, waits_for(raw) != "", full, aborted)
    steps = tuple(map(_step_of, canary_steps(raw)))
    return position(steps, step_index(raw), waits=waits_for(raw) != "", full=full, aborted=aborted)


def waits_for(raw: RawObject) -> str:
    """The reason for which its controller waits until it is promoted; empty where it goes on by itself."""
    strategy, status = mapping(mapping(raw.get("spec")).get("strategy")), mapping(raw.get("status"))
    reasons = [text(c.get("reason")) for c in objects(status.get("pauseConditions"))]
    steps, at = canary_steps(raw), step_index(raw)
    timed = {
        "CanaryPauseStep": at < len(steps) and not _indefinite(steps[at]),
        "BlueGreenPause": number(mapping(strategy.get("blueGreen")).get("autoPromotionSeconds")) > 0,
    }
    return next((reason for reason in reasons if not timed.get(reason, False)), "")


def canary_steps(raw: RawObject) -> Sequence[RawObject]:
    """The steps of the canary strategy, as the spec lists them."""
    strategy = mapping(mapping(raw.get("spec")).get("strategy"))
    return tuple(objects(mapping(strategy.get("canary")).get("steps")))


def step_index(raw: RawObject) -> int:
    """The step that its controller is at, counted from 0; their number where it is past the last one."""
    return number(mapping(raw.get("status")).get("currentStepIndex"))


def _step_of(raw: RawObject) -> OwnStep:
    weight = number(raw.get("setWeight")) / 100 if "setWeight" in raw else None
    pauses = "pause" in raw
    # How long is its controller's business: here it is enough that it goes on by itself.
    return OwnStep(weight, pauses, None if _indefinite(raw) or not pauses else timedelta())


def _indefinite(step: RawObject) -> bool:
    return "pause" in step and not mapping(step.get("pause")).get("duration")

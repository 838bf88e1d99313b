"""Webhooks of a Flagger Canary: those that decide become gates of the steps, and of each other one it is said why not.

Source: fluxcd/flagger, `pkg/apis/flagger/v1beta1/canary.go` (`CanaryWebhook`, `HookType`) and
`pkg/controller/scheduler_hooks.go`: hooks that confirm are asked until they agree; those before and during a rollout
are failed checks of the analysis, and `threshold` of these roll back.
"""

from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import ValidationError

from sentinel.policies.explain import mistakes_of
from sentinel.policies.importing.draft import Draft, ImportRefusedError, Values, policy_name, unique
from sentinel.policies.importing.shapes import duration, items, mapping, text
from sentinel.policies.importing.strategy import PacedStep
from sentinel.policies.schema.policy import GateSpec
from sentinel.policies.schema.quantities import format_duration

MAX_GATES = 10
"""Of one step of a rule file."""
CONFIRMED_WITHIN = timedelta(hours=1)
"""Flagger asks for ever; a gate that has not agreed by then holds the rollout, and a human is called."""
_TIMEOUT = timedelta(seconds=10)

_CONFIRMING = {
    "confirm-rollout": "Flagger asks before the first pod, a gate when the first step has baked",
    "confirm-traffic-increase": "asked at every step, as Flagger does before each increase",
    "confirm-promotion": "asked at the last step, before all pods are replaced",
}
_TESTING = {
    "pre-rollout": "Flagger calls it before traffic is shifted, a gate when the first step has baked",
    "rollout": "Flagger calls it at each interval, a gate once a step, when it has baked",
}
_TOLD = {
    "event": "told of each event",
    "post-rollout": "called after a rollout",
}
_LOAD = frozenset({"hey", "wrk", "wrk2", "ghz", "k6", "vegeta", "ab", "fortio", "locust", "artillery", "oha"})


def put_webhooks(
    draft: Draft, analysis: Values, steps: list[PacedStep], interval: timedelta, notes: list[str]
) -> None:
    """Put a gate into each step that a webhook of the analysis is asked at, with a note on what differs."""
    hosts: dict[str, None] = {}
    for hook in items(analysis.get("webhooks")):
        kind, name = text(hook.get("type")) or "rollout", text(hook.get("name")) or "without a name"
        if kind in _TOLD:
            notes.append(
                f"Left out: the webhook {name}, {_TOLD[kind]}; the settings' notify.webhook is told of every "
                "decision, the end of a rollout among them."
            )
            continue
        try:
            gate = _gate(hook, kind, name, analysis, interval)
            _put(gate, _asked_at(kind, steps))
        except ImportRefusedError as error:
            draft.lost.append(f"webhook {name} ({kind}): {error}.")
            continue
        notes.append(f"The webhook {name} is a gate: {(_CONFIRMING | _TESTING)[kind]}.")
        if "-canary" in text(mapping(hook.get("metadata")).get("cmd")):
            notes.append(f"The command of {name} names a -canary address, which only Flagger makes.")
        hosts[urlsplit(text(hook.get("url"))).hostname or ""] = None
    if hosts:
        notes.append(
            f"Gates are called at hosts that the settings name: gates.allowed_hosts: [{', '.join(hosts)}]."
        )


def _asked_at(kind: str, steps: list[PacedStep]) -> list[PacedStep]:
    """The steps that a webhook of this type is a gate of."""
    some = {"confirm-promotion": steps[-1:], "confirm-rollout": steps[:1], "pre-rollout": steps[:1]}
    return some.get(kind, steps)


def _put(gate: dict[str, object], steps: list[PacedStep]) -> None:
    """Give these steps the gate. Raises ImportRefusedError where there is none, or one has as many as it may have."""
    if not steps:
        raise ImportRefusedError("there is no step that could have it as its gate")
    if any(len(step.gates) >= MAX_GATES for step in steps):
        raise ImportRefusedError(f"a step has {MAX_GATES} gates already, as many as it may have")
    for step in steps:
        name = unique(str(gate["name"]), [str(other["name"]) for other in step.gates])
        step.gates.append({**gate, "name": name})


def _unlike(kind: str, hook: Values) -> str:
    """Why no gate does what this webhook does; empty where one does."""
    if kind == "rollback":
        return (
            "it rolls back while its answer is 200, and nothing here asks for that: have it run `sentinel undo`, "
            "or fire an alert"
        )
    if kind not in _CONFIRMING | _TESTING:
        return "a type of webhook that Flagger does not have"
    command = text(mapping(hook.get("metadata")).get("cmd")).split()
    if command and command[0].rpartition("/")[2] in _LOAD:
        return "it makes the load that is measured, and a gate is asked when a step has baked: run it beside that"
    if hook.get("disableTLS"):
        return "disableTLS: a gate's certificate is always checked"
    return ""


def _failing_within(analysis: Values, interval: timedelta) -> timedelta:
    """How long Flagger takes a no until it rolls back: `threshold` intervals."""
    threshold = analysis.get("threshold")
    count = threshold if isinstance(threshold, int) and threshold > 0 else 1
    return min(count * interval, timedelta(hours=6))


def _gate(hook: Values, kind: str, name: str, analysis: Values, interval: timedelta) -> dict[str, object]:
    """The gate as a rule file has it. Raises ImportRefusedError where none does the same, or none would be taken."""
    unlike = _unlike(kind, hook)
    if unlike:
        raise ImportRefusedError(unlike)
    given = hook.get("timeout")
    timeout = max(duration(given, "timeout") if given is not None else _TIMEOUT, timedelta(seconds=1))
    within = CONFIRMED_WITHIN if kind in _CONFIRMING else _failing_within(analysis, interval)
    webhook: dict[str, object] = {
        "url": hook.get("url"),
        "timeout": format_duration(timeout),
        "within": format_duration(max(within, timeout)),
    }
    metadata = mapping(hook.get("metadata"))
    if metadata:
        webhook["metadata"] = dict(metadata)
    gate: dict[str, object] = {"name": policy_name(name), "webhook": webhook}
    if kind in _TESTING:
        gate["onFailure"] = "undo"
    wrong = _mistake(gate)
    if wrong:
        raise ImportRefusedError(wrong)
    return gate


def _mistake(gate: Values) -> str:
    """What a rule file would not take of it; empty where it is fine."""
    try:
        GateSpec.model_validate(gate)
    except ValidationError as error:
        path, mistake = next(mistakes_of(error, GateSpec))
        where = ".".join(str(part) for part in (*path, *mistake.at) if part != "webhook")
        return f"{where} {mistake}"
    return ""

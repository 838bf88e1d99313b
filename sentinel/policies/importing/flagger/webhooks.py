"""Webhooks of a Flagger Canary: those that decide become gates of the steps; a note says why any other does not.

Source: fluxcd/flagger, `pkg/apis/flagger/v1beta1/canary.go` (`CanaryWebhook`, `HookType`) and
`pkg/controller/scheduler_hooks.go`: hooks that confirm are asked until they agree; those before and during a rollout
are failed checks of the analysis, and `threshold` of these roll back.
"""

from datetime import timedelta
from urllib.parse import urlsplit

from sentinel.policies.importing.draft import Draft, ImportRefusedError, Values, policy_name, unique
from sentinel.policies.importing.gates import MAX_GATES, require_valid
from sentinel.policies.importing.shapes import duration, items, mapping, text
from sentinel.policies.importing.strategy import PacedStep
from sentinel.policies.schema.quantities import format_duration

CONFIRMED_WITHIN = timedelta(hours=1)
"""Flagger asks forever; a gate that has not agreed by then holds the rollout, and the on-call engineer is notified."""
_TIMEOUT = timedelta(seconds=10)

_CONFIRMING = {
    "confirm-rollout": "Flagger calls it before the first pod; a gate is called when the first step has baked",
    "confirm-traffic-increase": "it is called at every step, as Flagger does before each increase",
    "confirm-promotion": "it is called at the last step, before all pods are replaced",
}
_TESTING = {
    "pre-rollout": "Flagger calls it before traffic is shifted; a gate is called when the first step has baked",
    "rollout": "Flagger calls it at each interval; a gate is called once a step, when the step has baked",
}
_NOTIFIED = {
    "event": "called at each event",
    "post-rollout": "called after a rollout",
}
_LOAD = frozenset({"hey", "wrk", "wrk2", "ghz", "k6", "vegeta", "ab", "fortio", "locust", "artillery", "oha"})


def put_webhooks(
    draft: Draft, analysis: Values, steps: list[PacedStep], interval: timedelta, notes: list[str]
) -> None:
    """Put a gate into each step at which Flagger calls a webhook of the analysis, with a note on what differs."""
    hosts: dict[str, None] = {}
    for hook in items(analysis.get("webhooks")):
        kind, name = text(hook.get("type")) or "rollout", text(hook.get("name")) or "without a name"
        if kind in _NOTIFIED:
            notes.append(
                f"Left out: the webhook {name}, {_NOTIFIED[kind]}; notify.webhook in the settings receives every "
                "decision, including the end of a rollout."
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
            notes.append(f"The command of {name} uses a -canary address, which only Flagger creates.")
        hosts[urlsplit(text(hook.get("url"))).hostname or ""] = None
    if hosts:
        notes.append(
            f"Allow the hosts of the gates in the settings: gates.allowed_hosts: [{', '.join(hosts)}]."
        )


def _asked_at(kind: str, steps: list[PacedStep]) -> list[PacedStep]:
    """The steps that a webhook of this type is a gate of."""
    some = {"confirm-promotion": steps[-1:], "confirm-rollout": steps[:1], "pre-rollout": steps[:1]}
    return some.get(kind, steps)


def _put(gate: dict[str, object], steps: list[PacedStep]) -> None:
    """Give these steps the gate. Raises ImportRefusedError without a step, or if one has too many gates already."""
    if not steps:
        raise ImportRefusedError("no step can have it as a gate")
    if any(len(step.gates) >= MAX_GATES for step in steps):
        raise ImportRefusedError(f"a step already has {MAX_GATES} gates, the most that a step can have")
    for step in steps:
        name = unique(str(gate["name"]), [str(other["name"]) for other in step.gates])
        step.gates.append({**gate, "name": name})


def _unlike(kind: str, hook: Values) -> str:
    """Why a gate cannot replace this webhook; empty if one can."""
    if kind == "rollback":
        return (
            "it rolls back if its answer is 200, which gates do not support: let it run `sentinel undo` or fire an "
            "alert"
        )
    if kind not in _CONFIRMING | _TESTING:
        return "a type of webhook that Flagger does not have"
    command = text(mapping(hook.get("metadata")).get("cmd")).split()
    if command and command[0].rpartition("/")[2] in _LOAD:
        return "it generates the load that is measured, but gates are called after a bake: run it separately"
    if hook.get("disableTLS"):
        return "disableTLS: a gate's certificate is always checked"
    return ""


def _failing_within(analysis: Values, interval: timedelta) -> timedelta:
    """How long Flagger accepts failures until it rolls back: `threshold` intervals."""
    threshold = analysis.get("threshold")
    count = threshold if isinstance(threshold, int) and threshold > 0 else 1
    return min(count * interval, timedelta(hours=6))


def _gate(hook: Values, kind: str, name: str, analysis: Values, interval: timedelta) -> dict[str, object]:
    """The gate as a rule file has it. Raises ImportRefusedError if no gate does the same, or the schema refuses it."""
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
    require_valid(gate)
    return gate

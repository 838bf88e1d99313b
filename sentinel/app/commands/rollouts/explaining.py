"""`sentinel explain`: every decision of one rollout, with its evidence and its outcome."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.custom.record_objects import object_of
from sentinel.app.commands.connection import connected, find_record, place, run
from sentinel.app.commands.flags import Context, Kubeconfig, Namespace, WorkloadArgument
from sentinel.app.commands.output import Output, OutputOption, rules_in_words, show, show_data, sparkline
from sentinel.app.commands.rollouts.reasons import explain_reason
from sentinel.app.commands.rollouts.starts import starts_told
from sentinel.domain.alert import AlertsBeyond
from sentinel.domain.figures import age, moment, percent
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, AlertEntry, DecisionEntry, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.verdict import ARMS, RuleFigures, figures_of
from sentinel.domain.words import deed, standing
from sentinel.runtime.notify.advice import advice

_INDENT = " " * 23
_OUTCOMES = {
    OutcomeKind.DONE: "done",
    OutcomeKind.FAILED: "failed",
    OutcomeKind.REFUSED: "refused",
    OutcomeKind.OBSERVED: "nothing was changed (observe mode or frozen)",
}


def explain_command(
    name: WorkloadArgument = "",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: OutputOption = Output.TABLE,
    reason: Annotated[
        str, typer.Option("--reason", help="Explain a reason instead, such as EvidenceMissing.")
    ] = "",
) -> None:
    """Explain a rollout: each decision with its evidence, numbers and outcome, and each alert with its effect.

    Name a RolloutRecord, or a workload for its newest rollout.
    """
    if reason and name:
        raise typer.BadParameter("explain a rollout or a reason, not both", param_hint="--reason")
    if reason:
        explain_reason(reason, output)
        return
    if not name:
        raise typer.BadParameter("name a workload, a RolloutRecord, or --reason", param_hint="WORKLOAD")
    run(_explain(name, namespace, context, kubeconfig, output))


async def _explain(name: str, namespace: str, context: str, kubeconfig: str, output: Output) -> None:
    async with connected(place(namespace, context, kubeconfig)) as cluster:
        record = await find_record(cluster, name)
    if output.for_people:
        show("\n".join(explained(record)))
    else:
        show_data(object_of(record), output)


def explained(record: Record) -> list[str]:
    """The whole explanation, line by line."""
    lines = [*_head(record), "", "Decisions"]
    for entry in record.decisions:
        lines.extend(_decision(entry, record.started_at))
    if record.alerts:
        lines += [
            "",
            "Alerts",
            *(line for alert in record.alerts for line in _alert(alert, record.started_at)),
            *([_beyond(record.alerts_beyond)] if record.alerts_beyond else []),
        ]
    curves = list(_curves(record))
    if curves:
        lines += ["", "Canary and baseline at each decision", *curves]
    starts = list(starts_told(record))
    if starts:
        lines += ["", "How pods start (share over the limit, by seconds since a pod was ready)", *starts]
    steps = advice(record, record.decisions[-1] if record.decisions else None)
    if steps:
        lines += ["", "What to do next", *(f"  {step}" for step in steps)]
    return lines


def _head(record: Record) -> Iterator[str]:
    state = record.state
    replaced = f"replaces {record.stable}" if record.stable else "first deployment"
    yield f"{record.key.kind.lower()}/{record.key.name} in {record.key.namespace}: {record.candidate}, {replaced}"
    facts = [("Phase", _phase(record)), ("Why", state.message), ("Record", record.name)]
    mode = " (observe mode: decides and reports, changes nothing)" if record.mode is Mode.OBSERVE else ""
    facts += [
        ("Policy", (record.policy_object or record.policy) + mode),
        ("Triggered by", record.trigger or "unknown"),
    ]
    if record.candidate.change_cause:
        facts.append(("Change cause", record.candidate.change_cause))
    if record.attempt > 1:
        facts.append(("Attempt", f"{record.attempt} of this revision"))
    facts.append(("Started", moment(record.started_at)))
    if record.revert is not None:
        facts.append(("Git", record.revert.message))
    ended_at = state.ending.ended_at
    if ended_at is not None:
        facts.append(("Ended", f"{moment(ended_at)}, after {age(ended_at - record.started_at)}"))
    for name, value in facts:
        yield f"  {name + ':':<14}{value}"


def _phase(record: Record) -> str:
    state = record.state
    if record.in_flight:
        return (
            f"{standing(record).value}, step {state.progress.step + 1}, {percent(state.weight)} of the pods"
        )
    if record.guarded:
        return f"{state.phase.value}, still guarded"
    if state.phase is Phase.UNDONE and state.undo is not None:
        return f"{state.phase.value}, back to {state.undo.target}"
    return state.phase.value


def _decision(entry: DecisionEntry, started: datetime) -> Iterator[str]:
    rule = f" by {entry.rule}" if entry.rule else ""
    way = "to" if entry.action is Action.ADVANCE else "at"
    step = f" {way} step {entry.step + 1}" if entry.step or entry.rule else ""
    yield f"{_after(entry.at, started)}{deed(entry)}{rule}{step} ({entry.reason})"
    yield f"{_INDENT}{entry.message}"
    for line in rules_in_words(entry.numbers):
        yield f"{_INDENT}- {line}"
    if entry.outcome is None:
        yield f"{_INDENT}=> in progress: the outcome is not known yet"
    elif entry.outcome.detail or entry.outcome.kind is not OutcomeKind.DONE:
        detail = f": {entry.outcome.detail}" if entry.outcome.detail else ""
        yield f"{_INDENT}=> {_OUTCOMES[entry.outcome.kind]}{detail}"
    if entry.escalated:
        yield f"{_INDENT}=> people were called"


def _alert(alert: AlertEntry, started: datetime) -> Iterator[str]:
    yield f"{_after(alert.received_at, started)}{alert.name} ({alert.status.value})"
    if alert.summary:
        yield f"{_INDENT}{alert.summary}"
    labels = ", ".join(
        f"{name}={value}" for name, value in sorted(alert.labels.items()) if name != "alertname"
    )
    yield f"{_INDENT}- {labels or 'no labels'}; firing since {moment(alert.starts_at)}"
    yield f"{_INDENT}=> {alert.verdict or 'not examined yet'}"


def _beyond(beyond: AlertsBeyond) -> str:
    fired = f"fired between {moment(beyond.first_at)} and {moment(beyond.last_at)}"
    return f"  and at least {beyond.count:,} more ({', '.join(beyond.names)}), {fired}"


def _after(at: datetime, started: datetime) -> str:
    """A time of day and how long after the beginning, as a column."""
    return f"  {at.strftime('%H:%M:%S')} {'+' + age(at - started):>9}  "


def _curves(record: Record) -> Iterator[str]:
    """For each rule that was measured at several decisions, both arms' course as bars of one scale."""
    series: dict[str, list[RuleFigures]] = {}
    for entry in record.decisions:
        for figures in figures_of(entry.numbers):
            if figures.measure("candidate") is not None:
                series.setdefault(figures.rule or entry.rule, []).append(figures)
    for rule, points in series.items():
        arms = {title: [point.measure(arm) for point in points] for arm, title in ARMS.items()}
        seen = [value for values in arms.values() for value in values if value is not None]
        if len(points) < 2:
            continue
        for arm, values in arms.items():
            known = [value for value in values if value is not None]
            if not known:
                continue
            bars = "".join(" " if value is None else sparkline([value], max(seen)) for value in values)
            first, last = points[0].shown(known[0]), points[0].shown(known[-1])
            yield f"  {rule:<16} {arm:<10} {bars}  {first} to {last}"

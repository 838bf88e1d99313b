"""`sentinel report`: what the sentinel would have done in observe mode, and how those rollouts turned out."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from sentinel.app.commands.connection import connected, place, run
from sentinel.app.commands.flags import AllNamespaces, Context, Kubeconfig, Namespace, Place
from sentinel.app.commands.layout import Column, brief_moment, table
from sentinel.app.commands.options import duration
from sentinel.app.commands.output import Output, OutputOption, show, show_data
from sentinel.domain.figures import age, amount, moment, rfc3339
from sentinel.domain.policy.policy import Mode
from sentinel.domain.record.entries import Action, DecisionEntry, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.words import deed
from sentinel.engine.rollout.lifecycle import ROLLED_BACK
from sentinel.values import dataclass


class Aftermath(StrEnum):
    """How a rollout went on after an undo that was only decided."""

    AGREED = "agreed"
    REPLACED = "replaced"
    STANDS = "stands"
    WENT_ON = "went on"


@dataclass(frozen=True, slots=True)
class WouldBe:
    """One undo that was only decided: how the rollout turned out, and how long after the decision."""

    record: Record
    entry: DecisionEntry
    turn: Aftermath
    told: str


def report_command(
    since: Annotated[str, typer.Option(help="How far to look back.")] = "14d",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    everywhere: AllNamespaces = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Report what the sentinel would have done in observe mode, and how those rollouts turned out."""
    from_when = datetime.now(UTC) - duration(since, "--since")
    run(_report(from_when, place(namespace, context, kubeconfig, everywhere=everywhere), output))


async def _report(since: datetime, at: Place, output: Output) -> None:
    async with connected(at) as cluster:
        records = await cluster.reader.records(at.namespace)
    observed = [r for r in records if was_observed(r) and r.started_at >= since]
    now = datetime.now(UTC)
    found = [would for record in observed for would in would_be(record, records, now)]
    if output.for_people:
        show(report_table(observed, found), output)
    else:
        show_data(_as_data(observed, found), output)


def was_observed(record: Record) -> bool:
    """Whether the rollout was only watched: by mode from its beginning, or by a freeze when it mattered."""
    return record.mode is Mode.OBSERVE or any(_not_made(entry) for entry in record.decisions)


def _not_made(entry: DecisionEntry) -> bool:
    return entry.outcome is not None and entry.outcome.kind is OutcomeKind.OBSERVED


def would_be(record: Record, records: Sequence[Record], now: datetime) -> Iterator[WouldBe]:
    """Every undo of a rollout that was decided and not made, with what came of the rollout."""
    for entry in record.decisions:
        if entry.action is Action.UNDO and _not_made(entry):
            yield WouldBe(record, entry, *_turn(record, entry, records, now))


def _turn(
    record: Record, entry: DecisionEntry, records: Sequence[Record], now: datetime
) -> tuple[Aftermath, str]:
    state = record.state
    if state.phase is Phase.PROMOTED and state.ending.ended_at is None:
        return Aftermath.WENT_ON, "promoted anyway, and still guarded"
    end = state.ending.ended_at
    if state.reason == ROLLED_BACK and end is not None:
        return Aftermath.AGREED, f"rolled back by people {age(end - entry.at)} later"
    newer = [
        r
        for r in records
        if r.key == record.key and r.workload_uid == record.workload_uid and r.started_at > record.started_at
    ]
    if newer:
        successor = min(newer, key=lambda one: one.started_at)
        return (
            Aftermath.REPLACED,
            f"replaced by {successor.candidate} {age(successor.started_at - entry.at)} later",
        )
    return Aftermath.STANDS, f"still running {age(now - entry.at)} later"


def report_table(observed: Sequence[Record], found: Sequence[WouldBe]) -> RenderableType:
    """The report for people."""
    if not observed:
        return Text("No rollout ran in observe mode in this time.")
    workloads = len({record.key for record in observed})
    passed = sum(record.state.ending.promoted_at is not None for record in observed)
    agreed = sum(would.turn is Aftermath.AGREED for would in found)
    head = Text(
        f"{amount(len(observed), 'rollout')} of {amount(workloads, 'workload')} in observe mode. The sentinel would "
        f"have promoted {passed}, undone {len(found)} and held {_only_held(observed)}. "
        f"People rolled back {agreed} of the {len(found)} themselves."
    )
    if not found:
        return head
    columns = (
        Column("DECIDED", brief=brief_moment),
        "NAMESPACE",
        "WORKLOAD",
        Column("REVISION", spare=1),
        Column("RULE", spare=2),
        Column("HOW IT TURNED OUT", text=True),
        Column("WHY", text=True),
    )
    rows = [
        [
            moment(w.entry.at),
            w.record.key.namespace,
            w.record.key.name,
            str(w.record.candidate),
            w.entry.rule,
            w.told,
            w.entry.message,
        ]
        for w in found
    ]
    return Group(head, Text(""), table(columns, rows))


def _only_held(observed: Sequence[Record]) -> int:
    """How many would have been held, and not undone after it."""
    deeds = [{deed(entry) for entry in record.decisions} for record in observed]
    return sum("would-hold" in done and "would-undo" not in done for done in deeds)


def _as_data(observed: Sequence[Record], found: Sequence[WouldBe]) -> dict[str, Any]:
    return {
        "rollouts": len(observed),
        "wouldHavePromoted": sum(record.state.ending.promoted_at is not None for record in observed),
        "wouldHaveHeld": _only_held(observed),
        "wouldHaveUndone": [
            {
                "decidedAt": rfc3339(w.entry.at),
                "namespace": w.record.key.namespace,
                "workload": w.record.key.name,
                "record": w.record.name,
                "images": list(w.record.candidate.images),
                "rule": w.entry.rule,
                "message": w.entry.message,
                "turnedOut": w.turn.value,
                "detail": w.told,
            }
            for w in found
        ],
    }

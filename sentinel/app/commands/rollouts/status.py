"""`sentinel status` and `sentinel history`: present and past rollouts."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from sentinel.adapters.kubernetes.custom.record_objects import object_of
from sentinel.app.commands.connection import ClusterConnection, connected, pairings_on_record, place, run
from sentinel.app.commands.flags import AllNamespaces, Context, Kubeconfig, Namespace, Place, searched
from sentinel.app.commands.layout import Column, brief_moment, table
from sentinel.app.commands.naming import WorkloadName, braked, called, workload_name
from sentinel.app.commands.output import Output, OutputOption, phase, show, show_data
from sentinel.app.exitcodes import UsageError
from sentinel.domain import words
from sentinel.domain.errors import ClusterError
from sentinel.domain.figures import age, moment, percent, rfc3339
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import GUARD_LABEL, Workload
from sentinel.domain.workload.keeper import KeeperHold
from sentinel.values import dataclass

REFRESH_SECONDS = 2.0
_REST = "at rest"


@dataclass(frozen=True, slots=True)
class GuardedWorkload:
    """A guarded workload and its newest rollout; None where none was seen yet.

    `keeper_hold` is our hold on who deploys it, whichever rollout it is for.
    """

    workload: Workload
    record: Record | None
    keeper_hold: KeeperHold | None = None

    @property
    def live(self) -> bool:
        """Whether anything may still happen to its rollout."""
        return self.record is not None and self.record.live


async def standings(cluster: ClusterConnection) -> list[GuardedWorkload]:
    """Every workload that is labelled to be guarded or has a rollout on record; those in flight first."""
    namespace = cluster.place.namespace
    records = await cluster.reader.records(namespace)
    workloads = await cluster.reader.workloads(namespace, pairings=pairings_on_record(records))
    newest: dict[str, Record] = {}
    for record in records:
        newest.setdefault(record.workload_uid, record)
    held = {
        record.workload_uid: hold for record in reversed(records) if (hold := record.keeper_hold) is not None
    }
    found = [
        GuardedWorkload(workload, newest.get(workload.uid), held.get(workload.uid))
        for workload in workloads
        if workload.uid in newest or workload.labels.get(GUARD_LABEL) == "true"
    ]
    return sorted(found, key=lambda standing: not (standing.record and standing.record.in_flight))


def status_command(
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    everywhere: AllNamespaces = False,
    output: OutputOption = Output.TABLE,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep running, and refresh the table.")
    ] = False,
) -> None:
    """Show the guarded workloads and their rollouts, those in progress first."""
    if watch and not output.for_people:
        raise UsageError("--watch always shows a table: leave out --output")
    at = place(namespace, context, kubeconfig, everywhere=everywhere)
    run(_status(at, output, watch=watch))


async def _status(at: Place, output: Output, *, watch: bool) -> None:
    async with connected(at) as cluster:
        found = await standings(cluster)
        if watch:
            await _keep_showing(cluster, found)
        elif output.for_people:
            show(status_table(found, datetime.now(UTC), at.namespace, wide=output is Output.WIDE), output)
        else:
            show_data([_as_data(standing) for standing in found], output)


async def _keep_showing(cluster: ClusterConnection, found: list[GuardedWorkload]) -> None:
    """Show until interrupted. While the cluster is out of reach, an error stands below the last view."""
    namespace, problem = cluster.place.namespace, ""
    with Live(status_table(found, datetime.now(UTC), namespace), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                found, problem = await standings(cluster), ""
            except ClusterError as error:
                problem = str(error)
            shown = status_table(found, datetime.now(UTC), namespace)
            live.update(Group(shown, Text(problem, style="red")) if problem else shown, refresh=True)


_COLUMNS = (
    "WORKLOAD",
    "PHASE",
    Column("STEP", spare=2),
    "WEIGHT",
    Column("REVISION", spare=1),
    Column("READY", spare=3),
    "AGE",
    Column("MESSAGE", text=True, lines=2),
)
_PAST_COLUMNS = (
    Column("STARTED", brief=brief_moment),
    "WORKLOAD",
    Column("REVISION", spare=1),
    "PHASE",
    Column("TOOK", spare=2),
    "REASON",
    Column("RECORD", spare=3),
)


def status_table(
    found: list[GuardedWorkload], now: datetime, namespace: str, *, wide: bool = False
) -> RenderableType:
    """The table of `status`; `wide` with the images' registries."""
    if not found:
        return Text(
            f"No workload in {searched(namespace)} has the label {GUARD_LABEL}=true or a RolloutRecord."
        )
    columns: list[str | Column] = [*_COLUMNS]
    rows = [_row(standing, now, wide=wide) for standing in found]
    if not namespace:
        columns.insert(0, "NAMESPACE")
        rows = [[s.workload.key.namespace, *row] for s, row in zip(found, rows, strict=True)]
    return table(columns, rows)


def _row(standing: GuardedWorkload, now: datetime, *, wide: bool) -> list[str | Text]:
    workload, record = standing.workload, standing.record
    ready = f"{workload.exposure.available}/{workload.exposure.wanted}"
    if record is None:
        return [
            called(workload.key),
            _REST,
            "",
            "",
            _revision(workload.candidate.number, workload.candidate.images, wide=wide),
            ready,
            "",
            "no rollout seen yet",
        ]
    state = record.state
    return [
        called(workload.key),
        phase(words.standing(record)),
        str(state.progress.step + 1) if record.in_flight else "",
        f"{percent(state.weight)}" if record.in_flight else "",
        _revision(workload.candidate.number, workload.candidate.images, wide=wide),
        ready,
        age(now - record.started_at),
        _words(standing),
    ]


def _revision(number: int | str, images: Iterable[str], *, wide: bool) -> str:
    """A revision as a table names it: without the images' registries where there is little room."""
    shown = images if wide else (image.rpartition("/")[2] for image in images)
    return f"{number or 'new'} ({', '.join(shown)})"


def _words(standing: GuardedWorkload) -> str:
    workload, record = standing.workload, standing.record
    said = " ".join(record.state.message.split()) if record else ""
    if standing.keeper_hold is not None:
        said = f"{standing.keeper_hold}; {said}"
    if workload.held_by_label:
        said = f"left alone (hold label); {said}"
    if workload.brake.on:
        said = f"{braked(workload)} by {'the sentinel' if workload.brake.mark else 'hand'}; {said}"
    return said


def _as_data(standing: GuardedWorkload) -> dict[str, Any]:
    workload, record = standing.workload, standing.record
    data: dict[str, Any] = {
        "namespace": workload.key.namespace,
        "workload": workload.key.name,
        "kind": workload.key.kind.value,
        "revision": workload.candidate.number,
        "images": list(workload.candidate.images),
        "available": workload.exposure.available,
        "desired": workload.exposure.wanted,
        "paused": workload.brake.on,
        "heldByLabel": workload.held_by_label,
        "live": standing.live,
        "heldKeeper": str(standing.keeper_hold.keeper) if standing.keeper_hold is not None else None,
        "record": None,
    }
    if record is not None:
        state = record.state
        data |= {
            "record": record.name,
            "phase": state.phase.value,
            "standing": words.standing(record).value,
            "step": state.progress.step + 1,
            "weight": state.weight,
            "verdict": state.verdict,
            "reason": state.reason,
            "message": state.message,
            "mode": record.mode.value,
            "policy": record.policy,
            "policyObject": record.policy_object or None,
            "startedAt": rfc3339(record.started_at),
        }
    return data


def history_command(
    workload: Annotated[
        str, typer.Argument(metavar="[WORKLOAD]", help="Only this workload's rollouts.")
    ] = "",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    everywhere: AllNamespaces = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List past and present rollouts, the newest first."""
    at = place(namespace, context, kubeconfig, everywhere=everywhere)
    run(_history(at, workload_name(workload) if workload else None, output))


async def _history(at: Place, named: WorkloadName | None, output: Output) -> None:
    async with connected(at) as cluster:
        records = await cluster.reader.records(at.namespace, named.name if named else "")
    records = tuple(r for r in records if named is None or named.fits(r.key.kind, r.key.name))
    if output.for_people:
        wide = output is Output.WIDE
        show(history_table(records, datetime.now(UTC), everywhere=not at.namespace, wide=wide), output)
    else:
        items = [object_of(record) for record in records]
        show_data({"apiVersion": "v1", "kind": "List", "items": items}, output)


def history_table(
    records: Iterable[Record], now: datetime, *, everywhere: bool, wide: bool = False
) -> RenderableType:
    """The table of `history`; `wide` with the images' registries."""
    columns: list[str | Column] = [*_PAST_COLUMNS]
    rows = [_past(record, now, wide=wide) for record in records]
    if not rows:
        return Text("No RolloutRecord found.")
    if everywhere:
        columns.insert(1, "NAMESPACE")
        rows = [[row[0], r.key.namespace, *row[1:]] for r, row in zip(records, rows, strict=True)]
    return table(columns, rows)


def _past(record: Record, now: datetime, *, wide: bool) -> list[str | Text]:
    state = record.state
    ended = state.ending.promoted_at if state.phase is Phase.PROMOTED else state.ending.ended_at
    candidate = record.candidate
    return [
        moment(record.started_at),
        called(record.key),
        _revision(candidate.number or candidate.digest[:8], candidate.images, wide=wide),
        phase(words.standing(record)),
        age((ended or now) - record.started_at),
        state.reason,
        record.name,
    ]

"""`sentinel release` and `sentinel holds`: what the sentinel stopped, and how people let it go on without a daemon."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.gitops.holds import KubernetesKeepers
from sentinel.app.commands.connection import ClusterConnection, connected, place, run
from sentinel.app.commands.flags import AllNamespaces, Context, Kubeconfig, Namespace, Place, searched
from sentinel.app.commands.layout import Column, brief_moment, table
from sentinel.app.commands.naming import braked
from sentinel.app.commands.output import Answer, Output, OutputOption, show, show_data
from sentinel.app.commands.rollouts.confirming import Yes, confirmed, standing
from sentinel.app.commands.rollouts.undoing import CHANGE_TIMEOUT
from sentinel.app.exitcodes import UsageError
from sentinel.domain.decision import Release
from sentinel.domain.errors import ClusterError
from sentinel.domain.figures import moment, rfc3339
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.keeper import KeeperHold, KeeperHoldStage
from sentinel.ports import SystemClock


def release_command(
    workload: Annotated[
        str, typer.Argument(metavar="[WORKLOAD]", help="KIND/NAME, or just NAME of a Deployment.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="All that the sentinel paused or holds.")] = False,
    yes: Yes = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    everywhere: AllNamespaces = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Lift the sentinel's own pauses and its holds on Argo CD and Flux. Needs no running sentinel.

    Paused rollouts continue to 100%; what is held deploys again what Git wants. Leaves other pauses alone. Shows why
    each workload is paused or held, with the last numbers, and asks first. Exit code 1 if something cannot be released
    or if you answer no; 3 without a terminal and without --yes.
    """
    if bool(workload) == every:
        raise UsageError("name one workload, or use --all")
    if everywhere and not every:
        raise UsageError("--all-namespaces needs --all")
    at = place(namespace, context, kubeconfig, everywhere=everywhere)
    answers = run(_release(workload, at, output, yes=yes))
    if answers is None:
        raise typer.Exit(1)
    if not output.for_people:
        show_data([asdict(each) for each in answers], output)
    for each in answers if output.for_people else ():
        typer.echo(": ".join(filter(None, (each.workload, each.message))), err=each.result == "failed")
    if any(each.result == "failed" for each in answers):
        raise typer.Exit(1)


async def _release(name: str, at: Place, output: Output, *, yes: bool) -> list[Answer] | None:
    """The result of each pause and hold; None if the user said no."""
    async with connected(at) as cluster:
        found = (await cluster.workload(name),) if name else await cluster.reader.workloads(at.namespace)
        ours = [workload for workload in found if workload.brake.mark is not None]
        held = held_by(await cluster.reader.records(at.namespace, found[0].key.name if name else ""))
        if not ours and not held:
            said = _nothing_to_lift(found[0] if name else None, at)
            return [Answer("release", "unchanged", said)]
        lines = [line for workload in ours for line in await _paused(cluster, workload)]
        lines += [line for record, hold in held for line in _held(record, hold)]
        question = "Release it?" if name else "Release all of them?"
        if not await confirmed(lines, question, yes=yes, output=output):
            return None
        lifted = [await _lifted(cluster, workload) for workload in ours]
        return [*lifted, *[await _let_go(cluster, record, hold) for record, hold in held]]


def held_by(records: Iterable[Record]) -> list[tuple[Record, KeeperHold]]:
    """The records that hold who deploys their workload, with the hold."""
    return [(record, hold) for record in records if (hold := record.keeper_hold) is not None]


def _held(record: Record, hold: KeeperHold) -> list[str]:
    went = f"  after the release it may deploy {record.candidate} again, which was undone ({hold.reason})"
    return [f"{record.key}: {hold}", went]


async def _let_go(cluster: ClusterConnection, record: Record, hold: KeeperHold) -> Answer:
    """The result of the release of our hold."""
    key = str(record.key)
    try:
        done = await KubernetesKeepers(cluster.client, SystemClock()).release(
            record.key, hold, record.name, timeout=CHANGE_TIMEOUT
        )
    except ClusterError as error:
        return Answer("release", "failed", str(error), key, record.name)
    return Answer("release", "done", done, key, record.name)


def holds_command(
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    everywhere: AllNamespaces = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the holds on Argo CD and Flux: for which undo, since when, and when people are called about them.

    A planned hold was decided and is not in force yet. A lifted one is no longer in force, which no sentinel has noted
    yet.
    """
    at = place(namespace, context, kubeconfig, everywhere=everywhere)
    run(_holds(at, output))


async def _holds(at: Place, output: Output) -> None:
    async with connected(at) as cluster:
        records = await cluster.reader.records(at.namespace)
        held = [(record, hold, await _stage(cluster, record, hold)) for record, hold in held_by(records)]
    if not output.for_people:
        show_data([_as_data(*each) for each in held], output)
    elif held:
        rows = [
            [str(r.key), str(h.keeper), stage, *map(moment, (h.since, h.until)), h.reason, h.ends_by]
            for r, h, stage in held
        ]
        show(table(_COLUMNS, rows), output)
    else:
        typer.echo(f"nothing that deploys a workload in {searched(at.namespace)} is held")


_COLUMNS = (
    "WORKLOAD",
    "HELD",
    "STATE",
    Column("SINCE", brief=brief_moment),
    Column("PEOPLE CALLED", spare=2, brief=brief_moment),
    Column("UNDO", spare=1),
    Column("UNTIL", text=True),
)


async def _stage(cluster: ClusterConnection, record: Record, hold: KeeperHold) -> str:
    """How far the hold is by the record, and whether it is there at all, as far as we may read that."""
    if hold.stage is KeeperHoldStage.IN_FORCE:
        with suppress(ClusterError):
            keepers = KubernetesKeepers(cluster.client, SystemClock())
            if not await keepers.in_force(record.key, hold, record.name, timeout=CHANGE_TIMEOUT):
                return "lifted"
    return hold.stage.value


def _as_data(record: Record, hold: KeeperHold, stage: str) -> dict[str, str]:
    return {
        "workload": str(record.key),
        "record": record.name,
        "keeper": str(hold.keeper),
        "state": stage,
        "since": rfc3339(hold.since),
        "until": rfc3339(hold.until),
        "reason": hold.reason,
        "lastsUntil": hold.ends_by,
    }


async def _lifted(cluster: ClusterConnection, workload: Workload) -> Answer:
    """The result of lifting our pause."""
    key, record = str(workload.key), workload.brake.mark.record if workload.brake.mark is not None else ""
    try:
        done = await cluster.changer.apply(workload, Release(), timeout=CHANGE_TIMEOUT)
    except ClusterError as error:
        return Answer("release", "failed", str(error), key, record)
    return Answer("release", "done", done, key, record)


async def _paused(cluster: ClusterConnection, workload: Workload) -> list[str]:
    """The facts about a workload that we paused. Without a readable record it can still be released."""
    assert workload.brake.mark is not None
    name = workload.brake.mark.record
    try:
        records = await cluster.records(workload)
    except ClusterError as error:
        return [f"{workload.key}: paused by the sentinel, reason unknown ({error})"]
    record = next((record for record in records if record.name == name), None)
    if record is None:
        return [f"{workload.key}: paused by the sentinel, reason unknown (RolloutRecord {name} not found)"]
    going_on = "  after the release it continues to 100% without further steps"
    return [f"{workload.key}: paused by the sentinel", *standing(record), going_on]


def _nothing_to_lift(workload: Workload | None, at: Place) -> str:
    if workload is None:
        where = searched(at.namespace)
        return f"the sentinel has paused no workload in {where}, and holds nothing that deploys one"
    if workload.brake.on:
        return (
            f"{workload.key} is {braked(workload)}, but not by the sentinel: this {workload.brake.name} stays"
        )
    return f"{workload.key} is not {braked(workload)}"

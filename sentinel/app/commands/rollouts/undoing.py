"""`sentinel undo`: undo by hand, as safe as the daemon's, and possible without it.

It asks the running sentinel, so that the record names who wanted it. If no sentinel answers, or if it must not
change the workload, the command makes the change itself, with the user's rights.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from sentinel.app.commands.connection import ClusterConnection, connected, place, run
from sentinel.app.commands.flags import Context, Kubeconfig, Namespace, Place, WorkloadArgument
from sentinel.app.commands.naming import braked, going_on_by_hand
from sentinel.app.commands.options import duration
from sentinel.app.commands.output import Answer, Output, OutputOption, remark, show_answer
from sentinel.app.commands.rollouts.asking import Reason, Request, send_and_wait
from sentinel.app.commands.rollouts.confirming import Yes, confirmed, why
from sentinel.domain.command import CommandAction, CommandPhase
from sentinel.domain.decision import RemovePod, Restore
from sentinel.domain.errors import (
    ClusterError,
    ClusterUnavailableError,
    ForbiddenError,
    NotFoundError,
    PreconditionError,
)
from sentinel.domain.policy.policy import UndoPolicy
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase, RevisionRef, RolloutState
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.pairing import Pairing
from sentinel.domain.workload.revision import Revision
from sentinel.engine.rollout.undo.target import NoTarget, choose_target, numbered_target
from sentinel.values import dataclass

POLL_SECONDS = 1.0
CHANGE_TIMEOUT = 10.0
ANSWER_WITHIN = 5.0
"""A running sentinel answers within a second; after this many it counts as absent."""


def undo_command(  # noqa: PLR0913 - one to each option
    workload: WorkloadArgument,
    to_revision: Annotated[
        int,
        typer.Option("--to-revision", help="Its number. Default: the last good revision.", min=0),
    ] = 0,
    yes: Yes = False,
    reason: Reason = "",
    direct: Annotated[
        bool,
        typer.Option("--direct", help="Do not ask a running sentinel; use your own rights immediately."),
    ] = False,
    timeout: Annotated[str, typer.Option(help="How long to wait until it is fully available.")] = "5m",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Go back to the last good revision: through the running sentinel, or without one.

    Never goes back to a revision that was itself undone, or across one that is marked irreversible. Exit code 1 if the
    old revision is not fully available in time or if you answer no; 3 without a terminal and without --yes.
    """
    patience = duration(timeout, "--timeout").total_seconds()
    wanted = Wanted(workload, to_revision, reason, output, confirmed=yes, direct=direct)
    answer = run(_undo(wanted, place(namespace, context, kubeconfig), patience))
    if answer is None:
        raise typer.Exit(1)
    show_answer(answer if not output.for_people else replace(answer, workload=""), output)
    if answer.result != "done":
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The undo that a person typed; `to_revision` is 0 if the command chooses the revision."""

    workload: str
    to_revision: int
    reason: str
    output: Output
    confirmed: bool
    direct: bool


async def _undo(wanted: Wanted, at: Place, patience: float) -> Answer | None:
    """The outcome; None if the user said no."""
    async with connected(at) as cluster:
        workload = await cluster.workload(wanted.workload)
        records = await cluster.records(workload)
        target = undo_target(workload, records, wanted.to_revision, datetime.now(UTC))
        planned = plan(workload, target, direct=wanted.direct)
        sure = await confirmed(planned, "Undo this rollout?", yes=wanted.confirmed, output=wanted.output)
        if not sure:
            return None
        done = None
        if not wanted.direct:
            reason = await why(wanted.reason, yes=wanted.confirmed, output=wanted.output)
            done = await _by_the_sentinel(cluster, workload, records, target, replace(wanted, reason=reason))
        if done is None:
            done = await cluster.changer.apply(workload, Restore(target), timeout=CHANGE_TIMEOUT)
        remark(f"{workload.key}: {done}", wanted.output)
        answer = await _restored(cluster, workload, target, patience, wanted.output)
        return replace(answer, record=records[0].name if records else "")


def _pairing_of(workload: Workload) -> tuple[Pairing, ...]:
    return (workload.pairing,) if workload.pairing is not None else ()


async def _by_the_sentinel(
    cluster: ClusterConnection,
    workload: Workload,
    records: tuple[Record, ...],
    target: RevisionRef,
    wanted: Wanted,
) -> str | None:
    """What the running sentinel did; None if no sentinel runs or it leaves the undo to the user, after saying so.

    Raises PreconditionError if it refuses the undo, and ClusterError.
    """
    record = records[0] if records else None
    if record is None or record.candidate.digest != workload.candidate.digest:
        return None
    request = Request(CommandAction.UNDO, wanted.reason, to_revision=target.number or None)
    try:
        answered = await send_and_wait(cluster, record, request, ANSWER_WITHIN)
    except (ForbiddenError, NotFoundError) as error:
        why = f"the sentinel could not be asked ({error})"
    except ClusterUnavailableError as error:
        if error.reason != "NoAnswer":
            raise
        why = f"no sentinel answered within {ANSWER_WITHIN:g} s"
    else:
        if answered.phase is CommandPhase.DONE:
            return answered.message
        if not answered.refusal:
            raise PreconditionError(f"{workload.key} was not changed: {answered.message}", reason="Refused")
        why = f"the sentinel does not undo it: {answered.message}"
    remark(f"{why}; using your own rights instead", wanted.output)
    if unheld := _unheld(workload):
        typer.echo(unheld, err=True)
    return None


def undo_target(
    workload: Workload, records: tuple[Record, ...], to_revision: int, now: datetime
) -> RevisionRef:
    """The revision to go back to: the one of this number, or the daemon's choice.

    Raises PreconditionError with the reason if no revision is fit.
    """
    digest = workload.candidate.digest
    record = next((r for r in records if r.candidate.digest == digest), None) or _unrecorded(workload, now)
    if records and records[0].state.phase is Phase.UNDOING:
        raise PreconditionError(
            f"{workload.key} is already being undone ({records[0].name})", reason="Undoing"
        )
    if to_revision:
        chosen = numbered_target(to_revision, record, records, workload)
    else:
        if record.stable is None:
            record = replace(record, stable=_before(workload))
        chosen = choose_target(record, records, workload, UndoPolicy().max_target_age, now)
    if isinstance(chosen, NoTarget):
        known = ", ".join(str(revision.number) for revision in workload.others if revision.number)
        raise PreconditionError(
            f"{workload.key} was not changed: {chosen.message} (known revisions: {known or 'none'})",
            reason=chosen.reason,
        )
    return chosen.revision


def _unrecorded(workload: Workload, now: datetime) -> Record:
    """A record of the present revision as a sentinel would have made it."""
    return Record(
        name="",
        key=workload.key,
        workload_uid=workload.uid,
        candidate=RevisionRef.of(workload.candidate),
        stable=None,
        policy="",
        policy_digest="",
        started_at=now,
        state=RolloutState(Phase.PROGRESSING),
    )


def _before(workload: Workload) -> RevisionRef | None:
    """Of the other revisions the one with available pods, else the newest, as `kubectl rollout undo` chooses."""

    def rank(revision: Revision) -> tuple[int, int]:
        return revision.available, revision.order

    chosen = max(workload.others, key=rank, default=None)
    return RevisionRef.of(chosen) if chosen else None


def plan(workload: Workload, target: RevisionRef, *, direct: bool = False) -> list[str]:
    """What will change, and what may prevent it. `direct`: no running sentinel is asked."""
    lines = [f"{workload.key}: from {workload.candidate} back to {target}"]
    if target.change_cause:
        lines.append(f"  change cause: {target.change_cause}")
    if workload.brake.on and workload.brake.mark is not None:
        lines.append(
            f"  it is {braked(workload)} by the sentinel: the undo also lifts this {workload.brake.name}"
        )
    elif workload.brake.why:
        lines.append(f"  {workload.brake.why}: the undo takes all requests from the canary")
    elif workload.brake.on:
        lines.append(
            f"  it is {braked(workload)}, but not by the sentinel: the undo keeps that {workload.brake.name}, and no "
            f"pod changes until you lift it ({going_on_by_hand(workload)})"
        )
    if direct and (unheld := _unheld(workload)):
        lines.append(f"  {unheld}")
    elif workload.keeper is not None:
        lines.append(
            f"  {workload.keeper} manages it and may deploy the present revision again: revert the release there too"
        )
    return lines


def _unheld(workload: Workload) -> str:
    """Who takes back an undo with the user's own rights, which holds nobody; empty where nobody does."""
    keeper = workload.keeper
    if keeper is None or not keeper.reverts or keeper.held:
        return ""
    return (
        f"{keeper} takes this undo back, at worst within a second, and only a running sentinel holds it: stop its "
        "syncing first, or revert the release in its source"
    )


async def _restored(
    cluster: ClusterConnection, workload: Workload, target: RevisionRef, patience: float, output: Output
) -> Answer:
    """Whether the target is fully available in time."""
    began = time.monotonic()
    while True:
        try:
            now = await cluster.reader.workload(workload.key, pairings=_pairing_of(workload))
        except ClusterError as error:
            if not error.retryable:
                raise
            now = workload
        if now.candidate.digest == target.digest:
            await _without_stuck_pod(cluster, now, output)
        took = time.monotonic() - began
        if now.candidate.digest == target.digest and now.rolled_out:
            said = f"{target} is fully available again after {took:.0f} s"
            return Answer("undo", "done", said, str(workload.key))
        if took >= patience:
            pods = f"{now.exposure.available} of {now.exposure.wanted} pods"
            said = f"{target} is not fully available after {took:.0f} s: {pods}"
            return Answer("undo", "unavailable", said, str(workload.key))
        await asyncio.sleep(POLL_SECONDS)


async def _without_stuck_pod(cluster: ClusterConnection, workload: Workload, output: Output) -> None:
    """Remove a broken pod of another revision that keeps the others from being replaced; said either way."""
    pod = workload.in_the_way
    if pod is None or not workload.observed:
        return
    try:
        removed = await cluster.changer.apply(workload, RemovePod(pod.name, pod.uid), timeout=CHANGE_TIMEOUT)
        remark(removed, output)
    except ClusterError as error:
        typer.echo(f"the broken pod {pod.name} keeps the others from being replaced: {error}", err=True)

"""`sentinel approve`, `hold`, `resume`, `promote`, `forgive`: what a human asks of the running sentinel."""

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.asking import CommandSender
from sentinel.app.commands.connection import (
    Connection,
    Context,
    Kubeconfig,
    Namespace,
    Place,
    WorkloadName,
    connected,
    place,
    run,
)
from sentinel.app.commands.options import duration
from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.errors import ClusterUnavailableError, PreconditionError
from sentinel.domain.record import Phase, Record

POLL_SECONDS = 0.25
_OF_THE_PAST = frozenset({CommandAction.UNDO, CommandAction.FORGIVE})
"""What can be asked for long after the rollout is over."""

Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the record.")]
Timeout = Annotated[str, typer.Option("--timeout", help="How long to wait for the sentinel's answer.")]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, beside the workload and its rollout."""

    action: CommandAction
    reason: str = ""
    step: int | None = None
    to_revision: int | None = None


def approve_command(
    workload: WorkloadName,
    step: Annotated[int, typer.Option(help="Which step, from 1; the one that waits if none.", min=0)] = 0,
    reason: Reason = "",
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Approve the step of a rollout that waits for it."""
    request = Request(CommandAction.APPROVE, reason, step=step or None)
    _ask(workload, request, timeout, place(namespace, context, kubeconfig))


def hold_command(
    workload: WorkloadName,
    reason: Reason = "",
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Hold a rollout where it is until someone resumes it."""
    _ask(workload, Request(CommandAction.HOLD, reason), timeout, place(namespace, context, kubeconfig))


def resume_command(
    workload: WorkloadName,
    reason: Reason = "",
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Let a rollout that is held go on."""
    _ask(workload, Request(CommandAction.RESUME, reason), timeout, place(namespace, context, kubeconfig))


def promote_command(
    workload: WorkloadName,
    reason: Reason = "",
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Skip the steps that are left: the rollout is judged at 100 %, and promoted if it passes there."""
    _ask(workload, Request(CommandAction.PROMOTE, reason), timeout, place(namespace, context, kubeconfig))


def forgive_command(
    workload: WorkloadName,
    revision: Annotated[int, typer.Option(help="Revision number; the one undone last if none.", min=0)] = 0,
    reason: Reason = "",
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Forget that a revision was undone, so that it is judged like any other when it comes again."""
    request = Request(CommandAction.FORGIVE, reason, to_revision=revision or None)
    _ask(workload, request, timeout, place(namespace, context, kubeconfig))


def _ask(workload: str, request: Request, timeout: str, at: Place) -> None:
    patience = duration(timeout, "--timeout").total_seconds()
    answered = run(_asked(workload, request, patience, at))
    typer.echo(f"{answered.key}: {answered.message or answered.phase.value.lower()}")
    if answered.phase is CommandPhase.REFUSED:
        raise typer.Exit(1)


async def _asked(name: str, request: Request, patience: float, at: Place) -> Command:
    async with connected(at) as cluster:
        return await ask_and_wait(cluster, name, request, patience)


async def ask_and_wait(cluster: Connection, name: str, request: Request, patience: float) -> Command:
    """Ask the sentinel and wait for its answer; one that does not come is taken back, so that it comes true never.

    Raises PreconditionError where there is nothing to ask for, ClusterUnavailableError when nobody answers.
    """
    workload = await cluster.workload(name)
    records = await cluster.records(workload)
    record = _meant(records[0] if records else None, request, str(workload.key))
    return await send_and_wait(cluster, record, request, patience)


async def send_and_wait(cluster: Connection, record: Record, request: Request, patience: float) -> Command:
    """As `ask_and_wait`, where the rollout that is meant is known."""
    sender = CommandSender(cluster.client)
    step = request.step or (record.state.step + 1 if request.action is CommandAction.APPROVE else None)
    command = await sender.ask(
        record.key,
        request.action,
        record=record.name,
        step=step,
        to_revision=request.to_revision,
        reason=request.reason,
    )
    end = time.monotonic() + patience
    while command.phase is CommandPhase.PENDING:
        if time.monotonic() >= end:
            await sender.withdraw(command)
            raise ClusterUnavailableError(
                f"no sentinel answered within {patience:g} s, and the command was taken back: "
                "is one running (`sentinel doctor`)?",
                reason="NoAnswer",
            )
        await asyncio.sleep(POLL_SECONDS)
        command = await sender.fresh(command)
    return command


def _meant(record: Record | None, request: Request, workload: str) -> Record:
    """The rollout that is meant. Raises PreconditionError where there is none to which this could be done."""
    if record is None:
        raise PreconditionError(f"{workload} has no rollout on record: nothing guards it", reason="NoRollout")
    if request.action not in _OF_THE_PAST and not record.live:
        raise PreconditionError(
            f"{workload} has no rollout under way: the newest, {record.name}, is {record.state.phase.value}",
            reason="NoRollout",
        )
    if request.action is CommandAction.RESUME and record.state.phase is not Phase.HELD:
        raise PreconditionError(
            f"the rollout of {workload} is not held: it is {record.state.phase.value}", reason="NotHeld"
        )
    return record

"""`sentinel approve`, `hold`, `resume`, `promote`, `forgive`: what a human asks of the running sentinel."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.custom.command_requests import CommandSender
from sentinel.app.commands.connection import (
    ClusterConnection,
    Context,
    Kubeconfig,
    Namespace,
    Place,
    WorkloadArgument,
    connected,
    place,
    run,
)
from sentinel.app.commands.options import duration
from sentinel.app.commands.rollouts.confirming import Yes, confirmed, last_numbers, standing
from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.errors import ClusterError, ClusterUnavailableError, PreconditionError
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout.badness import forgivable

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
    workload: WorkloadArgument,
    step: Annotated[int, typer.Option(help="Which step, from 1; the one that waits if none.", min=0)] = 0,
    reason: Reason = "",
    yes: Yes = False,
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Approve the step of a rollout that waits for it; asks where it does not wait yet (exit code 3: no terminal)."""
    request = Request(CommandAction.APPROVE, reason, step=step or None)
    _ask(workload, request, timeout, place(namespace, context, kubeconfig), yes=yes)


def hold_command(
    workload: WorkloadArgument,
    reason: Reason = "",
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Hold a rollout where it is until someone resumes it."""
    _ask(
        workload,
        Request(CommandAction.HOLD, reason),
        timeout,
        place(namespace, context, kubeconfig),
        yes=True,
    )


def resume_command(
    workload: WorkloadArgument,
    reason: Reason = "",
    yes: Yes = False,
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Let a rollout that is held go on: says why it is held, and asks (exit code 3: no terminal, and no --yes)."""
    _ask(
        workload,
        Request(CommandAction.RESUME, reason),
        timeout,
        place(namespace, context, kubeconfig),
        yes=yes,
    )


def promote_command(
    workload: WorkloadArgument,
    reason: Reason = "",
    yes: Yes = False,
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Skip the steps that are left: the rollout is judged at 100 %, and promoted if it passes there.

    Says where it stands, and asks (exit code 3: no terminal, and no --yes).
    """
    _ask(
        workload,
        Request(CommandAction.PROMOTE, reason),
        timeout,
        place(namespace, context, kubeconfig),
        yes=yes,
    )


def forgive_command(
    workload: WorkloadArgument,
    revision: Annotated[int, typer.Option(help="Revision number; the one undone last if none.", min=0)] = 0,
    reason: Reason = "",
    yes: Yes = False,
    timeout: Timeout = "30s",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Forget that a revision was undone, so that it is judged like any other when it comes again.

    Says why it was undone, and asks (exit code 3: no terminal, and no --yes).
    """
    request = Request(CommandAction.FORGIVE, reason, to_revision=revision or None)
    _ask(workload, request, timeout, place(namespace, context, kubeconfig), yes=yes)


def _ask(workload: str, request: Request, timeout: str, at: Place, *, yes: bool) -> None:
    patience = duration(timeout, "--timeout").total_seconds()
    answered = run(_asked(workload, request, patience, at, yes=yes))
    if answered is None:
        raise typer.Exit(1)
    typer.echo(f"{answered.key}: {answered.message or answered.phase.value.lower()}")
    if answered.phase is CommandPhase.REFUSED:
        raise typer.Exit(1)


async def _asked(name: str, request: Request, patience: float, at: Place, *, yes: bool) -> Command | None:
    """The sentinel's answer; None where the one who asks thought better of it.

    Raises PreconditionError where there is nothing to ask for, ClusterUnavailableError when nobody answers.
    """
    async with connected(at) as cluster:
        workload = await cluster.workload(name)
        records = await cluster.records(workload)
        record = _meant(records[0] if records else None, request, str(workload.key))
        question = _question(record, request)
        lines = [str(workload.key), *_told(record, records, request)]
        if question and not await confirmed(lines, question, yes=yes):
            return None
        return await send_and_wait(cluster, record, request, patience)


def _question(record: Record, request: Request) -> str:
    """What is asked before the command is sent; empty where it stops things, or was asked for by the sentinel."""
    match request.action:
        case CommandAction.RESUME:
            return "End the hold?"
        case CommandAction.PROMOTE:
            return "Skip the steps that are left?"
        case CommandAction.FORGIVE:
            return "Forget that it was undone?"
        case CommandAction.APPROVE if record.state.waiting_since is None:
            return "It does not wait for an approval. Approve the step in advance?"
        case _:
            return ""


def _told(record: Record, records: Sequence[Record], request: Request) -> list[str]:
    """What the question is about."""
    if request.action is not CommandAction.FORGIVE:
        return standing(record)
    undone = forgivable(records, number=request.to_revision)
    if undone is None:
        return ["  no such revision is known bad"]
    return [f"  {undone.candidate}: {undone.state.message}", *last_numbers(undone)]


async def send_and_wait(
    cluster: ClusterConnection, record: Record, request: Request, patience: float
) -> Command:
    """Ask the sentinel and wait for its answer; a command that nobody answers is withdrawn.

    Raises ClusterUnavailableError when nobody answers.
    """
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
        command = await _by_now(sender, command)
    return command


async def _by_now(sender: CommandSender, command: Command) -> Command:
    """The command as it is by now, or as it was where the API server gives no answer: it may be done meanwhile."""
    try:
        return await sender.fresh(command)
    except ClusterError as error:
        if not error.retryable:
            raise
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

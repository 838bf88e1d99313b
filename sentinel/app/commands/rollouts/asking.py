"""`sentinel approve`, `hold`, `resume`, `promote`, `forgive`: what people ask the running sentinel to do."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer

from sentinel.adapters.kubernetes.custom.command_requests import CommandSender
from sentinel.app.commands.connection import ClusterConnection, connected, place, run
from sentinel.app.commands.flags import Context, Kubeconfig, Namespace, Place, WorkloadArgument
from sentinel.app.commands.options import duration
from sentinel.app.commands.output import Answer, Output, OutputOption, show_answer
from sentinel.app.commands.rollouts.confirming import Yes, confirmed, last_numbers, standing, why
from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.errors import ClusterError, ClusterUnavailableError, PreconditionError
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout.badness import forgivable
from sentinel.values import dataclass

POLL_SECONDS = 0.25
_OF_THE_PAST = frozenset({CommandAction.UNDO, CommandAction.FORGIVE})
"""What can be asked for long after the rollout is over."""

Reason = Annotated[
    str, typer.Option("--reason", help="Why. The record and the notices show it. Asked for at a terminal.")
]
Timeout = Annotated[str, typer.Option("--timeout", help="How long to wait for the sentinel to answer.")]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, beside the workload and its rollout."""

    action: CommandAction
    reason: str = ""
    step: int | None = None
    to_revision: int | None = None


def _option(name: str, annotation: object, default: object = "") -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_WORKLOAD = _option("workload", WorkloadArgument, Parameter.empty)
_SHARED = (
    _option("reason", Reason),
    _option("timeout", Timeout, "30s"),
    _option("output", OutputOption, Output.TABLE),
    _option("namespace", Namespace),
    _option("context", Context),
    _option("kubeconfig", Kubeconfig),
)
_YES = _option("yes", Yes, False)
_STEP = _option(
    "step",
    Annotated[int, typer.Option(help="Which step, from 1. Default: the step that waits.", min=0)],
    0,
)
_REVISION = _option(
    "to_revision",
    Annotated[
        int,
        typer.Option(
            "--revision", help="Revision number. Default: the revision that was undone last.", min=0
        ),
    ],
    0,
)


def _command(action: CommandAction, about: str, *own: Parameter) -> Callable[..., None]:
    """The function that Typer turns into a command: `about` is its help, `own` the options that not all have."""

    def command(
        workload: str, reason: str, timeout: str, output: Output, *, yes: bool = True, **flags: Any
    ) -> None:
        at = place(flags["namespace"], flags["context"], flags["kubeconfig"])
        step, revision = flags.get("step") or None, flags.get("to_revision") or None
        patience = duration(timeout, "--timeout").total_seconds()
        _ask(workload, Request(action, reason, step, revision), patience, at, output, yes=yes)

    command.__doc__ = about
    command.__signature__ = Signature((_WORKLOAD, *own, *_SHARED))  # type: ignore[attr-defined]  # Typer reads it
    return command


approve_command = _command(
    CommandAction.APPROVE,
    """Approve a step of a rollout.

    Asks first if the step does not wait for an approval yet (exit code 3: no terminal, and no --yes).
    """,
    _STEP,
    _YES,
)
hold_command = _command(CommandAction.HOLD, "Hold a rollout where it is until somebody resumes it.")
resume_command = _command(
    CommandAction.RESUME,
    """Let a held rollout continue.

    Shows why it is held, and asks first (exit code 3: no terminal, and no --yes).
    """,
    _YES,
)
promote_command = _command(
    CommandAction.PROMOTE,
    """Skip the remaining steps: the rollout is judged at 100%, and promoted if it passes there.

    Shows where the rollout is, and asks first (exit code 3: no terminal, and no --yes).
    """,
    _YES,
)
forgive_command = _command(
    CommandAction.FORGIVE,
    """Forget that a revision was undone: it is judged like any other if it is deployed again.

    Shows why it was undone, and asks first (exit code 3: no terminal, and no --yes).
    """,
    _REVISION,
    _YES,
)


def _ask(workload: str, request: Request, patience: float, at: Place, output: Output, *, yes: bool) -> None:
    answered = run(_asked(workload, request, patience, at, output, yes=yes))
    if answered is None:
        raise typer.Exit(1)
    result = answered.phase.value.lower()
    said = answered.message or result
    show_answer(Answer(request.action.value, result, said, str(answered.key), answered.record), output)
    if answered.phase is CommandPhase.REFUSED:
        raise typer.Exit(1)


async def _asked(
    name: str, request: Request, patience: float, at: Place, output: Output, *, yes: bool
) -> Command | None:
    """The sentinel's answer; None if the user said no.

    Raises PreconditionError if there is nothing to ask for, ClusterUnavailableError if no sentinel answers.
    """
    async with connected(at) as cluster:
        workload = await cluster.workload(name)
        records = await cluster.records(workload)
        record = _meant(records[0] if records else None, request, str(workload.key))
        question = _question(record, request)
        lines = [str(workload.key), *_told(record, records, request)]
        if question and not await confirmed(lines, question, yes=yes, output=output):
            return None
        request = replace(request, reason=await why(request.reason, yes=yes, output=output))
        return await send_and_wait(cluster, record, request, patience)


def _question(record: Record, request: Request) -> str:
    """The question before sending the command; empty if the command stops things or the sentinel waits for it."""
    match request.action:
        case CommandAction.RESUME:
            return "End the hold?"
        case CommandAction.PROMOTE:
            return "Skip the remaining steps?"
        case CommandAction.FORGIVE:
            return "Forget that this revision was undone?"
        case CommandAction.APPROVE if record.state.waits.approval_since is None:
            return "This step does not wait for an approval yet. Approve it in advance?"
        case _:
            return ""


def _told(record: Record, records: Sequence[Record], request: Request) -> list[str]:
    """What the question is about."""
    if request.action is not CommandAction.FORGIVE:
        return standing(record)
    undone = forgivable(records, number=request.to_revision)
    if undone is None:
        return ["  this revision is not marked as bad"]
    return [f"  {undone.candidate}: {undone.state.message}", *last_numbers(undone)]


async def send_and_wait(
    cluster: ClusterConnection, record: Record, request: Request, patience: float
) -> Command:
    """Ask the sentinel and wait for its answer; a command without an answer is withdrawn.

    Raises ClusterUnavailableError if no sentinel answers.
    """
    sender = CommandSender(cluster.client)
    step = request.step or (
        record.state.progress.step + 1 if request.action is CommandAction.APPROVE else None
    )
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
                f"no sentinel answered within {patience:g} s, and the command was withdrawn: "
                "check with `sentinel doctor` that a sentinel is running",
                reason="NoAnswer",
            )
        await asyncio.sleep(POLL_SECONDS)
        command = await _by_now(sender, command)
    return command


async def _by_now(sender: CommandSender, command: Command) -> Command:
    """The command as it is by now, or as it was if the API server does not answer: it may be done meanwhile."""
    try:
        return await sender.fresh(command)
    except ClusterError as error:
        if not error.retryable:
            raise
        return command


def _meant(record: Record | None, request: Request, workload: str) -> Record:
    """The rollout that is meant. Raises PreconditionError if the request fits no rollout."""
    if record is None:
        raise PreconditionError(
            f"{workload} has no RolloutRecord: it is not guarded",
            reason="NoRollout",
        )
    if request.action not in _OF_THE_PAST and not record.live:
        raise PreconditionError(
            f"{workload} has no rollout in progress: its newest, {record.name}, is {record.state.phase.value}",
            reason="NoRollout",
        )
    if request.action is CommandAction.RESUME and record.state.phase is not Phase.HELD:
        raise PreconditionError(
            f"the rollout of {workload} is {record.state.phase.value}, not held", reason="NotHeld"
        )
    return record

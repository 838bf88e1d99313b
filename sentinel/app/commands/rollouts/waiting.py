"""`sentinel wait`: for pipelines: waits until the rollout of the workload's present revision has ended."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app.commands.connection import ClusterConnection, connected, place, run
from sentinel.app.commands.flags import Context, Kubeconfig, Namespace, Place, WorkloadArgument
from sentinel.app.commands.options import duration
from sentinel.app.commands.output import Answer, Output, OutputOption, remark, show_answer
from sentinel.app.commands.rollouts.explaining import explained
from sentinel.domain.errors import ClusterError, ConfigurationError, SentinelError
from sentinel.domain.figures import age, percent
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.words import Would, deed, standing
from sentinel.domain.workload.facts import GUARD_LABEL, Workload
from sentinel.engine.rollout.lifecycle import ROLLED_BACK
from sentinel.values import dataclass

POLL_SECONDS = 1.0
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
OUTPUTS_VARIABLE = "GITHUB_OUTPUT"
FAILED = "failed"
"""The verdict if the wait itself failed."""
_SEEN_WITHIN = timedelta(minutes=1)
"""A running sentinel makes a record of each workload it guards; an older workload without a record is not guarded."""


class WaitResult(IntEnum):
    """The result of a wait, as the exit code that pipelines read."""

    PROMOTED = 0
    UNDONE = 1
    HELD = 2
    TIMED_OUT = 3
    UNGUARDED = 4
    ENDED = 5

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class End:
    """The verdict, its sentence, and the rollout, if there was one."""

    verdict: WaitResult
    message: str
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for the end, for a sentinel to see the rollout, and for a hold to end by itself."""

    whole: timedelta
    begin: timedelta = timedelta(seconds=30)
    hold: timedelta = timedelta(minutes=5)


def wait_command(
    workload: WorkloadArgument,
    patience: Annotated[str, typer.Option("--for", help="How long to wait at most.")] = "30m",
    begins_within: Annotated[
        str, typer.Option(help="How long until a sentinel must have seen the rollout.")
    ] = "30s",
    hold_for: Annotated[str, typer.Option(help="How long to wait out a hold that ends by itself.")] = "5m",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Wait until the present revision is promoted, undone or held.

    Exit code 0: promoted, 1: undone, 2: held until a person decides, 3: not decided in time, 4: the workload is not
    guarded, 5: ended without a verdict, e.g. superseded by a newer revision. Codes from 64 on: this command failed, and
    the state of the rollout is unknown. In a GitHub workflow it also appends the explanation of the rollout to
    GITHUB_STEP_SUMMARY, and writes the outputs `verdict` and `message` to GITHUB_OUTPUT.
    """
    try:
        limits = Patience(
            duration(patience, "--for"),
            duration(begins_within, "--begins-within"),
            duration(hold_for, "--hold-for"),
        )
        end = run(_wait(workload, limits, place(namespace, context, kubeconfig), output))
    except SentinelError as error:
        write_outputs(FAILED, str(error))
        raise
    record = end.record.name if end.record is not None else ""
    about = "" if output.for_people else str(end.record.key) if end.record is not None else workload
    show_answer(Answer("wait", str(end.verdict), end.message, about, record), output)
    write_outputs(str(end.verdict), end.message)
    if summary := os.environ.get(SUMMARY_VARIABLE):
        write_summary(Path(summary), end)
    raise typer.Exit(int(end.verdict))


async def _wait(name: str, limits: Patience, at: Place, output: Output) -> End:
    async with connected(at) as cluster:
        return await wait_for_end(cluster, name, limits, output)


async def wait_for_end(
    cluster: ClusterConnection, name: str, limits: Patience, output: Output = Output.TABLE
) -> End:
    """Follow the rollout to its end, and print its progress line by line. Raises ClusterError.

    Once the wait has begun, it also waits for an API server that is out of reach.
    """
    began = datetime.now(UTC)
    workload = await cluster.workload(name)
    records = await cluster.records(workload)
    progress = Progress()
    followed: Record | None = None
    while True:
        now = datetime.now(UTC)
        if taken_up(workload) or held_for(workload, records):
            followed = _again(followed, records) or rollout_of(workload.as_asked_for(), records)
        if not records and (end := unguarded(workload, now)):
            return end
        if followed is not None:
            for line in progress.news(followed, now):
                remark(line, output)
            if end := ending(followed, now, limits.hold):
                return end
        if end := _out_of_patience(workload, followed, now - began, limits):
            return end
        await asyncio.sleep(POLL_SECONDS)
        try:
            if not taken_up(workload):
                workload = await cluster.workload(name)
            records = await cluster.records(workload)
        except ClusterError as error:
            if not error.retryable:
                raise
            remark(f"still waiting: {error}", output)


def taken_up(workload: Workload) -> bool:
    """Whether it is known which revision is to be rolled out: a Rollout's own controller must have named it."""
    return workload.own_steps is None or workload.observed


def held_for(workload: Workload, records: Sequence[Record]) -> bool:
    """Whether there is a rollout of what the workload's own controller has not taken up."""
    awaited = workload.unnamed
    return awaited is not None and any(record.candidate.digest == awaited.digest for record in records[:1])


def rollout_of(workload: Workload, records: Sequence[Record]) -> Record | None:
    """The rollout that led to the workload's present template, None if no sentinel has seen it yet.

    That is the newest one if it rolls this template out, or if it put it back: a release that was undone before
    anyone waited for it is undone, and not the good end of the release before.
    """
    latest, digest = records[0] if records else None, workload.candidate.digest
    if latest is None or latest.candidate.digest == digest:
        return latest
    undo = latest.state.undo
    if undo is not None and undo.target.digest == digest:
        return latest
    by_hand = latest.state.reason == ROLLED_BACK and latest.stable is not None
    return latest if by_hand and latest.stable and latest.stable.digest == digest else None


def _again(followed: Record | None, records: Sequence[Record]) -> Record | None:
    """The rollout that is followed already, as it is now."""
    if followed is None:
        return None
    return next((record for record in records if record.uid == followed.uid), followed)


def unguarded(workload: Workload, now: datetime) -> End | None:
    """The end of a wait for a workload that a sentinel would have on record by now."""
    made = min((r.created_at for r in (workload.candidate, *workload.others) if r.created_at), default=None)
    labelled = workload.labels.get(GUARD_LABEL) == "true"
    if labelled or made is None or now - made < _SEEN_WITHIN:
        return None
    message = (
        f"{workload.key} is not guarded: it has no RolloutRecord. Label it {GUARD_LABEL}=true, "
        "or match it in a rule file; `sentinel preflight` shows what is missing"
    )
    return End(WaitResult.UNGUARDED, message)


def _out_of_patience(
    workload: Workload, record: Record | None, waited: timedelta, limits: Patience
) -> End | None:
    """The end that time makes."""
    if record is None and not taken_up(workload) and waited >= min(limits.begin, limits.whole):
        message = (
            f"the controller of {workload.key} has not taken up what was written within {age(waited)}: is it down? "
            "Nothing is rolled out until it is back"
        )
        return End(WaitResult.HELD, message)
    if record is None and waited >= min(limits.begin, limits.whole):
        message = (
            f"no sentinel saw the rollout of {workload.candidate} of {workload.key} within {age(waited)}: "
            "no sentinel runs, or no rule file matches the workload"
        )
        return End(WaitResult.UNGUARDED, message)
    if record is None or waited < limits.whole:
        return None
    if record.state.phase is Phase.HELD:
        return End(WaitResult.HELD, f"still held: {record.state.message}", record)
    message = f"not decided within {age(waited)}: {standing(record).value}, {record.state.message}"
    return End(WaitResult.TIMED_OUT, message, record)


def ending(record: Record, now: datetime, hold_for: timedelta) -> End | None:
    """The verdict on a rollout that has ended; None while it goes on.

    A hold that ends by itself is waited out for as long as `hold_for`.
    """
    state = record.state
    hold = state.hold
    match state.phase:
        case Phase.PROMOTED:
            return End(WaitResult.PROMOTED, f"promoted: {record.candidate} ({record.name})", record)
        case Phase.UNDONE:
            return End(WaitResult.UNDONE, f"undone: {state.message}", record)
        case Phase.HELD if hold is None or hold.sticky or now - hold.since >= hold_for:
            return End(WaitResult.HELD, f"{_held_words(record)}: {state.message}", record)
        case Phase.SUPERSEDED | Phase.FAILED | Phase.UNJUDGED:
            return End(WaitResult.ENDED, f"{state.phase.value.lower()}: {state.message}", record)
        case _:
            return None


def _held_words(record: Record) -> str:
    """The name of a hold; one that is only decided holds nothing."""
    if standing(record) is Would.UNDO:
        return "would have been undone (nothing was changed)"
    return (
        "would be held until a person decides (nothing was changed)"
        if standing(record) is Would.HOLD
        else "held until a person decides"
    )


@dataclass(slots=True)
class Progress:
    """What was printed about a rollout so far."""

    shown: int = 0
    last: str = ""

    def news(self, record: Record, now: datetime) -> Iterator[str]:
        """A line for each new decision, with its time, and one if the phase, step or weight changed."""
        for entry in record.decisions[self.shown :]:
            rule = f" by {entry.rule}" if entry.rule else ""
            yield f"{entry.at:%H:%M:%S}Z {deed(entry)}{rule}: {entry.message}"
        self.shown = len(record.decisions)
        state = record.state
        stands = (
            f"{standing(record).value}, step {state.progress.step + 1}, {percent(state.weight)} of the pods"
        )
        if stands != self.last:
            yield f"{now:%H:%M:%S}Z {stands}"
        self.last = stands


def write_summary(file: Path, end: End) -> None:
    """Append the verdict and the explanation as Markdown. Raises ConfigurationError if the file cannot be written."""
    icon = {WaitResult.PROMOTED: "✅", WaitResult.UNDONE: "↩️", WaitResult.HELD: "✋"}.get(end.verdict, "⚠️")
    title = str(end.verdict).replace("-", " ")
    lines = [f"### {icon} Rollout {title}", "", _escaped(end.message), ""]
    if end.record is not None:
        told = "\n".join(explained(end.record)).replace("```", "'''")
        lines += ["<details><summary>Every decision</summary>", "", "```", told, "```", "", "</details>", ""]
    _append(file, SUMMARY_VARIABLE, "\n".join(lines))


def write_outputs(verdict: str, message: str) -> None:
    """Set the outputs of a GitHub workflow's step, where this runs in one. Raises ConfigurationError."""
    if name := os.environ.get(OUTPUTS_VARIABLE):
        one_line = " ".join(message.split())
        _append(Path(name), OUTPUTS_VARIABLE, f"verdict={verdict}\nmessage={one_line}\n")


def _append(file: Path, variable: str, text: str) -> None:
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigurationError(
            f"{file}, which {variable} names, cannot be written: {error.strerror}"
        ) from error


def _escaped(text: str) -> str:
    """The text with Markdown's markup escaped."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in text)

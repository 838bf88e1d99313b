"""Questions before commands that let what the sentinel stopped continue, with the facts that the answer needs."""

import asyncio
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from sentinel.app.commands.output import Output, remark, rules_in_words
from sentinel.app.exitcodes import ExitCode
from sentinel.domain import words
from sentinel.domain.figures import moment, percent
from sentinel.domain.record.record import Record

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first. Needed without a terminal.")]


def at_terminal() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty()


async def confirmed(lines: Iterable[str], question: str, *, yes: bool, output: Output = Output.TABLE) -> bool:
    """Show what will happen, and ask unless the command line has the answer.

    Raises typer.Exit with `ExitCode.UNCONFIRMED` without a terminal to ask at.
    """
    for line in lines:
        remark(line, output)
    if yes:
        return True
    if not at_terminal():
        typer.echo(
            "sentinel: nothing was done. This command asks first, and there is no terminal: "
            "add --yes to run it without the question",
            err=True,
        )
        raise typer.Exit(ExitCode.UNCONFIRMED)
    if await asyncio.to_thread(typer.confirm, question, err=not output.for_people):
        return True
    remark("nothing was done", output)
    return False


async def why(reason: str, *, yes: bool, output: Output = Output.TABLE) -> str:
    """The reason: as given, else as the person at the terminal answers, who may leave it empty."""
    if reason or yes or not at_terminal():
        return reason
    answer: str = await asyncio.to_thread(
        typer.prompt, "Why", default="", show_default=False, err=not output.for_people
    )
    return answer


def standing(record: Record) -> list[str]:
    """Where a rollout is, why it is held, and the last numbers behind a decision."""
    state = record.state
    lines = [
        f"  {record.candidate} is at {percent(state.weight)} of the pods, step {state.progress.step + 1}"
    ]
    if state.hold is not None:
        lines.append(
            f"  held since {moment(state.hold.since)} ({state.hold.reason}): {_line(state.hold.message)}"
        )
    elif state.message:
        lines.append(f"  {words.standing(record).value} ({state.reason}): {_line(state.message)}")
    return lines + last_numbers(record)


def last_numbers(record: Record) -> list[str]:
    """Both arms' figures from the newest decision that has any, with its time."""
    for entry in reversed(record.decisions):
        figures = rules_in_words(entry.numbers)
        if figures:
            rule = f"{entry.rule}: " if entry.rule else ""
            return [f"  last numbers, from {moment(entry.at)}:", *(f"    {rule}{line}" for line in figures)]
    return []


def _line(text: str) -> str:
    return " ".join(text.split())

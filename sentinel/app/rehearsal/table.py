"""The report as a table for the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sentinel.app.rehearsal.model import Rehearsed, RehearsedVerdict
from sentinel.app.rehearsal.summary import RehearsalReport, sentences
from sentinel.domain.figures import duration

_COLOURS = {
    RehearsedVerdict.UNDO: "red",
    RehearsedVerdict.PROMOTE: "green",
    RehearsedVerdict.HOLD: "yellow",
    RehearsedVerdict.FAILED: "magenta",
}


def print_table(report: RehearsalReport, console: Console) -> None:
    """Print a line for each rollout, the evidence of each that would not simply have been promoted, and the sums."""
    table = Table(title=f"Rollouts since {report.since:%Y-%m-%d %H:%M} UTC", header_style="bold")
    for column in (
        "began",
        "workload",
        "revision",
        "would have",
        "after",
        "by",
        "in reality",
        "faster by",
    ):
        table.add_column(column, overflow="fold")
    for result in report.results:
        table.add_row(*map(escape, _row(result)), style=_COLOURS.get(result.verdict, ""))
    if report.results:
        console.print(table)
    for result in report.results:
        if result.verdict is not RehearsedVerdict.PROMOTE:
            console.print(escape(_evidence(result)), highlight=False)
    for sentence in (*sentences(report.summary), *report.notes):
        console.print(f"• {escape(sentence)}", highlight=False)


def _row(result: Rehearsed) -> list[str]:
    rollout, decisive = result.rollout, result.decisive
    fate = rollout.fate.value
    if rollout.ended is not None:
        fate += f" after {duration(rollout.ended - rollout.began)}"
    return [
        f"{rollout.began:%m-%d %H:%M:%S}",
        f"{rollout.namespace}/{rollout.workload}",
        rollout.candidate,
        result.verdict.value + (" (false?)" if result.suspected_false else ""),
        duration(decisive.at - rollout.began) if decisive else "",
        (decisive.rule or decisive.reason) if decisive else "",
        fate,
        duration(result.saved) if result.saved is not None else "",
    ]


def _evidence(result: Rehearsed) -> str:
    said = result.decisive.message if result.decisive else result.problem
    return f"{result.rollout.workload} {result.rollout.candidate}: {said or 'no decision'}"

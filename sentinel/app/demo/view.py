"""What the demo shows: the live table, the decisions, the summary."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clustersim.cluster import JsonObject
from sentinel.app.demo.shapes import NAMESPACE
from sentinel.app.demo.stage import DemoStage
from sentinel.app.demo.stories import DemoStory
from sentinel.domain.record.entries import Action, DecisionEntry
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase

COLOURS = {
    Phase.PROMOTED: "green",
    Phase.UNDOING: "red",
    Phase.UNDONE: "red",
    Phase.HELD: "yellow",
    Phase.BAKING: "cyan",
}


def progress(staged: DemoStage, released: Mapping[str, datetime]) -> Table:
    """The live table: a line per release."""
    table = Table(expand=True, title_justify="left")
    for column in ("service", "new release", "phase", "pods old/new"):
        table.add_column(column, no_wrap=True)
    table.add_column("message", ratio=1, overflow="ellipsis", no_wrap=True)
    for story in staged.stories:
        if story.service in released:
            record = staged.record(story)
            message = record.state.message if record else "…"
            table.add_row(story.service, story.title, _phase(record), _pods(staged, story), Text(message))
    return table


def decisions(staged: DemoStage, released: Mapping[str, datetime]) -> Group:
    """Every decision with its reason, its numbers and when it was made."""
    parts: list[Text | Padding] = [Text("\nDecisions\n", style="bold")]
    for story in staged.stories:
        record = staged.record(story)
        parts.append(Text(f"{story.service}: {story.title}", style="bold"))
        parts.extend(
            Padding(_line(entry, released[story.service]), (0, 0, 0, 2))
            for entry in (record.decisions if record else ())
        )
    return Group(*parts)


def _line(entry: DecisionEntry, released: datetime) -> Text:
    after = (entry.at - released).total_seconds()
    rule = f" [{entry.rule}]" if entry.rule else ""
    return Text(f"{after:6.1f} s  {entry.action.value}{rule}: {entry.message}")


def summary(staged: DemoStage, released: Mapping[str, datetime]) -> Table:
    """The closing table."""
    table = Table(title="Summary", title_justify="left")
    for column in ("service", "expected", "result"):
        table.add_column(column, no_wrap=True)
    for column in ("step", "release\nto undo", "first sign\nto undo", "undo to\nrestored"):
        table.add_column(column, justify="right")
    table.add_column("")
    for story in staged.stories:
        record = staged.record(story)
        verdict = "[green]✓[/green]" if story.came_out(record) else "[red]✗[/red]"
        times = list(_times(record, released[story.service])) if record else []
        table.add_row(
            story.service,
            story.ends.value,
            _phase(record),
            *(times or ["", "", "", ""]),
            verdict,
        )
    return table


def _times(record: Record, released: datetime) -> Iterator[str]:
    entry = next((e for e in record.decisions if e.action is Action.UNDO), None)
    undo = record.state.undo
    yield f"{entry.step + 1}" if entry else ""
    patched = undo.patched_at if undo else None
    yield f"{(patched - released).total_seconds():.1f} s" if patched else ""
    fault = undo.fault_at if undo else None
    yield f"{(patched - fault).total_seconds():.2f} s" if patched and fault else ""
    restored = undo.restored_at if undo else None
    yield f"{(restored - patched).total_seconds():.1f} s" if patched and restored else ""


def _phase(record: Record | None) -> Text:
    if record is None:
        return Text("…")
    phase = record.state.phase
    return Text(phase.value, style=COLOURS.get(phase, ""))


def _pods(staged: DemoStage, story: DemoStory) -> str:
    pods = [pod for name in story.members for pod in staged.cluster.pods(name, namespace=NAMESPACE)]
    images = [pod["spec"]["containers"][0]["image"] for pod in pods if not _leaving(pod)]
    return f"{images.count(story.old_image)}/{images.count(story.new_image)}"


def _leaving(pod: JsonObject) -> bool:
    return "deletionTimestamp" in pod["metadata"]

"""Writes the page of all reasons: `make reference`. A test compares the committed page with the program."""

import sys
from collections.abc import Iterator
from pathlib import Path

from sentinel.app.reasons import ReasonHelp, known_reasons

HEAD = """# Every reason, and what to do

Generated (`make reference`) from what `sentinel explain --reason NAME` prints. Records, notices and
`sentinel explain` name these reasons. One that is not on this page was written by another release.
"""
TITLES = {
    "hold": (
        "Why a rollout is held",
        "The reason of `status.hold`. What ends each of them: [why a rollout is held](holds.md).",
    ),
    "decision": ("Decisions", "The reason of an entry in `status.decisions`."),
    "verdict": ("Verdicts of rules", "Why a rule passes, fails or waits."),
    "missing": (
        "Missing evidence",
        "Why a rule has no number. Missing evidence never passes and never fails.",
    ),
}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for kind in TITLES for line in _section(kind))])


def _section(kind: str) -> Iterator[str]:
    title, text = TITLES[kind]
    yield f"## {title}\n\n{text}\n"
    yield "| reason | what it means | what to do |"
    yield "|---|---|---|"
    for each in known_reasons().values():
        if each.of == kind:
            yield _row(each)
    yield ""


def _row(each: ReasonHelp) -> str:
    return f"| `{each.reason}` | {each.means} | {each.remedy} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")

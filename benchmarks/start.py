"""What a start costs, as ratios to an earlier commit in the same run: CPU and peak memory of whole processes.

    python -m benchmarks.start --base 46a49ce [--runs 5] [--write] [--date 2026-01-31]

The commit is unpacked into a temporary folder, and runs on the same packages in turn with this checkout.
`sentinel run` finds no kubeconfig, and so ends when everything is imported and the settings are read.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness.figures import machine, table

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks" / "start.md"
COMMANDS: dict[str, tuple[str, ...]] = {
    "sentinel --help": ("--help",),
    "sentinel rules check rules": ("rules", "check", "rules"),
    "sentinel run": ("run",),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of a process, and its peak of resident memory in MiB."""

    cpu: float
    memory: float


def unpack(commit: str, folder: Path) -> None:
    """Write the tree of a commit into a folder."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        tree.extractall(folder, filter="data")


def cost_of(checkout: Path, words: Sequence[str]) -> Cost:
    """Run a command of a checkout to its end."""
    child = subprocess.Popen(
        [sys.executable, "-m", "sentinel.app.cli", *words],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "KUBECONFIG": str(checkout / "absent")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, used = os.wait4(child.pid, 0)
    child.returncode = 0
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def compared(base: Path, words: Sequence[str], runs: int) -> tuple[Cost, Cost]:
    """The cheapest run of each checkout, in turn; the first of each only fills the caches."""
    pairs = [(cost_of(base, words), cost_of(ROOT, words)) for _ in range(runs + 1)][1:]
    olds, news = zip(*pairs, strict=True)
    return least(olds), least(news)


def least(costs: Sequence[Cost]) -> Cost:
    """What it takes where nothing else disturbs it."""
    return Cost(min(cost.cpu for cost in costs), min(cost.memory for cost in costs))


def page(base: str, rows: Sequence[Sequence[str]], date: str) -> str:
    """The page of the documentation."""
    head = ("command", f"CPU at {base}", "CPU now", "ratio", f"MiB at {base}", "MiB now", "ratio")
    return (
        "# What a start costs\n\n"
        f"`python -m benchmarks.start --base {base}`, {date}. {machine('kubernetes-asyncio', 'typer', 'pydantic')}.\n\n"
        "CPU seconds and peak of resident memory of whole processes, the cheapest of several runs, in turn with the\n"
        "earlier commit on the same packages. Only the ratios say something about another machine. `sentinel run`\n"
        "finds no kubeconfig, and so ends when everything is imported and the settings are read.\n\n"
        f"{table(head, rows)}\n"
    )


def main() -> None:
    """Measure, print, and write the page if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", required=True, help="the commit to compare with")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--date", default=f"{datetime.now(UTC):%Y-%m-%d}")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        unpack(chosen.base, Path(folder))
        for name, words in COMMANDS.items():
            old, new = compared(Path(folder), words, chosen.runs)
            cpu = (f"{old.cpu:.2f} s", f"{new.cpu:.2f} s", f"{new.cpu / old.cpu:.2f}")
            memory = (f"{old.memory:.0f}", f"{new.memory:.0f}", f"{new.memory / old.memory:.2f}")
            rows.append((f"`{name}`", *cpu, *memory))
    text = page(chosen.base, rows, chosen.date)
    print(text)
    if chosen.write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()

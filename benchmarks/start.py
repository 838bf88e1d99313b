"""What a start costs: CPU and peak memory of whole processes, as ratios to a bare Python's.

`sentinel run` finds no kubeconfig, and so ends when everything is imported and the settings are read.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.build import Build, environment
from benchmarks.harness.figures import machine, table
from benchmarks.harness.result import Result

COMMANDS: dict[str, tuple[str, ...]] = {
    "sentinel --help": ("--help",),
    "sentinel rules check rules": ("rules", "check", "rules"),
    "sentinel run": ("run",),
}
BARE = "python -c pass"
RUNS, QUICK_RUNS = 7, 2
_WEIGH = """
import os, sys
if (child := os.fork()) == 0:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    os.execv(sys.argv[1], sys.argv[1:])
used = os.wait4(child, 0)[2]
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""Runs a command: a small process does, as the peak of a child begins with its parent's memory."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of a process, and its peak of resident memory in MiB."""

    cpu: float
    memory: float


def bench(build: Build, quick: bool) -> Result:
    """Run every command several times."""
    commands = {BARE: (str(build.python), "-c", "pass")}
    commands |= {name: build.sentinel(*words) for name, words in COMMANDS.items()}
    runs = QUICK_RUNS if quick else RUNS
    costs = {name: cheapest(command, build.root, runs) for name, command in commands.items()}
    figures = {f"`{name}`, CPU": cost.cpu for name, cost in costs.items()}
    figures |= {f"`{name}`, peak memory": cost.memory for name, cost in costs.items()}
    return Result(figures, lambda date: page(costs, runs, date))


def cheapest(command: Sequence[str], folder: Path, runs: int) -> Cost:
    """What it takes where nothing else disturbs it; the first run only fills the caches."""
    costs = [cost_of(command, folder) for _ in range(runs + 1)][1:]
    return Cost(min(cost.cpu for cost in costs), min(cost.memory for cost in costs))


def cost_of(command: Sequence[str], folder: Path) -> Cost:
    """Run a command to its end."""
    found = subprocess.run(
        (sys.executable, "-S", "-c", _WEIGH, *command),
        cwd=folder,
        env={**environment(), "KUBECONFIG": str(folder / "absent")},
        stdout=subprocess.PIPE,
        check=True,
    )
    cpu, memory = found.stdout.split()
    return Cost(float(cpu), float(memory) / 1024)


def page(costs: Mapping[str, Cost], runs: int, date: str) -> str:
    """The page of the documentation."""
    bare = costs[BARE]
    rows = [
        (
            f"`{name}`",
            *(f"{cost.cpu:.2f} s", f"{cost.cpu / bare.cpu:.1f}"),
            *(f"{cost.memory:.0f}", f"{cost.memory / bare.memory:.1f}"),
        )
        for name, cost in costs.items()
    ]
    return (
        "# What a start costs\n\n"
        f"`python -m benchmarks start`, {date}. {machine('kubernetes-asyncio', 'typer', 'pydantic')}.\n\n"
        f"CPU seconds and peak of resident memory of whole processes, the least of {runs} runs. Only the ratios say\n"
        "something about another machine. `sentinel run` finds no kubeconfig, and so ends when everything is imported\n"
        "and the settings are read.\n\n"
        f"{table(('command', 'CPU', '÷ bare Python', 'MiB', '÷ bare Python'), rows)}\n"
    )

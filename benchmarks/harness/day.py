"""What a simulated day came to, and its page."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

HOUR = 3600.0
KEPT = 1
"""Records and old ReplicaSets that are kept of each workload, so that what is kept by design is soon complete."""
WARM_UP = 0.5
"""The share of the day after which nothing may still grow."""


@dataclass(frozen=True, slots=True)
class Options:
    """The day's size. `metered` workloads have traffic and rules on it."""

    hours: float = 24.0
    workloads: int = 500
    pods: int = 5000
    rollouts: int = 2000
    metered: int = 20
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process held at the end of an hour, after a collection, and the CPU seconds that the hour took."""

    hour: float
    own_objects: int
    mirrored: int
    remembered: int
    tasks: int
    descriptors: int
    resident: float
    cpu: float


@dataclass(slots=True)
class Day:
    """What a day came to."""

    options: Options
    samples: list[Sample] = field(default_factory=list)
    released: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    undos: int = 0
    promotions: int = 0
    violations: list[str] = field(default_factory=list)
    idle_cpu: float = 0.0
    seconds: float = 0.0


def growth(values: list[float]) -> float:
    """By which share the last quarter of the values lies over those from half of the day on."""
    late = values[int(len(values) * WARM_UP) :]
    third = max(1, len(late) // 3)
    return statistics.mean(late[-third:]) / max(1e-9, statistics.mean(late[:third])) - 1


def page(day: Day) -> str:
    """The figures as Markdown."""
    options = day.options
    lines = [
        f"# Soak: {_span(options.hours)} in which nothing grows",
        "",
        "Written by `make soak` (`python -m benchmarks.soak`); do not edit by hand.",
        "",
        f"{day.samples[-1].hour:g} of {options.hours:g} hours of simulated time, {options.workloads} workloads, "
        f"{options.pods} pods, {day.released.total()} of {options.rollouts} rollouts ({day.released['good']} good, "
        f"{day.released['bad']} bad),",
        f"{options.metered} workloads with traffic and rules on it. The whole daemon and the simulated cluster are one",
        "process, so",
        "memory and CPU are of both; *own objects* are those of the daemon's own types that Python's collector knows,",
        "without its copy of the cluster (*mirrored*: pods, workloads, ReplicaSets and records, the old ones of which",
        f"are {KEPT} of each workload) and what fills memories that have a bound (*remembered*: answers of Prometheus,",
        "Events that were written).",
        "",
        f"Came of it: {day.undos} undone, {day.promotions} promoted; what must never happen "
        f"(tests/faults/witness.py): {len(day.violations)} times.",
        "",
        "| hour | own objects | mirrored | remembered | tasks | open files | resident MiB | CPU s in the hour |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {s.hour:g} | {s.own_objects:,} | {s.mirrored:,} | {s.remembered:,} | {s.tasks} | {s.descriptors} "
            f"| {s.resident:.0f} | {s.cpu:.1f} |"
            for s in day.samples
        ),
        "",
        "| from the middle to the end | grew by |",
        "|---|---|",
        *(f"| {name} | {share:+.1%} |" for name, share in grown(day).items()),
        "",
        *_idle(day),
        f"It took {day.seconds / 60:.0f} minutes of real time.",
    ]
    return "\n".join(lines) + "\n"


def _span(hours: float) -> str:
    return {24.0: "a day", 168.0: "a week"}.get(hours, f"{hours:g} hours")


def _idle(day: Day) -> list[str]:
    if not day.idle_cpu:
        return ["It is not over yet."]
    return [
        f"An hour in which nothing is released costs {day.idle_cpu:.1f} s of CPU, scrapes of the simulated Prometheus "
        f"and renewals of the lease included: {day.idle_cpu / HOUR:.2%} of one core.",
    ]


def grown(day: Day) -> dict[str, float]:
    """The growth of everything that must not grow."""
    return {
        "own objects": growth([float(s.own_objects) for s in day.samples]),
        "mirrored": growth([float(s.mirrored) for s in day.samples]),
        "tasks": growth([float(s.tasks) for s in day.samples]),
        "open files": growth([float(s.descriptors) for s in day.samples]),
        "resident memory": growth([s.resident for s in day.samples]),
    }

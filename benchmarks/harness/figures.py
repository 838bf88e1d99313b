"""Figures of measurements, and how they are shown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import ceil
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figures:
    """Quantiles of a sample; the unit is the sample's."""

    count: int
    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, sample: Sequence[float]) -> Figures:
        """By nearest rank, so that every figure was really measured. Raises ValueError for no sample."""
        if not sample:
            raise ValueError("nothing was measured")
        ranked = sorted(sample)
        p50, p90, p99 = (ranked[ceil(share * len(ranked)) - 1] for share in (0.5, 0.9, 0.99))
        return cls(len(ranked), p50, p90, p99, ranked[-1])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column left-aligned, the others right-aligned."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def machine(*packages: str) -> str:
    """What it was measured on, as one sentence."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{os.cpu_count()} × {model}, {platform.system()}, Python {platform.python_version()}, {versions}"

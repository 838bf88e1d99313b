"""The engine asks for facts, not for kinds."""

from __future__ import annotations

import re
from pathlib import Path

import sentinel
from sentinel.domain.workload import kinds

ROOT = Path(sentinel.__file__).parent
NAMES = re.compile(r"\b(Deployment|ReplicaSet|StatefulSet|DaemonSet)s?\b|WorkloadKind\.[A-Z]+")
ALLOWED = {Path(kinds.__file__)}
"""The one registry of the kinds' names."""


def test_the_names_of_kinds_stand_in_one_module() -> None:
    """Whatever a kind means for a decision is a fact that its driver states, so that a new kind adds no branch."""
    modules = [path for part in ("domain", "engine", "runtime") for path in (ROOT / part).rglob("*.py")]
    assert len(modules) > 80
    found = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in modules
        if path not in ALLOWED
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if NAMES.search(line)
    }
    assert not found

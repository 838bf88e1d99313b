"""The page on backends says what the code does and what is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sentinel.adapters.prometheus.backend import THANOS, VICTORIA_SETTLES, MetricsBackend
from sentinel.domain.policy.rules import PROMETHEUS
from sentinel.policies.schema.sources import QUERY_SOURCES
from tests.e2e.backends import PROGRAMS

PAGE = (Path(__file__).parents[2] / "docs" / "backends.md").read_text()
ROWS = {
    cells[0]: cells
    for line in PAGE.splitlines()
    if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5
}


def row(name: str) -> list[str]:
    """The row of a backend."""
    return next(cells for title, cells in ROWS.items() if title.startswith(name))


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("Prometheus 3", MetricsBackend()),
        ("VictoriaMetrics", MetricsBackend("VictoriaMetrics", metricsql=True, settle=VICTORIA_SETTLES)),
        ("Thanos", MetricsBackend(THANOS)),
        ("Grafana Mimir", MetricsBackend("Grafana Mimir")),
    ],
)
def test_the_parameters_of_each_backend_are_those_that_are_sent(name: str, backend: MetricsBackend) -> None:
    """And the seconds to stay behind are those of the code."""
    sent = ", ".join(f"`{key}={value}`" for key, value in backend.instant_parameters.items())
    assert row(name)[2] == sent
    assert row(name)[3] in (f"{backend.settle:.0f} s", "what is learnt")


def test_the_programs_of_the_stories_are_those_of_the_tests() -> None:
    """Each program that a row names is one that the stories are told on, and none is missing."""
    named = {name for cells in ROWS.values() for name in re.findall(r"`([a-z0-9-]+)`", cells[4])}
    assert named == set(PROGRAMS)


def test_every_source_of_query_rules_is_listed() -> None:
    """By the key that a rule has for it."""
    table = PAGE.partition("## Other systems")[2]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(QUERY_SOURCES) - {PROMETHEUS}

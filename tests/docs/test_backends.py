"""The page on backends says what the code does and what is tested."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import trustme
import yaml

from sentinel.adapters.prometheus.backend import THANOS, VICTORIA_SETTLES, WRITTEN_SETTLES, MetricsBackend
from sentinel.domain.policy.rules import PROMETHEUS
from sentinel.policies.load import load
from sentinel.policies.schema.sources import QUERY_SOURCES
from sentinel.settings import load_settings
from tests.e2e.backends import PROGRAMS

PAGE = (Path(__file__).parents[2] / "docs" / "backends.md").read_text()
ROWS = {
    cells[0]: cells
    for line in PAGE.splitlines()
    if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5
}
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
POLICY = {"apiVersion": "rollback-sentinel.dev/v1", "kind": "RolloutPolicy", "metadata": {"name": "shop"}}


def row(name: str) -> list[str]:
    """The row of a backend."""
    return next(cells for title, cells in ROWS.items() if title.startswith(name))


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("Prometheus 3", MetricsBackend()),
        ("VictoriaMetrics", MetricsBackend("VictoriaMetrics", metricsql=True, settle=VICTORIA_SETTLES)),
        ("Thanos", MetricsBackend(THANOS)),
        ("Grafana Mimir", MetricsBackend("Grafana Mimir", settle=WRITTEN_SETTLES)),
        ("Cortex", MetricsBackend(settle=WRITTEN_SETTLES)),
    ],
)
def test_the_parameters_of_each_backend_are_those_that_are_sent(name: str, backend: MetricsBackend) -> None:
    """And how late its samples are taken to be are the seconds of the code."""
    sent = ", ".join(f"`{key}={value}`" for key, value in backend.instant_parameters.items())
    assert row(name)[2] == sent
    assert row(name)[3] == (f"up to {backend.settle:.0f} s late" if backend.settle else "at once")


def test_the_programs_of_the_stories_are_those_of_the_tests() -> None:
    """Each program that a row names is one that the stories are told on, and none is missing."""
    named = {name for cells in ROWS.values() for name in re.findall(r"`([a-z0-9-]+)`", cells[4])}
    assert named == set(PROGRAMS)


def test_every_source_of_query_rules_is_listed() -> None:
    """By the key that a rule has for it."""
    table = PAGE.partition("## Other systems")[2]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(QUERY_SOURCES) - {PROMETHEUS}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split()[1])
def test_each_example_is_taken_as_it_stands(example: str, tmp_path: Path) -> None:
    """Settings with every file that they name in place, and rules."""
    read = yaml.safe_load(example)
    file = tmp_path / "file.yaml"
    if isinstance(read, list):
        file.write_text(json.dumps({**POLICY, "spec": {"match": {}, "rules": read}}))
        assert not isinstance(load([str(file)]), list)
        return
    authority = trustme.CA()
    made = authority.issue_cert("sentinel.example")
    contents = {
        "ca_file": authority.cert_pem.bytes(),
        "cert_file": made.cert_chain_pems[0].bytes(),
        "key_file": made.private_key_pem.bytes(),
    }
    for key in re.findall(r"(?:\w+_file|Authorization)(?=: /)", example):
        (tmp_path / key).write_bytes(contents.get(key, b"1234\n"))
    file.write_text(
        re.sub(
            r"(\w+_file|Authorization): /[\w./-]+",
            lambda found: f"{found[1]}: {tmp_path / found[1]}",
            example,
        )
    )
    assert load_settings(file, {})

"""The generated references say what the program says."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("generator", "page"),
    [
        ("rule_reference", "docs/rules-reference.md"),
        ("settings_reference", "docs/settings.md"),
        ("reason_reference", "docs/reasons.md"),
        ("metric_reference", "docs/metrics.md"),
        ("record_reference", "docs/records.md"),
        ("chart_reference", "helm/rollback-sentinel/README.md"),
    ],
)
def test_the_page_is_what_the_program_says(generator: str, page: str) -> None:
    """After a change of the schema, a reason or a value, run `make reference` and commit the page."""
    committed = (ROOT / page).read_text(encoding="utf-8")
    assert committed == _hook(generator).page(), "the page is old: run `make reference`"


@pytest.mark.parametrize("kind", ["RolloutPolicy", "ClusterRolloutPolicy"])
def test_the_definition_of_a_policy_is_the_schema_of_rule_files(kind: str) -> None:
    """After a change of the schema, run `make reference` and commit the chart's definitions."""
    hook = _hook("policy_definitions")
    committed = hook.CHART / f"{hook.plural(kind)}.yaml"
    assert committed.read_text(encoding="utf-8") == hook.page(kind), "it is old: run `make reference`"


def _hook(generator: str) -> Any:
    spec = importlib.util.spec_from_file_location(generator, ROOT / f"docs/hooks/{generator}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""The generated references say what the program says."""

import importlib.util
from pathlib import Path

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
    spec = importlib.util.spec_from_file_location(generator, ROOT / f"docs/hooks/{generator}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    committed = (ROOT / page).read_text(encoding="utf-8")
    assert committed == module.page(), "the page is old: run `make reference`"

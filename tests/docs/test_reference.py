"""The reference of rule files says what the schema says."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_schema_says() -> None:
    """Whoever changes the schema runs `make reference` and commits the page."""
    spec = importlib.util.spec_from_file_location("rule_reference", ROOT / "docs/hooks/rule_reference.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    stands = (ROOT / "docs/rules-reference.md").read_text(encoding="utf-8")
    assert stands == generator.page(), "the schema has changed: run `make reference`"

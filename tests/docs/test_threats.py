"""The threat model names for each defence the tests that prove it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
SECTION = PAGE.partition("## Threats")[2].partition("\n## ")[0]
ROWS = [line for line in SECTION.splitlines() if line.startswith("| ")][1:]
PROOF = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def test_there_are_threats() -> None:
    """The table is where it is looked for."""
    assert len(ROWS) > 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_defence_is_proven_by_tests_that_exist(row: str) -> None:
    """A test that was renamed, or a file that is gone, leaves no claim behind."""
    proofs = PROOF.findall(row.rsplit("|", 2)[1])
    assert proofs
    for file, name in proofs:
        tree = ast.parse((ROOT / "tests" / file).read_text())
        found = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert not name or name in found, f"{file} has no {name}"

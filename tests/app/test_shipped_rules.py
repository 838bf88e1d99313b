"""The rule files that ship: tested by their own tests, which reach every branch; with what editors need."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sentinel.app.ruletest.coverage import total
from sentinel.app.ruletest.session import run_tests
from sentinel.policies.load import PolicySet, load
from sentinel.policies.presets import PRESETS
from sentinel.policies.ruletest import schema as test_schema
from sentinel.policies.schema import described as schema

RULES = Path(__file__).parents[2] / "rules"
FILES = sorted(RULES.rglob("*.yaml"))
RULE_FILES = [file for file in FILES if not file.name.endswith(".test.yaml")]
TEST_FILES = [file for file in FILES if file.name.endswith(".test.yaml")]


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.name)
def test_its_tests_pass_and_reach_everything(file: Path) -> None:
    """Every test of a shipped file passes, and together they reach pass, fail and missing evidence of each rule."""
    session = asyncio.run(run_tests([file]))

    assert not session.errors
    assert [(r.case.name, r.problem, r.differences) for r in session.results if not r.passed] == []
    assert {part.policy: part.missed for part in session.coverage if part.missed} == {}
    assert total(session.coverage) == 1.0


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_it_has_tests(file: Path) -> None:
    """Beside each rule file that ships stand its tests."""
    assert file.with_suffix(".test.yaml") in TEST_FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_its_first_line_names_its_schema(file: Path) -> None:
    """An editor finds the JSON Schema of every file by its first line."""
    first = file.read_text().splitlines()[0]

    assert first.startswith("# yaml-language-server: $schema=")
    named = (file.parent / first.partition("=")[2]).resolve()
    kind = "rule-test" if file in TEST_FILES else "rollout-policy"
    assert named == RULES / "schema" / f"{kind}.json"


def test_the_schemas_that_ship_are_those_of_the_code() -> None:
    """`sentinel rules schema` prints what stands in rules/schema."""
    assert json.loads((RULES / "schema" / "rollout-policy.json").read_text()) == schema.json_schema()
    assert json.loads((RULES / "schema" / "rule-test.json").read_text()) == test_schema.json_schema()


def test_every_preset_has_a_stack() -> None:
    """For each metric family that the library knows a whole policy ships."""
    assert {file.stem for file in RULE_FILES if file.parent.name == "stacks"} == set(PRESETS)


def test_all_that_ships_can_be_in_force_together() -> None:
    """No two shipped policies have one name, so that a folder of all of them loads."""
    assert isinstance(load(RULE_FILES), PolicySet)

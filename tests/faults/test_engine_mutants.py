"""Mutants of the engine: which mistakes are made, and that tests are told from tests that notice nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import engine_mutants
from tests.faults.engine_mutants import FOUND, ROOT, SURVIVED, Module, forked, outcome
from tests.faults.mutations import mutants_of


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a < b", {"a <= b"}),
        ("a and b", {"a or b", "a", "b"}),
        ("not a", {"not not a"}),
        ("a + 1", {"a - 1", "a + 2"}),
        ("x if a else y", {"x if True else y", "x if False else y"}),
        ("[a for a in b if a]", {"[a for a in b]"}),
        ("replace(a, b=c)", {"replace(a)"}),
        ("min(a)", {"max(a)"}),
    ],
)
def test_each_mistake_is_made_by_itself(source: str, changed: set[str]) -> None:
    """One mutant for each mistake, and nothing else changed."""
    assert {mutant.source for mutant in mutants_of(source)} == changed


def test_decorators_are_left_alone() -> None:
    """Whether a dataclass has slots is no behaviour."""
    assert mutants_of("@dataclass(slots=True)\nclass A:\n    b: int") == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_mutant_is_found_by_a_test_that_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a module with one test, the mutant that the test notices is found, and the other survives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine_mutants, "PLUGINS", ("_hypothesis_pytestplugin",))
    (tmp_path / "subject_of_mutants.py").write_text("def over(n):\n    return n > 5\n")
    (tmp_path / "test_subject.py").write_text(
        "def test_over():\n    from subject_of_mutants import over\n    assert over(6) and not over(1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    tests = {2: ["test_subject.py::test_over"]}
    module = Module("subject_of_mutants", tmp_path / "subject_of_mutants.py", tests)

    became = {each.after: outcome(module, each) for each in mutants_of(module.path.read_text())}

    assert became == {"n >= 5": SURVIVED, "6": FOUND}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_engines_tests_run_with_the_few_plugins_of_a_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their `conftest.py` asks for no other plugin."""
    monkeypatch.chdir(ROOT)
    assert forked(["tests/domain/test_words.py"]) == pytest.ExitCode.OK

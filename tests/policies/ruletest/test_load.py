"""Reading files of rule tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.policies.load import describe
from sentinel.policies.ruletest.cases import Case
from sentinel.policies.ruletest.load import load_tests

FILES = sorted((Path(__file__).parent / "invalid").glob("*.test.yaml"))
HEAD = "apiVersion: rollback-sentinel.dev/v1\nkind: RuleTest\n"


def one(folder: Path, text: str) -> Case:
    """The only test of a file that must be fine."""
    file = folder / "web.test.yaml"
    file.write_text(HEAD + text)
    (found,), errors = load_tests([file])
    assert errors == []
    return found.cases[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.yaml"))
def test_says_what_is_wrong_and_where(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mistake is named with its file, line, column, path and what would be right, and nothing else is."""
    monkeypatch.chdir(file.parent)

    _, errors = load_tests([file.name])

    assert describe(errors) + "\n" == Path(file.name.replace(".test.yaml", ".txt")).read_text()


def test_there_are_files() -> None:
    """The folder of invalid files is found."""
    assert len(FILES) > 20


def test_a_test_is_of_the_file_beside_it(tmp_path: Path) -> None:
    """Unless it says otherwise a file of tests is of the rule file of its own name, in its folder."""
    (tmp_path / "web.test.yaml").write_text(HEAD + "tests: [{name: a, expect: {phase: Promoted}}]")
    (tmp_path / "other.test.yaml").write_text(
        HEAD + "rules: [../a.yaml]\ntests: [{name: a, expect: {phase: Promoted}}]"
    )

    found, _ = load_tests([tmp_path])

    assert {file.rules for file in found} == {(str(tmp_path / "web.yaml"),), (str(tmp_path / "../a.yaml"),)}


def test_a_tests_own_series_goes_before_the_files(tmp_path: Path) -> None:
    """Series of the whole file are every test's; one of the same name and labels replaces it."""
    case = one(
        tmp_path,
        'series: [{series: up, values: "1"}, {series: down, values: "1"}]\n'
        'tests: [{name: a, series: [{series: up, values: "2 3", from: -1h}], expect: {phase: Promoted}}]',
    )

    values = {series.series.name: (series.values, series.begins) for series in case.series}
    assert values == {"up": ((2.0, 3.0), timedelta(hours=-1)), "down": ((1.0,), timedelta(0))}


def test_an_alert_comes_in_when_it_fires(tmp_path: Path) -> None:
    """Unless said, the notification of an alert is received at once."""
    case = one(
        tmp_path,
        "tests: [{name: a, alerts: [{labels: {alertname: X}, firing: 2m}], expect: {phase: Promoted}}]",
    )

    assert (case.alerts[0].firing, case.alerts[0].received) == (timedelta(minutes=2), timedelta(minutes=2))


def test_a_folder_without_tests_says_so(tmp_path: Path) -> None:
    """A folder in which no test is found is a mistake, not a success."""
    found, errors = load_tests([tmp_path])

    assert found == []
    assert "holds no tests" in describe(errors)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    """A file that cannot be read is named."""
    assert "cannot be read" in describe(load_tests([tmp_path / "no.test.yaml"])[1])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=200), at=st.integers(0, 400), cut=st.integers(0, 30))
def test_no_bytes_end_in_anything_but_tests_or_mistakes(
    tmp_path: Path, noise: bytes, at: int, cut: int
) -> None:
    """A file whose bytes were damaged anywhere gives tests or a list of mistakes, never an exception."""
    whole = (FILES[0].parents[4] / "rules" / "default.test.yaml").read_bytes()
    file = tmp_path / "web.test.yaml"
    file.write_bytes(whole[:at] + noise + whole[at + cut :])

    found, errors = load_tests([file])

    assert found or errors

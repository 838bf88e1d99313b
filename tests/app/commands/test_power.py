"""`sentinel rules power`, as typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from sentinel.app.commandline import app
from sentinel.domain.errors import SentinelError
from tests.support.world import CANARY_POLICY


def sentinel(*words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["rules", "power", *words])


def row(result: Result, rate: str) -> list[str]:
    """The cells of one candidate's row."""
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if line.split()[:1] == [rate])
    return line.split()[1:]


def test_small_faults_take_longer_than_large_ones() -> None:
    """Half of the errors are found in the first tick, a tenth not within the bake; under the limit nothing is."""
    found = sentinel("--rps", "20", "--base", "0.5%", "--weight", "10%")
    assert row(found, "50%") == ["15s", "15s", "found"]
    assert row(found, "10%")[2] == "missed;"
    assert row(found, "1%") == ["-", "-", "within", "the", "limit"]


def test_a_longer_bake_finds_more() -> None:
    """What is missed in two minutes is found in twenty."""
    longer = sentinel("--rps", "20", "--base", "0.5%", "--bake", "20m")
    assert row(longer, "10%")[2] == "found"


def test_each_step_of_a_policy_is_judged(tmp_path: Path) -> None:
    """With its own weight, bake and share of the level, and the time that its requests take."""
    file = tmp_path / "shop.yaml"
    file.write_text(CANARY_POLICY)
    found = sentinel("--rps", "20", "--base", "0.5%", "--policy", str(file))
    assert found.exit_code == 0, found.output
    assert "rule error-rate, step 1" in found.output
    assert "10% of them" in found.output
    assert "50% of them" in found.output
    assert "level 0.119%" in found.output
    assert "requests to the candidate, which take 50s" in found.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rps", "0", "--base", "1%"), "over 0 requests per second"),
        (("--rps", "1", "--base", "some"), "--base some: 'some' is not a percentage"),
        (("--rps", "1", "--base", "1%", "--weight", "0%"), "weight must lie between 0 and 1"),
        (("--rps", "1", "--base", "1%", "--bake", "2"), "--bake 2"),
    ],
)
def test_impossible_numbers_are_refused_in_one_sentence(words: tuple[str, ...], said: str) -> None:
    """Before anything is printed."""
    found = sentinel(*words)
    assert isinstance(found.exception, SentinelError)
    assert said in str(found.exception)
    assert found.stdout == ""

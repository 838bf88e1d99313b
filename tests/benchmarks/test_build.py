"""A benchmark compares this checkout with a commit that has a folder of its own."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as driver
from benchmarks.harness import build
from benchmarks.harness.build import HERE, Build
from benchmarks.harness.result import Result, against


def test_every_figure_is_set_against_the_one_before() -> None:
    """Those that both builds have, and only as ratios."""
    section = against("abc", {"CPU": 4.0, "gone": 1.0, "none": 0.0}, {"CPU": 3.0, "new": 1.0, "none": 1.0})
    assert "| CPU | 0.75 |" in section
    assert not any(word in section for word in ("gone", "new |", "none"))


def test_a_commit_is_unpacked_and_installed_beside_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is run by the Python of its own environment, and imported from its own folder."""
    ran: list[list[str]] = []
    real = subprocess.run

    def run(command: list[str], **options: object) -> object:
        if command[0] == "git":
            return real(command, **options)  # type: ignore[call-overload]
        ran.append([*command, str(options["cwd"])])
        return None

    monkeypatch.setattr(build.subprocess, "run", run)
    old = build.check_out("HEAD", tmp_path)
    assert (tmp_path / "sentinel" / "app" / "cli.py").exists()
    assert old == Build("HEAD", tmp_path, tmp_path / ".venv" / "bin" / "python")
    assert [command[-1] for command in ran] == [str(tmp_path)] * 2
    assert ran[1][0] == str(old.python)


def test_the_builds_are_measured_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page is of this checkout, with the ratios to the commit; a flaw ends the run with 1."""
    monkeypatch.setattr(driver, "check_out", lambda commit, folder: replace(HERE, name=commit))
    monkeypatch.setattr(driver, "PAGES", tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmarks", "start", "--base", "abc", "--write"])

    def bench(measured: Build, quick: bool) -> Result:
        cpu = 4.0 if measured.name == "abc" else 1.0
        return Result({"CPU": cpu}, lambda date: f"# {measured.name}\n", "grew" if cpu < 4 else "")

    monkeypatch.setitem(driver.BENCHMARKS, "start", bench)
    assert driver.main() == 1
    page = (tmp_path / "start.md").read_text()
    assert page.startswith("# here\n")
    assert "| CPU | 0.25 |" in page
    assert "grew" in capsys.readouterr().err

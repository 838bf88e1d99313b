"""A benchmark compares this checkout with a commit that has a folder of its own."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import __main__ as driver
from benchmarks.harness import build, world
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


def test_a_benchmark_that_ends_early_keeps_no_other_from_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its error is shown, the next one is measured, and the run ends with 1."""
    monkeypatch.setattr("sys.argv", ["benchmarks", "start", "scale"])

    def early(measured: Build, quick: bool) -> Result:
        raise TimeoutError("nothing bakes")

    monkeypatch.setitem(driver.BENCHMARKS, "start", early)
    monkeypatch.setitem(
        driver.BENCHMARKS, "scale", lambda measured, quick: Result({}, lambda date: "# Scale")
    )
    assert driver.main() == 1
    out, err = capsys.readouterr()
    assert "# Scale" in out
    assert "nothing bakes" in err
    assert "start ended early" in err


@pytest.mark.parametrize("status", [{"progress": {"reachedAt": "2026-01-01"}}, {"reachedAt": "2026-01-01"}])
def test_a_bake_counts_wherever_a_build_writes_it(status: dict[str, object]) -> None:
    """Releases before 0.2 wrote the time elsewhere in the record; and their definitions are the build's own."""
    assert world._phase({"status": {"phase": "Baking", **status}}) == "Baking"
    assert world._phase({"status": {"phase": "Baking"}}) == ""
    assert (HERE.definitions / "rolloutrecords.yaml").exists()


@pytest.mark.parametrize(
    "file", sorted(Path(driver.__file__).parent.rglob("[!_]*.py")), ids=lambda file: file.stem
)
def test_every_benchmark_can_be_imported(file: Path) -> None:
    """Those that no test runs, too."""
    import_module(".".join(file.relative_to(build.ROOT).with_suffix("").parts))

"""Whether the engine's own tests notice small mistakes in it: mutants, each put to the tests of the changed line.

Which tests run a line is measured once. Each mutant then lives in a forked process, in memory alone: no file is
changed. A mutant that no test fails for is a survivor: a test is missing, or the change makes no difference.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.abc
import importlib.util
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

import coverage
import hypothesis
import pytest

from tests.faults.mutations import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
FOLDERS = ("engine", "domain")
TESTS = ("tests/engine", "tests/domain")
SECONDS = 600
"""How long the tests of one mutant may take; one that runs longer is found."""
MOST_TESTS = 400
"""How many tests are asked at most by name: a longer list is asked by its files."""
RAN = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
"""What pytest ends with where tests were run or could not be imported; anything else is our mistake."""
PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin")
"""What the tests need of pytest's plugins: loading all the others takes longer than most tests do."""
FOUND, SURVIVED, TIMED_OUT, UNTESTED = "found", "survived", "ran too long", "run by no test here"


@dataclass(frozen=True, slots=True)
class Module:
    """A module under test and which tests run which of its lines."""

    name: str
    path: Path
    tests: dict[int, list[str]]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that run the mutant's line, or the module where the line runs on import; its own first."""
        chosen = self.tests.get(mutant.line) or sorted(
            {test for tests in self.tests.values() for test in tests}
        )
        if len(chosen) > MOST_TESTS:
            chosen = sorted({test.partition("::")[0] for test in chosen})
        return sorted(chosen, key=lambda test: f"test_{self.path.stem}.py" not in test)


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another source than its file's."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Ours for the one module."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the planted source in the module's stead."""
        code: CodeType = compile(self._source, str(self._path), "exec")
        exec(code, module.__dict__)


def run_tests(arguments: Sequence[str]) -> int:
    """Run tests in this process, the same ones each time, and leave nothing behind; pytest's exit code."""
    hypothesis.settings.register_profile("mutants", database=None, derandomize=True, deadline=None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plugins = [f"-p{name}" for name in PLUGINS]
    quiet = ["-q", "-x", "--no-header", "--tb=no", "-pno:cacheprovider", "-Wignore:Module already imported"]
    options = [*plugins, "--hypothesis-profile=mutants", *quiet]
    return int(pytest.main([*options, *arguments]))


def forked(arguments: Sequence[str], planted: Planted | None = None) -> int | None:
    """The exit code of tests run in a process of their own; None if it did not end in time."""
    child = os.fork()
    if not child:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        signal.alarm(SECONDS)
        if planted is not None:
            sys.meta_path.insert(0, planted)
        code = int(pytest.ExitCode.INTERNAL_ERROR)
        with contextlib.suppress(BaseException):
            code = run_tests(arguments)
        os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else None


def outcome(module: Module, mutant: Mutant) -> str:
    """What becomes of one mutant."""
    tests = module.tests_of(mutant)
    if not tests:
        return UNTESTED
    code = forked(tests, Planted(module.name, module.path, mutant.source))
    if code not in (None, *RAN):
        raise SystemExit(f"pytest ends with {code} on {len(tests)} tests of {module.name}: measure anew")
    return TIMED_OUT if code is None else FOUND if code else SURVIVED


def measured(data: Path) -> dict[str, dict[int, list[str]]]:
    """By file and line, the tests that run it; from a measurement in `data`, which is made where there is none."""
    if not data.exists():
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--timeout=0", "-p", "no:cacheprovider"]
        watched = ["--cov=sentinel.engine", "--cov=sentinel.domain", "--cov-context=test", "--cov-report="]
        environment = {**os.environ, "COVERAGE_FILE": str(data)}
        if subprocess.run([*command, *watched, *TESTS], env=environment, check=False, cwd=ROOT).returncode:
            data.unlink(missing_ok=True)
            raise SystemExit("the tests fail without any mutant")
    found = coverage.CoverageData(str(data))
    found.read()
    return {file: _named(found.contexts_by_lineno(file)) for file in found.measured_files()}


def _named(lines: dict[int, list[str]]) -> dict[int, list[str]]:
    return {line: sorted({each.rpartition("|")[0] for each in names} - {""}) for line, names in lines.items()}


def modules(names: Sequence[str], tests: dict[str, dict[int, list[str]]]) -> Iterator[Module]:
    """The modules of the engine and the domain, or those of these names."""
    for folder in FOLDERS:
        for path in sorted((ROOT / "sentinel" / folder).rglob("*.py")):
            if path.stem != "__init__" and (not names or path.stem in names):
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield Module(name, path, tests.get(str(path), {}))


def tried(module: Module, sample: int, seed: int) -> Counter[str]:
    """Try a sample of a module's mutants, and print those that survive; how many there were of each outcome."""
    mutants = mutants_of(module.path.read_text())
    if sample < len(mutants):
        # One stream for each module: what is drawn for one does not hang on the others.
        mutants = random.Random(f"{module.name} {seed}").sample(mutants, sample)
    outcomes: Counter[str] = Counter()
    first = mutants[0] if mutants else Mutant(0, "", "", "")
    if outcome(module, replace(first, source=module.path.read_text())) in (FOUND, TIMED_OUT):
        raise SystemExit(f"the tests of {module.name} fail without any mutant")
    for mutant in sorted(mutants, key=lambda each: each.line):
        became = outcome(module, mutant)
        outcomes[became] += 1
        if became == SURVIVED:
            place = f"{module.path.relative_to(ROOT)}:{mutant.line}"
            print(f"survived {place}: {mutant.before}  ->  {mutant.after}", flush=True)
    print(f"{module.name}: {_counted(outcomes)}", flush=True)
    return outcomes


def _counted(outcomes: Counter[str]) -> str:
    return ", ".join(f"{outcomes[each]} {each}" for each in (FOUND, TIMED_OUT, SURVIVED, UNTESTED))


def main() -> None:
    """Print the survivors and the figures of each module and of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="names of modules, all where none is given")
    parser.add_argument("--sample", type=int, default=20, help="mutants of each module at most")
    parser.add_argument("--seed", type=int, default=0, help="which ones are drawn")
    parser.add_argument("--coverage", type=Path, help="keep the measurement of which tests run a line here")
    given = parser.parse_args()
    os.chdir(ROOT)
    total = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        tests = measured((given.coverage or Path(folder, "coverage")).absolute())
        for module in modules(given.modules, tests):
            total += tried(module, given.sample, given.seed)
    print(f"all: {_counted(total)}")


if __name__ == "__main__":
    main()

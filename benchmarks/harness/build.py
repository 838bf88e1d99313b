"""The program under measurement: this checkout's, or that of an earlier commit, with its own environment."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Build:
    """A checkout, and the Python that has its packages. `profile`: where cProfile's figures of a daemon go."""

    name: str
    root: Path
    python: Path
    profile: Path | None = None

    @property
    def definitions(self) -> Path:
        """The folder with the definitions of its resources: in those of another release, it loses what it writes."""
        return self.root / "helm" / "rollback-sentinel" / "crds"

    def sentinel(self, *words: str) -> tuple[str, ...]:
        """The program `sentinel` with these arguments; to be run in `root`, which it is imported from.

        The daemon runs as the build's own image runs it: without docstrings, say.
        """
        profiled = ("-m", "cProfile", "-o", str(self.profile)) if self.profile else ()
        own = self._options() if words[:1] == ("run",) else ()
        return (str(self.python), *own, *profiled, "-m", "sentinel.app.cli", *words)

    def _options(self) -> tuple[str, ...]:
        """What the build's image tells Python, except for what would hide the checkout."""
        found = re.search(r"^ENTRYPOINT (\[.*\])$", (self.root / "Dockerfile").read_text(), re.MULTILINE)
        assert found is not None
        program, *told = json.loads(found[1])
        options = told[: told.index("-m")] if program == "python" else ()
        return tuple(word for word in options if word != "-P")


def compile_modules(build: Build) -> None:
    """Compile the build's modules, with docstrings and without, as an image has them: no first run pays for that."""
    command = (str(build.python), "-m", "compileall", "-q", "-o", "0", "-o", "2", "sentinel")
    subprocess.run(command, cwd=build.root, env=environment(), check=True)


HERE = Build("here", ROOT, Path(sys.executable))


def environment() -> Mapping[str, str]:
    """The variables of a process under measurement: none that could lead it to another checkout or other settings.

    Nor one that forbids to keep compiled modules: an image has them, and to compile all takes longer than to start.
    """
    left_out = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    return {k: v for k, v in os.environ.items() if not k.startswith("SENTINEL_") and k not in left_out}


def check_out(commit: str, folder: Path) -> Build:
    """Unpack a commit into an empty folder and install it beside itself. Raises CalledProcessError."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        tree.extractall(folder, filter="data")
    python = folder / ".venv" / "bin" / "python"
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".")
    for command in ((sys.executable, "-m", "venv", ".venv"), pip):
        subprocess.run(command, cwd=folder, env=environment(), check=True)
    return Build(commit, folder, python)

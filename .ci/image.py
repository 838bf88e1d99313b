"""Plays the Dockerfile's build stage in an empty folder, with its own commands, where no image engine is at hand.

Then it runs what would be shipped, and sees that every pinned package has a wheel for each platform. It fails for
what goes wrong and for nothing else: a machine that reaches no package index is told so plainly and does not fail.

    python .ci/image.py
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLATFORMS = ("x86_64", "aarch64")
_GLIBC = (
    "manylinux_2_34",
    "manylinux_2_28",
    "manylinux_2_17",
    "manylinux2014",
    "manylinux_2_5",
    "manylinux1",
)
_SECONDS = 900


def main() -> int:
    """The exit status: 0 where all steps work or none could be tried, 1 where one fails."""
    python = _python()
    with tempfile.TemporaryDirectory() as folder:
        if not _reached(python, Path(folder)):
            print(
                "image: NOT BUILT, since no package index was reached; nothing is known to be wrong or right"
            )
            return 0
        try:
            _build(python, Path(folder))
            for platform in PLATFORMS:
                _wheels(python, platform, Path(folder))
        except subprocess.CalledProcessError as error:
            print(f"image: {error}", file=sys.stderr)
            return 1
    print("image: every step of the build stage works, what it makes runs, and every package has its wheels")
    return 0


def instructions() -> Iterator[tuple[str, str]]:
    """The instructions of the build stage, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    stages = text.replace("\\\n", " ").split("FROM ")
    for line in stages[1].splitlines()[1:]:
        word, _, rest = line.partition(" ")
        if word:
            yield word, rest.strip()


def _python() -> str:
    """The image's Python where there is one, else this one."""
    found = re.search(r"=python:(3\.\d+)", (ROOT / "Dockerfile").read_text())
    name = f"python{found[1]}" if found else ""
    works = name and shutil.which(name) and subprocess.run([name, "-V"], capture_output=True, check=False)
    return name if works and works.returncode == 0 else sys.executable


def _reached(python: str, folder: Path) -> bool:
    command = [
        python,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        "--dest",
        str(folder),
    ]
    try:
        done = subprocess.run([*command, "hatchling"], capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _build(python: str, folder: Path) -> None:
    """Each instruction as an engine would follow it, with / in the folder."""
    root = folder / "image"
    tools = root / "usr" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").write_text(f'#!/bin/sh\nexec "{shutil.which(python)}" "$@"\n')
    (tools / "python").chmod(0o755)
    variables = {**_own(), "PATH": f"{tools}:{os.environ['PATH']}"}
    here = root
    for word, rest in instructions():
        if word == "ENV":
            variables |= dict(pair.split("=", 1) for pair in _placed(rest, root).split())
        elif word == "WORKDIR":
            here = root / rest.lstrip("/")
            here.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            _copy(rest.split(), here)
        elif word == "RUN":
            _run(_placed(rest, root), here, variables)
    _run(
        f"ls {root}/opt/sentinel/lib/*/site-packages/rollback_sentinel-*.dist-info/licenses/LICENSE",
        here,
        _own(),
    )
    _run(f"{root}/opt/sentinel/bin/sentinel rules check {ROOT}/rules/default.yaml", here, _own())
    _run(f"{root}/opt/sentinel/bin/python -c 'import sentinel.app.healthcheck'", here, _own())


def _own() -> dict[str, str]:
    """The variables that say how packages are reached, and nothing of this project's environment."""
    kept = ("PIP_", "SSL_", "http", "HTTP", "no_proxy", "NO_PROXY", "PATH", "LANG", "PYENV")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)}


def _placed(command: str, root: Path) -> str:
    """The command with absolute paths of the image in the folder; owners are an engine's matter."""
    command = re.sub(r" -[og] \d+", "", command)
    return re.sub(r"(?<![\w./])/(build|opt)\b", lambda found: f"{root}/{found[1]}", command)


def _copy(words: list[str], here: Path) -> None:
    *sources, target = words
    for source in sources:
        origin = ROOT / source
        if origin.is_dir():
            shutil.copytree(
                origin, here / target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
            )
        else:
            shutil.copy(origin, here / target)


def _run(command: str, here: Path, variables: Mapping[str, str]) -> None:
    print(f"image: {' '.join(command.split())[:100]}")
    subprocess.run(
        ["/bin/sh", "-ec", command],
        cwd=here,
        env=variables,
        stdout=subprocess.DEVNULL,
        timeout=_SECONDS,
        check=True,
    )


def _wheels(python: str, platform: str, folder: Path) -> None:
    """By their hashes, so that a package that is locked without this platform's wheel fails."""
    version = re.search(r"=python:3\.(\d+)", (ROOT / "Dockerfile").read_text())
    tags = [part for glibc in _GLIBC for part in ("--platform", f"{glibc}_{platform}")]
    print(f"image: wheels for {platform}")
    subprocess.run(
        [
            *(python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"),
            *("--require-hashes", "--python-version", f"3.{version[1]}" if version else "3.13", *tags),
            *("--dest", str(folder / platform), "--requirement", str(ROOT / "requirements.lock")),
        ],
        timeout=_SECONDS,
        check=True,
    )


if __name__ == "__main__":
    sys.exit(main())

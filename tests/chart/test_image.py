"""The image's recipe: pinned, complete, without rights; and the locks that it installs from."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from sentinel.app.commandline import app

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-build.lock")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def last_stage() -> list[tuple[str, str]]:
    """The instructions of the stage that is shipped."""
    made = instructions()
    begin = max(index for index, (word, _) in enumerate(made) if word == "FROM")
    return made[begin:]


def locked(name: str) -> dict[str, tuple[str, int]]:
    """A lock's packages: the version of each, and how many hashes it has."""
    entries = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    packages = {}
    for entry in entries:
        found = re.match(r"([\w.-]+)==(\S+)", entry)
        if found:
            packages[canonicalize_name(found[1])] = (
                found[2],
                len(re.findall(r"--hash=sha256:[0-9a-f]{64}", entry)),
            )
    return packages


def test_hadolint_has_nothing_to_say() -> None:
    """The linter of Dockerfiles, with all of its rules."""
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("hadolint is not installed: it has no wheel for this platform")
    ended = subprocess.run(
        [program, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_base_is_one_image_pinned_by_its_digest() -> None:
    """Both stages are built from it, so that what was built fits where it runs."""
    made = instructions()
    (argument,) = (rest for word, rest in made if word == "ARG" and rest.startswith("PYTHON_IMAGE="))
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", argument)
    assert [rest.partition(" AS ")[0] for word, rest in made if word == "FROM"] == ["${PYTHON_IMAGE}"] * 2


def test_it_runs_without_rights_and_says_how_it_is() -> None:
    """A user by number, as Kubernetes wants to see it; a health check; the exec form, so that signals arrive."""
    stage = dict(last_stage())
    assert stage["USER"] == "65532:65532"
    assert "sentinel.app.healthcheck" in stage["HEALTHCHECK"]
    assert stage["ENTRYPOINT"] == '["python", "-P", "-OO", "-X", "no_debug_ranges", "-m", "sentinel.app.cli"]'
    for label in ("title", "description", "licenses", "version", "revision", "source"):
        assert f"org.opencontainers.image.{label}=" in stage["LABEL"]


def test_modules_are_compiled_for_the_daemon_and_for_commands() -> None:
    """The daemon runs without docstrings, `kubectl exec` with them, and neither can write what it compiles."""
    (compiling,) = (rest for word, rest in instructions() if word == "RUN" and "compileall" in rest)
    assert "-o 0 -o 2" in compiling


def test_nothing_of_others_runs_as_root() -> None:
    """What installs and builds does so as an ordinary user, and what it made is root's in the end."""
    user = ""
    for word, rest in instructions():
        if word in ("FROM", "USER"):
            user = rest if word == "USER" else "root"
        if word == "RUN" and re.search(r"pip\s.*\binstall\b|hatchling|compileall", rest):
            assert user == "65532:65532", rest
        if word == "COPY" and rest.startswith("--from"):
            assert "--chown=0:0" in rest


def test_nothing_is_installed_but_from_the_locks() -> None:
    """Each pip takes a lock by its hashes, or the wheel that was just built; nothing in the shipped stage installs."""
    for word, rest in instructions():
        for command in re.findall(r"pip\s[^&]*\binstall\b[^&]*", rest) if word == "RUN" else ():
            assert "--require-hashes" in command or "--no-index" in command, command
    shipped = " ".join(rest for word, rest in last_stage() if word == "RUN")
    assert "pip install" not in shipped
    assert "apt-get" not in shipped


def test_what_is_copied_is_there_and_not_ignored() -> None:
    """Each source exists and passes .dockerignore; nothing else is sent."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    sources = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in kept), source
    assert set(kept) == sources


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_a_hash_for_every_package_and_names_no_index(name: str) -> None:
    """So that it installs the same anywhere, from wherever packages come there."""
    packages = locked(name)
    assert packages
    assert [package for package, (_, hashes) in packages.items() if not hashes] == []
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--extra-index-url" not in text


def test_the_lock_satisfies_the_project() -> None:
    """Every dependency, those of traces and AWS too, is locked at a version that it allows; `make lock` renews it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = locked("requirements.lock")
    extras = project["project"]["optional-dependencies"]
    for text in [*project["project"]["dependencies"], *extras["aws"], *extras["otel"]]:
        wanted = Requirement(text)
        version, _ = packages.get(canonicalize_name(wanted.name), ("", 0))
        assert version, f"{wanted.name} is not locked: make lock"
        assert wanted.specifier.contains(version), f"{text} but {version} is locked: make lock"
    builder = Requirement(project["build-system"]["requires"][0])
    assert builder.specifier.contains(locked("requirements-build.lock")[builder.name][0])


def test_the_image_is_without_the_simulated_cluster() -> None:
    """What plays a cluster for demo and tests reaches neither the engine's context nor the wheel."""
    assert "clustersim" not in (ROOT / ".dockerignore").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["sentinel"]


def test_the_demo_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra one sentence names it, and nothing is a traceback."""
    monkeypatch.setattr("sentinel.app.demo.command.find_spec", lambda _name: None)
    result = CliRunner().invoke(app, ["demo"])
    assert "pip install 'rollback-sentinel[demo]'" in str(result.exception)

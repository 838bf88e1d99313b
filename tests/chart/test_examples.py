"""The workflow and the examples: pinned, in step with the chart; a script tells the verdict by its exit code."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.adapters.kubernetes.crd import definitions
from sentinel.adapters.kubernetes.record_objects import WORKLOAD_LABEL
from sentinel.ports import SystemClock
from sentinel.simulation.cluster import SimulatedCluster
from sentinel.simulation.resources import CRDS
from tests.support.helm import Helm, find_program, only

ROOT = Path(__file__).parents[2]
WORKFLOWS = (ROOT / ".github/workflows/ci.yaml", ROOT / "examples/github-actions/deploy.yaml")
SCRIPT = ROOT / "examples/github-actions/wait-for-verdict.sh"


def steps(workflow: Path) -> list[dict[str, Any]]:
    """The steps of all jobs of a workflow."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_rights_are_few(workflow: Path) -> None:
    """Each action by its commit; the token may read the repository and nothing else; no job runs without an end."""
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
    loaded = yaml.safe_load(workflow.read_text())
    assert loaded["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in loaded["jobs"].values())


def test_ci_runs_what_everybody_runs() -> None:
    """The one script of the repository, which is there and can be executed."""
    assert ".ci/run" in [step.get("run") for step in steps(WORKFLOWS[0])]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_argo_cd_installs_values_that_the_chart_accepts(helm: Helm) -> None:
    """The example's value files and values render, into the mode that it names."""
    application = yaml.safe_load((ROOT / "examples/argocd/application.yaml").read_text())
    source = application["spec"]["source"]
    assert (ROOT / source["path"]).is_dir()
    manifests = helm.template(source["helm"]["valuesObject"], *source["helm"]["valueFiles"])
    settings = yaml.safe_load(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    assert settings["mode"] == source["helm"]["valuesObject"]["settings"]["mode"]


@pytest.fixture
async def cluster() -> AsyncIterator[SimulatedCluster]:
    """A cluster that knows RolloutRecords."""
    async with SimulatedCluster(SystemClock().now) as running:
        for definition in definitions():
            running.store.create(CRDS, definition)
        running.namespace("shop")
        yield running


def record(cluster: SimulatedCluster, name: str, image: str, phase: str) -> None:
    """Put a record of a rollout of `web` into the cluster."""
    kind = cluster.api.registry.find("rollback-sentinel.dev", "v1", "rolloutrecords")
    assert kind is not None
    metadata = {"name": name, "namespace": "shop", "labels": {WORKLOAD_LABEL: "web"}}
    spec = {"candidate": {"digest": "d", "images": [image, "sidecar:1"]}}
    cluster.store.create(kind, {"metadata": metadata, "spec": spec})

    def change(made: dict[str, Any]) -> None:
        made["status"] = {"phase": phase, "message": f"it is {phase}"}

    cluster.store.mutate(kind, "shop", name, change, manager="story", subresource="status")


async def verdict(cluster: SimulatedCluster, folder: Path, *arguments: str) -> tuple[int | None, str]:
    """How the script ends, and what it says."""
    kubectl = Path(find_program("kubectl", folder))
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(cluster.kubeconfig()))
    environment = {
        "PATH": f"{kubectl.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "KUBECONFIG": str(kubeconfig),
        "PAUSE_SECONDS": "0.2",
    }
    process = await asyncio.create_subprocess_exec(
        SCRIPT, *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("phase", "status"), [("Promoted", 0), ("Undone", 1), ("Failed", 1), ("Held", 2), ("Superseded", 2)]
)
async def test_the_script_ends_with_the_verdict(
    cluster: SimulatedCluster, tmp_path: Path, phase: str, status: int
) -> None:
    """Of the newest record of this image; those of other images and the older attempts do not count."""
    record(cluster, "web-other", "web:1", "Undone" if status == 0 else "Promoted")
    record(cluster, "web-this", "web:2", phase)
    ended, said = await verdict(cluster, tmp_path, "shop", "web", "web:2", "15")
    assert (ended, said) == (status, f"web: {phase}, it is {phase}\n")


@pytest.mark.real_time
async def test_the_script_gives_up_in_the_end(cluster: SimulatedCluster, tmp_path: Path) -> None:
    """A rollout that nothing guards has no record: said, with how to look."""
    ended, said = await verdict(cluster, tmp_path, "shop", "web", "web:2", "1")
    assert ended == 3
    assert "no record yet" in said
    assert "no verdict on web:2 within 1 s" in said


@pytest.mark.real_time
async def test_the_script_says_how_it_is_called(cluster: SimulatedCluster, tmp_path: Path) -> None:
    """Without its arguments."""
    ended, said = await verdict(cluster, tmp_path, "shop")
    assert ended == 4
    assert said.startswith("usage:")

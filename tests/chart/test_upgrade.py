"""An upgrade of the previous chart by real helm and kubectl on the simulated API server, as docs/upkeep.md says."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from clustersim.cluster import ClusterOptions, SimulatedCluster
from clustersim.storage.resources import CRDS
from tests.support.helm import CHART, NAMESPACE, RELEASE, find_program

ROOT = CHART.parents[1]
PREVIOUS = Path(__file__).parent / "previous" / "rollback-sentinel-0.1.0.tgz"
"""The chart as it was before, packaged: a clone of CI has no history to take it from."""
CHOSEN = ("--set", "replicas=3", "--set", "settings.prometheus.url=http://prometheus:9090")

pytestmark = [pytest.mark.real_time]


@dataclass(frozen=True, slots=True)
class Desk:
    """A cluster, a folder with the chart in it as in the repository, and a shell with helm and kubectl."""

    cluster: SimulatedCluster
    folder: Path
    environment: dict[str, str]

    @property
    def chart(self) -> Path:
        """The chart that is upgraded to; it may be edited."""
        return self.folder / "helm" / CHART.name

    async def run(self, script: str) -> str:
        """What a script says; one that fails fails the test."""
        process = await asyncio.create_subprocess_exec(
            *("bash", "-eo", "pipefail", "-c", script),
            cwd=self.folder,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()

    async def install_previous(self) -> None:
        """As a user has it, with values of their own."""
        options = " ".join(CHOSEN)
        await self.run(f"helm install {RELEASE} {PREVIOUS} -n {NAMESPACE} --create-namespace {options}")

    def deployment(self) -> dict[str, Any]:
        """The sentinel's own."""
        return self.cluster.deployment(RELEASE, namespace=NAMESPACE)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change the chart that is upgraded to."""
        place = self.chart / file
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new))


@pytest.fixture
async def desk(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """An empty cluster, and the chart of this repository."""
    programs = {name: find_program(name, tmp_path_factory.mktemp(name)) for name in ("helm", "kubectl")}
    path = ":".join([*(str(Path(program).parent) for program in programs.values()), os.environ["PATH"]])
    shutil.copytree(CHART, tmp_path / "helm" / CHART.name)
    kubeconfig = tmp_path / "kubeconfig"
    options = ClusterOptions(scrape_interval=1e6, events=False)
    async with SimulatedCluster(lambda: datetime.now(UTC), options) as cluster:
        kubeconfig.write_bytes(orjson.dumps(cluster.kubeconfig()))
        yield Desk(cluster, tmp_path, {"PATH": path, "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig)})


def documented() -> str:
    """The commands of the documentation's section on upgrades."""
    section = (ROOT / "docs" / "upkeep.md").read_text().split("\n## Upgrade\n")[1].split("\n## ")[0]
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(commands)


async def test_the_documented_upgrade_keeps_the_users_values_and_takes_the_new_defaults(desk: Desk) -> None:
    """What the user set stays, what the new chart changed is in force, the new image runs."""
    await desk.install_previous()
    desk.edit("values.yaml", "limits: {memory: 512Mi}", "limits: {memory: 640Mi}")
    await desk.run(documented())
    deployment = desk.deployment()
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 3
    assert container["resources"]["limits"]["memory"] == "640Mi"
    assert container["image"] == f"{RELEASE}:NEW"
    settings = await desk.run(
        f"kubectl -n {NAMESPACE} get configmap {RELEASE}-settings -o jsonpath='{{.data.sentinel\\.yaml}}'"
    )
    assert yaml.safe_load(settings)["prometheus"] == {"url": "http://prometheus:9090"}


async def test_the_documented_upgrade_brings_the_new_definitions(desk: Desk) -> None:
    """Fields of the new version are known, also where the old one's were written by helm."""
    await desk.install_previous()
    column = "- {name: Step, type: integer, "
    desk.edit(
        "crds/rolloutrecords.yaml",
        column,
        "- {name: Added, type: string, jsonPath: .kind}\n        " + column,
    )
    desk.edit("crds/rolloutrecords.yaml", "savedAt:", "ofTheFuture: {type: string}\n                savedAt:")
    await desk.run(documented())
    (version,) = desk.cluster.store.get(CRDS, "", "rolloutrecords.rollback-sentinel.dev")["spec"]["versions"]
    assert "ofTheFuture" in version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert "Added" in [column["name"] for column in version["additionalPrinterColumns"]]


async def test_an_upgrade_can_be_rolled_back_and_the_release_removed(desk: Desk) -> None:
    """By helm's own commands; the records' definitions stay."""
    await desk.install_previous()
    await desk.run(documented())
    await desk.run(f"helm rollback {RELEASE} 1 -n {NAMESPACE}")
    (container,) = desk.deployment()["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{RELEASE}:0.1.0"
    await desk.run(f"helm uninstall {RELEASE} -n {NAMESPACE}")
    left = await desk.run(f"kubectl get deployments,networkpolicies,configmaps -n {NAMESPACE} -o name")
    assert RELEASE not in left
    assert len(desk.cluster.store.list(CRDS, None)) == len(list((CHART / "crds").glob("*.yaml")))


def test_nothing_teaches_to_keep_the_old_charts_defaults() -> None:
    """`--reuse-values` is named only where the documentation says why not."""
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *CHART.rglob("*"),
        *ROOT.glob("examples/**/*"),
    ]
    naming = {page.name for page in pages if page.is_file() and "--reuse-values" in page.read_text()}
    assert naming == {"upkeep.md"}

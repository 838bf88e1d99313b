"""The workflow and the examples: pinned, with few rights, in step with the chart."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.helm import Helm, only

ROOT = Path(__file__).parents[2]
WORKFLOWS = (ROOT / ".github/workflows/ci.yaml", ROOT / "examples/github-actions/deploy.yaml")


def steps(workflow: Path) -> list[dict[str, Any]]:
    """The steps of all jobs of a workflow."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_rights_are_few(workflow: Path) -> None:
    """Each action by its commit; the token may read, and where a verdict is told set statuses; every job ends."""
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
    loaded = yaml.safe_load(workflow.read_text())
    assert loaded["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in loaded["jobs"].values())
    more = [job["permissions"] for job in loaded["jobs"].values() if "permissions" in job]
    assert all(rights == {"contents": "read", "statuses": "write"} for rights in more)


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

"""The workflow and the examples: pinned, with few rights, in step with the chart."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentinel.policies.load import PolicySet, load
from tests.support.helm import CHART, Helm, find_program, only

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


def test_flux_installs_values_that_the_chart_accepts(helm: Helm) -> None:
    """As Flux merges them: the files in their order, then the values."""
    documents = yaml.safe_load_all((ROOT / "examples/flux/rollback-sentinel.yaml").read_text())
    release = next(each for each in documents if each["kind"] == "HelmRelease")
    files = [Path(name).name for name in release["spec"]["chart"]["spec"]["valuesFiles"]]
    manifests = helm.template(release["spec"]["values"], *files)
    settings = yaml.safe_load(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    assert (settings["mode"], settings["gitops"]["flux"]) == ("observe", True)


def test_kube_prometheus_finds_what_the_chart_installs(helm: Helm) -> None:
    """By the label of that stack's release."""
    manifests = helm.template(yaml.safe_load((ROOT / "examples/kube-prometheus/values.yaml").read_text()))
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert only(manifests, kind)["metadata"]["labels"]["release"] == "monitoring"


@pytest.mark.parametrize(("environment", "replicas"), [("staging", 2), ("production", 10)])
def test_the_service_of_each_environment_is_guarded(environment: str, replicas: int, tmp_path: Path) -> None:
    """Its label and first batch fit the policy that the chart's values for that environment have."""
    command = [find_program("kubectl", tmp_path), "kustomize", str(ROOT / "examples/thea-api" / environment)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    deployment = next(each for each in yaml.safe_load_all(built) if each["kind"] == "Deployment")
    values = yaml.safe_load((CHART / f"values-{environment}.yaml").read_text())
    (policy,) = values["rules"]["files"].values()
    match = policy["spec"]["match"]
    assert match["namespaces"] == [deployment["metadata"]["namespace"]]
    assert match["selector"]["matchLabels"].items() <= deployment["metadata"]["labels"].items()
    assert deployment["spec"]["replicas"] == replicas
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_blue_green_example_is_what_its_policy_names() -> None:
    """Both colours, the Service that selects one of them, and the preview that selects the other."""
    assert isinstance(load([ROOT / "examples/blue-green/policy.yaml"]), PolicySet)
    pair = yaml.safe_load((ROOT / "examples/blue-green/policy.yaml").read_text())["spec"]["strategy"][
        "blueGreen"
    ]
    objects = {
        (each["kind"], each["metadata"]["name"]): each
        for each in yaml.safe_load_all((ROOT / "examples/blue-green/web.yaml").read_text())
    }
    pods = {
        name: objects["Deployment", pair[name]]["spec"]["template"]["metadata"]["labels"]
        for name in ("blue", "green")
    }
    assert objects["Service", pair["service"]]["spec"]["selector"].items() <= pods["blue"].items()
    assert objects["Service", pair["previewService"]]["spec"]["selector"].items() <= pods["green"].items()


def test_the_gitlab_pipeline_is_what_gitlab_understands() -> None:
    """By its JSON Schema, and its shell by bash."""
    pipeline = ROOT / "examples/gitlab-ci/.gitlab-ci.yml"
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(pipeline)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    scripts = [job["script"] for job in yaml.safe_load(pipeline.read_text()).values() if "script" in job]
    text = "\n".join(line for script in scripts for line in script)
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0

"""The composite action and the example that uses it: their shell steps as a runner runs them."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from clustersim.node.behaviour import crash_loop
from tests.support.cli import ONLY_PODS, served
from tests.support.world import NAMESPACE, World

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
EXAMPLE: dict[str, Any] = yaml.safe_load((ROOT / "examples/github-actions/deploy.yaml").read_text())
UNATTENDED = ONLY_PODS.replace(", approval: required", "")
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
"""How a runner starts `shell: bash`."""


def step(name: str) -> dict[str, Any]:
    """The step of the action with this name."""
    return next(step for step in ACTION["runs"]["steps"] if step.get("name") == name)


async def bash(script: str, environment: dict[str, str]) -> tuple[int | None, str]:
    """How a step ends, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *BASH,
        script,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def wait_for(
    here: World, workload: str, timeout: str = "60s"
) -> tuple[int | None, str, dict[str, str]]:
    """The action's last step: its end, what it prints, and its outputs."""
    outputs = here.folder / "outputs"
    given = {
        "runner.temp }}/rollback-sentinel/bin/sentinel": str(Path(sys.executable).parent / "sentinel"),
        "inputs.workload }}": workload,
        "inputs.namespace }}": NAMESPACE,
        "inputs.context }}": "",
        "inputs.kubeconfig }}": here.environ["SENTINEL_KUBERNETES__KUBECONFIG"],
        "inputs.timeout }}": timeout,
    }
    waits = step("Wait for the verdict")
    environment = {key: given[value.removeprefix("${{ ")] for key, value in waits["env"].items()}
    runner = {"RUNNER_TEMP": str(here.folder), "GITHUB_OUTPUT": str(outputs)}
    status, said = await bash(waits["run"], {**runner, **environment})
    return status, said, dict(line.split("=", 1) for line in outputs.read_text().splitlines())


def test_every_input_and_output_is_described_and_used() -> None:
    """An input that no step reads would be a promise that nobody keeps; an output comes from a step that sets it."""
    steps = yaml.safe_dump(ACTION["runs"]["steps"], width=1000)
    assert set(re.findall(r"inputs\.(\w+)", steps)) == set(ACTION["inputs"])
    assert all(entry["description"] for kind in ("inputs", "outputs") for entry in ACTION[kind].values())
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.wait.outputs.{name} }}}}"
        assert f'echo "{name}=' in step("Wait for the verdict")["run"]


@pytest.mark.real_time
async def test_a_wait_that_cannot_begin_is_no_verdict(tmp_path: Path) -> None:
    """An input of no use ends the step as wrong usage, and its outputs say that nothing was waited for."""
    async with served(tmp_path, daemon=False) as here:
        status, said, outputs = await wait_for(here, "web", timeout="soon")
    assert (status, outputs["verdict"]) == (64, "failed"), said
    assert "--for" in outputs["message"]


def test_the_action_is_pinned_and_installs_what_is_there() -> None:
    """Other actions by their commit, packages by hash, and no expression inside a script, where it would be code."""
    for each in ACTION["runs"]["steps"]:
        assert "run" in each or re.search(r"@[0-9a-f]{40}$", each["uses"])
        assert "${{" not in each.get("run", "")
    install = step("Install sentinel")["run"]
    assert "--require-hashes" in install
    locks = re.findall(r"\$SOURCE/([\w.-]+)", install)
    assert locks
    assert all((ROOT / lock).is_file() for lock in locks)


@pytest.mark.real_time
async def test_a_good_release_passes_the_step(tmp_path: Path) -> None:
    """The verdict and why are outputs; what pods say in between is no command to the runner."""
    async with served(tmp_path, UNATTENDED) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        status, said, outputs = await wait_for(here, "deployment/web")
    lines = said.splitlines()
    assert status == 0, said
    assert outputs["verdict"] == "promoted"
    assert outputs["message"] == lines[-2]
    assert lines[0] == f"::stop-commands::{lines[-1].strip(':')}"


@pytest.mark.real_time
async def test_an_undone_release_fails_the_step(tmp_path: Path) -> None:
    """It crashes: exit code 1, and the reason for whoever reads the outputs."""
    async with served(tmp_path, UNATTENDED) as here:
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        status, said, outputs = await wait_for(here, "web")
    assert (status, outputs["verdict"]) == (1, "undone"), said
    assert outputs["message"].startswith("undone: ")


@pytest.mark.real_time
async def test_a_question_that_cannot_be_asked_is_no_verdict(tmp_path: Path) -> None:
    """A workload that is not there was not held, nor undone."""
    async with served(tmp_path, daemon=False) as here:
        status, said, outputs = await wait_for(here, "no-such-thing")
    assert (status, outputs["verdict"]) == (66, "failed"), said
    assert "no-such-thing" in outputs["message"]


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("verdict", "state"),
    [("promoted", "success"), ("undone", "failure"), ("held", "failure"), ("timed-out", "error")],
)
async def test_the_example_tells_the_verdict_beside_the_commit(
    tmp_path: Path, verdict: str, state: str
) -> None:
    """A message longer than GitHub takes is cut."""
    steps = EXAMPLE["jobs"]["production"]["steps"]
    tells = next(each for each in steps if each.get("name") == "Set the commit status")
    told = tmp_path / "told"
    program = tmp_path / "gh"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\n')
    program.chmod(0o755)
    assert set(tells["env"]) == {"NAMESPACE", "VERDICT", "MESSAGE", "GH_TOKEN"}
    github = {
        "GITHUB_REPOSITORY": "shop/web",
        "GITHUB_SHA": "c0ffee",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_RUN_ID": "7",
    }
    given = {"NAMESPACE": "production", "VERDICT": verdict, "MESSAGE": "m" * 200, "GH_TOKEN": "t"}
    status, said = await bash(tells["run"], {**github, **given, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert status == 0, said
    assert told.read_text().splitlines() == [
        "api",
        "--silent",
        "repos/shop/web/statuses/c0ffee",
        *("-f", f"state={state}"),
        *("-f", "context=rollout/production"),
        *("-f", f"description={'m' * 140}"),
        *("-f", "target_url=https://github.com/shop/web/actions/runs/7"),
    ]


def test_the_example_gives_the_action_what_it_takes() -> None:
    """Its inputs are the action's, and the required one is among them."""
    used = [
        each for each in EXAMPLE["jobs"]["staging"]["steps"] if "/rollback-sentinel@" in each.get("uses", "")
    ]
    assert len(used) == 1
    assert {"workload"} <= set(used[0]["with"]) <= set(ACTION["inputs"])

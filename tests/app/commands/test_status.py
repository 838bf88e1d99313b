"""`sentinel status` and `sentinel history` as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sentinel.domain.record.state import Phase
from tests.support.cli import refusal, sentinel, served
from tests.support.world import NAMESPACE

pytestmark = pytest.mark.real_time


async def test_status_shows_what_is_under_way(tmp_path: Path) -> None:
    """Phase, step, share of the pods and who has paused it, as a table, as JSON and as YAML."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        lines = (await sentinel(here, "status")).output.splitlines()
        assert lines[0].split()[:3] == ["WORKLOAD", "PHASE", "STEP"]
        assert lines[1].split()[:4] == ["web", "Baking", "1", "50%"]
        assert "paused by the sentinel" in lines[1]
        (told,) = json.loads((await sentinel(here, "status", "-o", "json")).output)
        assert (told["workload"], told["phase"], told["live"]) == ("web", "Baking", True)
        assert yaml.safe_load((await sentinel(here, "status", "-A", "-o", "yaml")).output)[0]["paused"]


async def test_status_says_that_nothing_is_guarded(tmp_path: Path) -> None:
    """No empty table."""
    async with served(tmp_path, daemon=False) as here:
        assert "No workload in namespace shop has the label" in (await sentinel(here, "status")).output


async def test_a_live_view_is_for_people_only(tmp_path: Path) -> None:
    """--watch with JSON is refused in a sentence."""
    async with served(tmp_path, daemon=False) as here:
        assert "--watch always shows a table" in refusal(
            await sentinel(here, "status", "--watch", "-o", "json")
        )


async def test_history_lists_rollouts_the_newest_first(tmp_path: Path) -> None:
    """Each with how it ended; JSON is a list of the records as the cluster holds them."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        told = (await sentinel(here, "history", "web")).output.splitlines()
        assert [line.split()[5] for line in told[1:]] == ["(web:2)", "(web:1)"]
        items = json.loads((await sentinel(here, "history", "-o", "json")).output)["items"]
        assert [item["kind"] for item in items] == ["RolloutRecord"] * 2
        assert "No RolloutRecord found" in (await sentinel(here, "history", "other")).output


def test_an_error_is_one_sentence_and_has_its_exit_code(tmp_path: Path) -> None:
    """As typed: no traceback, whatever is wrong with the way to the cluster."""
    command = [sys.executable, "-m", "sentinel.app.cli", "status", "--kubeconfig", str(tmp_path / "absent")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78
    assert ended.stderr.startswith("sentinel: no kubeconfig at")
    assert len(ended.stderr.splitlines()) == 1

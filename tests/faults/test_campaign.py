"""Random schedules of releases, people and faults over the whole daemon: what must never happen, never does.

Each is drawn from its seed: `SENTINEL_TEST_FAULT_SEED=123 pytest tests/faults` replays one and tells its story.
`SENTINEL_TEST_FAULT_SCHEDULES` is how many are played: always the same ones, so that a landing is no lottery;
`make soak` plays others for an hour, each night.
"""

import asyncio
import os
import subprocess
import sys

import pytest

from tests.faults.campaign import run_seed
from tests.faults.plan import draw
from tests.faults.registry import STRATEGIES

SCHEDULES = int(os.environ.get("SENTINEL_TEST_FAULT_SCHEDULES", "60"))


def schedules(strategy: str) -> int:
    """How many schedules of a strategy are played: all of Deployments, a third of the others."""
    return SCHEDULES if strategy == "deployment" else max(1, SCHEDULES // 3)


@pytest.mark.real_time
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_no_schedule_of_faults_breaks_what_must_hold(strategy: str) -> None:
    """Nothing lost, nothing twice, nobody undone who is good, and everything comes to an end when faults stop."""
    seed = os.environ.get("SENTINEL_TEST_FAULT_SEED")
    what = [seed] if seed else ["--count", str(schedules(strategy))]
    command = [sys.executable, "-m", "tests.faults.campaign", "--strategy", strategy, *what]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    output, _ = await process.communicate()
    print(output.decode())
    assert process.returncode == 0, output.decode()


def test_a_seed_is_one_schedule_and_one_story() -> None:
    """Played again, everything happens in the same order at the same times."""
    assert draw(7) == draw(7)
    assert run_seed(7).story == run_seed(7).story


def test_schedules_undo_promote_hold_and_restart() -> None:
    """A campaign in which nothing happens would find nothing: a dozen schedules at most have some of everything."""
    missing = {"undos", "promotions", "holds", "alerts", "restarts"}
    for report in map(run_seed, range(12)):
        happened = {
            name: report.lives - 1 if name == "restarts" else getattr(report, name) for name in missing
        }
        missing -= {name for name, times in happened.items() if times}
        if not missing:
            return
    assert not missing

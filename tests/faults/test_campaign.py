"""Random schedules of releases, people and faults over the whole daemon: what must never happen, never does.

Each is drawn from its seed: `SENTINEL_TEST_FAULT_SEED=123 pytest tests/faults` replays one and tells its story.
Here the same few are played each time, so that a landing is no lottery: `tests/faults/chosen.py` says which.
`make soak` plays others for an hour, each night.
"""

import asyncio
import os
import subprocess
import sys

import pytest

from tests.faults.campaign import run_plan, run_seed
from tests.faults.chosen import CHOSEN, POOL, had
from tests.faults.plan import draw, sharded
from tests.faults.registry import STRATEGIES


@pytest.mark.real_time
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_no_schedule_of_faults_breaks_what_must_hold(strategy: str) -> None:
    """Nothing lost, nothing twice, nobody undone who is good, and everything comes to an end when faults stop.

    A campaign in which nothing happens would find nothing: one without an undo, a restart and the like fails too.
    """
    seed = os.environ.get("SENTINEL_TEST_FAULT_SEED")
    what = seed or "--chosen"
    module = [sys.executable, "-m", "tests.faults.campaign"]
    command = [
        *module,
        "--workers",
        "1",
        "--strategy",
        strategy,
        what,
    ]  # the strategies are played side by side
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    output, _ = await process.communicate()
    print(output.decode())
    assert process.returncode == 0, output.decode()


@pytest.mark.parametrize("seed", [0, 1, 4, 6])
def test_replicas_that_share_shards_break_nothing_either(seed: int) -> None:
    """Each shard has its Lease and its fence; of two replicas one leads two of three, and takes over the third."""
    assert run_plan(sharded(seed)).violations == []


@pytest.mark.parametrize(("strategy", "seed"), [("deployment", 7), ("daemonset", 706)])
def test_a_seed_is_one_schedule_and_one_story(strategy: str, seed: int) -> None:
    """Played again, everything happens in the same order at the same times, a process's last tasks as well."""
    assert draw(seed, strategy) == draw(seed, strategy)
    first = run_seed(seed, strategy).story
    assert [run_seed(seed, strategy).story for _ in range(2)] == [first] * 2


def test_the_chosen_schedules_have_all_that_schedules_can_have() -> None:
    """Every deed and fault in each strategy, and soon after each kind of release; else `chosen.py` chooses anew."""
    possible = set().union(*(had(strategy, POOL) for strategy in STRATEGIES))
    assert possible - set().union(*(had(strategy, seeds) for strategy, seeds in CHOSEN.items())) == set()

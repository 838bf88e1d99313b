"""A campaign that cannot fail proves nothing: defects put in on purpose are found."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT

import pytest

from tests.faults.campaign import run_plan, shrunk
from tests.faults.mutants import KNOWN, MUTANTS, RARE, SOONEST
from tests.faults.plan import Deed, Plan, Service
from tests.faults.registry import STRATEGIES


@pytest.mark.real_time
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_defects_are_found(strategy: str) -> None:
    """In the schedules that CI plays, something that must never happen happens, whichever defect is put in."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.mutants", "--soonest", strategy),
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


def test_all_but_the_rare_defects_are_looked_for() -> None:
    """No defect is forgotten."""
    rare = {("deployment", name) for name in RARE}
    assert set(SOONEST) == set(KNOWN) - rare


def test_a_schedule_that_fails_is_shrunk_to_what_matters() -> None:
    """Of a whole schedule hardly more than the release that went wrong is left."""
    release = Deed(1.0, "release", {"name": "s0", "image": "s0:2-good"})
    other = (Deed(5.0, "touch", {"name": "s1"}), Deed(30.0, "release", {"name": "s1", "image": "s1:2-good"}))
    failing = Plan(0, (Service("s0", "plain", 2), Service("s1", "bare", 2)), (release, *other), ends=60.0)
    with MUTANTS["promotes after half the bake"]():
        least = shrunk(failing)
        assert run_plan(least).violations
    assert least.services == failing.services[:1]
    assert least.deeds == (release,)

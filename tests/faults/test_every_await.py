"""The daemon is killed at each of its awaits, one after another: between any two of them everything may end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.campaign import Report, run_plan
from tests.faults.plan import Deed, Plan, Service

RELEASED = 1.0


def killed_at_each(image: str, first: float, lasts: float) -> Iterator[tuple[int, Report]]:
    """The same release again and again, the process killed later each time, until it is over before.

    Awaits are counted from `first` seconds after the release on. A process that dies takes its memory along. So of
    awaits in one second between which it neither sent a write nor saw the cluster change, a death at the first says
    what a death at any of them would.
    """
    counted = run_plan(_plan(image, lasts, Deed(RELEASED + first, "count_awaits")))
    assert counted.violations == []
    for steps, state in enumerate(counted.awaits, 1):
        if steps == 1 or state != counted.awaits[steps - 2]:
            kill = Deed(RELEASED + first, "kill_at_await", {"steps": steps, "away": 0.0})
            report = run_plan(_plan(image, lasts, kill))
            assert report.lives > 1
            yield steps, report


def _plan(image: str, lasts: float, strikes: Deed) -> Plan:
    release = Deed(RELEASED, "release", {"name": "s0", "image": image})
    deeds = (release, strikes, Deed(RELEASED + lasts, "spare"))
    return Plan(0, (Service("s0", "steps", 2),), deeds, ends=lasts)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("image", "first", "lasts", "undos"),
    [
        pytest.param("s0:2-crash", 0.0, 6.0, 1, id="a bad release from its sight to its undo"),
        pytest.param("s0:2-good", 11.5, 3.0, 0, id="a good release from one step to the next"),
        pytest.param("s0:2-good", 33.5, 2.0, 0, id="a good release when it is promoted"),
    ],
)
def test_a_process_that_is_killed_at_any_await_carries_on(
    image: str, first: float, lasts: float, undos: int
) -> None:
    """Nothing is lost, nothing is done twice, and the rollout ends as if nothing had happened."""
    played = 0
    for steps, report in killed_at_each(image, first, first + lasts):
        played += 1
        assert report.violations == [], f"killed at await {steps}"
        assert (report.undos, report.promotions) == (undos, 1 - undos), f"killed at await {steps}"
    assert played >= 10

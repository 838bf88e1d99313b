"""The daemon is killed at each of its awaits, one after another: between any two of them everything may end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.campaign import Report, run_plan
from tests.faults.plan import Deed, Plan, Service

RELEASED = 1.0
MOST = 3000
"""So many awaits a short rollout does not have; with more, the test would never end."""


def killed_at_each(image: str, first: float, lasts: float) -> Iterator[Report]:
    """The same release again and again, the process killed one await later each time, until it is over before.

    Awaits are counted from `first` seconds after the release on.
    """
    for steps in range(1, MOST):
        deeds = (
            Deed(RELEASED, "release", {"name": "s0", "image": image}),
            Deed(RELEASED + first, "kill_at_await", {"steps": steps, "away": 0.0}),
            Deed(RELEASED + lasts, "spare", {}),
        )
        report = run_plan(Plan(steps, (Service("s0", "steps", 2),), deeds, ends=lasts))
        if report.lives == 1:
            return
        yield report
    raise AssertionError("the process was killed at every await there was")


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
    for report in killed_at_each(image, first, first + lasts):
        played += 1
        assert report.violations == [], f"killed at await {report.plan.seed}"
        assert (report.undos, report.promotions) == (undos, 1 - undos), f"killed at await {report.plan.seed}"
    assert played > 20

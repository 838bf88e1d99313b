"""A campaign that cannot fail proves nothing: defects put in on purpose are found."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.faults.campaign import run_plan, shrunk
from tests.faults.chosen import CHOSEN
from tests.faults.mutants import KNOWN, MUTANTS, RARE, found_within
from tests.faults.plan import Deed, Plan, Service

SOONEST: Mapping[tuple[str, str], int] = {
    ("deployment", "acts before the intent is written down"): 34,
    ("deployment", "answers an alert before it is stored"): 34,
    ("deployment", "undoes where evidence is missing"): 148,
    ("deployment", "promotes after half the bake"): 133,
    ("deployment", "does not complete what was interrupted"): 755,
    ("statefulset", "undoes where evidence is missing"): 231,
    ("statefulset", "promotes after half the bake"): 231,
    ("statefulset", "leaves its partition behind"): 333,
    ("statefulset", "leaves a broken pod in the way"): 231,
    ("daemonset", "promotes after half the bake"): 13,
    ("daemonset", "leaves its update strategy behind"): 706,
    ("canary-pair", "takes the pods before the requests"): 119,
    ("canary-pair", "sends requests to pods that are not ready"): 24,
    ("canary-pair", "leaves the canary its requests"): 119,
    ("blue-green", "promotes after half the bake"): 1,
    ("blue-green", "points the Service at the candidate for its preview"): 1,
    ("blue-green", "leaves the pods that were replaced"): 1,
}
"""The defects that the few schedules of CI find, each with one that did: it is tried first, and then the others."""


@pytest.mark.parametrize(("strategy", "name"), SOONEST)
def test_a_defect_is_found(strategy: str, name: str) -> None:
    """In what CI plays, something that must never happen happens."""
    seeds = sorted(CHOSEN[strategy], key=lambda seed: seed != SOONEST[strategy, name])
    _, violations = found_within(KNOWN[strategy, name], seeds, strategy)
    assert violations


def test_all_but_the_rare_defects_are_found() -> None:
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

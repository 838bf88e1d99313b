"""Blue-green: when pods are brought up, when they take over, and when they take over again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.decision import Adopt, Prepare, Release, Restore
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Abilities, Exposure, Standby, Stepping, TrafficShare, Workload
from sentinel.engine.exposure import switching
from sentinel.engine.exposure.steering import dormant, left_over, steer
from tests.engine.snapshots import KEY, NEW, OLD

TARGET = RevisionRef.of(OLD)


def pair(standby: Standby | None, *, candidate_serves: bool = False, **exposure: Any) -> Workload:
    """Four pods serve; the candidate is `new`, and what it replaces `old`."""
    shown = {"wanted": 4, "candidate": 4, "ready": 4, "available": 4, **exposure}
    share = TrafficShare(float(candidate_serves), adopted=candidate_serves)
    return Workload(
        KEY,
        "u",
        NEW,
        others=(OLD,),
        exposure=Exposure(**shown, traffic=share, standby=standby, settled=candidate_serves),
        abilities=Abilities(Stepping.SWITCHING, stops=False),
    )


def before(**facts: Any) -> Workload:
    """The candidate stands by."""
    return pair(Standby(**{"digest": "new", "beside": "old", "pods": 4, "ready": 4, **facts}))


def after(**facts: Any) -> Workload:
    """The candidate serves, and what it replaced stands by."""
    shown = {k: facts.pop(k) for k in ("available", "ready_candidates") if k in facts}
    standby = Standby(**{"digest": "old", "beside": "new", "pods": 4, "ready": 4, "noted": True, **facts})
    return pair(standby, candidate_serves=True, **shown)


@given(ready=st.integers(0, 6), pods=st.integers(0, 6), prepared=st.booleans())
def test_requests_move_to_pods_that_are_all_ready_and_to_no_others(
    ready: int, pods: int, prepared: bool
) -> None:
    """As many as serve now, and every one that is wanted; before that nothing but their preparation is asked for."""
    workload = before(ready=ready, pods=pods, prepared=prepared)
    change = switching.steer(None, workload)
    assert isinstance(change, Adopt) is (prepared and ready >= max(pods, 4))
    assert isinstance(change, Prepare) is (not prepared)
    assert switching.steer(0.0, workload) == (None if prepared else Prepare(RevisionRef.of(NEW)))
    assert switching.reached(workload) is (prepared and ready >= max(pods, 4))


def test_nothing_takes_over_where_nothing_serves() -> None:
    """Scaled to 0, no pod is not all pods."""
    workload = before(ready=0, pods=0)
    nobody = replace(workload, exposure=replace(workload.exposure, wanted=0))
    assert switching.steer(None, nobody) is None


def test_once_it_serves_nothing_is_moved() -> None:
    """Nor is anything compared with pods that get no requests."""
    assert switching.steer(None, after()) is None
    assert switching.serves_alone(after())
    assert not switching.serves_alone(before())
    assert not switching.serves_alone(pair(None, candidate_serves=True))


@pytest.mark.parametrize(
    ("ready", "available", "waits"),
    [(4, 4, False), (0, 0, True), (1, 0, False), (1, 1, False), (1, 2, True), (3, 4, True), (0, 4, True)],
)
def test_on_the_way_back_fewer_pods_are_enough_where_fewer_serve(
    ready: int, available: int, waits: bool
) -> None:
    """Never to none at all."""
    change = switching.brought_back(after(ready=ready, available=available), TARGET)
    assert change == (Prepare(TARGET) if waits else None)


def test_what_was_changed_in_place_is_put_back_in_place() -> None:
    """Nothing is brought up for it; nor for a target that does not stand by."""
    assert switching.brought_back(after(ready=0, in_place=True), TARGET) is None
    assert switching.brought_back(before(ready=0), TARGET) is None


@pytest.mark.parametrize(
    ("facts", "gone"),
    [({}, True), ({"pods": 0}, False), ({"noted": False}, False), ({"digest": "new"}, True)],
)
def test_what_was_replaced_is_let_go(facts: dict[str, Any], gone: bool) -> None:
    """Only what served before, was set aside or is what serves, and has pods left; never the candidate's."""
    assert left_over(after(**facts)) == (Release() if gone else None)
    assert left_over(before(noted=True)) is None


def test_what_stands_by_when_the_first_sentinel_comes_is_not_switched_to() -> None:
    """Without our mark nothing is moved either."""
    assert dormant(before())
    assert not dormant(after())
    assert steer(None, before(), None) is None
    assert not isinstance(steer(None, before()), Restore)


def test_what_serves_is_the_stable() -> None:
    """Whatever the records tell."""
    assert switching.serving(before()) == OLD
    assert switching.serving(after()) is None

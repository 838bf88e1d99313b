"""Steps by a share of the requests."""

from dataclasses import replace
from typing import Any

import pytest

from sentinel.domain.decision import Adopt, Change, Release, SetTraffic
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Brake, Exposure, Mark, TrafficShare, Workload
from sentinel.engine.exposure.traffic import dormant, left_over, reached, steer, withdrawn
from tests.engine.snapshots import NEW, OLD, at, workload

MARK = Mark("web-1", at(60))
FREE, FOREIGN = Brake(), Brake(on=True, name="weight", why="changed by hand")
STOPPED = Brake(on=True, mark=MARK)


def pair(*, candidate: int = 1, ready: int = 1, brake: Brake = FREE, **traffic: Any) -> Workload:
    """Ten stable pods beside a canary."""
    exposure = Exposure(10, candidate, ready, 10, 10, traffic=TrafficShare(**traffic))
    return replace(workload(), candidate=NEW, others=(OLD,), exposure=exposure, brake=brake)


@pytest.mark.parametrize(
    ("weight", "seen", "change"),
    [
        (0.1, pair(), SetTraffic(0.1, MARK)),
        (0.1, pair(asked=0.1, share=0.1), None),
        (0.1, pair(asked=0.1, settled=False), None),
        (0.1, pair(asked=0.5, share=0.5), SetTraffic(0.1, MARK)),
        (None, pair(asked=0.5, share=0.5), Adopt(RevisionRef.of(NEW))),
        (None, pair(asked=0.5, share=0.5, adopted=True, mark=MARK), None),
        (None, pair(asked=0.5, share=0.5, adopted=True), Release()),
        (None, pair(asked=0.5, adopted=True, mark=MARK, brake=STOPPED), Adopt(RevisionRef.of(NEW))),
        (0.1, pair(asked=0.0, brake=FOREIGN), None),
        (None, pair(asked=0.5, brake=FOREIGN), None),
    ],
)
def test_the_share_is_asked_for_once(weight: float | None, seen: Workload, change: Change | None) -> None:
    """100 % is the stable's to take; a share that is somebody else's is left alone."""
    assert steer(weight, seen, MARK) == change


@pytest.mark.parametrize(
    ("seen", "there"),
    [
        (pair(asked=0.1), True),
        (pair(asked=0.1, settled=False), False),
        (pair(asked=0.1, ready=0), False),
        (pair(asked=0.05), False),
        (pair(asked=0.1, candidate=0, ready=0), False),
    ],
)
def test_a_step_is_reached_when_its_share_is_in_force_and_all_pods_ready(seen: Workload, there: bool) -> None:
    """What is written alone is not enough."""
    assert reached(0.1, seen) is there


def test_what_was_asked_for_is_given_back() -> None:
    """Requests before pods; of what is not ours nothing is touched."""
    assert withdrawn(pair(asked=0.1), MARK) == SetTraffic(0.0, MARK)
    assert withdrawn(pair(asked=0.0), MARK) is None
    assert left_over(pair(mark=MARK)) == Release()
    assert left_over(pair()) is None
    assert left_over(pair(asked=0.34, adopted=True)) == Release()
    assert left_over(pair(asked=0.34)) is None
    assert left_over(pair(brake=STOPPED)) == Release()
    assert left_over(pair(mark=MARK, brake=FOREIGN)) is None


def test_a_canary_without_pods_and_requests_is_dormant() -> None:
    """One that serves is not, nor one that the stable has taken over."""
    assert dormant(pair(candidate=0, ready=0))
    assert not dormant(pair(candidate=1))
    assert not dormant(pair(candidate=0, asked=0.1))
    assert not dormant(pair(candidate=0, adopted=True))

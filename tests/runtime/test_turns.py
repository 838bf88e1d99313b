"""Whose turn a workload has when something of it changed."""

from sentinel.domain.record.state import Phase, RolloutState
from sentinel.runtime.daemon import turn_of
from sentinel.runtime.queue import Turn
from tests.engine.snapshots import record


def test_a_rollout_in_flight_goes_ahead_of_churn() -> None:
    """What concerns a rollout that may be undone is urgent, what happens to other workloads' pods is not."""
    over, live = record(state=RolloutState(Phase.UNDONE)), record()
    assert turn_of([over, live]) is Turn.URGENT
    assert turn_of([over]) is Turn.EVENT
    assert turn_of([]) is Turn.EVENT

"""Whose turn a workload has when something of it changed."""

from dataclasses import replace

from sentinel.domain.record.state import Phase, RolloutState
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.runtime.daemon import turn_of
from sentinel.runtime.queue import Turn
from tests.engine.snapshots import record
from tests.runtime.doubles import Shelf


def test_a_rollout_in_flight_goes_ahead_of_churn() -> None:
    """What concerns a rollout that may be undone is urgent; other workloads' pods and ended records are not."""
    live = record()
    over = replace(record(state=RolloutState(Phase.UNDONE)), name="over")
    other = WorkloadKey(live.key.kind, live.key.namespace, "other")
    elsewhere = replace(over, name="elsewhere", key=other)
    shelf = Shelf({one.name: one for one in (over, live, elsewhere)})
    assert turn_of(live.key, shelf) is Turn.URGENT
    assert turn_of(other, shelf) is Turn.EVENT
    assert turn_of(other, Shelf()) is Turn.EVENT

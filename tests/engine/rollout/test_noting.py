"""The clock that the deadline is read from: stopped by holds, approvals and zero replicas, each second once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.record.state import Hold, RolloutState
from sentinel.engine.rollout.noting import clock_kept
from tests.engine.builders import rollout, state
from tests.engine.snapshots import at


def seen(before: RolloutState, second: int, held: bool, waiting: bool, zero: bool) -> RolloutState:
    """The state at this second, with what stops its clock there."""
    hold = (before.hold or Hold("Why", at(second), "why")) if held else None
    since = (before.waits.approval_since or at(second)) if waiting else None
    made = state(
        hold=hold, approval_since=since, stood=before.waits.stood, stopped_since=before.waits.stopped_since
    )
    return clock_kept(made, rollout(0, 0 if zero else 10), at(second))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=12))
def test_time_with_several_reasons_to_stand_still_counts_once(seconds: list[tuple[bool, bool, bool]]) -> None:
    """However holds, waits and zero replicas overlap."""
    now = state()
    for second, stops in enumerate(seconds):
        now = seen(now, second, *stops)
    now = seen(now, len(seconds), False, False, False)
    assert now.waits.stood == sum(any(stops) for stops in seconds)
    assert now.waits.stopped_since is None

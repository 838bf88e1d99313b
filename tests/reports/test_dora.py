"""The four figures over days, and a history that outlives the records."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.reports.dora import DoraFigures, DoraTargets, dora
from sentinel.reports.durations import Durations
from sentinel.reports.history import RolloutHistory
from tests.engine.builders import in_state, undone_to
from tests.engine.snapshots import KEY, at

DAY = timedelta(days=1)
NOW = at(0)


def promoted(days_ago: float, uid: str = "", key: WorkloadKey = KEY) -> Record:
    """A rollout that was promoted so long ago and is over."""
    when = NOW - days_ago * DAY
    return replace(
        in_state(Phase.PROMOTED, promoted_at=when, ended_at=when), uid=uid or f"p{days_ago}", key=key
    )


def undone(days_ago: float, key: WorkloadKey = KEY) -> Record:
    """A canary that was undone so long ago, in 20 s."""
    when = NOW - days_ago * DAY
    undo = undone_to(decided_at=when, restored_at=when + timedelta(seconds=20))
    return replace(in_state(Phase.UNDONE, undo=undo, ended_at=when), uid=f"u{days_ago}", key=key)


def whole(*records: Record, histories: tuple[RolloutHistory, ...] = ()) -> dict[int, DoraFigures]:
    """The figures of all together, by window."""
    return {one.days: one for one in dora(records, histories, NOW)[0].figures}


def test_windows_are_whole_days_with_today() -> None:
    """Seven days are today and the six before."""
    found = whole(promoted(0), promoted(6), promoted(7), promoted(29), promoted(89), promoted(90))
    assert [found[days].total.deployments for days in (7, 30, 90)] == [2, 4, 5]
    assert found[7].deployments_per_day == pytest.approx(2 / 7)


def test_the_share_of_failed_changes_is_of_all_changes() -> None:
    """Deployments and canaries that never became one."""
    found = whole(promoted(1), promoted(2), promoted(3), undone(4))[7]
    assert (found.change_failure_rate, found.total.deployments) == (0.25, 3)
    assert found.time_to_restore == pytest.approx(20, rel=0.05)


def test_without_changes_nothing_is_claimed() -> None:
    """Shares and times are not known, and miss no target."""
    found = whole()[7]
    assert (found.change_failure_rate, found.lead_time, found.time_to_restore) == (None, None, None)
    assert found.met(DoraTargets()) == {
        "deployments_per_day": False,
        "lead_time": None,
        "change_failure_rate": None,
        "time_to_restore": None,
    }


def test_figures_are_of_each_namespace_and_workload_too() -> None:
    """By name, all together first."""
    other = WorkloadKey(WorkloadKind.STATEFULSET, "bank", "db")
    scopes = dora([promoted(1), promoted(2, key=other)], (), NOW)
    assert [(one.namespace, one.workload) for one in scopes] == [
        ("", None),
        ("bank", None),
        ("bank", other),
        ("shop", None),
        ("shop", KEY),
    ]
    assert [one.figures[0].total.deployments for one in scopes] == [2, 1, 1, 1, 1]


def test_a_deleted_record_counts_on_and_counts_once() -> None:
    """Whether the records that were folded in are gone already or still there."""
    records = [promoted(days) for days in range(5)]
    history = RolloutHistory(KEY).with_records(records[2:], records, NOW)
    assert whole(*records[:2], histories=(history,))[7].total.deployments == 5
    assert whole(*records, histories=(history,))[7].total.deployments == 5
    again = history.with_records(records[1:], records, NOW)
    assert whole(records[0], histories=(again,))[7].total.deployments == 5


def test_a_history_is_bounded() -> None:
    """Days that no window reaches are dropped, and so are the names of records that are gone."""
    history = RolloutHistory(KEY)
    for days in range(400, 0, -1):
        record = promoted(days)
        history = history.with_records([record], [record], NOW)
    assert len(history.days) <= 93
    assert len(history.folded) == 1


@given(st.lists(st.floats(1, 1e7), min_size=1, max_size=40), st.integers(0, 40))
def test_the_median_is_within_five_per_cent_however_it_was_put_together(
    lengths: list[float], cut: int
) -> None:
    """Of the lower one in the middle, from one heap or from two."""
    median = statistics.median_low(lengths)
    together = Durations.of(lengths[:cut]) + Durations.of(lengths[cut:])
    assert together == Durations.of(lengths) or together.counts == Durations.of(lengths).counts
    assert together.median == pytest.approx(median, rel=0.05)

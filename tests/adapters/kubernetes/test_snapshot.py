"""From entries to a workload."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.adapters.kubernetes.workloads.kinds.deployment import (
    rolling_amounts,
    trim_deployment,
)
from sentinel.adapters.kubernetes.workloads.kinds.replica_sets import trim_replica_set
from sentinel.adapters.kubernetes.workloads.snapshot import build_workload
from sentinel.adapters.kubernetes.workloads.trim import parse_mark
from sentinel.domain.workload.facts import PAUSED_ANNOTATION, Mark, Stepping
from tests.adapters.kubernetes.recordings import objects


@pytest.mark.parametrize(
    ("surge", "unavailable", "desired", "expected"),
    [
        ("25%", "25%", 20, (5, 5)),
        ("10%", 0, 20, (2, 0)),
        ("25%", "25%", 3, (1, 0)),
        (0, "10%", 5, (0, 1)),
        (2, 1, 1, (2, 1)),
        ("0%", "0%", 4, (0, 1)),
        ("25%", "25%", 0, (0, 1)),
    ],
)
def test_batches_are_resolved_as_the_controller_does(
    surge: int | str, unavailable: int | str, desired: int, expected: tuple[int, int]
) -> None:
    """Surge is rounded up, unavailability down, and both zero mean one pod at a time."""
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    assert rolling_amounts({"rollingUpdate": rolling}, desired) == expected


def test_absent_amounts_are_a_quarter() -> None:
    """Without a strategy 25 % holds for both."""
    assert rolling_amounts({}, 8) == (2, 2)


def test_recreate_takes_all_pods_at_once() -> None:
    """Recreate has no surge, and all its pods may be gone."""
    raw = {"spec": {"replicas": 4, "strategy": {"type": "Recreate"}}}
    abilities = trim_deployment(raw).abilities
    assert abilities.stepping is Stepping.NONE
    assert (abilities.first_batch, abilities.stops) == (4, False)


def test_a_new_template_without_a_replica_set_is_a_candidate() -> None:
    """A template that no ReplicaSet holds yet is known by our digest alone; the old one is among the others."""
    raw = objects("deployments")[1]
    held = trim_replica_set(objects("replicasets")[0])
    workload = build_workload(trim_deployment(raw), [held], [], ())
    assert workload.candidate.hash == ""
    assert workload.candidate.number == 0
    assert workload.candidate.stored_in is None
    assert [revision.digest for revision in workload.others] == [held.template.digest]
    assert workload.revision(held.template.digest) == workload.others[0]


def test_others_come_newest_first() -> None:
    """The other revisions are ordered by the controller's number."""
    held = trim_replica_set(objects("replicasets")[0])
    sets = [
        replace(
            held,
            ref=replace(held.ref, uid=str(n), name=str(n)),
            number=n,
            template=replace(held.template, digest=str(n)),
        )
        for n in (2, 9, 4)
    ]
    workload = build_workload(trim_deployment(objects("deployments")[0]), sets, [], ())
    assert [revision.number for revision in workload.others] == [9, 4, 2]
    assert [revision.order for revision in workload.others] == [9, 4, 2]


def test_a_pause_of_ours_is_told_from_anothers() -> None:
    """Only a mark of our making makes a pause ours."""
    raw = objects("deployments")[0]
    mark = Mark("web-1", datetime(2026, 1, 1, tzinfo=UTC))
    for annotation, expected in ((str(mark), mark), ("by hand", None), ("web-1,soon", None), ("", None)):
        metadata = {**raw["metadata"], "annotations": {PAUSED_ANNOTATION: annotation}}
        entry = trim_deployment({**raw, "metadata": metadata, "spec": {**raw["spec"], "paused": True}})
        workload = build_workload(entry, [], [], ())
        assert workload.brake.on
        assert workload.brake.mark == expected


@given(
    st.text(alphabet="abc-.0123456789", min_size=1),
    st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)),  # noqa: DTZ001 - a bound
)
def test_a_mark_is_read_as_it_was_written(record: str, until: datetime) -> None:
    """Whatever the record's name and the time, a mark survives being written and read."""
    mark = Mark(record, until)
    assert parse_mark(str(mark)) == mark

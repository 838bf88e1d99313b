"""A StatefulSet as its watches showed it on a real control plane."""

from collections.abc import Iterator

from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.recordings import STATEFUL, events
from tests.adapters.kubernetes.test_cache import Fed

ST = WorkloadKey(WorkloadKind.STATEFULSET, "rec", "st")


def shown() -> Iterator[Workload]:
    """The workload after each event, until it is deleted."""
    fed = Fed()
    for event in events(STATEFUL):
        fed.take(event)
        workload = fed.cache.workload(ST)
        if workload is not None:
            yield workload


def with_image(image: str) -> list[Workload]:
    """The views in which this image is in the template and the controller has named its revision."""
    return [one for one in shown() if one.candidate.images == (image,) and one.candidate.hash]


def test_a_template_has_one_digest_in_the_spec_and_in_its_controller_revision() -> None:
    """So a revision is known by its digest before the controller has stored it."""
    stored = {revision.digest for one in shown() for revision in one.others}
    assert all(one.candidate.digest in stored for one in shown() if one.candidate.images != ("app:v2",))
    assert {one.candidate.stored_in is not None for one in shown()} == {True, False}


def test_a_partition_of_anothers_is_seen_with_what_it_lets() -> None:
    """Partition 2 of 3 pods lets one be new; at 0 nothing is kept back."""
    first, last = with_image("app:v2")[0], with_image("app:v2")[-1]
    assert (first.brake.foreign, first.brake.lets, first.brake.name) == (True, 1, "partition")
    assert (last.brake.on, last.brake.lets) == (False, 3)


def test_the_canary_of_a_partition_is_reached() -> None:
    """One of three pods is new, ready, and told from the old ones by its label."""
    reached = [one for one in with_image("app:v2") if one.brake.lets == 1 and one.exposure.ready == 1]
    assert any(one.stopped and not one.rolled_out for one in reached)
    assert [pod.name for pod in reached[-1].pods_of(reached[-1].candidate)] == ["st-2"]


def test_a_revision_that_comes_back_is_the_newest() -> None:
    """The ControllerRevision of the first image is numbered 4 when its template is put back after the third."""
    numbers = {one.candidate.number for one in with_image("app:v2")}
    assert numbers == {2, 4}
    assert with_image("app:v2")[-1].candidate.order == 4


def test_the_broken_pod_is_in_the_way_until_it_is_deleted() -> None:
    """Not while it is the candidate's own, nor once its successor is made."""
    assert all(one.in_the_way is None for one in with_image("app:v3-crash"))
    back = [one for one in with_image("app:v2") if one.candidate.number == 4]
    named = [one.in_the_way.name for one in back if one.in_the_way is not None]
    assert named
    assert set(named) == {"st-2"}
    assert back[-1].in_the_way is None
    assert back[-1].rolled_out

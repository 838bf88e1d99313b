"""Past rollouts found in the series of kube-state-metrics, and what became of them."""

from datetime import UTC, datetime, timedelta

from sentinel.app.rehearsal.discovery import rollouts_in
from sentinel.app.rehearsal.history import RangeSeries
from sentinel.app.rehearsal.model import PastRollout, RevisionFate

T0 = datetime(2026, 11, 1, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """A time after the first sample."""
    return T0 + timedelta(minutes=minutes)


def replicas(name: str, *spans: tuple[int, int], value: float = 3.0) -> RangeSeries:
    """A ReplicaSet that had pods in these spans of minutes, a sample each minute."""
    points = [(at(minute), value) for begin, end in spans for minute in range(begin, end)]
    labels = {"namespace": "shop", "owner_name": "web", "replicaset": f"web-{name}"}
    return RangeSeries(labels, tuple(points))


def found(*series: RangeSeries, born: dict[str, datetime] | None = None) -> list[PastRollout]:
    """The rollouts in these series of a day and a half."""
    births = {("shop", f"web-{name}"): moment.timestamp() for name, moment in (born or {}).items()}
    return rollouts_in(series, births, at(3000))


def test_a_replicaset_that_gets_pods_beside_another_is_a_rollout() -> None:
    """The one with pods before is what it replaces; the last one is still running."""
    (rollout,) = found(replicas("a", (0, 60)), replicas("b", (55, 120)))
    assert (rollout.namespace, rollout.workload) == ("shop", "web")
    assert (rollout.candidate, rollout.stable, rollout.fate) == ("b", "a", RevisionFate.KEPT)
    assert (rollout.ended, rollout.until) == (None, at(3000))


def test_it_begins_when_the_replicaset_was_created() -> None:
    """The creation lies between two samples; without it the earlier sample counts."""
    series = replicas("a", (0, 60)), replicas("b", (55, 120))
    assert found(*series, born={"b": at(54.3)})[0].began == at(54.3)
    assert found(*series)[0].began == at(54)


def test_a_replicaset_may_show_a_scrape_after_its_creation() -> None:
    """The series lag behind by the interval at which kube-state-metrics is scraped."""
    series = replicas("a", (0, 60)), replicas("b", (55, 120))
    assert found(*series, born={"b": at(53.2)})[0].began == at(53.2)


def test_going_back_to_what_was_replaced_is_a_rollback() -> None:
    """The bad revision was rolled back; going back is a rollout of its own, begun when it got pods again."""
    bad, back = found(
        replicas("a", (0, 60), (70, 120)), replicas("b", (55, 75)), born={"a": at(-99), "b": at(54.5)}
    )
    assert (bad.candidate, bad.fate, bad.ended) == ("b", RevisionFate.ROLLED_BACK, at(70))
    assert (back.candidate, back.stable, back.began) == ("a", "b", at(70))


def test_soon_replaced_by_something_newer_is_unclear() -> None:
    """A fix that follows may mend a bad revision or add to a good one."""
    first, _ = found(replicas("a", (0, 60)), replicas("b", (55, 80)), replicas("c", (75, 120)))
    assert first.fate is RevisionFate.REPLACED


def test_a_revision_that_ran_for_a_day_was_kept() -> None:
    """Nobody lets a bad release run for a day."""
    first, _ = found(replicas("a", (0, 60)), replicas("b", (55, 1600)), replicas("c", (1595, 1700)))
    assert first.fate is RevisionFate.KEPT


def test_a_revision_that_people_came_back_to_was_kept() -> None:
    """What was good enough to go back to was good."""
    first, *_ = found(replicas("a", (0, 60)), replicas("b", (55, 80), (90, 120)), replicas("c", (75, 95)))
    assert (first.candidate, first.fate) == ("b", RevisionFate.KEPT)


def test_a_gap_in_the_recording_is_no_rollout() -> None:
    """What had pods before the gap and after it was not rolled out."""
    assert not found(replicas("a", (0, 20), (40, 60)))


def test_workloads_are_told_apart() -> None:
    """Each Deployment has its own rollouts; the first revision that is seen replaced nothing."""
    other = RangeSeries({"namespace": "shop", "owner_name": "api", "replicaset": "api-x"}, ((at(30), 1.0),))
    assert [one.workload for one in found(replicas("a", (0, 60)), replicas("b", (55, 120)), other)] == ["web"]


def test_all_revisions_that_had_pods_are_named() -> None:
    """A third ReplicaSet that still had pods belongs to the picture."""
    last = found(replicas("a", (0, 60)), replicas("b", (55, 70)), replicas("c", (56, 120)))[-1]
    assert last.candidate == "c"
    assert last.revisions == ("a", "b", "c")

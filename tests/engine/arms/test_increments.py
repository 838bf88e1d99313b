"""From readings to whole-number differences of both arms."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.evidence import (
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    Missing,
    MissingReason,
    Reading,
    Span,
    Subject,
)
from sentinel.domain.policy.rules import Arms
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.domain.workload.revision import Revision
from sentinel.engine.arms.increments import count_tick, histogram_tick
from tests.engine.snapshots import NEW, OLD, at, pod, revision, workload

WARMUP = timedelta(seconds=30)
SINCE, UNTIL = at(0), at(15)


def span(
    name: str,
    before: dict[str, float] | None,
    after: dict[str, float] | None,
    *,
    namespace: str = "shop",
    **rest: Any,
) -> Span:
    """What the source says of one pod."""
    return Span(
        Subject(namespace, pod=name),
        Reading(at(-2), before) if before is not None else None,
        Reading(at(13), after) if after is not None else None,
        **rest,
    )


def totals(total: float, errors: float | None = None) -> dict[str, float]:
    """A reading of a count query; without `errors` there is no such series."""
    return {"total": total} if errors is None else {"total": total, "errors": errors}


def ticked(
    *spans: Span,
    pods: tuple[Pod, ...] = (pod("new-1"), pod("old-1", OLD)),
    baseline: Revision | None = OLD,
    warmup: timedelta = WARMUP,
    arms: Arms | None = None,
    candidate: Revision = NEW,
) -> CountTick:
    """The tick of these spans."""
    return count_tick(
        spans, workload(*pods), candidate, baseline, SINCE, UNTIL, warmup=warmup, arms=arms or Arms()
    )


def binned(
    *spans: Span, pods: tuple[Pod, ...] = (pod("new-1"), pod("old-1", OLD)), **rest: Any
) -> HistogramTick:
    """The histogram tick of these spans."""
    settings: dict[str, Any] = {"warmup": WARMUP, "arms": Arms()} | rest
    return histogram_tick(spans, workload(*pods), NEW, OLD, SINCE, UNTIL, **settings)


def reasons(tick: CountTick | HistogramTick) -> list[tuple[MissingReason, str]]:
    """Why of whom something is missing."""
    return [(missing.reason, missing.subject) for missing in tick.missing]


OLD_SPAN = span("old-1", totals(1000, 10), totals(1200, 12))


def test_both_arms_are_the_sums_of_their_pods_differences() -> None:
    """Each arm is the sum of whole differences of its own pods."""
    pods = (pod("new-1"), pod("new-2"), pod("old-1", OLD))
    tick = ticked(
        span("new-1", totals(10, 1), totals(30, 4)), span("new-2", totals(0), totals(5)), OLD_SPAN, pods=pods
    )
    assert tick.candidate == Counts(25, 3)
    assert tick.baseline == Counts(200, 2)
    assert tick.pods == {"new-1": Counts(20, 3), "new-2": Counts(5, 0), "old-1": Counts(200, 2)}
    assert tick.missing == ()


def test_pods_that_the_watch_does_not_know_count_for_nobody() -> None:
    """A pod of another namespace, an unknown pod and one of a third revision belong to no arm."""
    third = pod("third-1", revision("third"))
    tick = ticked(
        span("new-1", totals(0), totals(5)),
        span("new-1", totals(0), totals(500), namespace="elsewhere"),
        span("gone-1", totals(0), totals(500)),
        span("third-1", totals(0), totals(500)),
        OLD_SPAN,
        pods=(pod("new-1"), pod("old-1", OLD), third),
    )
    assert (tick.candidate, tick.baseline, tick.missing) == (Counts(5), Counts(200, 2), ())


def test_pods_on_their_way_out_are_left_out() -> None:
    """What a pod does while it shuts down is no evidence."""
    pods = (pod("new-1"), pod("old-1", OLD), pod("old-2", OLD, deleting=True))
    tick = ticked(
        span("new-1", totals(0), totals(5)), OLD_SPAN, span("old-2", totals(0), totals(9, 9)), pods=pods
    )
    assert tick.baseline == Counts(200, 2)


@pytest.mark.parametrize(
    ("ready_since", "counted"), [(at(-30), True), (at(-29), False), (at(5), False), (None, False)]
)
def test_a_pod_counts_once_it_was_ready_for_the_warmup(ready_since: Any, counted: bool) -> None:
    """A cold pod, one that became ready within the tick and one that is not ready are left out, without a reason."""
    cold = pod("new-2", ready=ready_since is not None, ready_since=ready_since)
    tick = ticked(
        span("new-1", totals(0), totals(5)),
        span("new-2", totals(0), totals(7)),
        OLD_SPAN,
        pods=(pod("new-1"), cold, pod("old-1", OLD)),
    )
    assert tick.candidate == Counts(12 if counted else 5)
    assert tick.missing == ()


def test_a_young_pod_is_told_by_its_age_and_whether_its_arm_counts_it() -> None:
    """Cold for half a minute, young for one and a half, then neither; not ready before the tick's end: not at all."""
    pods = tuple(
        replace(pod(f"new-{n}"), ready_since=at(ready), containers=(Container("app", running_since=at(-80)),))
        for n, ready in enumerate((5, -10, -70, -100, 20))
    )
    spans = [span(f"new-{n}", totals(0), totals(10, 1)) for n in range(5)]
    tick = ticked(*spans, OLD_SPAN, pods=(*pods, pod("old-1", OLD)))
    assert [(s.pod, s.since, s.until, s.cold) for s in tick.starts] == [
        ("new-0", 0, 10, True),
        ("new-1", 10, 25, True),
        ("new-2", 70, 85, False),
    ]
    assert all(s.seen.counts == (9, 1) for s in tick.starts)
    assert tick.candidate == Counts(20, 2)


def test_the_first_sample_of_a_pod_that_was_not_ready_before_counts_from_zero() -> None:
    """Its process is older than the tick, but served nobody; one that lost its readiness for a while is not new."""
    process = Container("app", running_since=at(-3))
    fresh = replace(pod("new-1"), ready_since=at(4), containers=(process,))
    tick = ticked(span("new-1", None, totals(40, 4)), OLD_SPAN, pods=(fresh, pod("old-1", OLD)))
    assert [s.seen.counts for s in tick.starts] == [(36, 4)]
    flapped = replace(fresh, containers=(replace(process, running_since=at(-3600)),))
    assert not ticked(span("new-1", None, totals(40, 4)), OLD_SPAN, pods=(flapped, pod("old-1", OLD))).starts


def test_without_a_warmup_every_pod_counts() -> None:
    """A warm-up of zero leaves nobody out."""
    cold = pod("new-1", ready=False, ready_since=None)
    tick = ticked(span("new-1", totals(0), totals(5)), pods=(cold,), warmup=timedelta(0), baseline=None)
    assert tick.candidate == Counts(5)


def test_the_baseline_is_none_only_when_no_stable_pod_is_left() -> None:
    """Cold stable pods are an arm that counted nothing; no stable pods are no arm."""
    cold = pod("old-1", OLD, ready_since=at(-1))
    mine = span("new-1", totals(0), totals(5))
    assert ticked(mine, OLD_SPAN, pods=(pod("new-1"), cold)).baseline == Counts()
    assert ticked(mine, OLD_SPAN, pods=(pod("new-1"),)).baseline is None
    assert ticked(mine, baseline=None, pods=(pod("new-1"), pod("old-1", OLD))).baseline is None


def test_a_counter_that_went_backwards_without_a_restart_is_missing() -> None:
    """Two servers that take turns make no evidence; the other pods of the arm do."""
    pods = (pod("new-1"), pod("new-2"), pod("old-1", OLD))
    tick = ticked(
        span("new-1", totals(100, 5), totals(90, 6)), span("new-2", totals(0), totals(5)), OLD_SPAN, pods=pods
    )
    assert tick.candidate == Counts(5)
    assert "new-1" not in tick.pods
    assert reasons(tick) == [(MissingReason.WENT_BACKWARDS, "new-1")]


@pytest.mark.parametrize(
    "container",
    [
        Container("app", running_since=at(4)),
        Container("app", restarts=1, last=Termination("Error", 1, at(-900), at(3))),
        Container("app", terminated=Termination("Error", 1, at(-900), at(3))),
        Container("app", running_since=at(-2.5)),
        Container("app", running_since=at(15)),
        Container("app", running_since=at(4), last=Termination("Error", 1, at(-900), at(-60))),
    ],
    ids=[
        "running since",
        "last run ended",
        "terminated",
        "since the first reading",
        "at the end",
        "once before",
    ],
)
def test_after_a_restart_the_new_total_is_the_increment(container: Container) -> None:
    """A container that started anew in the tick or since the first reading counted from zero, whatever is beside it."""
    restarted = pod("new-1", containers=(Container("proxy", running_since=at(-900)), container))
    tick = ticked(
        span("new-1", totals(100, 50), totals(20, 2)), OLD_SPAN, pods=(restarted, pod("old-1", OLD))
    )
    assert tick.candidate == Counts(20, 2)
    assert tick.missing == ()


@pytest.mark.parametrize(("total", "errors"), [(150, 60), (20, 2)])
def test_a_pod_that_has_anothers_name_counts_from_zero(total: float, errors: float) -> None:
    """As of a StatefulSet: what was read before it was made is the other's, also if the new one has counted more."""
    again = pod("new-1", created_at=at(2), containers=(Container("app", running_since=at(3)),))
    spans = (span("new-1", totals(100, 50), totals(total, errors)), OLD_SPAN)
    tick = ticked(*spans, pods=(again, pod("old-1", OLD)), warmup=timedelta(0))
    assert tick.candidate == Counts(round(total), round(errors))


def test_series_of_the_pod_before_under_a_name_are_not_the_new_pods() -> None:
    """The newest sample is from before the new pod could have been scraped."""
    again = pod("new-1", created_at=at(13), containers=(Container("app", running_since=at(14)),))
    spans = (span("new-1", totals(100, 50), totals(110, 55)), OLD_SPAN)
    tick = ticked(*spans, pods=(again, pod("old-1", OLD)), warmup=timedelta(0))
    assert [(missing.reason, missing.subject) for missing in tick.missing] == [
        (MissingReason.NO_DATA, "new-1")
    ]
    assert tick.candidate == Counts()


def test_a_restart_before_the_tick_explains_nothing() -> None:
    """A counter that falls long after the last restart fell for another reason."""
    restarted = pod("new-1", containers=(Container("app", restarts=1, running_since=at(-60)),))
    tick = ticked(span("new-1", totals(100), totals(20)), OLD_SPAN, pods=(restarted, pod("old-1", OLD)))
    assert reasons(tick) == [(MissingReason.WENT_BACKWARDS, "new-1")]


def test_errors_that_vanish_are_no_drop_to_zero() -> None:
    """An error series that had counts and is gone went backwards."""
    tick = ticked(span("new-1", totals(100, 5), totals(110)), OLD_SPAN)
    assert reasons(tick) == [(MissingReason.WENT_BACKWARDS, "new-1")]


def test_more_errors_than_requests_is_missing() -> None:
    """Errors that grew more than the total are not of the same requests."""
    tick = ticked(span("new-1", totals(100, 5), totals(110, 16)), OLD_SPAN)
    assert reasons(tick) == [(MissingReason.ERRORS_OVER_TOTAL, "new-1")]
    assert tick.candidate == Counts()


def test_the_first_error_series_counts_from_zero() -> None:
    """An error series that is new on a pod already observed counts from zero."""
    assert ticked(span("new-1", totals(100), totals(110, 4)), OLD_SPAN).candidate == Counts(10, 4)


def test_a_first_sample_with_an_unknown_past_is_missing() -> None:
    """A counter first seen on an old pod says nothing of this tick, nor does one that had only errors before."""
    tick = ticked(span("new-1", None, totals(5000, 400)), OLD_SPAN)
    assert reasons(tick) == [(MissingReason.FIRST_SAMPLE, "new-1")]
    tick = ticked(span("new-1", {"errors": 1}, totals(5000, 400)), OLD_SPAN)
    assert reasons(tick) == [(MissingReason.FIRST_SAMPLE, "new-1")]


@pytest.mark.parametrize(
    "young",
    [
        pod("new-1", created_at=at(1)),
        pod("new-1", containers=(Container("init", init=True), Container("app", running_since=at(1)))),
    ],
    ids=["created", "started"],
)
def test_a_process_younger_than_the_tick_counts_from_zero(young: Pod) -> None:
    """No first increment is missed of a pod that was created, or started, after the tick began."""
    tick = ticked(
        span("new-1", None, totals(40, 4)), OLD_SPAN, pods=(young, pod("old-1", OLD)), warmup=timedelta(0)
    )
    assert tick.candidate == Counts(40, 4)


def test_a_process_as_old_as_the_tick_may_have_counted_before_it() -> None:
    """Its start is known to the second alone, and the tick may have begun within that second."""
    started = pod("new-1", created_at=at(0), containers=(Container("app", running_since=at(0)),))
    tick = ticked(
        span("new-1", None, totals(40)), OLD_SPAN, pods=(started, pod("old-1", OLD)), warmup=timedelta(0)
    )
    assert reasons(tick) == [(MissingReason.FIRST_SAMPLE, "new-1")]


def test_one_young_container_of_two_does_not_clear_the_past() -> None:
    """When only a sidecar started anew, the counters of the other container have a past."""
    both = (Container("app", running_since=at(-900)), Container("proxy", running_since=at(1)))
    tick = ticked(
        span("new-1", None, totals(40)), OLD_SPAN, pods=(pod("new-1", containers=both), pod("old-1", OLD))
    )
    assert reasons(tick) == [(MissingReason.FIRST_SAMPLE, "new-1")]


def test_what_the_source_could_not_say_is_passed_on() -> None:
    """A source's own reason stands, of the pod that it is about."""
    stale = Span(Subject("shop", "new-1"), None, None, Missing(MissingReason.STALE, detail="90 s old"))
    tick = ticked(stale, OLD_SPAN)
    assert tick.missing == (Missing(MissingReason.STALE, "new-1", "90 s old"),)
    assert tick.candidate == Counts()


def test_an_arm_of_which_nothing_is_said_is_missing_as_a_whole() -> None:
    """Ready pods without any series are missing data of their arm, one reason for all of them."""
    pods = (pod("new-1"), pod("new-2"), pod("old-1", OLD))
    assert reasons(ticked(OLD_SPAN, pods=pods)) == [(MissingReason.NO_DATA, "candidate")]
    assert reasons(ticked(span("new-1", totals(0), totals(1)), pods=(pod("new-1"), pod("old-1", OLD)))) == [
        (MissingReason.NO_DATA, "baseline")
    ]


def test_one_pod_without_a_series_is_listed() -> None:
    """Of an arm with data the pods without any are named."""
    pods = (pod("new-1"), pod("new-2"), pod("new-3"), pod("old-1", OLD))
    gone = span("new-3", totals(4), None)
    tick = ticked(span("new-1", totals(0), totals(5)), gone, OLD_SPAN, pods=pods)
    assert tick.candidate == Counts(5)
    assert reasons(tick) == [(MissingReason.NO_DATA, "new-2"), (MissingReason.NO_DATA, "new-3")]


def test_one_pod_through_two_jobs_is_missing() -> None:
    """Two spans of one pod are the same requests twice."""
    twice = span("new-1", totals(0), totals(5))
    assert reasons(ticked(twice, twice, OLD_SPAN)) == [(MissingReason.DUPLICATE_SERIES, "new-1")]


@pytest.mark.parametrize("broken", [nan, inf])
def test_no_number_is_made_of_nan(broken: float) -> None:
    """NaN and infinity are missing, before and after."""
    assert reasons(ticked(span("new-1", totals(1), totals(broken)), OLD_SPAN)) == [
        (MissingReason.NOT_A_NUMBER, "new-1")
    ]
    assert reasons(ticked(span("new-1", totals(1, broken), totals(3, 1)), OLD_SPAN)) == [
        (MissingReason.NOT_A_NUMBER, "new-1")
    ]


BOUNDS = ({"1": 5.0, "+Inf": 9.0}, {"1": 8.0, "+Inf": 12.0})


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (("native", "native"), ("classic", "classic")),
        (("classic", "native"), ("classic", "native")),
        (("native", "native"), ("classic", "native")),
    ],
    ids=["other than the baseline's", "both migrated meanwhile", "one migrated meanwhile"],
)
def test_histograms_of_two_forms_are_not_compared(new: tuple[str, str], old: tuple[str, str]) -> None:
    """Neither between the arms nor between two times is a difference of two forms a number."""
    spans = []
    for name, forms in (("new-1", new), ("old-1", old)):
        first, last = (Reading(at(n), dict(v), f) for n, v, f in zip((-2, 13), BOUNDS, forms, strict=True))
        spans.append(Span(Subject("shop", pod=name), first, last))
    tick = binned(*spans)
    assert (tick.candidate.total, tick.baseline) == (0, Histogram())
    assert {reason for reason, _ in reasons(tick)} == {MissingReason.MIXED_FORMS}


def test_interval_counts_are_the_increments_themselves() -> None:
    """A source that counts by interval needs no first reading; a negative count is none."""
    for errors in (4, 0):
        counted = span("new-1", None, totals(40, errors), cumulative=False)
        assert ticked(counted, OLD_SPAN).candidate == Counts(40, errors)
    negative = span("new-1", None, totals(-1), cumulative=False)
    assert reasons(ticked(negative, OLD_SPAN)) == [(MissingReason.WENT_BACKWARDS, "new-1")]


# Arms by a version label.

V1 = replace(OLD, labels={"app.kubernetes.io/version": "1"})
V2 = replace(NEW, labels={"app.kubernetes.io/version": "2"})
BY_VERSION = Arms(version_label="version")


def version_span(
    version: str, before: dict[str, float] | None, after: dict[str, float], namespace: str = ""
) -> Span:
    """What the source says of one version."""
    first = Reading(at(-2), before) if before is not None else None
    return Span(Subject(namespace, version=version), first, Reading(at(13), after))


def versioned(*spans: Span, **changes: Any) -> CountTick:
    """The tick of arms told apart by version."""
    return ticked(*spans, **({"arms": BY_VERSION, "candidate": V2, "baseline": V1} | changes))


def test_a_version_label_tells_the_arms_apart() -> None:
    """The subject's version is compared with the revision's template label; a third version counts for nobody."""
    tick = versioned(
        version_span("2", totals(0), totals(5, 1)),
        version_span("1", totals(0), totals(50, 2), "shop"),
        version_span("3", totals(0), totals(99, 9)),
        version_span("2", totals(0), totals(70, 7), "elsewhere"),
    )
    assert (tick.candidate, tick.baseline) == (Counts(5, 1), Counts(50, 2))


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"version": "2", "x/version": "9"}, "version"),
        ({"app.kubernetes.io/version": "2"}, "app_kubernetes_io_version"),
        ({"tags.datadoghq.com/version": "2", "app.kubernetes.io/version": "2"}, "version"),
    ],
)
def test_a_version_label_is_found_under_its_metric_name(labels: dict[str, str], name: str) -> None:
    """A label is found by its own name first, else by the name that a metrics system gives it."""
    tick = versioned(
        version_span("2", totals(0), totals(5)),
        candidate=replace(NEW, labels=labels),
        baseline=None,
        arms=Arms(version_label=name),
    )
    assert tick.candidate == Counts(5)


@pytest.mark.parametrize("labels", [{}, {"a/version": "2", "b/version": "3"}])
def test_a_template_without_a_single_version_makes_its_arm_missing(labels: dict[str, str]) -> None:
    """No label, or two that differ: the arm cannot be told."""
    tick = versioned(version_span("2", totals(0), totals(5)), candidate=replace(NEW, labels=labels))
    assert reasons(tick) == [(MissingReason.BAD_QUERY, "candidate")]
    assert (tick.candidate, tick.baseline) == (Counts(), Counts())


def test_two_revisions_of_the_same_version_cannot_be_told_apart() -> None:
    """A candidate that kept the stable's version label is not judged by it."""
    same = replace(NEW, labels=V1.labels)
    tick = versioned(version_span("1", totals(0), totals(5)), candidate=same)
    assert reasons(tick) == [(MissingReason.BAD_QUERY, "candidate")]


def test_an_arm_without_pods_needs_no_version() -> None:
    """Before the first candidate pod the baseline counts, whatever the candidate's labels are."""
    for candidate in (NEW, replace(NEW, labels=V1.labels)):
        tick = versioned(
            version_span("1", totals(0), totals(50)), pods=(pod("old-1", OLD),), candidate=candidate
        )
        assert (tick.candidate, tick.baseline, tick.missing) == (Counts(), Counts(50), ())


def test_a_cold_pod_leaves_its_version_out() -> None:
    """A version's counts cannot be taken apart by pod."""
    pods = (pod("new-1"), pod("new-2", ready_since=at(-1)), pod("old-1", OLD))
    tick = versioned(
        version_span("2", totals(0), totals(5)), version_span("1", totals(0), totals(50)), pods=pods
    )
    assert (tick.candidate, tick.baseline, tick.missing) == (Counts(), Counts(50), ())


@pytest.mark.parametrize("names", [("new-1", "new-2"), ("new-2", "new-1")], ids=["last", "first"])
def test_a_restart_does_not_explain_a_version_that_fell(names: tuple[str, str]) -> None:
    """One pod's restart does not take the other pods' counts, so the new total is not the increment."""
    restarted = pod("new-2", containers=(Container("app", running_since=at(4)),))
    known = {"new-1": pod("new-1"), "new-2": restarted}
    pods = (*(known[name] for name in names), pod("old-1", OLD))
    tick = versioned(
        version_span("2", totals(90), totals(50)), version_span("1", totals(0), totals(50)), pods=pods
    )
    assert reasons(tick) == [(MissingReason.WENT_BACKWARDS, "2")]


def test_one_young_pod_does_not_clear_a_versions_past() -> None:
    """A version's counter that is first seen has what its older pods counted before."""
    pods = (pod("new-1"), pod("new-2", created_at=at(1)), pod("old-1", OLD))
    tick = versioned(
        version_span("2", None, totals(50)),
        version_span("1", totals(0), totals(50)),
        pods=pods,
        warmup=timedelta(0),
    )
    assert reasons(tick) == [(MissingReason.FIRST_SAMPLE, "2")]


# Histograms.


def buckets(low: float, mid: float, total: float, seconds: float | None = None) -> dict[str, float]:
    """A cumulative histogram of three buckets."""
    values = {"0.1": low, "0.5": mid, "+Inf": total}
    return values if seconds is None else values | {"sum": seconds}


OLD_BUCKETS = span("old-1", buckets(0, 0, 0, 0), buckets(8, 9, 10, 3))


def test_histograms_become_counts_per_bucket() -> None:
    """Each bucket holds its own observations of the tick, and the sum grows along."""
    tick = binned(span("new-1", buckets(10, 20, 30, 5), buckets(12, 26, 40, 11)), OLD_BUCKETS)
    assert tick.candidate == Histogram((0.1, 0.5, inf), (2, 4, 4), 6)
    assert tick.baseline == Histogram((0.1, 0.5, inf), (8, 1, 1), 3)


def test_histograms_of_an_arm_are_added() -> None:
    """Pods of one arm make one histogram; one unknown sum makes the arm's unknown."""
    pods = (pod("new-1"), pod("new-2"))
    tick = binned(
        span("new-1", buckets(0, 0, 0, 0), buckets(1, 1, 1, 1)),
        span("new-2", buckets(0, 0, 0), buckets(0, 0, 2)),
        pods=pods,
    )
    assert tick.candidate == Histogram((0.1, 0.5, inf), (1, 0, 2), None)
    assert tick.baseline is None


def test_a_bucket_below_the_one_before_it_is_missing() -> None:
    """Cumulative buckets that are not monotone are of different moments."""
    tick = binned(span("new-1", buckets(0, 0, 0), buckets(9, 4, 10)), OLD_BUCKETS)
    assert reasons(tick) == [(MissingReason.WENT_BACKWARDS, "new-1")]


def test_the_count_stands_in_for_the_last_bucket() -> None:
    """Without +Inf the count is taken; without either there is no histogram."""
    counted = span("new-1", {"0.1": 0, "count": 0}, {"0.1": 3, "count": 5})
    assert binned(counted, OLD_BUCKETS).candidate == Histogram((0.1, inf), (3, 2))
    open_ended = span("new-1", {"0.1": 0}, {"0.1": 3})
    assert reasons(binned(open_ended, OLD_BUCKETS)) == [(MissingReason.NO_DATA, "new-1")]


@pytest.mark.parametrize("later", [{"0.1": 9, "0.3": 900, "+Inf": 40}, {"+Inf": 40}])
def test_a_bound_that_comes_or_goes_counts_nothing(later: dict[str, float]) -> None:
    """All that was counted there before would seem to have come in this tick."""
    tick = binned(span("new-1", {"0.1": 5, "+Inf": 30}, later), OLD_BUCKETS)
    assert tick.missing == ()
    assert tick.candidate.total == 10


def test_a_sum_that_is_new_is_unknown() -> None:
    """A sum without a first reading has a past; the buckets count all the same."""
    tick = binned(span("new-1", buckets(0, 0, 5), buckets(1, 1, 9, 70)), OLD_BUCKETS)
    assert tick.candidate == Histogram((0.1, 0.5, inf), (1, 0, 3), None)


def test_a_reading_without_buckets_is_no_reading() -> None:
    """A sum alone is no histogram."""
    assert reasons(binned(span("new-1", {"sum": 1}, {"sum": 2}), OLD_BUCKETS)) == [
        (MissingReason.NO_DATA, "new-1")
    ]


def test_a_histogram_that_fell_needs_a_restart() -> None:
    """A histogram starts anew with its process, and is missing where it fell without."""
    fell = span("new-1", buckets(10, 20, 30, 5), buckets(1, 2, 3, 0.5))
    assert reasons(binned(fell, OLD_BUCKETS)) == [(MissingReason.WENT_BACKWARDS, "new-1")]
    restarted = pod("new-1", containers=(Container("app", running_since=at(4)),))
    tick = binned(fell, OLD_BUCKETS, pods=(restarted, pod("old-1", OLD)))
    assert tick.candidate == Histogram((0.1, 0.5, inf), (1, 1, 1), 0.5)


@pytest.mark.parametrize("sums", [(5, 3), (-5, -4), (5, None)])
def test_a_sum_that_falls_alone_is_unknown(sums: tuple[float, float | None]) -> None:
    """A clock that was set back gives negative latencies; the buckets count all the same."""
    first, last = ({} if one is None else {"sum": one} for one in sums)
    tick = binned(span("new-1", buckets(0, 0, 5) | first, buckets(1, 1, 9) | last), OLD_BUCKETS)
    assert tick.missing == ()
    assert tick.candidate.counts == (1, 0, 3)


def test_a_new_pods_negative_sum_is_unknown() -> None:
    """It is no mean of latencies."""
    young = replace(pod("new-1"), created_at=at(1), containers=(Container("app", running_since=at(2)),))
    tick = binned(
        span("new-1", None, buckets(1, 2, 9, -4)),
        OLD_BUCKETS,
        pods=(young, pod("old-1", OLD)),
        warmup=timedelta(0),
    )
    assert (tick.candidate.total, tick.candidate.seconds) == (9, None)


def test_the_rounding_of_a_sum_is_no_fall() -> None:
    """Sums of floating-point numbers wobble in the last digit; that is not backwards, and never negative."""
    tick = binned(span("new-1", buckets(1, 1, 1, 0.30000000000000004), buckets(1, 1, 1, 0.3)), OLD_BUCKETS)
    assert tick.candidate == Histogram((0.1, 0.5, inf), (0, 0, 0), 0.0)


# Properties.

growth = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=3, max_size=3).map(
    lambda rows: [(max(pair), min(pair)) for pair in rows]
)


@given(growth)
def test_two_ticks_count_what_one_of_the_same_length_counts(steps: list[tuple[int, int]]) -> None:
    """Nothing is counted twice or lost where one tick ends and the next begins."""
    (t0, e0), (t1, e1), (t2, e2) = steps
    a, b, c = totals(t0, e0), totals(t0 + t1, e0 + e1), totals(t0 + t1 + t2, e0 + e1 + e2)
    first, second, whole = (ticked(span("new-1", *pair), OLD_SPAN) for pair in ((a, b), (b, c), (a, c)))
    assert first.candidate + second.candidate == whole.candidate


# Mostly what a counter can say, so that most draws count something; and now and then what none should.
numbers = st.one_of(st.integers(0, 1000).map(float), st.integers(0, 1000).map(float), st.floats(width=32))
sample = st.one_of(st.none(), st.fixed_dictionaries({"total": numbers}, optional={"errors": numbers}))


@given(st.lists(st.tuples(st.sampled_from(["new-1", "new-2", "old-1", "gone"]), sample, sample), max_size=5))
def test_whatever_is_read_the_counts_are_possible(rows: list[tuple[str, Any, Any]]) -> None:
    """Counts are never negative, errors never exceed requests, and no pod both counts and is missing."""
    pods = (pod("new-1"), pod("new-2"), pod("old-1", OLD))
    tick = ticked(*(span(*row) for row in rows), pods=pods)
    assert all(0 <= counts.errors <= counts.total for counts in tick.pods.values())
    assert sum((tick.pods.get(name, Counts()) for name in ("new-1", "new-2")), Counts()) == tick.candidate
    assert not set(tick.pods) & {missing.subject for missing in tick.missing}


def stray(name: str, namespace: str = "shop", **counted: float) -> Span:
    """Counts of which there is no total, by the pod that they name."""
    missing = Missing(MissingReason.LABELS_DIFFER, name, "failures counts under no pod")
    return span(name, None, counted or {"errors": 5.0}, namespace=namespace, missing=missing)


CLEAN = (span("new-1", totals(0), totals(5)), span("old-1", totals(0), totals(9)))


@pytest.mark.parametrize("one", [stray(""), stray("ingress-1"), stray("", namespace="")])
def test_errors_that_may_be_anyones_are_missing_of_all(one: Span) -> None:
    """Errors of nobody, or of a pod without requests, are not no errors of those that have none of their own."""
    tick = ticked(*CLEAN, one)
    assert (tick.candidate, tick.pods) == (Counts(), {})
    assert reasons(tick) == [(MissingReason.LABELS_DIFFER, "new-1"), (MissingReason.LABELS_DIFFER, "old-1")]
    assert "failures counts under no pod" in str(tick.missing[0])


def test_strays_of_another_namespace_concern_nobody() -> None:
    """What is counted in another namespace is told there."""
    assert ticked(*CLEAN, stray("", namespace="elsewhere")).missing == ()


def test_a_counter_that_names_a_pod_of_ours_has_the_right_labels() -> None:
    """Another pod's errors without requests are its own, where the counter names our pods as well."""
    tick = ticked(CLEAN[0], span("old-1", totals(0), totals(9, 1)), stray("worker-1"))
    assert (tick.candidate, tick.baseline, tick.missing) == (Counts(5), Counts(9, 1), ())


def test_errors_of_nobody_are_missing_of_the_pods_that_have_none() -> None:
    """Where the old version's errors name their pod and others name none, those may be the new version's."""
    tick = ticked(CLEAN[0], span("old-1", totals(0), totals(9, 1)), stray(""))
    assert (tick.baseline, reasons(tick)) == (Counts(9, 1), [(MissingReason.LABELS_DIFFER, "new-1")])


def test_a_histograms_sum_of_nobody_is_missing_evidence() -> None:
    """Buckets by pod beside a sum of no pod do not make a histogram."""
    own = {"1": 3.0, "+Inf": 5.0, "count": 5.0}
    tick = binned(span("new-1", {}, own), span("old-1", {}, own), stray("", sum=9.0))
    assert {reason for reason, _ in reasons(tick)} == {MissingReason.LABELS_DIFFER}
    assert tick.candidate == Histogram()

"""What is measured when, and what a measurement lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sentinel.domain.evidence import (
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    Missing,
    MissingReason,
    PodStart,
    as_histogram,
)
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import Arms, CountQuery, ErrorRateRule, QueryRule, ValueQuery
from sentinel.domain.workload.pods import Container
from sentinel.engine.evidence.schedule import (
    SourceTiming,
    awaited,
    grid,
    lacking,
    may_prove,
    unmeasured,
    window,
)
from tests.engine.snapshots import NEW, OLD, at, pod, record, workload
from tests.support.states import changed_state

PODS = workload(pod("new-1"), pod("old-1", OLD))
STALE = Missing(MissingReason.STALE, "new-1")
RULE = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05, interval=timedelta(seconds=15))


def counted(*missing: Missing, **pods: Counts) -> CountTick:
    """A tick in which these pods have numbers."""
    found = {name.replace("_", "-"): counts for name, counts in pods.items()}
    return CountTick(at(0), at(15), found.get("new-1", Counts()), found.get("old-1"), found, missing)


def test_ticks_lie_on_the_grid() -> None:
    """Whenever it is asked, a tick begins and ends at a multiple of its interval since the epoch."""
    assert grid(at(29), timedelta(seconds=15)) == at(15)
    assert grid(at(30), timedelta(seconds=15)) == at(30)


def test_a_measurement_goes_on_where_the_last_ended() -> None:
    """The next one begins where the evidence taken in ends, and ends at the newest settled grid time."""
    state = replace(record().state, measured_until={"errors": at(30)})
    timing = SourceTiming(settle=timedelta(seconds=20))

    due = window(RULE, record().with_state(state), PODS, timing, at(97))

    assert (due.since, due.until, due.next_due) == (at(30), at(75), at(110))


@pytest.mark.parametrize(("step_since", "due"), [(at(300), at(360)), (None, at(60))])
def test_a_free_querys_delay_begins_with_the_step(step_since: datetime | None, due: datetime) -> None:
    """At each step it waits again, and before the first one it waits from the rollout's start."""
    rule = QueryRule(
        "q", ValueQuery("prometheus", "x"), failure="value > 1.0", initial_delay=timedelta(seconds=60)
    )
    begun = record().with_state(changed_state(record().state, began_at=step_since))

    assert window(rule, begun, PODS, SourceTiming(), at(10)).next_due == due


def test_a_free_query_is_not_due_in_its_initial_delay() -> None:
    """Until the delay is over there is nothing to measure."""
    rule = QueryRule(
        "q", ValueQuery("prometheus", "x"), failure="value > 1.0", initial_delay=timedelta(seconds=60)
    )
    begun = record().with_state(changed_state(record().state, began_at=at(0)))

    due = window(rule, begun, PODS, SourceTiming(), at(30))

    assert due.until == due.since
    assert due.next_due == at(60)


def prompt(_rule: object) -> SourceTiming:
    """The timing of a source that is asked at a rule's interval, and answers at once."""
    return SourceTiming()


def test_old_evidence_is_missing() -> None:
    """Evidence of more than four ticks ago is said to be stale; what was just taken up is not."""
    policy = Policy("p", "d", rules=(RULE,))

    assert (
        unmeasured(policy, record(), PODS, {}, at(0), prompt, at(61))["errors"].reason is MissingReason.STALE
    )
    assert unmeasured(policy, record(), PODS, {}, at(30), prompt, at(61)) == {}


def test_what_never_ran_is_not_asked_about() -> None:
    """While no pod of the candidate has run, no rule is due and none is stale."""
    policy = Policy("p", "d", rules=(RULE,))
    before = workload(pod("new-1", ready=False, ready_since=None, containers=()), pod("old-1", OLD))

    assert awaited(RULE, record(), before)
    assert not awaited(RULE, record(), PODS)
    assert unmeasured(policy, record(), before, {}, at(0), prompt, at(600)) == {}


def test_the_first_measurement_begins_when_the_candidate_first_ran() -> None:
    """What the baseline counted while the candidate had no process is not held against anyone."""
    ran = Container("app", ready=True, running_since=at(100))
    late = workload(pod("new-1", ready_since=at(101), containers=(ran,)), pod("old-1", OLD))

    due = window(RULE, record(), late, SourceTiming(), at(125))

    assert (due.since, due.until) == (at(90), at(120))


def test_a_candidate_without_any_series_lacks_evidence() -> None:
    """Only stale series of the candidate are no low traffic, whatever the baseline counts."""
    assert lacking(counted(STALE, old_1=Counts(100, 0)), PODS, Arms()) == STALE


def test_no_requests_are_a_number() -> None:
    """A candidate whose counters stand still does not lack evidence."""
    assert lacking(counted(new_1=Counts(0, 0)), PODS, Arms()) is None


def test_one_good_pod_is_enough() -> None:
    """A stale pod beside one that counts leaves the arm measured."""
    both = workload(pod("new-1"), pod("new-2"))

    assert lacking(counted(Missing(MissingReason.STALE, "new-2"), new_1=Counts(9, 0)), both, Arms()) is None


@pytest.mark.parametrize("reason", [MissingReason.FIRST_SAMPLE, MissingReason.NOT_SETTLED])
def test_what_is_missing_in_the_normal_course_is_no_lack(reason: MissingReason) -> None:
    """A first sample and counts that have not settled are waited for."""
    assert lacking(counted(Missing(reason, "new-1")), PODS, Arms()) is None


def test_a_histogram_without_buckets_lacks_evidence() -> None:
    """The same holds for latencies; a histogram of no requests has its bounds and is a number."""
    gone = HistogramTick(at(0), at(15), Histogram(), Histogram((1.0,), (5,)), (STALE,))

    assert lacking(gone, PODS, Arms()) == STALE
    assert lacking(replace(gone, candidate=Histogram((1.0,), (0,))), PODS, Arms()) is None


def test_a_version_stands_for_its_arm() -> None:
    """Where a label tells the arms apart, the lack is told by its value."""
    versioned = replace(PODS, candidate=replace(NEW, labels={"version": "v2"}))
    lost = Missing(MissingReason.STALE, "v2")

    assert lacking(counted(lost), versioned, Arms(version_label="version")) == lost


def test_only_requests_without_an_error_prove_no_fault() -> None:
    """Errors may, in an arm or of a young pod, and so may what is missing, and latencies."""
    clean, failing = Counts(100, 0), Counts(100, 1)

    def young(counts: Counts) -> PodStart:
        return PodStart("new-1", 0, 15, as_histogram(counts), cold=True)

    assert not may_prove(counted(new_1=clean, old_1=failing))
    assert not may_prove(replace(counted(new_1=clean), starts=(young(clean),)))
    assert may_prove(counted(new_1=failing))
    assert may_prove(replace(counted(new_1=clean), starts=(young(failing),)))
    assert may_prove(counted(STALE, new_1=clean))
    assert may_prove(HistogramTick(at(0), at(15), Histogram(), None))

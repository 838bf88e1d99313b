"""Where a workload's start profile comes from: the record of what was promoted, or its pods' last starts."""

from dataclasses import replace
from datetime import timedelta

from sentinel.domain.policy.rules import CountQuery, ErrorRateRule
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.pods import Container, Pod
from sentinel.engine.evidence.schedule import SourceTiming
from sentinel.engine.evidence.starting import STABLE_START, START, last_starts_of, remembered_start
from sentinel.engine.statistics.starts import AGES
from tests.engine.builders import PLAIN, in_state, rollout
from tests.engine.snapshots import OLD, at, pod
from tests.engine.statistics.test_starts import profile_of

ERRORS = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)
POLICY = replace(PLAIN, rules=(ERRORS,), strategy=replace(PLAIN.strategy, warmup=timedelta(seconds=30)))


def ready(name: str, seconds: float) -> Pod:
    """A pod of the stable that has been ready since then, and was running three seconds before."""
    process = Container("app", running_since=at(seconds - 3))
    return replace(pod(name, OLD), ready_since=at(seconds), containers=(process,))


def kept(name: str, phase: Phase, pods: int, key: str = START) -> Record:
    """A record that keeps a start of so many pods."""
    record = in_state(phase=phase)
    state = replace(record.state, analysis={"errors": {key: profile_of(2, pods=pods).as_json()}})
    return replace(record, name=name, state=state)


def test_the_start_of_the_revision_promoted_last_is_remembered() -> None:
    """Undone candidates, older revisions and the rollout itself do not say how the stable starts."""
    record = kept("now", Phase.BAKING, 5)
    older = (
        record,
        kept("undone", Phase.UNDONE, 6),
        kept("promoted", Phase.PROMOTED, 7),
        kept("long-ago", Phase.PROMOTED, 8),
    )
    found = remembered_start("errors", record, older)
    assert found is not None
    assert found.pods == 7
    assert remembered_start("other", record, older) is None


def test_a_start_of_which_little_was_seen_is_not_replaced_by_an_older_revisions() -> None:
    """As after a restart in mid-rollout: the source tells how the stable's own pods started."""
    record = kept("now", Phase.BAKING, 5)
    older = (record, kept("thin", Phase.PROMOTED, 2), kept("long-ago", Phase.PROMOTED, 8))
    assert remembered_start("errors", record, older) is None


def test_the_last_starts_of_the_stables_pods_are_asked_for() -> None:
    """From the first of the pods that became ready together to a minute after the last; those of yesterday are not."""
    pods = (
        *(ready(f"old-{n}", -600 + 10 * n) for n in range(3)),
        ready("old-9", -86400),
    )
    question = last_starts_of(ERRORS, in_state(), rollout(1, 4, pods=pods), POLICY, SourceTiming(), at(0))
    assert question is not None
    assert question.past.pods == ("old-0", "old-1", "old-2")
    assert question.past.since == at(-600)
    assert question.past.until == at(-580) + timedelta(seconds=AGES[-1])


def test_an_answer_becomes_a_profile_by_each_pods_own_age() -> None:
    """Ten requests a second, of which half fail in the first ten seconds; the first sample counts from zero."""
    pods = tuple(ready(f"old-{n}", -600 + 5 * n) for n in range(3))
    question = last_starts_of(ERRORS, in_state(), rollout(1, 3, pods=pods), POLICY, SourceTiming(), at(0))
    assert question is not None
    answer = {}
    for name, since in question.ready.items():
        ages = [(question.past.since + n * question.past.step - since).total_seconds() for n in range(20)]
        answer[name] = [None if age <= 0 else (10 * age, 5 * min(age, 10.0)) for age in ages]
    profile = question.profile(answer)
    assert profile.pods == 3
    assert [each.counts for each in profile.ages[:3]] == [(75, 75), (75, 75), (150, 0)]
    assert not profile.thin


def test_nothing_is_asked_where_nothing_would_be_judged_by_it() -> None:
    """The record knows the start already, there is no warm-up, or the source counts by the minute."""
    workload = rollout(1, 3, pods=tuple(ready(f"old-{n}", -600) for n in range(3)))
    known = kept("now", Phase.BAKING, 5, STABLE_START)
    slow = SourceTiming(timedelta(minutes=1))
    hot = replace(POLICY, strategy=replace(POLICY.strategy, warmup=timedelta(0)))
    assert last_starts_of(ERRORS, known, workload, POLICY, SourceTiming(), at(0)) is None
    assert last_starts_of(ERRORS, in_state(), workload, POLICY, slow, at(0)) is None
    assert last_starts_of(ERRORS, in_state(), workload, hot, SourceTiming(), at(0)) is None

"""What a crashLoop rule may be told: how many restarts are allowed, and when they are over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.policy.rules import CrashLoopRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.pods import Container, Pod, Termination
from sentinel.engine.rules.pod_rules import judge_crash_loop, settled_at
from tests.engine.snapshots import NEW, OLD, at, broken, crashed, pod, waiting, workload

FAIL, PASS, PENDING = VerdictKind.FAIL, VerdictKind.PASS, VerdictKind.PENDING
USUAL = CrashLoopRule("crash-loop")
TEN = replace(USUAL, restarts=10)
SETTLED = 600


def loops(*pods: Pod, rule: CrashLoopRule = USUAL, now: float = 1) -> RuleVerdict:
    """The crash-loop verdict of these pods."""
    return judge_crash_loop(rule, workload(*pods), NEW, OLD, at(now))


def running(restarts: int, since: float, last: Termination | None = None, name: str = "new-1") -> Pod:
    """A ready pod that was restarted so often, the last time then."""
    app = Container("app", ready=True, restarts=restarts, running_since=at(since), last=last)
    return pod(name, containers=(app,), ready_since=at(since))


@pytest.mark.parametrize(("restarts", "kind"), [(1, PENDING), (9, PENDING), (10, FAIL), (11, FAIL)])
def test_back_off_alone_is_no_crash_where_restarts_are_allowed(restarts: int, kind: VerdictKind) -> None:
    """`restarts: 10` undoes at the tenth restart, and CrashLoopBackOff before that does not."""
    assert loops(broken("new-1", crashed(restarts)), rule=TEN).kind is kind


def test_one_allowed_restart_is_stricter_than_the_default() -> None:
    """`restarts: 1` undoes at the first, which without it is allowed."""
    once = running(1, since=0)
    assert loops(once).kind is PASS
    assert loops(once, rule=replace(USUAL, restarts=1)).kind is FAIL


def test_back_off_is_a_crash_at_once_unless_restarts_are_allowed() -> None:
    """The default waits for no further restart."""
    assert loops(broken("new-1", waiting("CrashLoopBackOff", restarts=1))).kind is FAIL


@pytest.mark.parametrize("rule", [USUAL, TEN])
def test_restarts_are_over_once_the_container_has_run_for_long(rule: CrashLoopRule) -> None:
    """For ten minutes it keeps restarting, from then on it does neither condemn nor block."""
    assert loops(running(12, since=0), rule=rule, now=SETTLED - 1).kind is FAIL
    assert loops(running(12, since=0), rule=rule, now=SETTLED).kind is PASS


def test_when_restarts_are_over_can_be_set() -> None:
    """`settledAfter: 1h` remembers them for an hour."""
    rule = replace(USUAL, settled_after=timedelta(hours=1))
    assert loops(running(3, since=0), rule=rule, now=3599).kind is FAIL
    assert loops(running(3, since=0), rule=rule, now=3600).kind is PASS


def test_one_pod_that_restarted_long_ago_does_not_block() -> None:
    """What was no proof for want of a second pod is no reason to wait either."""
    others = (pod("new-2", node="n2"), pod("new-3", node="n3"))
    assert loops(running(3, since=0), *others, now=60).reason == "OnePod"
    assert loops(running(3, since=0), *others, now=SETTLED).kind is PASS


def test_a_probe_that_fails_for_a_moment_brings_no_old_restart_back() -> None:
    """A pod that is not ready just now, though its container has run for an hour, does not keep restarting."""
    blinked = replace(running(5, since=0), ready=False, ready_since=None, unready_since=at(3590))
    assert loops(blinked, now=3600).kind is PENDING


@pytest.mark.parametrize(
    ("lasted", "kind"), [(SETTLED - 1, FAIL), (SETTLED, PASS), (3600, PASS)], ids=["short", "long", "hour"]
)
def test_a_restart_after_a_long_run_is_the_first_anew(lasted: float, kind: VerdictKind) -> None:
    """Three restarts in the first minute and one an hour later are one."""
    last = Termination("Error", 1, at(0), at(lasted))
    assert loops(running(4, since=lasted + 1, last=last), now=lasted + 2).kind is kind


def test_a_crash_after_a_long_run_counts_no_restart_yet() -> None:
    """With `restarts: 1`, a container that has just ended is not restarted yet; in the next moment it is."""
    rule = replace(USUAL, restarts=1)
    ended = Container("app", restarts=4, terminated=Termination("Error", 1, at(0), at(700)))
    assert loops(broken("new-1", ended), rule=rule, now=700).kind is PENDING
    again = running(5, since=701, last=ended.terminated)
    assert loops(again, rule=rule, now=702).kind is FAIL


@pytest.mark.parametrize("missing", ["started_at", "finished_at"])
def test_a_run_of_unknown_length_forgives_nothing(missing: str) -> None:
    """Where the status does not tell how long the last run lasted, all restarts count."""
    changes: dict[str, Any] = {missing: None}
    last = replace(Termination("Error", 1, at(0), at(3600)), **changes)
    assert loops(running(4, since=3601, last=last), now=3602).kind is FAIL


def test_the_verdict_is_looked_at_again_when_restarts_are_over() -> None:
    """The earliest end ahead, of both arms; none for pods that never restarted."""
    old = replace(running(5, since=-100, name="old-1"), revision=OLD.hash)
    world = workload(running(3, since=30), running(4, since=90, name="new-2"), pod("new-3"), old)

    def wake(now: float, *, rule: CrashLoopRule = USUAL) -> datetime | None:
        return settled_at(rule, world, NEW, OLD, at(now))

    assert [wake(now) for now in (100, 500, 630, 690)] == [at(500), at(630), at(690), None]
    assert settled_at(USUAL, world, NEW, None, at(100)) == at(630)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 900), st.integers(1, 1300)), max_size=4),
    st.integers(900, 1500),
)
def test_crash_loops_change_by_time_only_where_a_wake_is_set(
    runs: list[tuple[int, int, int]], now: int
) -> None:
    """Between now and the wake the verdict stands still: the caller may sleep until then."""
    pods = [
        running(restarts, since, Termination("Error", 1, at(since - 1 - lasted), at(since - 1)), f"new-{n}")
        for n, (restarts, since, lasted) in enumerate(runs)
    ]
    wakes = settled_at(USUAL, workload(*pods), NEW, OLD, at(now))
    until = (wakes - at(0)).total_seconds() - 0.001 if wakes is not None else 10_000
    assert until > now
    assert loops(*pods, now=until) == loops(*pods, now=now)

"""Crashes as counts: candidate pods that crash more often than the baseline's are found."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sentinel.domain.evidence import Counts
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.rules.crashes import CrashTick, judge_crashes
from sentinel.engine.rules.segment import Segment

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
STEP = Segment("step-0", 1.0, concurrent=True)


def play(
    crashes: list[tuple[int, int]], pods: tuple[int, int], nodes: tuple[str, ...] = ("a", "b", "c")
) -> tuple[Mapping[str, object], RuleVerdict]:
    """The verdict after ticks of a minute in which so many pods of each arm crashed for the first time."""
    state: Mapping[str, object] | None = None
    for index, (ours, theirs) in enumerate(crashes):
        since = START + index * timedelta(minutes=1)
        arms = Counts(60 * pods[0], ours), Counts(60 * pods[1], theirs)
        crashed_on = frozenset({nodes[index % len(nodes)]} if ours else ())
        tick = CrashTick(since, since + timedelta(minutes=1), *arms, crashed_on, nodes=3)
        saved = None if state is None else json.loads(json.dumps(state))
        state, verdict = judge_crashes("crashes", 0.01, saved, tick, STEP)
    assert state is not None
    return state, verdict


def test_several_candidate_pods_crashing_where_no_baseline_pod_does_fails() -> None:
    """Four of ten candidate pods crash, none of ninety others: not chance."""
    _, verdict = play([(1, 0), (0, 0), (1, 0), (1, 0), (1, 0)], (10, 90))
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.message.startswith("4 candidate pods crashed in 0.833 pod hours, 0 baseline pods in 7.5")
    assert verdict.cause.first_bad_at == START


def test_one_crashed_pod_is_never_a_proof() -> None:
    """A single pod may have a bad node; however large the baseline, it takes two."""
    _, verdict = play([(1, 0)], (1, 10_000))
    assert verdict.kind is VerdictKind.PENDING


def test_both_arms_crashing_alike_is_no_fail() -> None:
    """Crashes in proportion to the pods are common to both arms."""
    _, verdict = play([(1, 9)] * 5, (10, 90))
    assert verdict.kind is VerdictKind.PENDING


def test_crashes_all_on_one_node_are_the_nodes() -> None:
    """Where the candidate runs on three nodes and crashes on one of them, the node is suspected."""
    _, verdict = play([(1, 0)] * 4, (10, 90), nodes=("a",))
    assert (verdict.kind, verdict.reason) == (VerdictKind.INCONCLUSIVE, "OneNode")
    assert verdict.message.endswith("; all on node a, the candidate runs on 3 nodes")


def test_another_segment_starts_with_fresh_crash_counts() -> None:
    """A change of arms forgets the crashes before it."""
    state, _ = play([(1, 0)] * 4, (10, 90))
    _, verdict = judge_crashes("crashes", 0.01, state, None, Segment("step-1", 0.5, concurrent=True))
    assert verdict.numbers["candidate_crashed"] == 0

"""Where no start is known, only what no cold start explains is undone before the warm-up is over."""

from sentinel.domain.evidence import Counts, PodStart, as_histogram
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.rules.flagrant import condemned, flagrant_run
from tests.engine.rules.test_error_rate import RULE, counted
from tests.engine.snapshots import OLD, pod, workload

PODS = (pod("new-1"), pod("new-2"), pod("old-1", OLD))
PENDING = RuleVerdict("error-rate", VerdictKind.PENDING, "Baking", "baking")


def run_of(*errors: tuple[int, int], baseline: tuple[int, int] = (90, 1)) -> list[int]:
    """The run after these ticks, in which each of two pods has ten requests and so many errors."""
    run = [0, 0, 0]
    for index, each in enumerate(errors):
        plain = counted(index, (0, 0), baseline)
        starts = tuple(
            PodStart(f"new-{n + 1}", 5.0 * index, 5.0 * index + 5, as_histogram(Counts(10, bad)), True)
            for n, bad in enumerate(each)
        )
        tick = type(plain)(plain.since, plain.until, plain.candidate, plain.baseline, {}, starts=starts)
        run = flagrant_run(RULE, {"flagrant": run}, tick, workload(*PODS))
    return run


def test_three_ticks_in_which_every_pod_fails_most_requests_are_a_fail() -> None:
    """Two are not yet; the message says what was seen."""
    assert condemned(PENDING, run_of((6, 9), (8, 8)), lambda _: False) is PENDING
    verdict = condemned(PENDING, run_of((6, 9), (8, 8), (7, 7)), lambda _: False)
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.reason == "FlagrantStart"
    assert "75% of 60 requests in 3 ticks" in verdict.message


def test_one_pod_that_serves_or_an_outage_ends_the_run() -> None:
    """It may be that pod's node, or a dependency: neither is the release's fault for certain."""
    assert run_of((9, 9), (9, 9), (9, 5)) == [0, 0, 0]
    assert run_of((9, 9), (9, 9), (9, 9), baseline=(90, 40)) == [0, 0, 0]


def test_a_policy_whose_workloads_start_like_that_condemns_nobody() -> None:
    """What is usual is no fault."""
    assert condemned(PENDING, run_of((9, 9), (9, 9), (9, 9)), lambda _: True) is PENDING

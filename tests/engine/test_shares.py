"""The error level of a rollout is split over the rules that are judged statistically."""

from dataclasses import replace

import pytest

from sentinel.domain.policy import CrashLoopRule, Method, Policy
from sentinel.engine.shares import shares
from tests.engine.test_error_rate import RULE
from tests.engine.test_latency import MEAN


def test_shares_of_all_statistical_rules_sum_to_one() -> None:
    """Two metric rules take half each; the others take nothing."""
    policy = Policy("p", "d", rules=(RULE, MEAN, CrashLoopRule("crash-loop")))
    assert shares(policy) == pytest.approx({"error-rate": 0.5, "latency": 0.5})


def test_a_plain_threshold_takes_no_share() -> None:
    """A rule that promises no error level leaves α to the others."""
    policy = Policy("p", "d", rules=(replace(RULE, method=Method.THRESHOLD), MEAN))
    assert shares(policy) == {"latency": 1.0}


def test_no_statistical_rule_has_no_shares() -> None:
    """Nothing to split."""
    assert shares(Policy("p", "d", rules=(CrashLoopRule("crash-loop"),))) == {}

"""Restarts that a rule file allows but that take longer than another of its rules waits."""

from collections.abc import Iterator
from datetime import timedelta

from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import CrashLoopRule, HealthRule
from sentinel.policies.mistakes import InputError, Remark
from sentinel.policies.schema.quantities import format_duration

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=5)
"""Kubernetes restarts a container at once the first time, then after pauses that double from one to the other."""


def impatient(policy: Policy) -> Iterator[Remark]:
    """A remark on restarts that take longer than a pod may take to be ready: its health is undone before them."""
    limits = [rule.ready_within for rule in policy.rules if isinstance(rule, HealthRule)]
    for index, rule in enumerate(policy.rules):
        if not isinstance(rule, CrashLoopRule) or rule.restarts is None:
            continue
        if limits and min(limits) < back_off(rule.restarts):
            yield ("spec", "rules", index, "crashLoop", "restarts"), _remark(rule.restarts, min(limits))


def _remark(restarts: int, ready_within: timedelta) -> InputError:
    takes, limit = format_duration(back_off(restarts)), format_duration(ready_within)
    return InputError(
        f"{restarts} restarts take {takes} in CrashLoopBackOff, but before that health undoes a pod that is not ready "
        f"within {limit}",
        "make health.readyWithin longer, unless this is intended",
    )


def back_off(restarts: int) -> timedelta:
    """How long Kubernetes pauses before so many restarts of a container that ends at once."""
    pauses = (min(FIRST_PAUSE * 2 ** min(n, 10), LONGEST_PAUSE) for n in range(min(restarts, 10_000) - 1))
    return sum(pauses, timedelta(0))

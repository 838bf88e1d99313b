"""What no cold start explains, where it is not known how this workload starts: more than half of it fails everywhere.

Every ready candidate pod fails over half of its requests, in three ticks one after the other and at least thirty
requests, while the baseline beside it is within the limit and no workload of this policy is known to start like that.
"""

from collections.abc import Callable, Mapping
from typing import cast

from sentinel.domain.evidence import ERRORS_OVER, CountTick
from sentinel.domain.figures import amount, percent
from sentinel.domain.policy.rules import ErrorRateRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import Workload
from sentinel.engine.statistics.histograms import tail
from sentinel.values import replace

Json = Mapping[str, object]

FLAGRANT = "flagrant"
"""Its key in the state of a rule's test."""
SHARE = 0.5
TICKS = 3
REQUESTS = 30


def flagrant_run(rule: ErrorRateRule, state: Json | None, tick: CountTick, workload: Workload) -> list[int]:
    """The run of flagrant ticks up to this one: how many, with how many requests and errors."""
    seen = [tail(start.seen, ERRORS_OVER) for start in tick.starts]
    ready = sum(pod.ready for pod in workload.pods_of(workload.candidate))
    served = tick.baseline.rate if tick.baseline is not None else None
    everywhere = 0 < ready <= len(seen) and all((counts.rate or 0.0) > SHARE for counts in seen)
    if not everywhere or served is None or served > rule.limit:
        return [0, 0, 0]
    ticks, total, errors = cast(list[int], (state or {}).get(FLAGRANT, [0, 0, 0]))
    return [ticks + 1, total + sum(c.total for c in seen), errors + sum(c.errors for c in seen)]


def condemned(verdict: RuleVerdict, run: list[int], known: Callable[[str], bool]) -> RuleVerdict:
    """A fail where the run is long enough and `known` says that no start by this rule is like that."""
    ticks, total, errors = run
    if verdict.kind is VerdictKind.FAIL or ticks < TICKS or total < REQUESTS or known(verdict.rule):
        return verdict
    message = (
        f"every ready canary pod fails from its first request: {percent(errors / total)} of "
        f"{amount(total, 'request')} in {ticks} ticks; no start of this policy's workloads is like that"
    )
    return replace(verdict, kind=VerdictKind.FAIL, reason="FlagrantStart", message=message)

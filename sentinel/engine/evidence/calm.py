"""Ticks that can change no verdict, which may be judged together: a healthy rollout needs no reconcile for each.

A fault is proven by two proofs, or by the limit's alone. As long as there is no evidence against the limit, a tick
within it proves nothing: no bet against the limit wins in it, so that the limit's proof stays where it is or falls
(`tests/engine/evidence/test_calm.py`). Before the bake is over nothing passes either. What is judged late is judged
as it would have been one by one, and enters the record and the course of the evidence as it would have.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sentinel.domain.evidence import (
    ERRORS_OVER,
    Counts,
    CountTick,
    Histogram,
    HistogramTick,
    Tick,
    ValueSample,
)
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule, Method, MetricRule
from sentinel.domain.record.state import RolloutState
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.evidence.schedule import stands_still
from sentinel.engine.rules import error_rate, latency
from sentinel.engine.rules.flagrant import SHARE
from sentinel.engine.rules.standing import BAKING
from sentinel.engine.statistics.histograms import tail
from sentinel.values import dataclass

TOGETHER = timedelta(seconds=20)
"""Ticks over so long are judged together at most: people who look at a rollout see it no older."""
MOST_STILL = 4
"""So many ticks of a rule in a row, of a rollout without requests, are judged together."""


@dataclass(frozen=True, slots=True)
class Leeway:
    """What the newest reconcile lets wait: of the `calm` rules harmless ticks, of the `suspected` ones none.

    `bake_ends`: when its step's bake is over, None before it began.
    """

    suspected: Collection[str] = ()
    bake_ends: datetime | None = None
    calm: Collection[str] = ()

    def lets_wait(
        self, rule: MetricRule, measured: Measured, before: Tick | None, waiting: Sequence[Measured]
    ) -> bool:
        """Whether a whole tick, after the one `before`, can change no verdict and may join those that wait.

        One that reaches the end of the bake may let the step pass.
        """
        name, tick = rule.name, measured.tick
        if name in self.suspected or isinstance(tick, ValueSample):
            return False
        if stands_still(tick, before) and len(waiting) + 1 < MOST_STILL:
            return True
        ends, first = self.bake_ends, waiting[0].tick if waiting else tick
        if name not in self.calm or (ends is not None and measured.until >= ends):
            return False
        assert not isinstance(first, ValueSample), "rules keep their kind"
        return measured.until - first.since < TOGETHER and harmless(rule, tick)


def calm(
    policy: Policy, state: RolloutState, verdicts: Sequence[RuleVerdict], *, baking: bool
) -> frozenset[str]:
    """The rules of which a harmless tick changes nothing: they bake, and nothing speaks against the limit.

    None unless the step is `baking`: before the bake has begun, what is seen begins it, and after its end the next tick
    lets it pass. None during a hold, which ends by what is seen, and none where a good candidate is promoted early.
    """
    if not baking or state.hold is not None or policy.strategy.promote_early:
        return frozenset()
    pending = {
        verdict.rule
        for verdict in verdicts
        if verdict.kind is VerdictKind.PENDING
        and verdict.reason == BAKING
        and float(verdict.numbers.get("log_e_limit", 1.0)) <= 0
    }
    return frozenset([rule.name for rule in policy.rules if rule.name in pending and _is_tested(rule)])


def _is_tested(rule: object) -> bool:
    """Whether a rule goes by proofs: one with a plain threshold counts the ticks over it."""
    return isinstance(rule, ErrorRateRule | LatencyRule) and rule.method is Method.SEQUENTIAL


def harmless(rule: MetricRule, tick: Tick) -> bool:
    """Whether a tick of a calm rule proves nothing: requests, all of them within the limit, and nothing missing.

    What is judged as old and what as young pods differs with what is known of starts: each young pod is within the
    limit, and so are the others together.
    """
    if isinstance(tick, ValueSample) or tick.missing:
        return False
    seen = [start.seen for start in tick.starts]
    if not tick.candidate.total and not any(each.total for each in seen):
        return False
    warm = [start.seen for start in tick.starts if not start.cold]
    if isinstance(rule, ErrorRateRule) and isinstance(tick, CountTick):
        old = tick.candidate - sum([tail(each, ERRORS_OVER) for each in warm], Counts())
        young = [tail(each, ERRORS_OVER) for each in seen]
        flagrant = any(each.errors > SHARE * each.total for each in young)
        return not flagrant and all(error_rate.is_within(rule, each) for each in (old, *young))
    if isinstance(rule, LatencyRule) and isinstance(tick, HistogramTick):
        others = tick.candidate - sum(warm, Histogram())
        return all(latency.is_within(rule, each) for each in (others, *seen))
    return False

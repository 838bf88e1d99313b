"""How a workload's pods start: from the record of the revision that was promoted, or from its pods' last starts.

The candidate's own start is kept in its record as it is measured, rule by rule. Promoted, that is the stable's start
for the next rollout. Where no record has it, the last starts of the stable's pods are asked for: when each was ready,
the watch knows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import inf

from sentinel.domain.evidence import (
    ERRORS_OVER,
    Histogram,
    Past,
    PastCounters,
    PodStart,
)
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import ErrorRateRule, LatencyRule
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Json, Phase
from sentinel.domain.record.written import Written, value_of
from sentinel.domain.workload.facts import Workload
from sentinel.engine.arms.split import starts
from sentinel.engine.evidence.history import MOST_PODS, learns
from sentinel.engine.evidence.schedule import SourceTiming, grid, stable_of
from sentinel.engine.rules.flagrant import SHARE
from sentinel.engine.statistics.starts import AGES, StartProfile, Starts
from sentinel.values import dataclass

START = "start"
"""The key of the candidate's own start in the state of a rule's test."""
STABLE_START = "stable_start"
"""The key of the start that it is compared with."""
STEP = timedelta(seconds=AGES[0])
TOGETHER = timedelta(minutes=30)
"""Pods that became ready within so long before the newest are asked about in one question."""
LONGEST_TICK = timedelta(seconds=30)
"""A source of longer ticks cannot tell ages apart."""


def start_in(state: Json | None, key: str) -> StartProfile | None:
    """The profile kept under this key in the state of a rule's test."""
    kept = state.get(key) if state is not None else None
    if not isinstance(kept, Mapping):
        return None
    return value_of(kept, StartProfile) or StartProfile.from_json(kept)


def remembered_start(rule: str, record: Record, records: Sequence[Record]) -> StartProfile | None:
    """How the revision that this workload promoted last started, by a rule of this name; `records` newest first.

    None where too little of it was seen: its pods' last starts can be asked for, an older revision's are not its own.
    """
    promoted = (one for one in records if one.name != record.name and one.state.phase is Phase.PROMOTED)
    newest = next(promoted, None)
    profile = start_in(newest.state.analysis.get(rule), START) if newest is not None else None
    return profile if profile is not None and not profile.thin else None


def starts_flagrantly(record: Record, rule: str) -> bool:
    """Whether a rollout's candidate is known to have started with more than half of its requests failing."""
    known = start_in(record.state.analysis.get(rule), START)
    return known is not None and any(share is not None and share > SHARE for share in known.shares)


def limit_of(rule: ErrorRateRule | LatencyRule) -> float:
    """Over which bound of a start's histograms a request counts as an error."""
    return rule.limit if isinstance(rule, LatencyRule) else ERRORS_OVER


def starts_kept(starts: Starts, before: Json | None) -> Json:
    """What the state of a rule's test keeps of the starts; nothing of a candidate whose start was not seen.

    `before` is the state so far: a start that has not changed is not written again.
    """
    kept: dict[str, object] = {}
    if starts.own.bounds:
        kept[START] = _written(starts.own, before, START)
    if starts.profile is not None:
        kept[STABLE_START] = _written(starts.profile, before, STABLE_START)
    return kept


def _written(profile: StartProfile, before: Json | None, key: str) -> Written:
    known = before.get(key) if before is not None else None
    return (
        known if isinstance(known, Written) and known.of is profile else Written(profile.as_json(), profile)
    )


@dataclass(frozen=True, slots=True)
class StartQuestion:
    """A question for the last starts of a workload's pods, and when each pod was ready."""

    past: Past
    ready: Mapping[str, datetime]

    def profile(self, counters: PastCounters) -> StartProfile:
        """What the answer comes to. A pod's first sample counts from zero: its process is as young."""
        limit = self.past.over or ERRORS_OVER
        profile = StartProfile(limit)
        for pod, samples in counters.items():
            if pod in self.ready:
                profile = profile.after(self._starts(pod, samples, (limit, inf)))
        return profile

    def _starts(
        self, pod: str, samples: Sequence[tuple[float, float] | None], bounds: tuple[float, ...]
    ) -> list[PodStart]:
        found, before = [], (0.0, 0.0)
        for index, sample in enumerate(samples):
            until = (self.past.since + index * self.past.step - self.ready[pod]).total_seconds()
            if sample is None or until > AGES[-1]:
                continue
            total, errors = round(sample[0] - before[0]), round(sample[1] - before[1])
            since = max(0.0, until - self.past.step.total_seconds())
            if until > 0 and 0 <= errors <= total:
                seen = Histogram(bounds, (total - errors, errors))
                found.append(PodStart(pod, since, until, seen, cold=True))
            before = sample
        return found


def last_starts_of(
    rule: ErrorRateRule | LatencyRule,
    record: Record,
    workload: Workload,
    policy: Policy,
    timing: SourceTiming,
    now: datetime,
) -> StartQuestion | None:
    """What to ask of the last starts; None where the record has them, nothing is cold, or no start is known."""
    stable = stable_of(workload, record)
    known = STABLE_START in record.state.analysis.get(rule.name, {})
    if stable is None or known or not learns(rule) or not policy.strategy.warmup:
        return None
    if timing.min_interval > LONGEST_TICK:
        return None
    ready = {
        p.name: p.ready_since for p in workload.pods_of(stable) if p.ready and p.ready_since and starts(p)
    }
    if not ready:
        return None
    newest = max(ready.values())
    names = sorted((name for name, at in ready.items() if at >= newest - TOGETHER))[:MOST_PODS]
    first = min(ready[name] for name in names)
    ends = min(newest + timedelta(seconds=AGES[-1]), now - timing.settle)
    if ends <= first:
        return None
    over = rule.limit if isinstance(rule, LatencyRule) else 0.0
    past = Past(workload.key.namespace, tuple(names), grid(first, STEP), grid(ends, STEP), STEP, over)
    return StartQuestion(past, {name: ready[name] for name in names})

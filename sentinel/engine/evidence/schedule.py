"""What is to be measured when, and what a measurement comes to: the pure part of collecting evidence."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sentinel.domain.evidence import (
    ERRORS_OVER,
    CountTick,
    HistogramTick,
    Missing,
    MissingReason,
    Span,
    Tick,
    ValueSample,
)
from sentinel.domain.figures import duration
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.rules import Arms, ErrorRateRule, LatencyRule, MetricRule, QueryRule
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload
from sentinel.domain.workload.revision import Revision
from sentinel.engine.arms.increments import count_tick, histogram_tick
from sentinel.engine.arms.split import BASELINE, CANDIDATE, starts_of, version_of
from sentinel.engine.exposure.switching import stands_by
from sentinel.engine.rules.environment import over_limit
from sentinel.engine.rules.query_rule import next_due
from sentinel.engine.rules.standing import EXPECTED, STALE_AFTER
from sentinel.values import dataclass, replace

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_BEFORE = timedelta(hours=1)
NEIGHBOURS_WITHIN = timedelta(minutes=5)
MOST_TICKS = 12
"""Of more, what came in at once is one: longer than batches, it was away."""


@dataclass(frozen=True, slots=True)
class SourceTiming:
    """How a metrics source wants to be asked: the shortest tick, and how long its counts take to settle.

    `told`: it tells itself up to when it can be asked; the settle is how far behind the clock that mostly is at most.
    """

    min_interval: timedelta = timedelta(0)
    settle: timedelta = timedelta(0)
    told: bool = False

    def tick(self, rule: MetricRule) -> timedelta:
        """How long one tick of a rule is."""
        return max(rule.interval, self.min_interval)


AT_ONCE = SourceTiming()
"""A source of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when a rule's next measurement reaches, and when the one after it is due.

    There is nothing to measure while `until` is not after what was measured last.
    """

    since: datetime
    until: datetime
    next_due: datetime


def first_run(workload: Workload) -> datetime | None:
    """When the first of the candidate's pods began to run, as far as it shows; None: none did, so nothing counts it."""
    pods = workload.pods_of(workload.candidate)
    ran = [at for pod in pods for c in pod.containers if not c.init for at in starts_of(c)]
    return min((*ran, *(pod.ready_since for pod in pods if pod.ready_since is not None)), default=None)


def awaited(rule: MetricRule, record: Record, workload: Workload) -> bool:
    """Whether a rule is not asked now, as nothing it could find is of the candidate.

    None of its pods ever ran, or a query's value at zero replicas. Counters are read on there, so that what comes after
    a scale-up is differenced from just before.
    """
    if isinstance(rule, QueryRule) and workload.exposure.wanted == 0:
        return True
    return rule.name not in record.state.measured_until and first_run(workload) is None


def grid(at: datetime, interval: timedelta) -> datetime:
    """The last multiple of the interval: ticks of all workloads fall together, so that they share their queries."""
    return at - (at - EPOCH) % interval


def window(
    rule: MetricRule,
    record: Record,
    workload: Workload,
    timing: SourceTiming,
    now: datetime,
    last_tick: datetime | None = None,
) -> Window:
    """The next measurement of a rule in a rollout.

    A step that has not passed when its bake is over has a tick that ends there (`last_tick`): what it lacks may have
    come since the tick before. The one after it reaches to the second multiple of the interval: none is shorter.
    """
    if isinstance(rule, QueryRule):
        began = record.state.progress.began_at or record.started_at
        due = next_due(rule, record.state.analysis.get(rule.name), began)
        if now >= due:
            return Window(began, now, max(due, now + rule.interval))
        return Window(began, began, due)
    interval = timing.tick(rule)
    since = record.state.measured_until.get(rule.name) or grid(_begins(record, workload), interval)
    settled = now - timing.settle
    first = next_end(since, interval, rule)
    whole = grid(settled, interval)
    until = whole if whole >= first else since
    if last_tick is not None and until < last_tick <= settled:
        until = last_tick
    return Window(since, until, max(whole + interval, first) + timing.settle)


def next_end(since: datetime, interval: timedelta, rule: MetricRule) -> datetime:
    """Where a tick ends that begins then: at a multiple of the interval.

    After a tick that ended with a bake, between two multiples, no sooner than an interval later.
    """
    after_a_bake = grid(since, rule.interval) != since
    return grid(since, interval) + (2 * interval if after_a_bake else interval)


def whole_ticks(
    rule: MetricRule, since: datetime, until: datetime, interval: timedelta
) -> tuple[tuple[datetime, datetime], ...]:
    """A time that came in at once, as the ticks that it would have been, had it come by and by.

    So a batch is judged as it would have been, and what a pod did while it was cold is kept apart from
    what it did afterwards. A long time, as after an outage, is one tick.
    """
    if until - since > MOST_TICKS * interval:
        return ((since, until),)
    ends = [since]
    while ends[-1] < until:
        ends.append(min(until, next_end(ends[-1], interval, rule)))
    return tuple(pairwise(ends))


def _begins(record: Record, workload: Workload) -> datetime:
    """From when on the candidate can count anything."""
    return max(record.started_at, first_run(workload) or record.started_at)


TimingOf = Callable[[MetricRule], SourceTiming]
"""How the source of a rule wants to be asked about what the rule measures."""


def settles_of(policy: Policy, timing_of: TimingOf) -> dict[str, timedelta]:
    """How long the numbers of each metric rule take to settle."""
    return {rule.name: timing_of(rule).settle for rule in policy.rules if isinstance(rule, MetricRule)}


def ticks_of(policy: Policy, timing_of: TimingOf) -> dict[str, timedelta]:
    """How long one tick of each metric rule is: no shorter than between two samples of its source."""
    counting = (rule for rule in policy.rules if isinstance(rule, ErrorRateRule | LatencyRule))
    return {rule.name: timing_of(rule).tick(rule) for rule in counting}


def unmeasured(
    policy: Policy,
    record: Record,
    workload: Workload,
    failing: Mapping[str, Missing],
    taken_up: datetime,
    timing_of: TimingOf,
    now: datetime,
) -> dict[str, Missing]:
    """Of which metric rules there is no recent evidence, and why: the last measurement failed, or is long ago.

    What is old because nobody measured is not missing yet: a process that takes a rollout up (`taken_up`) asks
    first. `failing` are the rules whose last measurement failed.
    """
    missing = dict(failing)
    for rule in policy.rules:
        if not isinstance(rule, ErrorRateRule | LatencyRule) or rule.name in missing:
            continue
        if not awaited(rule, record, workload):
            timing = timing_of(rule)
            until = record.state.measured_until.get(rule.name) or _begins(record, workload)
            age = now - max(until, taken_up) - timing.settle
            if age > STALE_AFTER * timing.tick(rule):
                text = f"the newest evidence is {duration(age)} old"
                missing[rule.name] = Missing(MissingReason.STALE, rule.query.source, text)
    return missing


def stable_of(workload: Workload, record: Record) -> Revision | None:
    """The revision that a rollout replaces, as the workload shows it; None once the workload no longer has it."""
    return workload.revision(record.stable.digest) if record.stable else None


def has_stable_pods(workload: Workload, record: Record) -> bool:
    """Whether pods of the revision that a rollout replaces are still there."""
    stable = stable_of(workload, record)
    return stable is not None and bool(workload.pods_of(stable))


def tick_of(
    rule: ErrorRateRule | LatencyRule,
    spans: Sequence[Span],
    workload: Workload,
    baseline: Revision | None,
    since: datetime,
    until: datetime,
    warmup: timedelta,
) -> CountTick | HistogramTick:
    """What both arms of a rollout did between two times."""
    make = count_tick if isinstance(rule, ErrorRateRule) else histogram_tick
    tick = make(
        spans, workload, workload.candidate, baseline, since, until, warmup=warmup, arms=rule.query.arms
    )
    unused = stands_by(workload) and not any(missing.subject == BASELINE for missing in tick.missing)
    return replace(tick, missing=tuple(m for m in tick.missing if not _no_series(m))) if unused else tick


def _no_series(missing: Missing) -> bool:
    """Whether the candidate has no series at all: what stands by may have had no request yet, and lacks nothing."""
    return (missing.reason, missing.subject) == (MissingReason.NO_DATA, CANDIDATE)


def subjects_of(workload: Workload, arms: Arms) -> set[str]:
    """By which names the source's series are of the candidate: its pods', or its version."""
    candidate = workload.candidate
    if arms.version_label:
        return {version_of(candidate, arms.version_label) or CANDIDATE}
    return {pod.name for pod in workload.pods_of(candidate)}


def lacking(tick: CountTick | HistogramTick, workload: Workload, arms: Arms) -> Missing | None:
    """Why a tick brought no number of the candidate at all, though one was to be expected; None where it did.

    Zero requests are a measurement; missing or stale series are not, and they are not a lack of traffic either.
    """
    names = {CANDIDATE, *subjects_of(workload, arms)}
    found = (
        bool(tick.candidate.bounds) if isinstance(tick, HistogramTick) else not names.isdisjoint(tick.pods)
    )
    if found:
        return None
    return next((m for m in tick.missing if m.reason not in EXPECTED and m.subject in names), None)


def bridged(tick: CountTick | HistogramTick, counted_until: datetime | None, interval: timedelta) -> bool:
    """Whether the next tick is to cover the time of one that lacks the candidate's numbers, as after a failed scrape.

    So it is where the tick before had them (`counted_until` is when it ended): counters go on, and are differenced
    across the gap. Both ticks at a missed sample would be lost otherwise. Not for longer than evidence may be old.
    """
    return tick.since == counted_until and tick.until - tick.since <= STALE_AFTER * interval


def may_prove(tick: Tick) -> bool:
    """Whether a fault may be proven by a tick; requests without any error prove none."""
    if not isinstance(tick, CountTick) or tick.candidate.errors or tick.missing:
        return True
    return any(start.seen.over(ERRORS_OVER) for start in tick.starts)


def stands_still(tick: Tick, before: Tick | None) -> bool:
    """Whether a tick can change no verdict: nobody asked anything of either arm, as in the tick before.

    The first tick without requests may end an outage, and another reason for their absence is news.
    """
    return _idle(tick) is not None and before is not None and _idle(tick) == _idle(before)


def _idle(tick: Tick) -> frozenset[tuple[str, str]] | None:
    """Why a tick without requests has none, by what is missing of whom; None for one with requests, or of a query."""
    if isinstance(tick, ValueSample) or tick.candidate.total or (tick.baseline and tick.baseline.total):
        return None
    return frozenset([(missing.reason.value, missing.subject) for missing in tick.missing])


def was_over(
    rule: ErrorRateRule | LatencyRule,
    spans: Sequence[Span],
    workload: Workload,
    revision: Revision,
    since: datetime,
    until: datetime,
) -> bool | None:
    """Whether a revision's pods, taken as the baseline, were over the limit between two times; None without data."""
    alone = replace(workload, candidate=Revision("none"))
    return over_limit(rule, tick_of(rule, spans, alone, revision, since, until, timedelta(0)))

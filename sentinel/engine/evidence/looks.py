"""Extra looks between two ticks, while the evidence against a candidate is growing.

A tick ends at a multiple of the rule's interval, and its samples are up to one scrape older. Once the evidence is 3:1,
the collector asks again as soon as the candidate, and after it half of the baseline, can have been scraped again: from
the last whole tick up to then.
Such a look may prove a fault. Nothing else is kept of it, so the evidence goes on from the whole ticks, and what is on
record does not depend on how often anyone looked.

A look makes the very bet of the tick on the part of it that is there. Log gains add up as long as the arms' shares of
the traffic stay the same within the tick, so the wealth at a look is the wealth that the whole tick is expected to end
with, or more: looking is free. Where errors come in one cluster at most, a tick makes a single bet; so does the look.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sentinel.domain.evidence import Span
from sentinel.domain.policy.rules import Arms, ErrorRateRule, LatencyRule, Method, MetricRule
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.domain.workload.facts import Workload
from sentinel.engine.evidence.schedule import SourceTiming, Window, grid, subjects_of
from sentinel.values import dataclass

SUSPICIOUS = 3.0
"""Odds from which on it is worth to ask again before the next tick."""
VISIBLE_AFTER = timedelta(seconds=0.25)
"""A scrape is stamped when it begins, and can be queried when it is over."""
STEP = timedelta(seconds=0.5)
"""Looks end at multiples of it, so that rollouts that look at the same time share their queries."""
GAIN = timedelta(seconds=1)
"""A tick that ends with a bake spares as much at least."""
TRIES = 4
"""A scrape that is late is asked for again so many times within a scrape interval."""


@dataclass(frozen=True, slots=True)
class LastAsked:
    """Up to when a rule was asked about last, and when both arms had been scraped then (`scraped_at`)."""

    until: datetime
    scraped: datetime


@dataclass(slots=True)
class LastAnswer:
    """What a rule was answered last, up to `until`. When its pods were scraped is worked out for those who look ahead.

    `scrape` is the time between two scrapes.
    """

    until: datetime
    spans: Sequence[Span]
    workload: Workload
    arms: Arms
    scrape: timedelta

    def asked(self) -> LastAsked | None:
        """When that was; None where the source does not tell when it scraped."""
        scraped = scraped_at(self.spans, self.workload, self.arms, self.scrape)
        return LastAsked(self.until, scraped) if scraped is not None else None


def reached(bake_ends: datetime | None, settled: datetime) -> datetime | None:
    """The end of a step's bake, once evidence can be there up to it."""
    return bake_ends if bake_ends is not None and bake_ends <= settled else None


def suspected(verdicts: Sequence[RuleVerdict]) -> frozenset[str]:
    """The rules whose evidence against the candidate is strong enough for extra looks."""
    settled = (VerdictKind.FAIL, VerdictKind.INCONCLUSIVE)
    return frozenset(
        verdict.rule
        for verdict in verdicts
        if verdict.kind not in settled and float(verdict.numbers.get("odds", 0.0)) >= SUSPICIOUS
    )


def scraped_at(spans: Sequence[Span], workload: Workload, arms: Arms, scrape: timedelta) -> datetime | None:
    """When half of the candidate's pods, and after it half of the others', are scraped, in each round of `scrape`.

    What hits both arms at once is seen first where the scrape comes first. So a look waits until half of the baseline
    was scraped after the candidate: by then it shows the same. None where the source does not tell.
    """
    names = subjects_of(workload, arms)
    stamps: dict[bool, list[datetime]] = {True: [], False: []}
    for span in spans:
        if span.after is not None and span.cumulative and not span.stray:
            stamps[str(span.subject) in names].append(span.after.observed_at)
    if not stamps[True] or not scrape:
        return None
    candidate = sorted(stamps[True])[len(stamps[True]) // 2]
    behind = sorted((stamp - candidate) % scrape for stamp in stamps[False])
    return candidate + (behind[len(behind) // 2] if behind else timedelta(0))


def last_tick(
    rule: MetricRule, bake_ends: datetime | None, last: LastAsked | None, timing: SourceTiming
) -> datetime | None:
    """When a step's bake is over, where a tick may end there; None elsewhere.

    Both arms are scraped once more between the whole tick before and then: else the candidate would be without requests
    in it. And the whole tick after it is not as soon. A bake that ends at a multiple of the rule's interval has none:
    the tick after it would be short.
    """
    scrape, tick = timing.min_interval, timing.tick(rule)
    if bake_ends is None or last is None or not scrape or grid(bake_ends, rule.interval) == bake_ends:
        return None
    newest = last.scraped + (bake_ends - VISIBLE_AFTER - last.scraped) // scrape * scrape
    before = grid(bake_ends, tick)
    return bake_ends if newest > max(before, last.scraped) and bake_ends + GAIN <= before + tick else None


EndsWith = Callable[[MetricRule, datetime], bool]
"""Whether a tick of a rule may end with a bake that ends then, as far as it was measured."""


def never(_rule: MetricRule, _bake_ends: datetime) -> bool:
    """No tick ends with a bake."""
    return False


def next_look(rule: MetricRule, due: Window, last: LastAsked | None, timing: SourceTiming) -> datetime | None:
    """Up to when the next extra look of a suspected rule reaches; None where the next whole tick is as soon.

    A rule with a plain threshold gains nothing by looks: it waits for its `for:`. What is not scraped has none.
    """
    scrape = timing.min_interval
    sequential = isinstance(rule, ErrorRateRule | LatencyRule) and rule.method is Method.SEQUENTIAL
    if last is None or not scrape or not sequential:
        return None
    first = max(last.scraped + scrape + VISIBLE_AFTER, last.until + scrape / TRIES)
    until = grid(first - timedelta.resolution, STEP) + STEP
    return until if until + STEP < due.until + timing.tick(rule) else None

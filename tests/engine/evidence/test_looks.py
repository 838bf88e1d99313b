"""Extra looks between two ticks: when they are taken, and that nothing but a proof is kept of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.evidence import Counts, CountTick, Reading, Span, Subject
from sentinel.domain.policy.rules import Arms, CountQuery, ErrorRateRule, Method, QueryRule, ValueQuery
from sentinel.domain.verdict import RuleVerdict, VerdictKind
from sentinel.engine.evidence.assessment import Assessment, assess
from sentinel.engine.evidence.judged import JudgedRollout
from sentinel.engine.evidence.looks import (
    VISIBLE_AFTER,
    LastAsked,
    last_tick,
    next_look,
    scraped_at,
    suspected,
)
from sentinel.engine.evidence.measured import Measured
from sentinel.engine.evidence.schedule import SourceTiming, Window, window
from sentinel.engine.rules.segment import segment_of
from sentinel.engine.statistics.e_process import RATIOS, Wealth, ratio_gains
from tests.engine.builders import PLAIN, rollout, state
from tests.engine.snapshots import OLD, at, pod, record, workload

RULE = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)
EACH_15_S = SourceTiming(min_interval=timedelta(seconds=15))
DUE = Window(at(30), at(30), at(45))


def look(scraped: float, asked: float = 30, *, rule: ErrorRateRule = RULE) -> datetime | None:
    """The next look after the tick that ends at 30 s."""
    return next_look(rule, DUE, LastAsked(at(asked), at(scraped)), EACH_15_S)


@pytest.mark.parametrize(("scraped", "until"), [(20, 35.5), (20.3, 36), (27, 42.5)])
def test_a_look_is_due_when_the_candidate_can_have_been_scraped_again(scraped: float, until: float) -> None:
    """One scrape interval after its last scrape, and a moment for the scrape to end, at half a second."""
    assert look(scraped) == at(until)


def test_a_scrape_that_is_late_is_asked_for_again() -> None:
    """A quarter of a scrape interval after the last look, if that brought nothing new."""
    assert look(18, asked=33.5) == at(37.5)


@pytest.mark.parametrize("scraped", [29.5, 30])
def test_the_whole_tick_comes_first_where_it_is_as_soon(scraped: float) -> None:
    """No look right before a whole tick."""
    assert look(scraped) is None


def test_rules_without_a_test_have_no_looks() -> None:
    """Neither a plain threshold nor a free query, and no source of which no scrapes are known."""
    free = QueryRule("q", ValueQuery("prometheus", "x"), failure="value > 1.0")
    last = LastAsked(at(30), at(20))
    assert look(20, rule=replace(RULE, method=Method.THRESHOLD)) is None
    assert next_look(free, DUE, last, EACH_15_S) is None
    assert next_look(RULE, DUE, last, SourceTiming()) is None
    assert next_look(RULE, DUE, None, EACH_15_S) is None


@pytest.mark.parametrize(
    ("kind", "odds", "is_suspected"),
    [
        (VerdictKind.PENDING, 2.9, False),
        (VerdictKind.PENDING, 3.0, True),
        (VerdictKind.PASS, 30.0, True),
        (VerdictKind.INCONCLUSIVE, 30.0, False),
        (VerdictKind.FAIL, 3000.0, False),
    ],
)
def test_evidence_of_3_to_1_is_a_suspicion(kind: VerdictKind, odds: float, is_suspected: bool) -> None:
    """Neither less, nor what is proven, nor an outage or missing evidence."""
    verdict = RuleVerdict("errors", kind, "Baking", "", {"odds": odds})
    assert suspected([verdict]) == ({"errors"} if is_suspected else frozenset())


def test_a_look_waits_for_half_of_the_candidate_and_then_for_half_of_the_baseline() -> None:
    """An outage that began between their scrapes would look like the candidate's fault."""
    scrape = timedelta(seconds=15)
    world = workload(*(pod(f"new-{n}") for n in range(3)), *(pod(f"old-{n}", OLD) for n in range(3)))

    def spans(**stamps: float) -> list[Span]:
        return [
            Span(Subject("shop", name.replace("_", "-")), None, Reading(at(t), {"total": 1.0}))
            for name, t in stamps.items()
        ]

    candidate = spans(new_0=1.0, new_1=9.0)
    assert scraped_at(candidate, world, Arms(), scrape) == at(9)
    assert scraped_at([*candidate, *spans(old_0=10.0, old_1=12.0, old_2=14.0)], world, Arms(), scrape) == at(
        12
    )
    earlier = spans(old_0=2.0, old_1=4.0, old_2=6.0)
    assert scraped_at([*candidate, *earlier], world, Arms(), scrape) == at(4 + 15)


def test_a_source_that_does_not_tell_its_scrapes_has_no_looks() -> None:
    """No sample of the candidate, counts by interval, or no known scrape interval."""
    world = workload(pod("new-0"), pod("old-1", OLD))
    scrape, mine = timedelta(seconds=15), Span(Subject("shop", "new-0"), None, Reading(at(9), {"total": 1.0}))
    others = replace(mine, subject=Subject("shop", "old-1"))
    assert scraped_at([others], world, Arms(), scrape) is None
    assert scraped_at([replace(mine, cumulative=False)], world, Arms(), scrape) is None
    assert scraped_at([mine, others], world, Arms(), timedelta(0)) is None


def judged(before: Assessment | None, *measured: Measured) -> Assessment:
    """The rule on what was measured, after what was measured before."""
    known = state()
    if before is not None:
        known = replace(known, analysis=before.analysis, measured_until=before.measured_until)
    segment = segment_of(0, 0, concurrent=True, min_requests=100)
    candidate = rollout(1, pods=(pod("new-0"),))
    policy = replace(PLAIN, rules=(RULE,))
    return assess(
        JudgedRollout(policy, candidate, OLD, known, segment, True, at(0), at(100)),
        measured,
        lambda *_: False,
    )


def counted(since: float, until: float, errors: int, *, is_look: bool = False) -> Measured:
    """A hundred requests of the candidate and 900 of the baseline, of which one failed."""
    tick = CountTick(at(since), at(until), Counts(100, errors), Counts(900, 1), {})
    return Measured("errors", at(until), tick, is_look)


FIRST = counted(0, 15, 7)


def test_a_look_that_proves_a_fault_is_the_verdict_and_nothing_else_is_kept() -> None:
    """The evidence on record stays that of the whole ticks."""
    whole = judged(None, FIRST)
    looked = judged(whole, counted(15, 20, 60, is_look=True))

    assert whole.verdicts[0].kind is VerdictKind.PENDING
    assert looked.verdicts[0].kind is VerdictKind.FAIL
    assert looked.verdicts[0].numbers["candidate_errors"] == 67
    assert (looked.analysis, looked.measured_until) == (whole.analysis, whole.measured_until)


def test_a_look_that_a_whole_tick_has_overtaken_is_not_counted_twice() -> None:
    """What both brought is in the tick."""
    whole = judged(None, FIRST)
    tick = counted(15, 30, 6)

    assert judged(whole, counted(15, 20, 60, is_look=True), tick) == judged(whole, tick)


@given(st.lists(st.tuples(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=3)), max_size=5))
def test_looks_change_nothing_as_long_as_none_proves_a_fault(course: list[tuple[int, list[int]]]) -> None:
    """Whatever they see: the same verdicts, and the same evidence on record, as by whole ticks alone."""
    plain = looked = None
    for index, (errors, looks) in enumerate(course):
        began = 15.0 * index
        for number, seen in enumerate(looks):
            found = judged(looked, counted(began, began + 4 * (number + 1), seen, is_look=True))
            if found.verdicts[0].kind is not VerdictKind.FAIL:
                assert found == judged(plain)
            looked = found
        tick = counted(began, began + 15, errors)
        plain, looked = judged(plain, tick), judged(looked, tick)
        assert looked == plain


@pytest.mark.parametrize(("weight", "cluster"), [(0.1, 1), (0.1, 3), (0.3, 2), (0.5, 1)])
def test_looks_do_not_raise_the_share_of_false_alarms(weight: float, cluster: int) -> None:
    """By enumeration: a good candidate is ever proven bad, at a look or at a tick, with at most the level's chance.

    Two ticks of three parts each; in each part two clusters of errors fall on either arm by its share of the traffic.
    """
    alarms = dict.fromkeys((0.02, 0.05, 0.2), 0.0)
    chances = {0: (1 - weight) ** 2, 1: 2 * weight * (1 - weight), 2: weight**2}
    ours, theirs = round(100 * weight), round(100 * (1 - weight))

    def bet(wealth: Wealth, errors: int, parts: int) -> Wealth:
        baseline = Counts(theirs * parts, (2 * parts - errors) * cluster)
        gains = ratio_gains(Counts(ours * parts, errors * cluster), baseline, RATIOS, dispersion=cluster)
        return wealth.bet(gains)

    def walk(wealth: Wealth, ticks: int, chance: float, highest: float) -> None:
        if not ticks:
            for level in alarms:
                alarms[level] += chance if highest >= 1 / level else 0.0
            return
        for seen in product(chances, repeat=3):
            likely, top, errors = chance, highest, 0
            after = wealth
            for parts, more in enumerate(seen, start=1):
                likely, errors = likely * chances[more], errors + more
                after = bet(wealth, errors, parts)
                top = max(top, _odds(after))
            walk(after, ticks - 1, likely, top)

    walk(Wealth.fresh(len(RATIOS)), 2, 1.0, 0.0)
    assert all(chance <= level for level, chance in alarms.items())


def _odds(wealth: Wealth) -> float:
    return exp(wealth.log_e)


@given(
    scrape=st.sampled_from([5.0, 15.0, 30.0, 60.0]),
    phase=st.floats(0, 60),
    baked=st.floats(70, 600),
    asked=st.floats(0, 60),
)
def test_a_tick_that_ends_with_a_bake_has_a_scrape_of_both_arms(
    scrape: float, phase: float, baked: float, asked: float
) -> None:
    """One between the whole tick before and its end; and it ends a second or more before the next whole tick."""
    timing = SourceTiming(timedelta(seconds=scrape))
    first = at(phase)
    ends = last_tick(RULE, at(baked), LastAsked(at(asked), first), timing)
    tick = max(scrape, RULE.interval.total_seconds())
    before = at(baked // tick * tick)
    seen = [first + n * timedelta(seconds=scrape) for n in range(1, 200)]
    assert ends in (None, at(baked))
    if ends is not None:
        assert any(before < one <= ends - VISIBLE_AFTER for one in seen)
        assert ends + timedelta(seconds=1) <= before + timedelta(seconds=tick)


def test_the_tick_after_one_that_ended_with_a_bake_is_no_shorter_than_an_interval() -> None:
    """It reaches to the second multiple of the interval: else no pod may have been scraped in it."""
    begun = record()
    baked = begun.with_state(replace(begun.state, measured_until={RULE.name: at(35.5)}))
    pods, timing = workload(pod("new-1"), pod("old-1", OLD)), SourceTiming(timedelta(seconds=15))
    ends = [window(RULE, baked, pods, timing, at(now)).until for now in (46, 59, 61)]
    assert ends == [at(35.5), at(35.5), at(60)]

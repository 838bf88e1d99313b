"""Ticks that can change no verdict, judged together in a replay: it comes to what it would have come to one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.engine.replay.course import drive, replay
from sentinel.engine.replay.modelled_pods import ModelledFate, PodEvent
from sentinel.engine.replay.modelled_workload import ModelledWorkload, WorkloadShape
from sentinel.engine.replay.questions import Answer, Ask
from sentinel.engine.replay.setting import Setting
from sentinel.engine.replay.story import ReplayedRollout
from tests.engine.replay.test_replay import POLICY, counted
from tests.engine.snapshots import at

UNTIL = 2400
shares = st.sampled_from((0.0, 0.0, 0.04, 0.2))
moments = st.integers(0, UNTIL)
"""Seconds since the rollout began."""
crashes = st.one_of(st.none(), st.tuples(st.sampled_from(("candidate-1", "baseline-2")), moments))


def told(
    share: float, ended: int, crash: tuple[str, int] | None, seen_at: tuple[datetime, ...] | None
) -> ReplayedRollout:
    """A replay in which requests end, and a pod may crash, after so many seconds."""

    def counts(ask: Ask) -> Answer:
        ask = replace(ask, since=min(ask.since, at(ended)), until=min(ask.until, at(ended)))
        arms = {"candidate": share, "baseline": 0.0}
        return tuple(counted(f"{arm}-{n}", ask, each) for arm, each in arms.items() for n in range(1, 22))

    events = {} if crash is None else {crash[0]: (PodEvent(ModelledFate.CRASH, at(crash[1])),)}
    world = ModelledWorkload(WorkloadShape(at(0), events=events))
    setting = Setting(POLICY, world, at(0), at(UNTIL), lambda *_: False, stable="baseline", seen_at=seen_at)
    return drive(replay(setting), counts)


@settings(max_examples=40, deadline=None)
@given(shares, moments, crashes, st.lists(moments, min_size=1, max_size=3))
def test_ticks_judged_together_come_to_the_same(
    share: float, ended: int, crash: tuple[str, int] | None, seen: list[int]
) -> None:
    """The decisions, their times and texts, and the verdicts at the times at which they are looked at are the same."""
    whole = told(share, ended, crash, None)
    times = tuple(at(second) for second in seen)
    together = told(share, ended, crash, times)

    assert [(e.at, e.action, e.reason, e.message) for e in together.decisions] == [
        (e.at, e.action, e.reason, e.message) for e in whole.decisions
    ]
    for moment in times:
        for rule in ("errors", "crash", "health"):
            one, other = together.verdict(rule, moment), whole.verdict(rule, moment)
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert (one.kind, one.reason, one.message) == (other.kind, other.reason, other.message)


def test_a_rollout_without_requests_is_judged_at_every_fourth_tick() -> None:
    """Of a hold for want of evidence hardly a look is left where nobody looks at verdicts."""
    whole, together = (told(0.0, 0, None, seen) for seen in (None, ()))

    assert len(together.looks) < len(whole.looks) / 2


def test_a_tick_is_judged_before_a_verdict_is_looked_at() -> None:
    """The verdict between two ticks is that of the earlier one, which would wait otherwise."""
    moment = at(0) + timedelta(minutes=35, seconds=1)
    whole, together = (told(0.0, 0, None, seen) for seen in (None, (moment,)))

    assert max(look.at for look in together.looks if look.at <= moment) == max(
        look.at for look in whole.looks if look.at <= moment
    )

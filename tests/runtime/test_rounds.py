"""Questions that rollouts share: what one is about, and who waits for which."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Span
from sentinel.domain.policy.rules import CountQuery, ErrorRateRule, HistogramQuery
from sentinel.runtime.evidence.asking import RuleQuestions
from sentinel.runtime.evidence.ledger import Ledger, MeasuredRollout
from sentinel.runtime.evidence.rounds import LONGEST_WAIT, Answer, Rounds, Share
from sentinel.runtime.precedence import next_turn
from tests.engine.snapshots import at
from tests.runtime.doubles import Counts, LoopClock

RULE = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)


@dataclass
class Source:
    """Answers after a while; keeps which pods it was asked about."""

    takes: float = 0.1
    error: SourceError | None = None
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def answer(
        self,
        query: CountQuery | HistogramQuery,
        since: datetime,
        until: datetime,
        pods: tuple[str, ...] = (),
    ) -> tuple[Span, ...]:
        """Nothing was counted."""
        self.asked.append(pods)
        await asyncio.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return ()


class Ticks:
    """Rollouts that ask, and who was answered when."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.answered: list[tuple[Share, Answer, float]] = []
        self.rounds = Rounds(cast(RuleQuestions, source), self._take, LoopClock(), Counts(), next_turn)
        self._began = asyncio.get_running_loop().time()

    def ask(self, *pods: str, later: int = 0) -> Share:
        """One more rollout waits for an answer about these pods."""
        since = at(later)
        share = Share(RULE, cast(MeasuredRollout, None), Ledger(since), since, since + timedelta(seconds=5))
        self.rounds.join(share, RULE.query, pods)
        return share

    def _take(self, share: Share, answer: Answer) -> None:
        self.answered.append((share, answer, asyncio.get_running_loop().time() - self._began))


async def test_those_who_come_meanwhile_are_asked_about_together() -> None:
    """Each of twenty rollouts names one pod more than the one before: two questions tell all of them."""
    ticks = Ticks(Source())
    shares = [ticks.ask(*(f"pod-{n:02}" for n in range(number + 1))) for number in range(20)]
    await asyncio.sleep(1)
    assert ticks.source.asked == [("pod-00",), tuple(f"pod-{n:02}" for n in range(20))]
    assert [share for share, _, _ in ticks.answered] == shares
    assert all(not share.ledger.running for share in shares)


async def test_pods_of_which_neither_names_the_others_are_all_asked_about() -> None:
    """In the order of their names."""
    ticks = Ticks(Source())
    for pods in (("a",), ("b", "d"), ("c",)):
        ticks.ask(*pods)
    await asyncio.sleep(1)
    assert ticks.source.asked == [("a",), ("b", "c", "d")]


async def test_a_question_about_all_pods_tells_everybody() -> None:
    """Who comes while it is under way waits for its answer; who asks about all waits for no less."""
    ticks = Ticks(Source())
    for pods in ((), ("a",)):
        ticks.ask(*pods)
    await asyncio.sleep(1)
    for pods in (("a",), ("b",), (), ("c",)):
        ticks.ask(*pods)
    await asyncio.sleep(1)
    assert ticks.source.asked == [(), ("a",), ()]
    assert len(ticks.answered) == 6


async def test_other_times_are_asked_for_at_once() -> None:
    """They are another question."""
    ticks = Ticks(Source())
    ticks.ask("a")
    ticks.ask("b", later=5)
    await asyncio.sleep(0.05)
    assert ticks.source.asked == [("a",), ("b",)]


async def test_nobody_waits_long_for_a_slow_source() -> None:
    """Half a second after the first who waits, what waits is asked beside it."""
    ticks = Ticks(Source(takes=10))
    ticks.ask("a")
    await asyncio.sleep(1)
    ticks.ask("b")
    await asyncio.sleep(0.2)
    ticks.ask("c")
    assert ticks.source.asked == [("a",)]
    await asyncio.sleep(LONGEST_WAIT)
    assert ticks.source.asked == [("a",), ("b", "c")]
    await asyncio.sleep(20)
    assert [round(seconds, 1) for _, _, seconds in ticks.answered] == [10, 11.5, 11.5]


async def test_what_waits_is_asked_also_where_the_first_is_given_up_or_fails() -> None:
    """Before its task has begun, while it is under way, and by an error."""
    for wait in (0.0, 0.05):
        ticks = Ticks(Source())
        first, second = ticks.ask("a"), ticks.ask("b")
        await asyncio.sleep(wait)
        first.cancel()
        await asyncio.sleep(1)
        assert [share for share, _, _ in ticks.answered] == [second]
    error = SourceError("down", reason=MissingReason.SOURCE_UNREACHABLE)
    ticks = Ticks(Source(error=error))
    both = [ticks.ask("a"), ticks.ask("b")]
    await asyncio.sleep(1)
    assert [(share, answer) for share, answer, _ in ticks.answered] == [(share, error) for share in both]


async def test_what_nobody_waits_for_any_longer_is_not_asked() -> None:
    """Not even once the round before it has ended."""
    ticks = Ticks(Source())
    ticks.ask("a")
    ticks.ask("b").cancel()
    await asyncio.sleep(1)
    assert ticks.source.asked == [("a",)]


async def test_at_the_end_nothing_is_begun() -> None:
    """What waits is dropped with what is under way."""
    ticks = Ticks(Source())
    ticks.ask("a")
    ticks.ask("b")
    await asyncio.sleep(0)
    await asyncio.gather(*ticks.rounds.close(), return_exceptions=True)
    await asyncio.sleep(2)
    assert (ticks.source.asked, ticks.answered) == ([("a",)], [])

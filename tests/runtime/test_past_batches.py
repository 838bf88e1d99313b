"""Questions about the past of many rollouts: together where they can be, each as well off as alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.virtual_time import VirtualTimeLoop
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason, Past, PastCounters
from sentinel.domain.policy.rules import CountQuery, HistogramQuery
from sentinel.ports import MetricSource
from sentinel.runtime.evidence.past.batches import (
    AT_A_TIME,
    FEWER_EACH_TIME,
    MOST_SAMPLES,
    Answer,
    PastBatches,
    PastQuestion,
)
from tests.engine.snapshots import at

STEP = timedelta(seconds=5)
QUERY = CountQuery("prometheus", "requests", "failures")
REFUSED = SourceError("too many samples", reason=MissingReason.OVER_LIMIT)


@dataclass
class Source:
    """Answers after a second; `refuses` says which questions about several pasts it refuses, and why."""

    refuses: Any = None
    asked: list[tuple[Past, ...]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    name: str = "prometheus"

    async def histories(
        self, query: CountQuery | HistogramQuery, pasts: Sequence[Past]
    ) -> list[PastCounters]:
        """Each pod has counted as much as its name is long."""
        self.asked.append(tuple(pasts))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(1)
        finally:
            self.at_once -= 1
        error = self.refuses(pasts) if self.refuses else None
        if error:
            raise error
        return [answer_to(past) for past in pasts]


def answer_to(past: Past) -> PastCounters:
    return {pod: [(float(len(pod)), past.since.timestamp())] * past.length for pod in past.pods}


_names = count()


def past(pods: int = 3, since: int = 0, length: int = 721, namespace: str = "shop") -> Past:
    """A past of so many pods that no other has, which begins so many steps after the hour's beginning."""
    names = tuple(f"pod-{next(_names)}" for _ in range(pods))
    return Past(namespace, names, at(0) + since * STEP, at(0) + (since + length - 1) * STEP, STEP)


class Rollouts:
    """Those who ask, and what each was told."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.batches = PastBatches({"prometheus": cast(MetricSource, source)})
        self.told: dict[Past, Answer] = {}

    def ask(self, about: Past, attempt: int = 1, query: CountQuery = QUERY) -> PastQuestion:
        async def take(answer: Answer) -> None:
            self.told[about] = answer

        question = PastQuestion(query, about, attempt, take)
        self.batches.ask(question)
        return question

    def fill_turns(self) -> list[PastQuestion]:
        """Questions of other rules, one for each turn, that nothing else is put along with."""
        return [self.ask(past(), query=CountQuery("prometheus", f"other{n}", "e")) for n in range(AT_A_TIME)]


async def test_one_rollout_is_asked_about_at_once() -> None:
    """It waits for nobody else."""
    rollouts = Rollouts(Source())
    about = past()
    rollouts.ask(about)
    await asyncio.sleep(0)
    assert rollouts.source.asked == [(about,)]


async def test_one_that_comes_soon_after_waits_for_more_of_its_kind() -> None:
    """A rule that is judged every five seconds asks once a second; another rule's question is another kind."""
    source = Source()
    rollouts = Rollouts(source)
    first, *others = [past() for _ in range(9)]
    rollouts.ask(first)
    for about in others:
        await asyncio.sleep(0.1)
        rollouts.ask(about)
    assert source.asked == [(first,)]
    other = past()
    rollouts.ask(other, query=CountQuery("prometheus", "other", "e"))
    await asyncio.sleep(0.05)
    assert source.asked == [(first,), (other,)]
    await asyncio.sleep(0.2)
    assert source.asked[2:] == [tuple(others)]


async def test_those_that_wait_for_their_turn_are_one_question() -> None:
    """Fifteen rollouts within a minute, in two namespaces, are asked about with the first of them."""
    rollouts = Rollouts(Source())
    rollouts.fill_turns()
    waiting = [past(since=n % 12, namespace="shop" if n % 2 else "mart") for n in range(15)]
    for about in waiting:
        rollouts.ask(about)
    await asyncio.sleep(3)
    assert rollouts.source.asked[AT_A_TIME:] == [tuple(waiting)]
    assert all(rollouts.told[about] == answer_to(about) for about in waiting)


async def test_other_questions_are_asked_apart() -> None:
    """Other queries, steps, limits and grids of times are no one question."""
    rollouts = Rollouts(Source())
    rollouts.fill_turns()
    of = past(pods=1)
    rollouts.ask(of)
    rollouts.ask(of, query=CountQuery("prometheus", "requests", "other"))
    rollouts.ask(Past("shop", of.pods, of.since, of.until, 2 * STEP))
    rollouts.ask(Past("shop", of.pods, of.since, of.until, STEP, over=0.5))
    second = timedelta(seconds=1)
    rollouts.ask(Past("shop", of.pods, of.since + second, of.until + second, STEP))
    await asyncio.sleep(10)
    assert [len(each) for each in rollouts.source.asked] == [1] * (AT_A_TIME + 5)


async def test_times_far_apart_are_asked_for_apart() -> None:
    """Two pods that started on different days would be asked for all the time between."""
    rollouts = Rollouts(Source())
    rollouts.fill_turns()
    near, far = [past(length=13, since=n) for n in range(3)], past(length=13, since=10_000)
    for about in (near[0], far, *near[1:]):
        rollouts.ask(about)
    await asyncio.sleep(3)
    assert sorted(rollouts.source.asked[AT_A_TIME:], key=len) == [(far,), tuple(near)]


async def test_a_thousand_rollouts_take_a_few_questions_two_at_a_time() -> None:
    """None asks for more samples than a large workload does in an acceptable time."""
    rollouts = Rollouts(Source())
    every = [past(since=n // 20) for n in range(1000)]
    for about in every:
        rollouts.ask(about)
    await asyncio.sleep(60)
    assert rollouts.source.most_at_once == AT_A_TIME
    assert len(rollouts.source.asked) < 1000 * 3 * 721 / MOST_SAMPLES * 1.2 + AT_A_TIME
    samples = [
        sum(len(one.pods) for one in asked)
        * ((max(one.until for one in asked) - min(one.since for one in asked)) // STEP + 1)
        for asked in rollouts.source.asked
    ]
    assert max(samples) <= MOST_SAMPLES
    assert all(rollouts.told[about] == answer_to(about) for about in every)


async def test_a_workload_that_is_too_large_spoils_nobody_elses_answer() -> None:
    """What is refused together is asked in halves, until only the large one is refused."""
    large = past(pods=50)
    rollouts = Rollouts(Source(refuses=lambda pasts: REFUSED if large in pasts else None))
    rollouts.fill_turns()
    others = [past() for _ in range(7)]
    for about in (*others[:3], large, *others[3:]):
        rollouts.ask(about)
    await asyncio.sleep(20)
    assert rollouts.told[large] is REFUSED
    assert all(rollouts.told[about] == answer_to(about) for about in others)


@given(st.integers(1, 12), st.integers(1, 12))
def test_whatever_size_is_refused_the_smaller_ones_are_answered(rollouts: int, fits: int) -> None:
    """A server that answers about so many pods, and no more, answers about all of them in the end."""

    async def ask() -> None:
        def refuses(pasts: Sequence[Past]) -> SourceError | None:
            return REFUSED if sum(len(one.pods) for one in pasts) > fits else None

        asking = Rollouts(Source(refuses))
        asking.fill_turns()
        every = [past(pods=1) for _ in range(rollouts)]
        for about in every:
            asking.ask(about)
        await asyncio.sleep(100)
        assert all(asking.told[about] == answer_to(about) for about in every)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(ask())


@pytest.mark.parametrize(
    "error",
    [
        SourceError("down", reason=MissingReason.SOURCE_UNREACHABLE),
        SourceError("left alone", reason=MissingReason.OVER_LIMIT, asked=False),
    ],
)
async def test_what_fails_fails_for_all_with_its_reason(error: SourceError) -> None:
    """A source that does not answer is not asked again for halves of it."""
    rollouts = Rollouts(Source(refuses=lambda pasts: error if len(pasts) > 1 else None))
    rollouts.fill_turns()
    every = [past() for _ in range(5)]
    for about in every:
        rollouts.ask(about)
    await asyncio.sleep(10)
    assert len(rollouts.source.asked) == AT_A_TIME + 1
    assert all(rollouts.told[about] is error for about in every)


async def test_each_further_attempt_asks_for_less_at_once() -> None:
    """What took too long together is asked for nearly alone at the last."""
    sizes = []
    for attempt in (1, 2, 3, 4):
        rollouts = Rollouts(Source())
        rollouts.fill_turns()
        for _ in range(60):
            rollouts.ask(past(), attempt)
        await asyncio.sleep(100)
        sizes.append(max(len(each) for each in rollouts.source.asked))
    assert sizes == [max(1, MOST_SAMPLES // FEWER_EACH_TIME**n // (3 * 721)) for n in range(4)]


async def test_who_no_longer_waits_is_not_asked_about() -> None:
    """One that ends in line leaves it; one that ends while it is asked is not told; the others are."""
    rollouts = Rollouts(Source())
    rollouts.fill_turns()
    gone, early, stays = past(), past(), past()
    in_line, asked, _ = rollouts.ask(gone), rollouts.ask(early), rollouts.ask(stays)
    in_line.cancel()
    await asyncio.sleep(1.5)
    assert rollouts.source.asked[AT_A_TIME:] == [(early, stays)]
    asked.cancel()
    await asyncio.sleep(1)
    assert not rollouts.told.keys() & {gone, early}
    assert stays in rollouts.told


async def test_what_nobody_waits_for_is_given_up() -> None:
    """Its turn goes to the next."""
    rollouts = Rollouts(Source())
    first = rollouts.fill_turns()
    rollouts.ask(past())
    await asyncio.sleep(0.1)
    first[0].cancel()
    await asyncio.sleep(0.1)
    assert len(rollouts.source.asked) == AT_A_TIME + 1
    assert rollouts.source.at_once == AT_A_TIME


async def test_an_answer_that_cannot_be_learnt_from_is_only_ones_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The others of the same question learn, and the log names the pods."""
    rollouts = Rollouts(Source())
    rollouts.fill_turns()
    odd, fine = past(), past()

    async def take(answer: Answer) -> None:
        raise ZeroDivisionError

    question = PastQuestion(QUERY, odd, 1, take)
    rollouts.batches.ask(question)
    rollouts.ask(fine)
    await asyncio.sleep(3)
    assert fine in rollouts.told
    assert question.over
    assert odd.pods[0] in caplog.text


async def test_at_the_end_nothing_is_asked_any_longer() -> None:
    """What is under way is cancelled, and what waits is not begun."""
    rollouts = Rollouts(Source())
    rollouts.fill_turns()
    rollouts.ask(past())
    await asyncio.sleep(0.1)
    await rollouts.batches.close()
    await asyncio.sleep(5)
    assert (len(rollouts.source.asked), rollouts.told) == (AT_A_TIME, {})

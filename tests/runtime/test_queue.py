"""A keyed queue: one worker per key, events folded, wake-ups remembered, an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

from sentinel.runtime.queue import DISTANCE, MOST_AHEAD, PATIENCE, KeyedQueue, Turn

Work = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def serving(queue: KeyedQueue[str], work: Work) -> AsyncIterator[None]:
    """A queue that is served."""
    task = asyncio.create_task(queue.run(work))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Log:
    """Work that takes some seconds, and what was done when."""

    def __init__(self, takes: float = 0) -> None:
        self.takes = takes
        self.done: list[tuple[str, float]] = []
        self.at_once = self.most = 0

    async def __call__(self, key: str) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(self.takes)
        self.at_once -= 1
        self.done.append((key, asyncio.get_running_loop().time()))

    @property
    def keys(self) -> list[str]:
        """In the order done."""
        return [key for key, _ in self.done]


async def test_keys_are_worked_on_in_their_order() -> None:
    """First come, first served."""
    queue, log = KeyedQueue[str](workers=1), Log()
    async with serving(queue, log):
        for key in "abc":
            queue.add(key)
        await queue.idle()
    assert log.keys == ["a", "b", "c"]


async def test_a_key_that_waits_is_worked_on_once() -> None:
    """However often it was added."""
    queue, log = KeyedQueue[str](), Log()
    for _ in range(10):
        queue.add("a")
    assert len(queue) == 1
    async with serving(queue, log):
        await queue.idle()
    assert log.keys == ["a"]


async def test_a_key_added_while_it_is_worked_on_is_worked_on_once_more() -> None:
    """And never twice at once."""
    queue, log = KeyedQueue[str](), Log(takes=1)
    async with serving(queue, log):
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.add("a")
        queue.add("a")
        await queue.idle()
    assert (log.keys, log.most) == (["a", "a"], 1)


async def test_keys_run_side_by_side_up_to_the_workers() -> None:
    """Two workers, four keys of a second each: two seconds."""
    queue, log = KeyedQueue[str](workers=2), Log(takes=1)
    began = asyncio.get_running_loop().time()
    async with serving(queue, log):
        for key in "abcd":
            queue.add(key)
        await queue.idle()
    assert log.most == 2
    assert log.done[-1][1] - began == 2


async def test_a_wake_up_comes_at_its_time() -> None:
    """Not before; at once where it is due already."""
    queue, log = KeyedQueue[str](), Log()
    began = asyncio.get_running_loop().time()
    async with serving(queue, log):
        queue.add_after("late", 30)
        queue.add_after("now", 0)
        await asyncio.sleep(40)
    assert [(key, at - began) for key, at in log.done] == [("now", 0), ("late", 30)]


async def test_of_several_wake_ups_the_newest_counts() -> None:
    """One key, one timer."""
    queue, log = KeyedQueue[str](), Log()
    began = asyncio.get_running_loop().time()
    async with serving(queue, log):
        queue.add_after("a", 30)
        queue.add_after("a", 10)
        await asyncio.sleep(60)
    assert [at - began for _, at in log.done] == [10]


async def test_a_forgotten_wake_up_never_comes() -> None:
    """The workload is gone."""
    queue, log = KeyedQueue[str](), Log()
    async with serving(queue, log):
        queue.add_after("a", 10)
        queue.forget_timer("a")
        await asyncio.sleep(60)
    assert log.keys == []


async def test_draining_lets_work_finish_and_takes_nothing_new() -> None:
    """What waits, and what is due later, is for the next process."""
    queue, log = KeyedQueue[str](workers=1), Log(takes=1)
    async with serving(queue, log):
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.add("a")
        queue.add("b")
        queue.add_after("c", 1)
        await asyncio.sleep(0.1)
        assert await queue.drain(5)
        queue.add("d")
        queue.add_after("e", 1)
        await asyncio.sleep(10)
    assert log.keys == ["a"]


async def test_draining_cuts_short_what_takes_too_long() -> None:
    """And says so."""
    queue, log = KeyedQueue[str](), Log(takes=60)
    async with serving(queue, log):
        queue.add("a")
        await asyncio.sleep(1)
        assert not await queue.drain(5)
    assert log.keys == []


async def test_a_drained_queue_is_idle() -> None:
    """Nobody waits for what will not be done."""
    queue = KeyedQueue[str]()
    queue.add("a")
    assert await queue.drain(1)
    async with asyncio.timeout(1):
        await queue.idle()


async def test_an_event_goes_ahead_of_routine() -> None:
    """What a fault calls for does not wait behind the ticks of every other rollout."""
    queue, log = KeyedQueue[str](workers=1), Log()
    for number in range(5):
        queue.add(f"tick-{number}", Turn.ROUTINE)
    queue.add("fault")
    async with serving(queue, log):
        await queue.idle()
    assert log.keys == ["fault", *(f"tick-{number}" for number in range(5))]


async def test_what_becomes_urgent_while_it_waits_is_urgent() -> None:
    """An event for a key that waits for its routine takes it to the front, and there it stays."""
    queue, log = KeyedQueue[str](workers=1), Log()
    for key in ("a", "b", "c"):
        queue.add(key, Turn.ROUTINE)
    queue.add("c")
    queue.add("c", Turn.ROUTINE)
    async with serving(queue, log):
        await queue.idle()
    assert log.keys == ["c", "a", "b"]


async def test_urgency_does_not_starve_routine() -> None:
    """After many urgent keys in a row one of routine has its turn."""
    queue, log = KeyedQueue[str](workers=1), Log()
    queue.add("tick", Turn.ROUTINE)
    for number in range(100):
        queue.add(f"fault-{number}")
    async with serving(queue, log):
        await queue.idle()
    assert log.keys.index("tick") == MOST_AHEAD


async def test_what_is_in_flight_goes_ahead_of_other_events_and_these_of_routine() -> None:
    """Of hundreds of events of a drained node none delays a rollout in flight, and no tick delays them."""
    queue, log = KeyedQueue[str](workers=1), Log()
    queue.add("tick", Turn.ROUTINE)
    for number in range(5):
        queue.add(f"churn-{number}", Turn.EVENT)
    queue.add("churn-3", Turn.URGENT)
    async with serving(queue, log):
        await queue.idle()
    assert log.keys == ["churn-3", "churn-0", "churn-1", "churn-2", "churn-4", "tick"]


async def test_urgency_starves_none_of_those_behind() -> None:
    """After many urgent keys in a row one that waits behind has its turn, of events as of routine."""
    queue, log = KeyedQueue[str](workers=1), Log()
    queue.add("tick", Turn.ROUTINE)
    queue.add("churn", Turn.EVENT)
    for number in range(100):
        queue.add(f"fault-{number}")
    async with serving(queue, log):
        await queue.idle()
    assert {log.keys.index("tick"), log.keys.index("churn")} == {MOST_AHEAD, 2 * MOST_AHEAD + 1}


async def test_a_routine_wake_up_stays_routine_when_it_is_due() -> None:
    """A timer of routine is one when it fires, also for a key that is being worked on then."""
    queue, log = KeyedQueue[str](workers=1), Log(takes=2)
    queue.add("busy")
    queue.add_after("busy", 1, Turn.ROUTINE)
    async with serving(queue, log):
        await asyncio.sleep(1.5)
        queue.add("fault")
        await asyncio.sleep(0.1)
        await queue.idle()
    assert log.keys == ["busy", "fault", "busy"]


async def test_what_is_abandoned_frees_its_worker() -> None:
    """Work under way is cancelled, also what had not begun, and the next run serves on with all its workers."""
    queue, log = KeyedQueue[str](workers=2), Log(takes=10)
    async with serving(queue, log):
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("b")
        queue.add("c")
        await asyncio.sleep(0)
    await queue.abandon()
    assert log.done == []
    log.takes = log.at_once = log.most = 0
    async with serving(queue, log):
        for key in "def":
            queue.add(key)
        await queue.idle()
    assert set(log.keys) >= set("def")
    assert log.most == 2


async def test_how_long_each_key_waited_is_told() -> None:
    """From when it was wanted until a worker took it, by the turn in which it went."""
    waits: list[tuple[Turn, float]] = []
    queue = KeyedQueue[str](workers=1, waited=lambda turn, seconds: waits.append((turn, seconds)))
    log = Log(takes=2)
    async with serving(queue, log):
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.add("a", Turn.ROUTINE)
        queue.add("b", Turn.EVENT)
        await queue.idle()
    assert waits == [(Turn.URGENT, 0.0), (Turn.EVENT, 1.5), (Turn.ROUTINE, 3.5)]


async def test_what_waited_for_a_leader_waits_since_it_leads() -> None:
    """A replica that stands by lets keys lie: that is nobody's wait."""
    waits: list[float] = []
    queue = KeyedQueue[str](waited=lambda _turn, seconds: waits.append(seconds))
    queue.add("a")
    await asyncio.sleep(60)
    async with serving(queue, Log()):
        await queue.idle()
    assert waits == [0.0]


class Begun(Log):
    """When work on each key began; what is urgent takes ten seconds."""

    async def __call__(self, key: str) -> None:
        self.done.append((key, asyncio.get_running_loop().time()))
        if key.startswith("fault"):
            await asyncio.sleep(10)


async def test_routine_keeps_its_distance_while_something_urgent_is_worked_on() -> None:
    """What an undo waits for is not behind the routine of every other rollout in each turn of the loop."""
    queue, begun = KeyedQueue[str](), Begun()
    for number in range(4):
        queue.add(f"tick-{number}", Turn.ROUTINE)
    queue.add("fault")
    async with serving(queue, begun):
        await asyncio.sleep(0.9)
    times = [at for _, at in begun.done]
    assert begun.keys == ["fault", *(f"tick-{number}" for number in range(4))]
    assert [round(later - before, 4) for before, later in pairwise(times)] == [DISTANCE] * 4


async def test_nobody_keeps_a_distance_for_long() -> None:
    """Once routine has waited for a second it goes on as without anything urgent."""
    queue, begun = KeyedQueue[str](), Begun()
    for number in range(100):
        queue.add(f"tick-{number:02}", Turn.ROUTINE)
    queue.add("fault")
    async with serving(queue, begun):
        await asyncio.sleep(1.5)
    assert len(begun.done) == 101
    assert begun.done[-1][1] - begun.done[0][1] < PATIENCE + 2 * DISTANCE


async def test_what_becomes_urgent_waits_for_nobodys_distance() -> None:
    """A fault that comes while routine keeps its distance is worked on at once."""
    queue, begun = KeyedQueue[str](), Begun()
    queue.add("fault-1")
    queue.add("tick", Turn.ROUTINE)
    async with serving(queue, begun):
        await asyncio.sleep(DISTANCE / 2)
        queue.add("fault-2")
        await asyncio.sleep(DISTANCE / 4)
        assert begun.keys == ["fault-1", "fault-2"]


async def test_what_is_abandoned_is_no_longer_urgent() -> None:
    """Nobody keeps a distance from what will not end, whether it had begun or not."""
    queue, begun = KeyedQueue[str](), Begun()
    queue.add("fault")
    async with serving(queue, begun):
        await asyncio.sleep(0.1)
        assert queue.precedence.urgent == 1
        await queue.abandon()
        assert queue.precedence.urgent == 0

"""The bounded pool of threads, and questions that are asked once."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from sentinel.blocking import (
    HEAVY,
    BlockingPool,
    PoolBusyError,
    PoolClosedError,
    SharedAnswers,
    ask_source,
    computed,
    on_own_thread,
)
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason


async def test_a_call_runs_off_the_event_loop() -> None:
    """The result comes from another thread."""
    pool = BlockingPool("test")
    assert await pool.run(threading.get_ident, deadline=5) != threading.get_ident()
    pool.close()


async def test_only_a_heavy_computation_leaves_the_event_loop() -> None:
    """A thread for each small one would cost more than it saves."""
    here = threading.get_ident()
    assert await computed(HEAVY - 1, threading.get_ident) == here
    assert await computed(HEAVY, threading.get_ident) != here


async def test_an_error_of_the_call_is_its_callers() -> None:
    """What the call raises is raised."""
    pool = BlockingPool("test")
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 / 0, deadline=5)
    assert pool.taken == 0
    pool.close()


@pytest.mark.real_time
async def test_a_call_given_up_keeps_its_slot_until_it_ends() -> None:
    """A hung thread counts after its deadline, so that calls do not pile up behind it; at its end it is free."""
    pool, release, ended = BlockingPool("test", threads=1, waiting=0), threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(20)
        ended.set()

    with pytest.raises(TimeoutError):
        await pool.run(hang, deadline=0.05)
    assert pool.taken == 1
    with pytest.raises(PoolBusyError):
        await pool.run(lambda: None, deadline=5)
    release.set()
    await asyncio.to_thread(ended.wait, 20)
    while pool.taken:  # noqa: ASYNC110 - the thread has ended but for its bookkeeping
        await asyncio.sleep(0)
    assert await pool.run(lambda: "free", deadline=5) == "free"
    pool.close()


@pytest.mark.real_time
async def test_a_call_given_up_in_line_is_never_made() -> None:
    """What nobody waits for any more is passed over when its turn comes."""
    pool, release, made = BlockingPool("test", threads=1, waiting=2), threading.Event(), []
    first = asyncio.ensure_future(pool.run(lambda: release.wait(20), deadline=20))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await pool.run(lambda: made.append("late"), deadline=0.05)
    release.set()
    await first
    await pool.run(lambda: made.append("next"), deadline=5)
    assert made == ["next"]
    pool.close()


async def test_a_closed_pool_takes_nothing() -> None:
    """After close there is a named error."""
    pool = BlockingPool("test")
    pool.close()
    with pytest.raises(PoolClosedError):
        await pool.run(lambda: None, deadline=5)


async def test_a_source_whose_pool_is_closed_is_unreachable() -> None:
    """The pool's errors become reasons for missing evidence."""
    pool = BlockingPool("test")
    pool.close()
    with pytest.raises(SourceError, match="stopping") as caught:
        await ask_source(pool, lambda: None, deadline=1, source="Prometheus")
    assert caught.value.reason == MissingReason.SOURCE_UNREACHABLE


async def test_what_nobody_foresaw_is_a_named_reason() -> None:
    """An error of a client's library is missing evidence, never a failure of what asked."""
    pool = BlockingPool("test")
    with pytest.raises(SourceError, match="could not be asked: ZeroDivisionError") as caught:
        await ask_source(pool, lambda: 1 / 0, deadline=5, source="Prometheus")
    assert caught.value.reason == MissingReason.SOURCE_REFUSED
    pool.close()


class Oracle:
    """Answers after a second; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def ask(self) -> int:
        self.asked += 1
        await asyncio.sleep(1)
        if self.error:
            raise self.error
        return self.asked


async def test_the_same_question_at_once_is_asked_once() -> None:
    """All who ask while it is under way share one answer, and later ones remember it."""
    shared: SharedAnswers[str, int] = SharedAnswers(capacity=10)
    oracle = Oracle()
    assert await asyncio.gather(*(shared.get("q", oracle.ask) for _ in range(5))) == [1] * 5
    assert await shared.get("q", oracle.ask) == 1
    assert await shared.get("other", oracle.ask) == 2


async def test_an_answer_that_is_there_at_once_is_asked_for_without_a_task() -> None:
    """It is asked by its caller, and remembered like any other."""
    shared: SharedAnswers[str, asyncio.Task[object] | None] = SharedAnswers(capacity=10, at_once=True)

    async def asker() -> asyncio.Task[object] | None:
        return asyncio.current_task()

    assert await shared.get("q", asker) is asyncio.current_task()
    assert await asyncio.create_task(shared.get("q", asker)) is asyncio.current_task()


async def test_one_who_leaves_spoils_nothing_for_the_others() -> None:
    """Cancelling the first asker does not cancel the question."""
    shared: SharedAnswers[str, int] = SharedAnswers(capacity=10)
    oracle = Oracle()
    first = asyncio.ensure_future(shared.get("q", oracle.ask))
    second = asyncio.ensure_future(shared.get("q", oracle.ask))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second == 1


async def test_a_failure_is_shared_and_forgotten() -> None:
    """Those who wait get the error; the next one asks anew."""
    shared: SharedAnswers[str, int] = SharedAnswers(capacity=10)
    oracle = Oracle()
    oracle.error = OSError("down")
    results = await asyncio.gather(*(shared.get("q", oracle.ask) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError]
    oracle.error = None
    assert await shared.get("q", oracle.ask) == 2


async def test_a_question_that_was_cancelled_before_it_was_asked_is_asked_anew() -> None:
    """Else everybody who asks the same later would be cancelled."""
    shared: SharedAnswers[str, int] = SharedAnswers(capacity=10)
    oracle, before = Oracle(), asyncio.all_tasks()
    waiting = asyncio.ensure_future(shared.get("q", oracle.ask))
    asyncio.get_running_loop().call_soon(lambda: [task.cancel() for task in asyncio.all_tasks() - before])
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await shared.get("q", oracle.ask) == 1


async def test_the_oldest_answers_make_room() -> None:
    """More than the capacity is not kept; what was used last stays."""
    shared: SharedAnswers[str, int] = SharedAnswers(capacity=2)
    oracle = Oracle()
    for question in ("a", "b", "a", "c"):
        await shared.get(question, oracle.ask)
    assert oracle.asked == 3
    assert await shared.get("a", oracle.ask) == 1
    assert await shared.get("b", oracle.ask) == 4


async def test_an_answer_that_nobody_asks_for_any_more_is_forgotten() -> None:
    """After `keep` seconds, though nothing else is asked; one that is asked for again stays as long again."""
    shared: SharedAnswers[str, Held] = SharedAnswers(capacity=10, keep=60)
    once, again = [weakref.ref(await shared.get(question, held)) for question in ("once", "again")]
    await asyncio.sleep(50)
    await shared.get("again", held)
    await asyncio.sleep(20)
    assert (once() is None, again() is None) == (True, False)
    await asyncio.sleep(50)
    assert again() is None


class Held:
    """Something large."""


class Down(Exception):  # noqa: N818 - it is what it says
    """The source is down."""


async def held() -> Held:
    """An answer."""
    return Held()


def fail(seen: list[weakref.ref[Held]]) -> None:
    """A call that fails with something large at hand, and as libraries do keeps its error in a variable."""
    large = Held()
    seen.append(weakref.ref(large))
    try:
        raise Down
    except Down as error:
        kept = error
    raise kept


def come_too_late(seen: list[weakref.ref[Held]]) -> Held:
    """A call whose answer comes when nobody waits any more."""
    time.sleep(0.3)
    large = Held()
    seen.append(weakref.ref(large))
    return large


@pytest.mark.real_time
@pytest.mark.parametrize("call", [fail, come_too_late])
async def test_what_a_failed_question_held_is_free_at_once(
    call: Callable[[list[weakref.ref[Held]]], object],
) -> None:
    """Without the garbage collector, which walks over the whole heap but every ten minutes."""
    pool, seen = BlockingPool("test"), list[weakref.ref[Held]]()
    shared: SharedAnswers[str, object] = SharedAnswers(capacity=10)

    async def ask() -> object:
        return await ask_source(pool, lambda: call(seen), deadline=0.1, source="it")

    gc.collect()
    gc.disable()
    try:
        try:
            await shared.get("q", ask)
        except (SourceError, Down) as error:
            failure = weakref.ref(error)
        while pool.taken:  # noqa: ASYNC110 - the call that came too late
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert ([large() for large in seen], failure()) == ([None], None)
    finally:
        gc.enable()
        pool.close()


async def test_what_runs_on_its_own_thread_comes_back() -> None:
    """Its result, or its error."""
    assert await on_own_thread(threading.get_ident, "test") != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await on_own_thread(lambda: 1 / 0, "test")


@pytest.mark.real_time
async def test_a_call_that_hangs_keeps_no_process_from_ending() -> None:
    """Neither the loop that began it nor the interpreter waits for it."""
    program = """
import asyncio, threading
from sentinel.blocking import on_own_thread

async def main():
    try:
        async with asyncio.timeout(0.05):
            await asyncio.shield(on_own_thread(threading.Event().wait, "hangs"))
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert (process.returncode, said) == (0, b"given up\n")

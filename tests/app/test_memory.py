"""When the garbage collector walks the heap (`sentinel.app.memory`)."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from sentinel.app import memory
from sentinel.ports import SystemClock


class Knot:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.self = self


def old_knot() -> "weakref.ref[Knot]":
    """Garbage that has grown old: only a walk over the oldest generation finds it."""
    knot = Knot()
    gc.collect()
    return weakref.ref(knot)


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The collector as it was, whatever a test did."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


async def test_garbage_in_the_oldest_generation_is_found_within_one_interval() -> None:
    """A cycle that grew old is gone after `TIDY_EVERY` seconds."""
    tidying = asyncio.create_task(memory.keep_tidy(SystemClock()))
    lost = old_knot()
    await asyncio.sleep(memory.TIDY_EVERY - 1)
    before = lost()
    still_there, before = before is not None, None
    await asyncio.sleep(2)
    assert (still_there, lost()) == (True, None)
    tidying.cancel()


async def test_the_oldest_generation_is_left_alone_meanwhile() -> None:
    """Python itself walks it never while the task runs, and as before once it has ended."""
    before = gc.get_threshold()
    tidying = asyncio.create_task(memory.keep_tidy(SystemClock()))
    await asyncio.sleep(0)
    during = gc.get_threshold()
    tidying.cancel()
    await asyncio.gather(tidying, return_exceptions=True)
    assert (during, gc.get_threshold()) == ((*before[:2], memory.NEVER), before)


async def test_what_a_long_walk_found_alive_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a walk that took long, the next one has less to walk."""
    monkeypatch.setattr(memory, "LONG_WALK", -1.0)
    tidying = asyncio.create_task(memory.keep_tidy(SystemClock()))
    await asyncio.sleep(memory.TIDY_EVERY + 1)
    assert gc.get_freeze_count() > 0
    tidying.cancel()

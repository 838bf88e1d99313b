"""When the garbage collector walks the heap (`sentinel.app.memory`)."""

import asyncio
import ctypes
import gc
import resource
import weakref
from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.real_time
async def test_memory_that_nobody_uses_goes_back_to_the_system() -> None:
    """Blocks that were freed between others that are in use do not stay resident once the caches are settled."""
    size, count = 4096, 8000
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("the allocator of this platform is not glibc's")
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = [libc.malloc(size) for _ in range(count)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    kept = blocks[:: count // 4]
    for block in blocks:
        if block not in kept:
            libc.free(block)
    before = resident()
    memory.settle()
    after = resident()
    for block in kept:
        libc.free(block)
    assert before - after > size * count / 2


def resident() -> int:
    """The bytes that this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

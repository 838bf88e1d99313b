"""When the garbage collector walks the heap and free memory goes back to the system: not in the middle of an undo.

The caches hold a million objects and hardly a cycle. Python walks all that came since the last freeze whenever that
grew by a quarter, on whatever thread allocates next, with every other one standing still: at 200 rollouts in flight a
tenth of a second twice in five seconds, and hardly an object was found. So the young generations go on as usual, the
oldest is left to `keep_tidy`, and what a walk found alive is set aside once walking it takes long.
"""

import ctypes
import gc
import logging
import time

from sentinel.ports import Clock

log = logging.getLogger(__name__)

TIDY_EVERY = 600.0
"""Seconds between two walks over everything that is not set aside."""
LONG_WALK = 0.05
"""Seconds; what a longer walk found alive is set aside, so that the next one is short.

What is set aside and becomes garbage in a cycle later is lost: at most the few hundred objects of the connections open
at that moment, for the hundred thousand new objects that make a walk this long.
"""
NEVER = 1_000_000_000


def settle() -> None:
    """Set aside what the caches hold, once they are full, and give back what filling them took.

    Nothing is looked for first: that takes a quarter of a second at 10,000 pods, in which nothing else happens, and
    finds the hundred objects of a few connections.
    """
    gc.freeze()
    give_back()


def give_back() -> None:
    """Give the pages that glibc's allocator holds and nobody uses back to the system; elsewhere do nothing.

    By itself it gives back only what lies at the end of a heap: of the pages of lists that were read and dropped at the
    start, a quarter of what 1,000 pods take stays resident for good.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def keep_tidy(clock: Clock) -> None:
    """Leave the oldest generation alone except for a walk every `TIDY_EVERY` seconds, until cancelled."""
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
    try:
        while True:
            await clock.sleep(TIDY_EVERY)
            began = time.perf_counter()
            found = gc.collect()
            took = time.perf_counter() - began
            if took > LONG_WALK:
                gc.freeze()
            give_back()
            log.debug("walked the heap in %.0f ms, found %d objects", took * 1000, found)
    finally:
        gc.set_threshold(young, middle, old)

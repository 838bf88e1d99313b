"""A second watch, of the few objects of a resource that must not wait behind all the others.

A burst of thousands of events in one stream takes a while to be sent and read, whatever is done with them. Objects that
have a separate stream are not behind it. It only ever hastens what the watch of all objects brings as well: where
it is refused, fails, or is late, that one goes on alone, and nothing is missing.
"""

import asyncio
import logging
import random
import re
from collections.abc import Iterable
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.watch.decoding import RelistError
from sentinel.adapters.kubernetes.watch.intake import AT_ONCE
from sentinel.adapters.kubernetes.watch.lines import LineBuffer
from sentinel.adapters.kubernetes.watch.reflector import FIRST_WAIT, LONGEST_WAIT, REFUSALS, Reflector
from sentinel.adapters.kubernetes.watch.timing import WatchTiming
from sentinel.backoff import Backoff
from sentinel.domain.errors import ClusterError, ForbiddenError
from sentinel.ports import Clock

log = logging.getLogger(__name__)

SETTLES = 0.5
"""Seconds from a wish to the watch for it: many come together, and each takes a new watch."""
MOST_CHARACTERS = 6000
"""Of all values together, which are part of the URL: proxies take 8 KiB of it. Others wait in the shared stream."""
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
"""Anything else, in a record that somebody wrote, would have the whole selection refused."""


class SelectedWatch:
    """Watches the objects of a reflector whose `label` has one of the selected values, and gives it their events.

    It begins where the reflector stands, and never lists. `run` goes on until it is cancelled.
    """

    def __init__(
        self,
        client: ApiClient,
        reflector: Reflector[Any],
        label: str,
        *,
        clock: Clock,
        rng: random.Random,
        timing: WatchTiming | None = None,
    ) -> None:
        self.name = f"{reflector.name} by {label}"
        self._client = client
        self._reflector = reflector
        self._label = label
        self._clock = clock
        self._rng = rng
        self._timing = timing or WatchTiming()
        self._backoff = Backoff(rng, first=FIRST_WAIT, last=LONGEST_WAIT)
        self._failures = 0
        self._refusals = 0
        self._wanted: frozenset[str] = frozenset()
        self._watched: frozenset[str] = frozenset()
        self._wanting = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self._heard_at: float | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the server last said anything on this watch; None while it is not open."""
        return None if self._heard_at is None else self._clock.monotonic() - self._heard_at

    def select(self, values: Iterable[str]) -> None:
        """Watch the objects with these values from soon on, the first ones where they are too many.

        Values that are no longer wanted stay until another one is, or none: that saves a new watch.
        """
        self._wanted = _fitting(values)
        if not self._wanted:
            self._wanting.clear()
        else:
            self._wanting.set()
        if self._patience is None or (self._wanted and self._wanted <= self._watched):
            return
        if self._patience.when() is None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time() + SETTLES)

    async def run(self) -> None:
        """Watch whenever there is something to watch."""
        while True:
            await self._wanting.wait()
            await self._clock.sleep(SETTLES)
            while self._wanting.is_set():
                began = self._clock.monotonic()
                wait = await self._round()
                if self._clock.monotonic() - began >= self._timing.healthy_after:
                    self._failures = 0
                if wait is not None:
                    self._failures += 1
                    await self._clock.sleep(max(wait, self._backoff.after(self._failures)))

    async def _round(self) -> float | None:
        """Watch until that ends; returns the least wait in seconds before the next time, None for another selection."""
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._watch(self._reflector.version)
        except TimeoutError:
            return None
        except (ClusterError, RelistError) as error:
            log.debug("%s goes on in the shared watch alone: %s", self.name, error)
            self._refusals += isinstance(error, ForbiddenError)
            return self._timing.refused_for if self._refusals >= REFUSALS else 0.0
        except Exception:
            # Our own defects must not end the watch for good.
            log.exception("the watch of %s failed", self.name, extra={"resource": self.name})
        finally:
            self._patience = self._heard_at = None
            self._watched = frozenset()
        return 0.0

    async def _watch(self, version: str) -> None:
        if not version:  # the shared watch starts over, and brings everything
            return
        self._watched = self._wanted
        lasts = self._timing.watch_for * (1 + self._rng.random() / 2)
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(lasts)),
            "resourceVersion": version,
            "labelSelector": f"{self._label} in ({','.join(sorted(self._watched))})",
        }
        target, silence = self._reflector.target, self._timing.silence
        async with self._client.stream(target, params, read_timeout=silence) as body:
            lines = LineBuffer()
            self._heard_at, self._refusals = self._clock.monotonic(), 0
            while chunk := await body.readany():
                self._heard_at = self._clock.monotonic()
                await self._take(lines.feed(chunk))

    async def _take(self, lines: list[bytes]) -> None:
        for count, line in enumerate(lines, start=1):
            self._reflector.take_early(line)
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)


def _fitting(values: Iterable[str]) -> frozenset[str]:
    chosen: set[str] = set()
    room = MOST_CHARACTERS
    for value in filter(_LABEL_VALUE.fullmatch, values):
        room -= len(value) + 1
        if room < 0:
            break
        chosen.add(value)
    return frozenset(chosen)

"""Events go an hour after they were last written, as an API server's `--event-ttl` has it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from clustersim.storage.history import Event
from clustersim.storage.resources import EVENTS
from clustersim.storage.store import Store

KEPT = 3600.0
"""Seconds."""


class EventExpiry:
    """Deletes the Events of a store, by anyone, when their time is over."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: deque[tuple[float, str, str, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin to watch what is written; needs a running event loop."""
        self._unsubscribe = self._store.subscribe(self._heed)

    def stop(self) -> None:
        """Delete no more."""
        self._unsubscribe()
        if self._timer is not None:
            self._timer.cancel()

    def _heed(self, event: Event) -> None:
        if event.resource is not EVENTS or event.type == "DELETED":
            return
        metadata, loop = event.object["metadata"], asyncio.get_running_loop()
        due = loop.time() + KEPT
        self._written.append((due, metadata["namespace"], metadata["name"], metadata["resourceVersion"]))
        if self._timer is None:
            self._timer = loop.call_at(due, self._expire)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        while self._written and self._written[0][0] <= loop.time():
            _, namespace, name, version = self._written.popleft()
            found = self._store.find(EVENTS, namespace, name)
            if found is not None and found["metadata"]["resourceVersion"] == version:
                self._store.delete(EVENTS, namespace, name)
        self._timer = loop.call_at(self._written[0][0], self._expire) if self._written else None

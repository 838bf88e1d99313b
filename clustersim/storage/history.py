"""The log of changes: what watches replay and what lists at an older revision are rebuilt from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from clustersim.storage.api_errors import expired
from clustersim.storage.resources import ResourceType

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one object; `previous` is the object before it, None when it was created."""

    type: EventType
    resource: ResourceType
    object: dict[str, Any]
    revision: int
    previous: dict[str, Any] | None = None


class ChangeHistory:
    """The newest changes, oldest first; older ones are compacted away."""

    def __init__(self, size: int) -> None:
        self._events: deque[Event] = deque(maxlen=size)
        self._compacted = 0

    @property
    def compacted(self) -> int:
        """The newest revision that can no longer be watched from."""
        return self._compacted

    def append(self, event: Event) -> None:
        """Log `event`, at the cost of the oldest when the log is full."""
        if len(self._events) == self._events.maxlen:
            self._compacted = self._events[0].revision
        self._events.append(event)

    def compact(self, revision: int) -> None:
        """Forget the changes up to and including `revision`."""
        while self._events and self._events[0].revision <= revision:
            self._events.popleft()
        self._compacted = max(self._compacted, revision)

    def newest_first(self, after: int) -> Iterator[Event]:
        """The changes after the revision `after`, the newest first."""
        for event in reversed(self._events):
            if event.revision <= after:
                return
            yield event

    def since(self, revision: int, resource: ResourceType) -> list[Event]:
        """The changes of `resource` after `revision`, oldest first.

        Raises ApiError 410 where they have been compacted away.
        """
        if revision < self._compacted:
            raise expired(f"too old resource version: {revision} ({self._compacted})")
        found = [e for e in self.newest_first(revision) if e.resource.key == resource.key]
        found.reverse()
        return found

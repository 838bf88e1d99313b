"""Watch streams: the changes of one resource as lines of JSON, from a revision on.

One hub listens to the store and hands each change to the watchers of its resource. An object is turned into
bytes once, whatever the number of watchers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from aiohttp import web

from clustersim.api.prepared import PreparedLines, send
from clustersim.api.tables.presenting import Presenter
from clustersim.api.types.conversion import stored_type
from clustersim.faults import WatchFaults
from clustersim.storage.api_errors import ApiError, StatusCause, invalid_options
from clustersim.storage.resources import ResourceType
from clustersim.storage.store import Event, Store

JsonObject = dict[str, Any]
Predicate = Callable[[JsonObject], bool]
Unsent = TypeVar("Unsent")

BOOKMARK_INTERVAL_SECONDS = 60.0
_MOST_UNSENT = 20_000
_PIECE = 256 * 1024
_LINES_AT_ONCE = 64
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


class Delivery:
    """A change on its way to watchers, with its bytes once somebody needed them."""

    __slots__ = ("_bytes", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._bytes: dict[tuple[str, bool], bytes] = {}

    def encoded(self, presenter: Presenter, obj: JsonObject, *, columns: bool) -> bytes:
        """The bytes of `obj`, which is the event's object, in the presenter's form."""
        if presenter.form == "table":
            return presenter.streamed(obj, columns=columns)
        key = (f"{presenter.form}/{presenter.resource.api_version}", obj is self.event.object)
        if key not in self._bytes:
            self._bytes[key] = presenter.streamed(obj, columns=columns)
        return self._bytes[key]


class Watcher:
    """The changes that one watch has yet to send. `selects`: it does not get all of its namespace's."""

    def __init__(self, namespace: str, *, selects: bool = False) -> None:
        self.namespace = namespace
        self.selects = selects
        self.unsent: deque[Delivery | PreparedLines] = deque()
        self.overflowed = False
        self.wake = asyncio.Event()

    def offer(self, delivery: Delivery) -> None:
        """Take a change; one more than can be kept ends the watch."""
        if self.namespace and delivery.event.object["metadata"].get("namespace") != self.namespace:
            return
        if len(self.unsent) >= _MOST_UNSENT:
            self.overflowed = True
        else:
            self.unsent.append(delivery)
        self.wake.set()

    def offer_prepared(self, prepared: PreparedLines) -> None:
        """Take many changes that are of its resource and namespace."""
        self.unsent.append(prepared)
        self.wake.set()


class WatchHub:
    """The hub between the store and the watchers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watchers: dict[tuple[str, str], list[Watcher]] = {}
        self._unsubscribe = store.subscribe(self._changed)

    def close(self) -> None:
        """Stop listening to the store."""
        self._unsubscribe()

    @property
    def open(self) -> int:
        """How many watches are open."""
        return sum(len(watchers) for watchers in self._watchers.values())

    def _changed(self, event: Event) -> None:
        watchers = self._watchers.get(event.resource.key)
        if watchers:
            delivery = Delivery(event)
            for watcher in watchers:
                watcher.offer(delivery)

    def of(self, resource: ResourceType) -> tuple[Watcher, ...]:
        """The open watches of a resource."""
        return tuple(self._watchers.get(stored_type(resource).key, ()))

    def attach(self, resource: ResourceType, watcher: Watcher) -> None:
        """Hand the changes of `resource` to `watcher` from now on."""
        self._watchers.setdefault(stored_type(resource).key, []).append(watcher)

    def detach(self, resource: ResourceType, watcher: Watcher) -> None:
        """Stop handing changes to `watcher`."""
        self._watchers[stored_type(resource).key].remove(watcher)


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What a client wants to watch; `revision` None means: the present state first."""

    resource: ResourceType
    namespace: str
    revision: int | None
    matches: Predicate | None
    bookmarks: bool
    initial_events: bool | None
    timeout: float
    match: str = ""

    def check(self) -> None:
        """Raises ApiError 422 for options that contradict one another."""
        causes = []
        if self.initial_events is not None and self.match != "NotOlderThan":
            why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            causes.append(StatusCause("FieldValueForbidden", f"Forbidden: {why}", "resourceVersionMatch"))
        if self.initial_events is None and self.match:
            why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            causes.append(StatusCause("FieldValueForbidden", f"Forbidden: {why}", "resourceVersionMatch"))
        if causes:
            raise invalid_options("ListOptions", causes[0].field, causes[0].reason, causes[0].message)


class WatchStream:
    """Sends one watch's changes to its client."""

    def __init__(
        self, store: Store, watches: WatchHub, asked: WatchRequest, presenter: Presenter, faults: WatchFaults
    ) -> None:
        self._store = store
        self._watches = watches
        self._asked = asked
        self._presenter = presenter
        self._faults = faults
        self._watcher = Watcher(asked.namespace, selects=asked.matches is not None)
        self._columns_sent = False
        self._reached = store.revision

    async def run(self, response: web.StreamResponse, transport: asyncio.Transport | None = None) -> None:
        """Send changes until the timeout, the client's end or a fault that ends the stream.

        `transport` is that of the response's connection; what is prepared can be sent over it alone.
        """
        self._transport = transport
        self._watches.attach(self._asked.resource, self._watcher)
        try:
            if not await self._begin(response):
                return
            await self._follow(response)
        finally:
            self._watches.detach(self._asked.resource, self._watcher)

    async def _begin(self, response: web.StreamResponse) -> bool:
        """Send what lies between the asked revision and now; False where that is impossible."""
        asked = self._asked
        try:
            lines = self._replay()
        except ApiError as error:
            await response.write(_line("ERROR", orjson.dumps(error.status())))
            return False
        if asked.initial_events:
            lines.append(_line("BOOKMARK", self._presenter.bookmark(self._reached, _INITIAL_EVENTS_END)))
        await self._write(response, lines)
        return True

    def _replay(self) -> list[bytes]:
        asked = self._asked
        resource = stored_type(asked.resource)
        if asked.initial_events or (asked.initial_events is None and not asked.revision):
            present = self._store.list(resource, asked.namespace or None, asked.matches)
            return [self._added(obj) for obj in present]
        if asked.revision is None:
            return []
        events = self._store.history.since(asked.revision, resource)
        chosen = (
            event
            for event in events
            if not asked.namespace or event.object["metadata"].get("namespace") == asked.namespace
        )
        return [line for event in chosen if (line := self._event(Delivery(event)))]

    def _added(self, obj: JsonObject) -> bytes:
        columns = not self._columns_sent
        self._columns_sent = True
        return _line("ADDED", self._presenter.streamed(obj, columns=columns))

    async def _follow(self, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._asked.timeout
        bookmark_at = loop.time() + BOOKMARK_INTERVAL_SECONDS
        while not self._watcher.overflowed and not self._faults.ended:
            await self._wait(min(ends, bookmark_at) - loop.time())
            await self._send_prepared()
            await self._write(response, self._pending())
            if loop.time() >= min(ends, bookmark_at):
                bookmark_at = loop.time() + BOOKMARK_INTERVAL_SECONDS
                await self._bookmark(response)
            if loop.time() >= ends:
                return

    async def _wait(self, seconds: float) -> None:
        if self._watcher.unsent or seconds <= 0:
            return
        self._watcher.wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._watcher.wake.wait()
        except TimeoutError:
            pass  # the time of a bookmark or of the end has come

    async def _send_prepared(self) -> None:
        if self._transport is not None and (prepared := self._next(PreparedLines)):
            self._reached = prepared.revision
            await send(self._transport, prepared)

    def _next(self, form: type[Unsent]) -> Unsent | None:
        """Take what is to be sent next where it has this form."""
        unsent = self._watcher.unsent
        return unsent.popleft() if unsent and isinstance(unsent[0], form) else None  # type: ignore[return-value]

    def _pending(self) -> list[bytes]:
        """The next lines to send: the first of many changes leave before the last ones are written out."""
        lines: list[bytes] = []
        while len(lines) < _LINES_AT_ONCE and (delivery := self._next(Delivery)):
            self._reached = delivery.event.revision
            if line := self._event(delivery):
                lines.append(line)
        return lines

    def _event(self, delivery: Delivery) -> bytes | None:
        """The line of a change as this watch sees it: an object can enter and leave a selection."""
        event, matches = delivery.event, self._asked.matches
        kind: str = event.type
        obj = event.object
        if matches is not None:
            before = event.previous is not None and matches(event.previous)
            after = event.type != "DELETED" and matches(obj)
            if not before and not after:
                return None
            kind = "MODIFIED" if before and after else "ADDED" if after else "DELETED"
            if kind == "DELETED" and event.previous is not None and not matches(obj):
                version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
                obj = {**event.previous, "metadata": {**event.previous["metadata"], **version}}
        columns = not self._columns_sent
        self._columns_sent = True
        return _line(kind, delivery.encoded(self._presenter, obj, columns=columns))

    async def _bookmark(self, response: web.StreamResponse) -> None:
        if self._asked.bookmarks:
            self._reached = self._store.revision
            await self._write(response, [_line("BOOKMARK", self._presenter.bookmark(self._reached))])

    async def _write(self, response: web.StreamResponse, lines: list[bytes]) -> None:
        for piece in _pieces(await self._faults.disturb(lines)):
            await response.write(piece)


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    """The lines together, no more at once than a connection takes well: asyncio moves what is unsent with each send."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _PIECE:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _line(kind: str, obj: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + obj + b"}\n"

"""A local copy of one resource, kept current by list and watch, as client-go's reflector keeps it.

Built on raw JSON: pages are decoded and trimmed one by one, and the loop runs between chunks of them, so that a
large cluster neither fills the memory nor holds up the rest of the program.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import orjson

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.errors import status_error
from sentinel.adapters.kubernetes.api.paging import Paging
from sentinel.adapters.kubernetes.api.raw import ObjectKey, RawObject, key_of, mapping, objects, text
from sentinel.adapters.kubernetes.watch.decoding import Decoding
from sentinel.adapters.kubernetes.watch.lines import LineBuffer
from sentinel.adapters.kubernetes.watch.timing import WatchTiming
from sentinel.backoff import Backoff
from sentinel.domain.errors import ClusterError, ClusterUnavailableError, ForbiddenError, NotFoundError
from sentinel.ports import Clock

log = logging.getLogger(__name__)

FIRST_WAIT = 0.25
LONGEST_WAIT = 10.0
"""In seconds. While an API server is away nothing is undone: its return must be noticed soon."""

T = TypeVar("T")
OnChange = Callable[[ObjectKey, T | None, T | None], None]
"""Called with each change: the key, the entry before (None: new) and after (None: gone)."""

_CHUNK = 20
"""So many objects at a time: several watches take their chunk in one turn of the loop when they all begin."""


class _RelistError(Exception):
    """The version we hold is of no use to go on from."""


class Reflector(Generic[T]):
    """Mirrors one resource into `entries`. `run` goes on until it is cancelled.

    `trim` makes an entry of a raw object, of which it reads no more than the `shape` has (see `Decoding`). `target` is
    the collection, of one namespace or of all; an `optional` one that we may not read, or that is not served, counts as
    synced, empty.
    """

    def __init__(  # noqa: PLR0913 - one to each part
        self,
        client: ApiClient,
        target: RequestTarget,
        trim: Callable[[RawObject], T],
        on_change: OnChange[T],
        *,
        clock: Clock,
        rng: random.Random,
        optional: bool = False,
        shape: Any = None,
        timing: WatchTiming | None = None,
    ) -> None:
        self.entries: dict[ObjectKey, T] = {}
        self._target = target
        self._client = client
        self._trim = trim
        self._decoding = Decoding(shape)
        self._on_change = on_change
        self._clock = clock
        self._rng = rng
        self._optional = optional
        self._timing = timing or WatchTiming()
        self._backoff = Backoff(rng, first=FIRST_WAIT, last=LONGEST_WAIT)
        self._failures = 0
        self._version = ""
        self._paging = Paging(self._timing.page)
        self._synced = asyncio.Event()
        self._heard_at: float | None = None
        self.refused = ""
        """Why an optional resource is not watched: we may not read it, or it is not served; empty while it is."""
        self._patience: asyncio.Timeout | None = None
        self.problem: ClusterError | None = None
        """What keeps the watch from going on, None while it does."""

    @property
    def name(self) -> str:
        """What it watches, for people and metrics."""
        return str(self._target)

    @property
    def _fields(self) -> Mapping[str, object]:
        return {"resource": self.name}

    @property
    def synced(self) -> bool:
        """Whether the first list is complete."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait for the first complete list."""
        await self._synced.wait()

    @property
    def age(self) -> float | None:
        """Seconds since the server last said anything on this watch; None before its first answer, and for an
        optional resource that is refused."""
        if self._heard_at is None or self.refused:
            return None
        return self._clock.monotonic() - self._heard_at

    def renew(self) -> None:
        """End the current watch, which missed something, and start again with a list."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """List, watch, and begin again wherever that ends."""
        while True:
            began = self._clock.monotonic()
            resumed = bool(self._version)
            delay = await self._round()
            if self._clock.monotonic() - began >= self._timing.healthy_after:
                self._failures = 0
            if resumed and not self._version and not delay:
                # The server is there, e.g. after a restart, and only our version was too old. Once: a version that
                # was listed in the same round and is refused is waited for.
                continue
            self._failures += 1
            await self._clock.sleep(max(delay, self._backoff.after(self._failures)))

    async def _round(self) -> float:
        """List if need be and watch until that ends; returns the least wait in seconds before the next round."""
        try:
            if not self._version:
                await self._list()
            await self._watch()
        except _RelistError as error:
            self._version = ""
            log.info("the watch of %s starts over: %s", self.name, error, extra=self._fields)
        except (ForbiddenError, NotFoundError) as error:
            return self._refused_by(error)
        except ClusterError as error:
            return self._failed(error)
        except Exception:
            # Our own defects must not end the watch for good: they are logged, and the copy is built again.
            self._version = ""
            log.exception("the watch of %s failed", self.name, extra=self._fields)
        return 0.0

    def _refused_by(self, error: ForbiddenError | NotFoundError) -> float:
        """We may not read it, or the server does not serve it."""
        if not self._optional:
            return self._failed(error)
        if not self.refused:
            log.warning("%s is optional and not watched: %s", self.name, error, extra=self._fields)
        self.refused = str(error)
        self._version = ""
        self._synced.set()
        return self._timing.refused_for

    def _failed(self, error: ClusterError) -> float:
        if not isinstance(error, ClusterUnavailableError):  # among them 410: the version is too old
            self._version = ""
        if error.reason != "Silent":
            if str(error) != str(self.problem):  # told once, not at every retry
                log.warning("the watch of %s is interrupted: %s", self.name, error, extra=self._fields)
            self.problem = error
        return getattr(error, "retry_after", None) or 0.0

    def _heard(self) -> None:
        self._heard_at = self._clock.monotonic()
        self.refused = ""
        self.problem = None

    # -- list

    async def _list(self) -> None:
        seen: set[ObjectKey] = set()
        token = ""  # nosec B105  # a list's page
        while True:
            answer = await self._next_page(token)
            self._heard()
            await self._take_page(answer, seen)
            metadata = mapping(answer.get("metadata"))
            token = text(metadata.get("continue"))
            if not token:
                break
        for key in self.entries.keys() - seen:
            self._remove(key)
        self._version = text(metadata.get("resourceVersion"))
        self._paging.completed()
        self._synced.set()

    async def _next_page(self, token: str) -> dict[str, Any]:
        params = {"limit": str(self._paging.limit)}
        if token:
            params["continue"] = token
        try:
            answer = await self._client.exchange(
                "GET", self._target, params=params, timeout=self._timing.list_timeout
            )
        except ClusterError as error:
            if error.status == 410 and token:
                self._paging.expired()
                raise _RelistError("the list expired between two pages") from error
            raise
        page = self._decoding.page(answer, f"list {self._target}")
        # Where there is nothing to tell the metadata of, an API server writes null for an empty list.
        items = page["items"] = [] if page.get("items", "") is None else page.get("items")
        if not isinstance(items, list):
            raise ClusterUnavailableError(f"list {self._target}: an answer without items", reason="Garbage")
        self._paging.took(len(items), len(answer))
        return page

    async def _take_page(self, answer: dict[str, Any], seen: set[ObjectKey]) -> None:
        for count, raw in enumerate(objects(answer["items"]), start=1):
            key = self._store(raw)
            if key is not None:
                seen.add(key)
            if count % _CHUNK == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    # -- watch

    async def _watch(self) -> None:
        lasts = self._timing.watch_for * (1 + self._rng.random() / 2)
        params = {
            "watch": "1",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(lasts)),
        }
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._follow(params)
        except TimeoutError as error:
            raise _RelistError("it missed a change") from error
        finally:
            self._patience = None

    async def _follow(self, params: dict[str, str]) -> None:
        async with self._client.stream(self._target, params, read_timeout=self._timing.silence) as body:
            self._heard()
            lines = LineBuffer()
            async for chunk in body.iter_any():
                self._heard()
                await self._take_lines(lines.feed(chunk))

    async def _take_lines(self, lines: list[bytes]) -> None:
        for count, line in enumerate(lines, start=1):
            self._take_event(line)
            if count % _CHUNK == 0:
                await asyncio.sleep(0)

    def _take_event(self, line: bytes) -> None:
        try:
            event = self._decoding.event(line)
        except orjson.JSONDecodeError as error:
            raise _RelistError(f"a line that is not JSON: {line[:80]!r}") from error
        kind, raw = event.get("type"), mapping(event.get("object"))
        if kind == "ERROR":
            self._take_error(raw)
        version = text(mapping(raw.get("metadata")).get("resourceVersion"))
        if kind not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK") or not version:
            raise _RelistError(f"an unexpected event: {line[:80]!r}")
        if kind == "DELETED":
            self._remove((text(mapping(raw["metadata"]).get("namespace")), text(raw["metadata"].get("name"))))
        elif kind != "BOOKMARK":
            self._store(raw)
        self._version = version

    def _take_error(self, status: RawObject) -> None:
        error = status_error(status, request=f"watch {self._target}")
        if error.status == 410:
            raise _RelistError(str(error))
        raise error

    # -- entries

    def _store(self, raw: RawObject) -> ObjectKey | None:
        """Take an object in; returns its key, None where it cannot be read."""
        try:
            key, entry = key_of(raw), self._trim(raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Relisting would bring the same object again: it is left out, and told.
            log.error("an object of %s cannot be read: %s", self.name, error, extra=self._fields)
            return None
        before = self.entries.get(key)
        self.entries[key] = entry
        if before != entry:
            self._on_change(key, before, entry)
        return key

    def _remove(self, key: ObjectKey) -> None:
        before = self.entries.pop(key, None)
        if before is not None:
            self._on_change(key, before, None)

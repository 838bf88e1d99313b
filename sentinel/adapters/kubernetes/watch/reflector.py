"""A local copy of one resource, kept current by list and watch, as client-go's reflector keeps it.

The state comes as the beginning of the watch, object by object, or in pages from a server that does not stream it.
Built on raw JSON that is decoded and trimmed piece by piece, and the loop runs between chunks of objects, so that a
large cluster neither fills the memory nor holds up the rest of the program.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import ObjectKey, RawObject, mapping, objects, text
from sentinel.adapters.kubernetes.watch.decoding import Decoding, RelistError, ends_state
from sentinel.adapters.kubernetes.watch.early import Early
from sentinel.adapters.kubernetes.watch.intake import AT_ONCE, Ahead, Body, Intake, Overtaken
from sentinel.adapters.kubernetes.watch.lines import LineBuffer
from sentinel.adapters.kubernetes.watch.mirror import Mirror, OnChange, name_of
from sentinel.adapters.kubernetes.watch.pages import Pages
from sentinel.adapters.kubernetes.watch.timing import WatchTiming
from sentinel.backoff import Backoff
from sentinel.domain.errors import ClusterError, ClusterUnavailableError, ForbiddenError, NotFoundError
from sentinel.ports import Clock

log = logging.getLogger(__name__)

FIRST_WAIT = 0.25
LONGEST_WAIT = 10.0
"""In seconds. While an API server is away nothing is undone: its return must be noticed soon."""

REFUSALS = 8
"""In a row, until what was read before counts as refused: an API server that has just started knows no role yet."""

T = TypeVar("T")

_STATE_FIRST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
_NOT_STREAMED = frozenset({400, 405, 422})
"""What a server answers that does not stream the state: 422 by Kubernetes before 1.32, and by 1.33."""


class Reflector(Generic[T]):
    """Mirrors one resource into `entries`. `run` goes on until it is cancelled.

    `trim` makes an entry of a raw object, or none, and reads no more of it than the `shape` has (see `Decoding`). What
    is `optional` and may not be read, or is not served, counts as synced, empty. `ahead`, `later`: see `Intake`.
    """

    def __init__(  # noqa: PLR0913 - one to each part
        self,
        client: ApiClient,
        target: RequestTarget,
        trim: Callable[[RawObject], T | None],
        on_change: OnChange[T],
        *,
        clock: Clock,
        rng: random.Random,
        optional: bool = False,
        shape: Any = None,
        ahead: Ahead | None = None,
        later: int = 0,
        timing: WatchTiming | None = None,
    ) -> None:
        self.name = str(target)
        self.target = target
        self._client = client
        self._mirror = Mirror(self.name, trim, on_change)
        self._decoding = Decoding(shape)
        self._fields = {"resource": self.name}
        self._clock = clock
        self._rng = rng
        self._optional = optional
        self._timing = timing or WatchTiming()
        self._backoff = Backoff(rng, first=FIRST_WAIT, last=LONGEST_WAIT)
        self._failures = 0
        self._version = ""
        self._streams = self._timing.streams
        self._unended: set[ObjectKey] | None = None
        self._intake = Intake(self._take_event, ahead, later)
        self._early = Early()
        self._pages = Pages(client, target, self._decoding, self._timing)
        self._synced = asyncio.Event()
        self._heard_at: float | None = None
        self._refusals = 0
        self.refused = ""
        """Why an optional resource is not watched: we may not read it, or it is not served; empty while it is."""
        self._patience: asyncio.Timeout | None = None
        self.problem: ClusterError | None = None
        """What keeps the watch from going on, None while it does."""

    @property
    def entries(self) -> Mapping[ObjectKey, T]:
        """What is known of each object."""
        return self._mirror.entries

    @property
    def version(self) -> str:
        """Which version of the resource it has come to; empty while it starts over."""
        return self._version

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
        if self._version and self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    def take_early(self, line: bytes) -> None:
        """Take in an event of another watch of some of these objects, unless it is known.

        A deletion is left to our own watch: that of an object that left the other's selection looks the same. Raises
        RelistError, and as ClusterError what an ERROR tells.
        """
        kind, raw, version = self._decoding.change(line, self.target)
        if kind in ("ADDED", "MODIFIED") and self._early.admits(name_of(raw), version, self._version):
            self._mirror.store(raw)

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
            await self._intake.take_all()
            if not self._version and not await self._streamed():
                await self._list()
            await self._watch()
        except RelistError as error:
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
        self._refusals += 1
        known = self._heard_at is not None and not self.refused
        if not self._optional or (known and self._refusals < REFUSALS):
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
        self._refusals = 0
        self.problem = None

    # -- list

    async def _list(self) -> None:
        seen: set[ObjectKey] = set()
        version = ""
        async for page in self._pages.all():
            self._heard()
            await self._take_page(page, seen)
            version = text(mapping(page.get("metadata")).get("resourceVersion"))
        self._complete(seen, version)

    def _complete(self, seen: set[ObjectKey], version: str) -> None:
        """The state as of this version has been taken in."""
        self._mirror.keep_only(seen)
        self._early.clear()
        self._version = version
        self._synced.set()

    async def _take_page(self, answer: dict[str, Any], seen: set[ObjectKey]) -> None:
        for count, raw in enumerate(objects(answer["items"]), start=1):
            key = self._mirror.store(raw)
            if key is not None:
                seen.add(key)
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    # -- watch

    async def _streamed(self) -> bool:
        """Watch from the present state on, which the stream begins with; False where no server sends such a stream.

        After one that did not come to the state's end, pages are read from then on.
        """
        if not self._streams:
            return False
        self._unended, refused = None, False
        try:
            await self._watch()
            why = "the stream ended before it"
        except (ClusterError, RelistError) as error:
            refused = getattr(error, "status", None) in _NOT_STREAMED
            if self._version or (self._unended is None and not refused):
                raise
            why = str(error)
        if self._version:
            return True
        self._unended, self._streams = None, False
        told = logging.DEBUG if refused else logging.INFO
        log.log(told, "the state of %s is read in pages: %s", self.name, why, extra=self._fields)
        return False

    async def _watch(self) -> None:
        lasts = self._timing.watch_for * (1 + self._rng.random() / 2)
        params = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(lasts)),
            **({"resourceVersion": self._version} if self._version else _STATE_FIRST),
        }
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._follow(params)
        except TimeoutError as error:
            missed = "it missed a change" if self._version else "no end of the state came"
            raise RelistError(missed) from error
        finally:
            self._patience = None

    async def _follow(self, params: dict[str, str]) -> None:
        async with self._client.stream(self.target, params, read_timeout=self._timing.silence) as body:
            self._heard()
            self._unended = None if self._version else set()
            self._await_state()
            lines = LineBuffer()
            while await self._take_chunk(body, lines):
                pass

    async def _take_chunk(self, body: Body, lines: LineBuffer) -> bool:
        """Take in what comes next; False at the end. Nothing of it is held while nothing more comes."""
        chunk = await self._intake.more(body)
        if not chunk:
            return False
        self._heard()
        await self._take_lines(lines.feed(chunk))
        return True

    def _await_state(self) -> None:
        """As long as the state has not ended, the next of its objects must come in time."""
        if self._patience is not None and not self._patience.expired():
            ends = asyncio.get_running_loop().time() + self._timing.stream_timeout
            self._patience.reschedule(None if self._unended is None else ends)

    async def _take_lines(self, lines: list[bytes]) -> None:
        await self._intake.take(lines, in_order=self._unended is not None)
        if self._unended is not None:
            self._await_state()

    def _take_event(self, line: bytes, overtaken: Overtaken, newest: bool) -> ObjectKey | None:
        """See `intake.Take`."""
        kind, raw, version = self._decoding.change(line, self.target)
        key = None
        if kind == "BOOKMARK":
            self._take_bookmark(raw, version)
        elif not overtaken(key := name_of(raw)) and not self._early.had(key, version):
            if kind == "DELETED":
                self._mirror.drop(raw)
            else:
                self._take_object(raw)
        if newest and self._unended is None:
            self._version = version
        return key

    def _take_object(self, raw: RawObject) -> None:
        key = self._mirror.store(raw)
        if key is not None and self._unended is not None:
            self._unended.add(key)

    def _take_bookmark(self, raw: RawObject, version: str) -> None:
        if self._unended is not None and ends_state(raw):
            seen, self._unended = self._unended, None
            self._complete(seen, version)
            self._await_state()

"""Follows what guarded workloads name: watched by version, read when that changes, kept as a digest.

The watches see every ConfigMap's metadata (and Secret's, where that is set); of objects that no guarded workload names
nothing is kept but the name.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.raw import ObjectKey, RawObject, key_of, mapping, text
from sentinel.adapters.kubernetes.config.content import data_of, fact_of, packed
from sentinel.adapters.kubernetes.config.existence import RESOURCES
from sentinel.backoff import Backoff
from sentinel.domain.errors import ClusterError, NotFoundError
from sentinel.domain.workload.config import ConfigFact, ConfigKind, ConfigReading, ConfigRef
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.ports import Clock

log = logging.getLogger(__name__)

READ_WITHIN = 1.0
"""In seconds. A rollout's first decision does not wait longer to learn which config it is started with."""
_FIRST_RETRY, _LAST_RETRY = 5.0, 300.0

Place = tuple[ConfigKind, str, str]
"""Kind, namespace, name."""


class ConfigFollower:
    """Knows the content of the objects that workloads name, for as long as they are followed.

    `kinds` are read; others are not known. `on_change` is called with each workload whose facts are other now.
    """

    def __init__(
        self,
        client: ApiClient,
        clock: Clock,
        rng: random.Random,
        kinds: Collection[ConfigKind],
        on_change: Callable[[WorkloadKey], None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._kinds = frozenset(kinds)
        self._on_change = on_change
        self._backoff = Backoff(rng, first=_FIRST_RETRY, last=_LAST_RETRY)
        self._named_by: dict[WorkloadKey, frozenset[Place]] = {}
        self._followers: defaultdict[Place, set[WorkloadKey]] = defaultdict(set)
        self._facts: dict[Place, ConfigFact] = {}
        self._reading: dict[Place, asyncio.Task[None]] = {}
        self._stale: set[Place] = set()

    # -- the watches

    def version_of(self, kind: ConfigKind) -> Callable[[RawObject], str]:
        """What is kept of a watched object: its version where it is followed, else an empty text."""

        def version(raw: RawObject) -> str:
            if (kind, *key_of(raw)) not in self._followers:
                return ""
            return text(mapping(raw.get("metadata")).get("resourceVersion"))

        return version

    def changed(self, kind: ConfigKind) -> Callable[[ObjectKey, str | None, str | None], None]:
        """The handler of the watch of one kind."""

        def handle(key: ObjectKey, _before: str | None, _after: str | None) -> None:
            place = (kind, *key)
            if place in self._followers:
                self._read_soon(place)

        return handle

    # -- following

    def follow(self, key: WorkloadKey, named: Iterable[ConfigRef]) -> None:
        """Follow what the workload names from now on, and nothing else for it; nothing at all if it names nothing."""
        places = frozenset((ref.kind, key.namespace, ref.name) for ref in named if ref.kind in self._kinds)
        before = self._named_by.get(key, frozenset())
        if places == before:
            return
        self._named_by[key] = places
        if not places:
            del self._named_by[key]
        for place in before - places:
            self._let_go(place, key)
        for place in places - before:
            self._followers[place].add(key)
            if place not in self._facts:
                self._read_soon(place)

    def _let_go(self, place: Place, key: WorkloadKey) -> None:
        self._followers[place].discard(key)
        if not self._followers[place]:
            del self._followers[place]
            self._facts.pop(place, None)

    def facts(self, namespace: str, named: Iterable[ConfigRef]) -> tuple[ConfigFact, ...]:
        """What is known of these objects; nothing of those that nobody follows."""
        found = ((ref, self._facts.get((ref.kind, namespace, ref.name))) for ref in named)
        return tuple(fact for _, fact in found if fact is not None)

    # -- reading

    async def read(self, namespace: str, named: Iterable[ConfigRef], *, keep: bool) -> ConfigReading:
        """Read the content now; with `keep` the data of ConfigMaps as well. What cannot be read is not known."""
        refs = [ref for ref in named if ref.kind in self._kinds]
        read = await asyncio.gather(*(self._attempt((ref.kind, namespace, ref.name)) for ref in refs))
        facts, held = [], {}
        for ref, raw in zip(refs, read, strict=True):
            if isinstance(raw, ClusterError) and not isinstance(raw, NotFoundError):
                facts.append(ConfigFact(ref))
                continue
            there = None if isinstance(raw, NotFoundError) else raw
            facts.append(fact_of(ref, there))
            self._know((ref.kind, namespace, ref.name), facts[-1])
            if keep and there is not None and ref.kind is ConfigKind.CONFIG_MAP:
                held[ref.name] = data_of(there)
        kept, why_not = packed(held)
        return ConfigReading(tuple(facts), kept, why_not)

    async def _attempt(self, place: Place) -> RawObject | ClusterError:
        try:
            return await self._get(place)
        except ClusterError as error:
            return error

    async def _get(self, place: Place) -> RawObject:
        kind, namespace, name = place
        target = RequestTarget(RESOURCES[kind], namespace, name, metadata_only=kind is ConfigKind.SECRET)
        return await self._client.get(target, timeout=READ_WITHIN)

    def _read_soon(self, place: Place) -> None:
        """Read the object in the background, once more if it changes while it is read."""
        if place in self._reading:
            self._stale.add(place)
            return
        task = asyncio.create_task(self._keep_reading(place), name=f"read {place[0]} {place[1]}/{place[2]}")
        self._reading[place] = task
        task.add_done_callback(lambda _: self._reading.pop(place, None))

    async def _keep_reading(self, place: Place) -> None:
        failures = 0
        while place in self._followers:
            self._stale.discard(place)
            try:
                raw: RawObject | None = await self._get(place)
            except NotFoundError:
                raw = None
            except ClusterError as error:
                failures += 1
                log.log(logging.WARNING if failures == 1 else logging.DEBUG, "cannot follow: %s", error)
                await self._clock.sleep(self._backoff.after(failures))
                continue
            self._know(place, fact_of(ConfigRef(place[0], place[2]), raw))
            if place not in self._stale:
                return

    def _know(self, place: Place, fact: ConfigFact) -> None:
        before = self._facts.get(place)
        if place not in self._followers:
            return
        self._facts[place] = fact
        if before is None or before.digest != fact.digest:
            for key in tuple(self._followers[place]):
                self._on_change(key)

    async def close(self) -> None:
        """Stop reading."""
        tasks = tuple(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

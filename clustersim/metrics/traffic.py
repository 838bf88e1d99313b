"""Traffic on the simulated cluster: requests offered to destinations, spread over their pods, counted per pod.

Nothing ticks: counters are brought up to date when they are read and just before anything that shapes them
changes (a pod becomes ready, a fault is switched on), so that idle time costs nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from clustersim.controllers.routes.in_force import RoutesInForce
from clustersim.metrics.load import Load
from clustersim.metrics.requests import PodCounters, Quality
from clustersim.metrics.sampling import binomial, multinomial, poisson
from clustersim.metrics.targets import Targets, runs, takes_requests, targets_of
from clustersim.storage.history import Event
from clustersim.storage.resources import PODS
from clustersim.storage.store import Store

JsonObject = dict[str, Any]
_NOBODY = ""
"""In place of a pod, where requests find none."""
_ROUNDING = 1e-9


@dataclass(slots=True)
class _Stream:
    """A load with its targets, and how far it has been counted.

    `shares`: the share of the requests by pod. `broken`: which share of a pod's requests comes from clients
    that always fail. `carry`: by pod, what did not make a whole request yet.
    """

    load: Load
    targets: Targets
    until: datetime
    shares: dict[str, float] = field(default_factory=dict)
    broken: dict[str, float] = field(default_factory=dict)
    carry: dict[str, float] = field(default_factory=dict)
    lost: int = 0


class TrafficModel:
    """All loads of a cluster, and the counters of its pods.

    `images` holds qualities by image or glob; `outage`, when set, takes the place of all of them.
    """

    def __init__(self, store: Store, routes: RoutesInForce | None = None, *, seed: int = 0) -> None:
        self._store = store
        self._routes = routes or RoutesInForce()
        self._random = random.Random(seed)  # noqa: S311  # nosec B311  # reproducible traffic, not secrets
        self._streams: dict[str, _Stream] = {}
        self._counters: dict[str, PodCounters] = {}
        self._images: dict[str, Quality] = {}
        self._default = Quality()
        self._outage: Quality | None = None
        self._shares: dict[Quality, list[float]] = {}
        self._unsubscribers: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to follow the store."""
        for pod in self._store.list(PODS):
            self._learn(pod)
        self._unsubscribers = [
            self._store.subscribe(self._follow),
            self._routes.subscribe(self._reroute),
        ]

    def stop(self) -> None:
        """Stop following the store."""
        for unsubscribe in self._unsubscribers:
            unsubscribe()
        self._unsubscribers.clear()

    # -- what shapes the traffic

    def offer(self, load: Load) -> None:
        """Offer a load from now on, in place of one of the same name."""
        self.advance()
        previous = self._streams.get(load.name)
        targets = targets_of(self._store, self._routes, load.namespace, load.to)
        stream = _Stream(load, targets, self._store.now(), lost=previous.lost if previous else 0)
        self._streams[load.name] = stream
        _weigh(stream)

    def withdraw(self, name: str) -> None:
        """End a load; what it has counted stays."""
        self.advance()
        self._streams.pop(name, None)

    def serve(self, image: str, quality: Quality, *, after: float = 0.0) -> None:
        """Let an image (or glob) answer so, `after` seconds from now."""
        self._later(after, lambda: self._images.__setitem__(image, quality))

    def set_outage(self, quality: Quality | None, *, after: float = 0.0) -> None:
        """Let every image answer so (a dependency of all of them is down); None ends it."""

        def change() -> None:
            self._outage = quality

        self._later(after, change)

    def _later(self, after: float, change: Callable[[], None]) -> None:
        def apply() -> None:
            self.advance()
            change()

        if after > 0:
            asyncio.get_running_loop().call_later(after, apply)
        else:
            apply()

    # -- what it comes to

    def counters(self) -> Iterator[PodCounters]:
        """The counters, up to now, of every pod whose container runs, in the order in which they started."""
        self.advance()
        return iter(list(self._counters.values()))

    def of_pod(self, namespace: str, name: str) -> PodCounters | None:
        """The counters of one pod, up to now; None when its container does not run."""
        self.advance()
        pod = self._store.find(PODS, namespace, name)
        return None if pod is None else self._counters.get(pod["metadata"]["uid"])

    def lost(self, name: str) -> int:
        """The requests of a load that found no ready pod."""
        self.advance()
        return self._streams[name].lost

    def advance(self) -> None:
        """Count the requests up to now."""
        now = self._store.now()
        for stream in self._streams.values():
            self._advance(stream, now)

    def _advance(self, stream: _Stream, now: datetime) -> None:
        seconds = (now - stream.until).total_seconds()
        if seconds <= 0:
            return
        stream.until = now
        for uid, count in self._arrivals(stream, stream.load.rps * seconds):
            counters = self._counters.get(uid)
            if counters is None:
                stream.lost += count
            else:
                self._serve(counters, count, stream.broken.get(uid, 0.0))

    def _arrivals(self, stream: _Stream, mean: float) -> Iterator[tuple[str, int]]:
        """How many requests come to each pod where `mean` are expected in all."""
        uids, shares = list(stream.shares), list(stream.shares.values())
        if stream.load.arrivals == "poisson":
            yield from zip(uids, multinomial(self._random, poisson(self._random, mean), shares), strict=True)
            return
        for uid, share in stream.shares.items():
            due = stream.carry.get(uid, 0.0) + mean * share
            whole = int(due + _ROUNDING)
            stream.carry[uid] = due - whole
            yield uid, whole

    def _serve(self, counters: PodCounters, count: int, broken: float) -> None:
        if count <= 0:
            return
        quality = self.quality(counters.image)
        failed = binomial(self._random, count, broken + (1 - broken) * quality.errors)
        for code, number in ((quality.error_code, failed), ("200", count - failed)):
            if number:
                counters.requests[code] = counters.requests.get(code, 0) + number
        if quality not in self._shares:
            self._shares[quality] = quality.shares()
        spread = multinomial(self._random, count, self._shares[quality])
        counters.buckets = [old + new for old, new in zip(counters.buckets, spread, strict=True)]
        counters.seconds += quality.total(self._random, count)

    def quality(self, image: str) -> Quality:
        """How an image answers now."""
        if self._outage is not None:
            return self._outage
        if image in self._images:
            return self._images[image]
        return next((q for glob, q in self._images.items() if fnmatchcase(image, glob)), self._default)

    # -- what the store says

    def _follow(self, event: Event) -> None:
        is_pod = event.resource is PODS
        if is_pod and not _matters(event):
            return
        uid = event.object["metadata"]["uid"]
        changing = [stream for stream in self._streams.values() if stream.targets.concern(event)]
        now = self._store.now()
        for stream in self._streams.values():
            if stream in changing or (is_pod and uid in stream.shares):
                self._advance(stream, now)
        if is_pod:
            self._learn(event.object, gone=event.type == "DELETED")
        for stream in changing:
            stream.targets.follow(event)
            _weigh(stream)

    def _reroute(self) -> None:
        self.advance()
        for stream in self._streams.values():
            if stream.targets.reroute():
                _weigh(stream)

    def _learn(self, pod: JsonObject, *, gone: bool = False) -> None:
        """Count from zero for a container that has (re)started, and no longer for one that has ended."""
        metadata = pod["metadata"]
        running, restarts = runs(pod)
        known = self._counters.get(metadata["uid"])
        if gone or not running:
            self._counters.pop(metadata["uid"], None)
        elif known is None or known.restarts != restarts:
            image = pod["spec"]["containers"][0].get("image", "")
            fresh = PodCounters(metadata["namespace"], metadata["name"], image, restarts)
            self._counters[metadata["uid"]] = fresh


def _weigh(stream: _Stream) -> None:
    """Give each pod its share of the load."""
    shares: dict[str, float] = {}
    stream.broken = {}
    groups = stream.targets.groups
    whole = sum(group.weight for group in groups)
    lost = 0.0 if whole else 1.0
    for group in groups:
        part = group.weight / whole if whole else 0.0
        if not group.pods:
            lost += part
            continue
        popularity, broken = _popularity(stream.load, group.pods)
        everybody = sum(popularity.values())
        for uid, weight in popularity.items():
            shares[uid] = shares.get(uid, 0.0) + part * weight / everybody
        stream.broken |= {uid: failing / popularity[uid] for uid, failing in broken.items() if failing}
    stream.shares = {**shares, **({_NOBODY: lost} if lost or not shares else {})}
    stream.carry = {uid: part for uid, part in stream.carry.items() if uid in stream.shares}


def _popularity(load: Load, pods: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """How much each pod is asked for relative to the others, and how much of that by broken clients."""
    if load.affinity == "request":
        return dict.fromkeys(pods, 1.0), {}
    weights, failing = dict.fromkeys(pods, 0.0), dict.fromkeys(pods, 0.0)
    for rank in range(1, load.clients + 1):
        favourite = max(weights, key=lambda uid: _affinity(rank, uid))
        weights[favourite] += rank**-load.skew
        if rank in load.broken:
            failing[favourite] += rank**-load.skew
    return weights, failing


def _affinity(client: int, uid: str) -> bytes:
    """How much a client prefers a pod (rendezvous hashing: few clients move when pods come and go)."""
    return hashlib.blake2b(f"{client}/{uid}".encode(), digest_size=8).digest()


def _matters(event: Event) -> bool:
    """Whether a change of a pod changes what its container counts or whether it takes requests."""
    if event.type != "MODIFIED" or event.previous is None:
        return True
    before, after = event.previous, event.object
    return (runs(before), takes_requests(before)) != (runs(after), takes_requests(after))

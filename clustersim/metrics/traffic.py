"""Traffic on the simulated cluster: requests offered to workloads, spread over ready pods, counted per pod.

Nothing ticks: counters are brought up to date when they are read and just before anything that shapes them
changes (a pod becomes ready, a fault is switched on), so that idle time costs nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from statistics import NormalDist
from typing import Any, Literal

from clustersim.controllers.common.pod_state import is_terminating, ready_since
from clustersim.controllers.common.selectors import selects
from clustersim.metrics.sampling import apportion, binomial, multinomial, poisson
from clustersim.storage.history import Event
from clustersim.storage.resources import PODS
from clustersim.storage.store import Store

JsonObject = dict[str, Any]
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)
"""Upper bounds of the duration histogram, in seconds."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well requests are answered.

    `errors`: share answered with `error_code`. `latency`: median duration in seconds of a log-normal
    distribution, `spread`: its sigma (0.5 puts the 99th percentile at 3.2 times the median).
    """

    errors: float = 0.001
    latency: float = 0.05
    spread: float = 0.5
    error_code: str = "500"

    def shares(self) -> list[float]:
        """The share of requests that ends in each bucket."""
        if self.spread == 0:
            first = next(i for i, bound in enumerate(BUCKETS) if self.latency <= bound)
            return [float(i == first) for i in range(len(BUCKETS))]
        normal = NormalDist(math.log(self.latency), self.spread)
        below = [1.0 if math.isinf(bound) else normal.cdf(math.log(bound)) for bound in BUCKETS]
        return [high - low for low, high in zip([0.0, *below], below, strict=False)]

    def total(self, rng: random.Random, count: int) -> float:
        """The summed duration of `count` requests, in seconds."""
        if count <= 0:
            return 0.0
        mean = self.latency * math.exp(self.spread**2 / 2)
        deviation = mean * math.sqrt(math.expm1(self.spread**2))
        return max(rng.gauss(mean * count, deviation * math.sqrt(count)), 0.0)


@dataclass(frozen=True, slots=True)
class Load:
    """Requests offered to the pods of one namespace that a label selector selects.

    `rps`: requests a second. `arrivals`: a Poisson stream, or as even as can be. `affinity`: each request goes to any
    ready pod, or each client sticks to one; the `clients`' popularity then falls as 1/rank^`skew`, which gives some
    pods far more than others. All requests of the `broken` clients (by rank, from 1) fail, whatever pod answers them.
    """

    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...]
    rps: float
    arrivals: Literal["poisson", "even"] = "poisson"
    affinity: Literal["request", "sticky"] = "request"
    clients: int = 200
    skew: float = 1.1
    broken: tuple[int, ...] = ()

    def takes(self, pod: JsonObject) -> bool:
        """Whether the pod belongs to those that are offered this load."""
        metadata = pod["metadata"]
        return metadata["namespace"] == self.namespace and selects(
            {"matchLabels": dict(self.labels)}, metadata.get("labels") or {}
        )


@dataclass(slots=True)
class PodCounters:
    """What one run of a pod's container has counted: requests by code, durations by bucket and in sum."""

    namespace: str
    pod: str
    image: str
    restarts: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """All requests of this run."""
        return sum(self.requests.values())


@dataclass(slots=True)
class _Stream:
    """A load with its ready pods, how far it has been counted, and what did not make a whole request.

    `broken` is which share of a pod's requests comes from clients that always fail.
    """

    load: Load
    until: datetime
    pods: dict[str, float] = field(default_factory=dict)
    broken: dict[str, float] = field(default_factory=dict)
    carry: float = 0.0
    turn: int = 0
    lost: int = 0


class TrafficModel:
    """All loads of a cluster, and the counters of its pods.

    `images` holds qualities by image or glob; `outage`, when set, takes the place of all of them.
    """

    def __init__(self, store: Store, *, seed: int = 0) -> None:
        self._store = store
        self._random = random.Random(seed)  # noqa: S311  # nosec B311  # reproducible traffic, not secrets
        self._streams: dict[str, _Stream] = {}
        self._counters: dict[str, PodCounters] = {}
        self._images: dict[str, Quality] = {}
        self._default = Quality()
        self._outage: Quality | None = None
        self._shares: dict[Quality, list[float]] = {}
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to follow the pods of the store."""
        for pod in self._store.list(PODS):
            self._learn(pod)
        self._unsubscribe = self._store.subscribe(self._heed)

    def stop(self) -> None:
        """Follow the pods no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    # -- what shapes the traffic

    def offer(self, load: Load) -> None:
        """Offer a load from now on, in place of one of the same name."""
        self.advance()
        previous = self._streams.get(load.name)
        stream = _Stream(load, self._store.now(), lost=previous.lost if previous else 0)
        self._streams[load.name] = stream
        for pod in self._store.list(PODS, load.namespace, load.takes):
            self._join(stream, pod)
        self._weigh(stream)

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
        mean = stream.load.rps * seconds
        if stream.load.arrivals == "even":
            stream.carry += mean
            arrived = int(stream.carry)
            stream.carry -= arrived
        else:
            arrived = poisson(self._random, mean)
        if not stream.pods:
            stream.lost += arrived
            return
        uids, weights = list(stream.pods), list(stream.pods.values())
        if stream.load.arrivals == "even":
            counts = apportion(arrived, weights, stream.turn)
            stream.turn += arrived
        else:
            whole = sum(weights)
            counts = multinomial(self._random, arrived, [weight / whole for weight in weights])
        for uid, count in zip(uids, counts, strict=True):
            self._serve(self._counters[uid], count, stream.broken.get(uid, 0.0))

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

    # -- what the store tells

    def _heed(self, event: Event) -> None:
        if event.resource is not PODS:
            return
        if event.type == "DELETED":
            self._forget(event.object)
        elif event.previous is None or _facts(event.previous) != _facts(event.object):
            self._learn(event.object)

    def _forget(self, pod: JsonObject) -> None:
        uid = pod["metadata"]["uid"]
        self._leave(uid)
        self._counters.pop(uid, None)

    def _learn(self, pod: JsonObject) -> None:
        metadata = pod["metadata"]
        uid = metadata["uid"]
        self._leave(uid)
        runs, restarts, _ = _facts(pod)
        known = self._counters.get(uid)
        if not runs:
            self._counters.pop(uid, None)
        elif known is None or known.restarts != restarts:
            image = pod["spec"]["containers"][0].get("image", "")
            fresh = PodCounters(metadata["namespace"], metadata["name"], image, restarts)
            self._counters[uid] = fresh
        for stream in self._streams.values():
            if stream.load.takes(pod) and self._join(stream, pod):
                self._weigh(stream)

    def _join(self, stream: _Stream, pod: JsonObject) -> bool:
        runs, _, ready = _facts(pod)
        if not (runs and ready):
            return False
        self._advance(stream, self._store.now())
        stream.pods[pod["metadata"]["uid"]] = 1.0
        return True

    def _leave(self, uid: str) -> None:
        """Count what the pod was sent so far, and send it no more."""
        for stream in self._streams.values():
            if uid in stream.pods:
                self._advance(stream, self._store.now())
                del stream.pods[uid]
                self._weigh(stream)

    def _weigh(self, stream: _Stream) -> None:
        """Give each pod its share of a load whose clients stick to one pod each."""
        if stream.load.affinity != "sticky" or not stream.pods:
            return
        weights, failing = dict.fromkeys(stream.pods, 0.0), dict.fromkeys(stream.pods, 0.0)
        for rank in range(1, stream.load.clients + 1):
            favourite = max(weights, key=lambda uid: _affinity(rank, uid))
            weights[favourite] += rank**-stream.load.skew
            if rank in stream.load.broken:
                failing[favourite] += rank**-stream.load.skew
        stream.pods = weights
        stream.broken = {uid: failing[uid] / weight for uid, weight in weights.items() if weight}


def _affinity(client: int, uid: str) -> bytes:
    """How much a client prefers a pod (rendezvous hashing: few clients move when pods come and go)."""
    return hashlib.blake2b(f"{client}/{uid}".encode(), digest_size=8).digest()


def _facts(pod: JsonObject) -> tuple[bool, int, bool]:
    """What matters here of a pod: whether its main container runs, its restarts, whether it takes requests."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    runs = bool(statuses) and "running" in (statuses[0].get("state") or {})
    restarts = int(statuses[0].get("restartCount", 0)) if statuses else 0
    return runs, restarts, ready_since(pod) is not None and not is_terminating(pod)

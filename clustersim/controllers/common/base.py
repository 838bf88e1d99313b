"""What every controller of the simulated control plane is made of: a keyed work queue around `sync(key)`."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from clustersim.controllers.common.ownership import OwnerIndex
from clustersim.controllers.common.recorder import ControllerEventRecorder
from clustersim.controllers.routes.in_force import RoutesInForce
from clustersim.storage.api_errors import ApiError, forbidden
from clustersim.storage.history import Event
from clustersim.storage.resources import PODS
from clustersim.storage.store import Store

JsonObject = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name of the object that a sync is about."""

FIELD_MANAGER = "kube-controller-manager"
_FIRST_RETRY = 0.005
_LAST_RETRY = 60.0


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What the controllers share.

    `latency`: the shortest and longest time in seconds from an event to the sync that it causes.
    `pod_quota`: the most pods that a namespace may have, where it is limited. `routes`: what the proxies act on.
    """

    store: Store
    owners: OwnerIndex
    recorder: ControllerEventRecorder
    random: random.Random
    latency: tuple[float, float] = (0.004, 0.010)
    pod_quota: dict[str, int] = field(default_factory=dict)
    routes: RoutesInForce = field(default_factory=RoutesInForce)

    def now(self) -> datetime:
        """The cluster's wall clock."""
        return self.store.now()

    def create_pod(self, pod: JsonObject) -> JsonObject:
        """Create a pod for a controller; raises ApiError, 403 where the namespace's quota is used up."""
        metadata = pod["metadata"]
        limit = self.pod_quota.get(metadata["namespace"])
        if limit is not None:
            used = len(self.store.list(PODS, metadata["namespace"]))
            if used >= limit:
                name = metadata.get("name") or metadata["generateName"]
                why = f"exceeded quota: pods, requested: pods=1, used: pods={used}, limited: pods={limit}"
                raise forbidden(PODS, name, why)
        return self.store.create(PODS, pod, manager=FIELD_MANAGER)


class Controller(ABC):
    """Syncs one object at a time, some milliseconds after whatever may concern it has changed.

    Level-based: a key that is enqueued several times before its sync is synced once, at the earliest time
    asked for. A sync that is refused by the store is tried again with doubling delays (5 ms to 60 s).
    `latency`: as in `ControlPlane`, where this controller is slower than the others.
    """

    latency: ClassVar[tuple[float, float] | None] = None

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.store = plane.store
        self.failures: list[Exception] = []
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._retries: dict[Key, int] = {}
        self._unsubscribe: Callable[[], None] | None = None

    @abstractmethod
    def keys_of(self, event: Event) -> Iterable[Key]:
        """The keys that a change may concern."""

    @abstractmethod
    def initial_keys(self) -> Iterable[Key]:
        """The keys to sync at the start."""

    @abstractmethod
    def sync(self, key: Key) -> None:
        """Bring the world closer to what the object of this key asks for."""

    def start(self) -> None:
        """Begin to follow the store; needs a running event loop."""
        self._unsubscribe = self.store.subscribe(self._heed)
        for key in self.initial_keys():
            self.enqueue(key)

    def stop(self) -> None:
        """Follow the store no more and drop what is queued."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def enqueue(self, key: Key, after: float = 0.0) -> None:
        """Sync `key` in `after` seconds plus the control plane's latency, unless it is due earlier."""
        loop = asyncio.get_running_loop()
        due = loop.time() + after + self.plane.random.uniform(*(self.latency or self.plane.latency))
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._run, key)

    def _heed(self, event: Event) -> None:
        for key in self.keys_of(event):
            self.enqueue(key)

    def _run(self, key: Key) -> None:
        del self._timers[key]
        try:
            self.sync(key)
        except ApiError:
            # Refused: another writer was faster, or the namespace is going away. Look again later.
            attempt = self._retries.get(key, 0)
            self._retries[key] = attempt + 1
            self.enqueue(key, min(_FIRST_RETRY * 2**attempt, _LAST_RETRY))
        except Exception as error:
            self.failures.append(error)
            raise
        else:
            self._retries.pop(key, None)


def namespace_ends(refusal: ApiError) -> bool:
    """Whether a write was refused because its namespace is going away: nothing to complain about."""
    causes = (refusal.details or {}).get("causes") or ()
    return any(cause["reason"] == "NamespaceTerminating" for cause in causes)


def key_of(obj: JsonObject) -> Key:
    """The queue key of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]

"""Separate watches of the pods of candidates, so that a crash is not seen behind a burst of others."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from sentinel.adapters.kubernetes.api.client import ApiClient
from sentinel.adapters.kubernetes.watch.reflector import Reflector
from sentinel.adapters.kubernetes.watch.selected import SelectedWatch
from sentinel.adapters.kubernetes.workloads.registry import driver_of
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.ports import Clock

AT_MOST_EVERY = 1.0
"""Seconds between two looks at what is rolled out: records are written many times a second."""

_Where = tuple[str, str]
"""The namespace that a watch of pods is of (empty: all of them), and a label."""


class CandidateWatches:
    """One `SelectedWatch` for each watch of pods and each label by which they name their revision.

    `live` are the records of rollouts to which anything may still happen, `seen` is the snapshot of a workload. Those
    that are being decided come first where not all fit. `run` goes on until it is cancelled.
    """

    def __init__(
        self,
        client: ApiClient,
        live: Callable[[], Iterable[Record]],
        seen: Callable[[WorkloadKey], Workload | None],
        *,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._live = live
        self._seen = seen
        self._clock = clock
        self._make = partial(SelectedWatch, client, clock=clock, rng=rng)
        self._pods: dict[str, Reflector[Any]] = {}
        self._watches: dict[_Where, SelectedWatch] = {}
        self._changed = asyncio.Event()

    def follow(self, namespace: str, pods: Reflector[Any]) -> None:
        """Add a watch of pods, of one namespace or of all of them."""
        self._pods[namespace] = pods

    def changed(self, _key: WorkloadKey) -> None:
        """A record of this workload is new, other, or gone."""
        self._changed.set()

    def ages(self) -> Mapping[str, float | None]:
        """Of each watch the seconds since the server last said anything on it; None while it is not open."""
        return {watch.name: watch.age for watch in self._watches.values()}

    async def run(self) -> None:
        """Watch what is rolled out."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._changed.wait()
                self._changed.clear()
                for watch in self._select():
                    tasks.create_task(watch.run(), name=f"watch {watch.name}")
                await self._clock.sleep(AT_MOST_EVERY)

    def _select(self) -> list[SelectedWatch]:
        """Tell each watch what it is to select; returns those that are new."""
        wanted = self._wanted()
        new = [where for where in wanted if where not in self._watches]
        for where in new:
            namespace, label = where
            self._watches[where] = self._make(self._pods[namespace], label)
        for where, watch in self._watches.items():
            watch.select(wanted.get(where, ()))
        return [self._watches[where] for where in new]

    def _wanted(self) -> Mapping[_Where, list[str]]:
        wanted: defaultdict[_Where, list[str]] = defaultdict(list)
        for record in sorted(self._live(), key=_urgency):
            namespace = "" if "" in self._pods else record.key.namespace
            named = self._hash(record)
            if named and namespace in self._pods:
                wanted[namespace, driver_of(record.key.kind).revision_label].append(named)
        return wanted

    def _hash(self, record: Record) -> str:
        """The value of the label on the candidate's pods, empty before its controller has named it."""
        if record.candidate.hash:
            return record.candidate.hash
        workload = self._seen(record.key)
        same = workload is not None and workload.candidate.digest == record.candidate.digest
        return workload.candidate.hash if workload is not None and same else ""


def _urgency(record: Record) -> tuple[bool, float]:
    return not record.in_flight, -record.started_at.timestamp()

"""The watches of one cluster as one: begun, waited for, renewed and ended together."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from sentinel.adapters.kubernetes.watch.reflector import Reflector
from sentinel.domain.errors import ClusterError, ClusterUnavailableError


class WatchGroup:
    """Watches that go on by themselves through every failure, from `start` to `close`; more can be added meanwhile."""

    def __init__(self, reflectors: Iterable[Reflector[Any]]) -> None:
        self._reflectors = list(reflectors)
        self._started = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, beside: Coroutine[Any, Any, None], name: str) -> None:
        """Begin them all, and a task beside them that is ended with them."""
        self._started = True
        self._begin(self._reflectors)
        self._tasks.append(asyncio.create_task(beside, name=name))

    def add(self, reflectors: Iterable[Reflector[Any]]) -> None:
        """More of them, begun at once where the others are."""
        added = list(reflectors)
        self._reflectors += added
        if self._started:
            self._begin(added)

    def _begin(self, reflectors: Iterable[Reflector[Any]]) -> None:
        self._tasks += [
            asyncio.create_task(reflector.run(), name=f"watch {reflector.name}") for reflector in reflectors
        ]

    async def wait_synced(self, timeout: float) -> None:
        """Wait until every watch has its first complete list.

        Raises ClusterError after `timeout` seconds that names what is not there yet, and why: a
        ClusterUnavailableError where waiting longer can help.
        """
        try:
            async with asyncio.timeout(timeout):
                for reflector in self._reflectors:
                    await reflector.wait_synced()
        except TimeoutError as error:
            problems = (each.problem for each in self._reflectors if not each.synced)
            hopeless = any(problem is not None and not problem.retryable for problem in problems)
            kind = ClusterError if hopeless else ClusterUnavailableError
            raise kind(self._unsynced(timeout), reason="NotSynced") from error

    @property
    def synced(self) -> bool:
        """Whether every watch has its first complete list."""
        return all(reflector.synced for reflector in self._reflectors)

    def ages(self) -> Mapping[str, float | None]:
        """Per watched resource the seconds since the server last said anything; None: not (yet) watched."""
        return {reflector.name: reflector.age for reflector in self._reflectors}

    def renew(self) -> None:
        """Start every watch again: if one has gone deaf, so may others that shared its connection."""
        for reflector in self._reflectors:
            reflector.renew()

    async def close(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks, self._started = [], False

    def _unsynced(self, timeout: float) -> str:
        parts = [
            f"{reflector.name} ({reflector.problem or 'the list is not complete'})"
            for reflector in self._reflectors
            if not reflector.synced
        ]
        return f"not synced with the cluster within {timeout:g} s: {'; '.join(parts)}"
